package retention

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// finishParts ends what an interrupted sweep left: parts that are planned are written,
// under the names and with the messages that they were planned with, and the messages
// of written ones are deleted. What the workspace's setting says by now does not
// matter: their messages are neither lost nor archived twice.
func (t *turn) finishParts(ctx context.Context) error {
	parts, err := t.Store.OpenParts(ctx, t.workspaceID)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := t.finishPart(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// finishPart writes a part unless it is written, deletes its messages, and closes it.
func (t *turn) finishPart(ctx context.Context, p store.ArchivePart) error {
	views, err := t.Store.PartMessages(ctx, t.workspaceID, p.Planned)
	if err != nil {
		return err
	}
	if p.WrittenAt.IsZero() && len(views) > 0 {
		if err := t.writePart(ctx, &p, views); err != nil {
			return fmt.Errorf("write part %s of the archive: %w", p.Blob, err)
		}
		if err := t.Store.PartWritten(ctx, p); err != nil {
			return err
		}
		t.Observer.Archived(p.Messages, p.Bytes)
	}
	gone := make([]store.OldMessage, len(views))
	for i := range views {
		gone[i] = store.OldMessage{ID: views[i].Message.ID, AccountID: views[i].Message.AccountID}
	}
	if err := t.drop(ctx, gone); err != nil {
		return err
	}
	return t.Store.ClosePart(ctx, t.workspaceID, p.ID)
}

// writePart makes a part durable and notes in p what it became. The same messages give
// the same bytes.
func (t *turn) writePart(ctx context.Context, p *store.ArchivePart, views []store.MessageView) error {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	lines := json.NewEncoder(z)
	lines.SetEscapeHTML(false)
	for i := range views {
		r := recordOf(t.slug, &views[i])
		if err := t.keepFile(ctx, p, views[i].File, r.File); err != nil {
			return err
		}
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	written, err := t.Blobs.Put(ctx, p.Blob, bytes.NewReader(packed.Bytes()))
	if err != nil {
		return err
	}
	if written.SHA256 != sha256.Sum256(packed.Bytes()) {
		return errors.New("storage kept other bytes than it was given")
	}
	p.Messages, p.Bytes, p.SHA256, p.WrittenAt = len(views), written.Size, written.SHA256, t.now
	return nil
}

// keepFile notes the hash of a message's file and, when files are archived, keeps a
// copy of it under a name made of that hash: the same file is kept once, and the
// archive needs nothing outside of itself.
func (t *turn) keepFile(ctx context.Context, p *store.ArchivePart, f *tideline.File, r *FileRecord) error {
	if f == nil {
		return nil
	}
	content, err := t.Blobs.Open(ctx, f.Blob)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // a record without bytes: nothing to keep
	}
	if err != nil {
		return err
	}
	defer content.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return err
	}
	r.SHA256, r.Key = hex.EncodeToString(sum.Sum(nil)), f.Blob
	if t.archive != tideline.ArchiveFiles {
		return nil
	}
	r.Key = fileKey(p.Blob, r.SHA256)
	r.Kept = true
	switch _, err := t.Blobs.Stat(ctx, r.Key); {
	case err == nil:
		return nil
	case !errors.Is(err, blob.ErrNotFound):
		return err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = t.Blobs.Put(ctx, r.Key, content)
	return err
}

// fileKey is where the archive that a part belongs to keeps a file.
func fileKey(part, sum string) string {
	parts := strings.Split(part, "/") // archive, workspace, month, number
	return fmt.Sprintf("%s/%s/files/%s/%s", parts[0], parts[1], sum[:2], sum)
}

// stamp is how the archive writes times.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
