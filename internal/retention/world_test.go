package retention_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/retention"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// then is when messages are sent; now is a hundred days later.
var (
	then = time.Date(2026, 7, 30, 12, 0, 0, 0, time.UTC)
	now  = then.Add(100 * day)
)

// world is a database with one workspace, and a folder for blobs.
type world struct {
	t     *testing.T
	store *sqlstore.Store
	blobs *local.Store
	ws    tideline.Workspace
	acc   tideline.Account
	n     int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	if w.store, err = sqlstore.Open(t.Context(), sqlstore.Options{Database: filepath.Join(t.TempDir(), "tideline.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.must(w.store.Close()) })
	if w.blobs, err = local.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.must(w.blobs.Close()) })
	w.ws, w.acc = w.workspace("shop")
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) workspace(slug string) (tideline.Workspace, tideline.Account) {
	w.t.Helper()
	w.n++
	ws, _, err := w.store.CreateWorkspace(w.t.Context(), tideline.Workspace{Slug: slug, DisplayName: slug, TimeZone: "UTC",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: then},
		tideline.Member{Email: slug + "@example.com", DisplayName: "Owner", CreatedAt: then})
	w.must(err)
	phone := tideline.Phone(fmt.Sprintf("+1484000%04d", w.n))
	acc, err := w.store.PutAccount(w.t.Context(), tideline.Account{WorkspaceID: ws.ID, JID: phone.JID(), DeviceJID: "1@x", Phone: phone, Name: slug, CreatedAt: then})
	w.must(err)
	return ws, acc
}

// send accepts a message and has it sent at a time; it gives its uid.
func (w *world) send(ws tideline.Workspace, acc tideline.Account, at time.Time, file int64) string {
	w.t.Helper()
	version, err := w.store.Version(w.t.Context())
	w.must(err)
	w.n++
	phone := tideline.Phone(fmt.Sprintf("+1555000%04d", w.n%7))
	in := store.Acceptance{WorkspaceID: ws.ID, AccountID: acc.ID, Version: version, Grant: ws.Grant(), Location: ws.Location(),
		Message: store.NewMessage{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: fmt.Sprintf("3EB0%08d", w.n), Text: fmt.Sprintf("text %d", w.n),
			FileID: file, Origin: tideline.OriginPublicAPI, Credits: 1, At: at},
		Chat: store.ChatRef{JID: phone.JID(), Phone: phone}}
	out := w.store.Accept(w.t.Context(), in)
	w.must(out.Err)
	w.must(w.store.Settle(w.t.Context(), store.Settlement{WorkspaceID: ws.ID, AccountID: acc.ID, MessageID: out.MessageID, Status: tideline.StatusSent, At: at}))
	return out.UID
}

// file stores a file with bytes of its own.
func (w *world) file(content string) tideline.File {
	w.t.Helper()
	w.n++
	key := fmt.Sprintf("files/%d", w.n)
	written, err := w.blobs.Put(w.t.Context(), key, bytes.NewReader([]byte(content)))
	w.must(err)
	f, err := w.store.CreateFile(w.t.Context(), tideline.File{UID: uuid.NewString(), WorkspaceID: w.ws.ID, Name: "a.txt", MIMEType: "text/plain",
		Size: written.Size, Blob: key, UploadedAt: then})
	w.must(err)
	return f
}

func (w *world) keep(ws tideline.Workspace, r tideline.Retention) {
	w.t.Helper()
	w.must(w.store.SetRetention(w.t.Context(), ws.ID, r, now))
}

// service is one without rests, and with small pieces.
func (w *world) service(s store.Keeper, b blob.Store) *retention.Service {
	return retention.New(retention.Deps{Store: s, Blobs: b}, retention.Config{
		Page: 7, Piece: 3, Part: 10, Rest: func(context.Context, time.Duration) {}})
}

// there reports whether a message is.
func (w *world) there(uid string) bool {
	w.t.Helper()
	_, err := w.store.MessageByUID(w.t.Context(), w.ws.ID, uid)
	if err != nil && !tideline.IsCode(err, tideline.CodeNotFound) {
		w.t.Fatal(err)
	}
	return err == nil
}

// lines reads the whole archive of the world's workspace.
func (w *world) lines() (records []retention.Record, parts []store.ArchivePart) {
	w.t.Helper()
	parts, err := w.store.ListParts(w.t.Context(), w.ws.ID)
	w.must(err)
	for _, p := range parts {
		var text bytes.Buffer
		w.must(retention.Export(w.t.Context(), w.blobs, p, &text))
		lines := bufio.NewScanner(&text)
		n := 0
		for lines.Scan() {
			var r retention.Record
			w.must(json.Unmarshal(lines.Bytes(), &r))
			records = append(records, r)
			n++
		}
		if n != p.Messages {
			w.t.Errorf("part %s has %d lines, not %d", p.Blob, n, p.Messages)
		}
	}
	return records, parts
}

func (w *world) audit() {
	w.t.Helper()
	faults, err := w.store.AuditLedger(w.t.Context())
	w.must(err)
	for _, f := range faults {
		w.t.Errorf("audit: %s", f)
	}
}

var errCrash = errors.New("crash")

// fuse lets some calls through and fails the one after them, before or after it was
// done, and all that follow.
type fuse struct {
	left  int
	after bool // the call that fails is done
}

// burn says whether a call is done, and whether it fails.
func (f *fuse) burn() (do bool, err error) {
	f.left--
	switch {
	case f.left > 0:
		return true, nil
	case f.left == 0 && f.after:
		return true, errCrash
	}
	return false, errCrash
}

func through[T any](f *fuse, call func() (T, error)) (out T, err error) {
	do, failed := f.burn()
	if do {
		out, err = call()
	}
	return out, errors.Join(err, failed)
}

// crashing is a store whose writes may be its last.
type crashing struct {
	store.Keeper
	*fuse
}

func (c crashing) DropMessages(ctx context.Context, ws, acc int64, ids []int64, at time.Time) (store.DroppedMessages, error) {
	return through(c.fuse, func() (store.DroppedMessages, error) { return c.Keeper.DropMessages(ctx, ws, acc, ids, at) })
}

func (c crashing) PlanPart(ctx context.Context, ws int64, month string, ids []int64) (store.ArchivePart, error) {
	return through(c.fuse, func() (store.ArchivePart, error) { return c.Keeper.PlanPart(ctx, ws, month, ids) })
}

func (c crashing) PartWritten(ctx context.Context, p store.ArchivePart) error {
	_, err := through(c.fuse, func() (any, error) { return nil, c.Keeper.PartWritten(ctx, p) })
	return err
}

func (c crashing) ClosePart(ctx context.Context, ws, id int64) error {
	_, err := through(c.fuse, func() (any, error) { return nil, c.Keeper.ClosePart(ctx, ws, id) })
	return err
}

func (c crashing) DropFiles(ctx context.Context, ws int64, q store.OldFiles) (store.FilesPage, error) {
	return through(c.fuse, func() (store.FilesPage, error) { return c.Keeper.DropFiles(ctx, ws, q) })
}

// crashingBlobs is a blob store likewise, which remembers what was put where.
type crashingBlobs struct {
	blob.Store
	*fuse
	put map[string][]byte
}

func (c crashingBlobs) Put(ctx context.Context, key string, r io.Reader) (blob.Written, error) {
	return through(c.fuse, func() (blob.Written, error) {
		content, err := io.ReadAll(r)
		if err != nil {
			return blob.Written{}, err
		}
		if old, ok := c.put[key]; ok && !bytes.Equal(old, content) {
			return blob.Written{}, fmt.Errorf("%s is written again, and differently", key)
		}
		c.put[key] = content
		return c.Store.Put(ctx, key, bytes.NewReader(content))
	})
}
