package meow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"go.mau.fi/whatsmeow"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// cipherOverhead bounds by how much an encrypted file is longer: padding of at
// most one AES block, and ten bytes of its HMAC.
const cipherOverhead = 16 + 10

// Fetch implements whatsapp.Connector. The file goes through a temporary one,
// since its hash is known to be right only at its end.
func (c *Connector) Fetch(ctx context.Context, device string, ref []byte, limit int64, w io.Writer) (err error) {
	var m mediaRef
	if err := json.Unmarshal(ref, &m); err != nil {
		return fmt.Errorf("%w: the reference can't be read: %w", whatsapp.ErrMediaBroken, err)
	}
	if m.Path == "" || len(m.Key) == 0 || len(m.EncSHA256) == 0 || len(m.SHA256) == 0 {
		return fmt.Errorf("%w: the message did not say where it is or how to check it", whatsapp.ErrMediaBroken)
	}
	s := c.lookup(device)
	if s == nil || !s.active() {
		return whatsapp.ErrOffline
	}
	file, err := os.CreateTemp("", "tideline-fetch-*")
	if err != nil {
		return fmt.Errorf("make a file for an attachment: %w", err)
	}
	defer func() {
		err = errors.Join(err, file.Close(), os.Remove(file.Name()))
	}()
	bounded := &boundedFile{File: file, limit: limit + cipherOverhead}
	if err := s.cli.DownloadMediaWithPathToFile(ctx, m.Path, m.EncSHA256, m.SHA256, m.Key, m.Media, "", false, bounded); err != nil {
		return fetchError(err, bounded)
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("measure an attachment: %w", err)
	}
	if info.Size() > limit {
		return whatsapp.ErrMediaTooLarge
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read an attachment: %w", err)
	}
	if _, err := io.Copy(w, file); err != nil {
		return fmt.Errorf("keep an attachment: %w", err)
	}
	return nil
}

// fetchError says whether another attempt may help. The library's errors for
// HTTP statuses are compared by status (errors.go, DownloadHTTPError).
func fetchError(err error, f *boundedFile) error {
	switch {
	case f.exceeded:
		return whatsapp.ErrMediaTooLarge
	case errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith403), errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith404),
		errors.Is(err, whatsmeow.ErrMediaDownloadFailedWith410):
		return fmt.Errorf("%w: %w", whatsapp.ErrMediaGone, err)
	case errors.Is(err, whatsmeow.ErrInvalidMediaHMAC), errors.Is(err, whatsmeow.ErrInvalidMediaEncSHA256),
		errors.Is(err, whatsmeow.ErrInvalidMediaSHA256), errors.Is(err, whatsmeow.ErrTooShortFile):
		return fmt.Errorf("%w: %w", whatsapp.ErrMediaBroken, err)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the address is nobody's business
	}
	return fmt.Errorf("fetch an attachment: %w", err)
}

// boundedFile is a file that refuses to grow beyond limit bytes, whatever size
// the sender said it has.
type boundedFile struct {
	*os.File
	limit, written int64
	exceeded       bool
}

// Write implements io.Writer.
func (f *boundedFile) Write(p []byte) (int, error) {
	if f.written += int64(len(p)); f.written > f.limit {
		f.exceeded = true
		return 0, whatsapp.ErrMediaTooLarge
	}
	return f.File.Write(p)
}

// ReadFrom keeps io.Copy from going around Write.
func (f *boundedFile) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{f}, r)
}

// Seek implements io.Seeker; the library goes back to the beginning before it
// tries once more (download-to-file.go).
func (f *boundedFile) Seek(offset int64, whence int) (int64, error) {
	if offset == 0 && whence == io.SeekStart {
		f.written = 0
	}
	return f.File.Seek(offset, whence)
}
