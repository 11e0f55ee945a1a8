package retention

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/store"
)

// Opener opens blobs; blob.Store is one.
type Opener interface {
	Open(ctx context.Context, key string) (io.ReadSeekCloser, error)
}

// Export writes the lines of a part to w. Nothing is written of a part whose bytes are
// not those that were archived.
func Export(ctx context.Context, blobs Opener, p store.ArchivePart, w io.Writer) error {
	content, err := blobs.Open(ctx, p.Blob)
	if err != nil {
		return fmt.Errorf("open part %s of the archive: %w", p.Blob, err)
	}
	defer content.Close()
	packed, err := io.ReadAll(content)
	if err != nil {
		return fmt.Errorf("read part %s of the archive: %w", p.Blob, err)
	}
	if sha256.Sum256(packed) != p.SHA256 {
		return fmt.Errorf("part %s of the archive is damaged: it is not what was written then; take it from a backup", p.Blob)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return fmt.Errorf("unpack part %s of the archive: %w", p.Blob, err)
	}
	if _, err := io.Copy(w, z); err != nil { //nolint:gosec // the hash says that we packed it
		return fmt.Errorf("unpack part %s of the archive: %w", p.Blob, err)
	}
	return nil
}
