package file

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Received is a file that came with a message.
type Received struct {
	WorkspaceID int64
	Name        string // as the sender says; "" = to be made up
	Stem        string // of a made-up name, e.g. "image-2026-11-22"
	MIMEType    string // as the sender says; used when the bytes tell nothing
	// Write gives the file's bytes.
	Write func(ctx context.Context, w io.Writer) error
}

// KeepReceived puts the bytes of a received file where files are kept and says
// what they are, whatever the sender said. When it returns without an error the
// bytes are on disk; the record of the file is the caller's business, and
// without one the bytes must go again, see Discard. Errors: what Write gives,
// unavailable (a blob.ErrUnavailable).
func (s *Service) KeepReceived(ctx context.Context, in Received) (tideline.File, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return tideline.File{}, fmt.Errorf("draw file uid: %w", err)
	}
	uid := id.String()
	r, w := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		err := in.Write(ctx, w)
		_ = w.CloseWithError(err) // never fails
		wrote <- err
	}()
	body := &sampledReader{r: r, limit: 1<<63 - 1}
	key := blobKey(uid)
	written, err := s.put(ctx, key, body)
	_ = r.CloseWithError(err) // never fails; the writer must not wait for a reader that is gone
	if writeErr := <-wrote; writeErr != nil {
		return tideline.File{}, writeErr
	}
	if err != nil {
		return tideline.File{}, fmt.Errorf("keep received file: %w", err)
	}
	f := tideline.File{
		UID: uid, WorkspaceID: in.WorkspaceID, Size: written.Size, Blob: key, UploadedAt: s.now(),
		MIMEType: detectType(body.sample, in.MIMEType),
	}
	f.Name = cleanName(in.Name, f.MIMEType)
	if in.Name == "" && in.Stem != "" {
		f.Name = in.Stem + extension(f.MIMEType)
	}
	return f, nil
}

// RemoveBytes removes the bytes of a file that has no record any more. Doing it
// twice is fine.
func (s *Service) RemoveBytes(ctx context.Context, blob string) error {
	if err := s.blobs.Delete(ctx, blob); err != nil {
		return fmt.Errorf("remove the bytes of a file: %w", err)
	}
	return nil
}

// Discard removes the bytes of a file that got no record.
func (s *Service) Discard(ctx context.Context, f tideline.File) { s.discard(ctx, f.Blob) }
