package httpapi_test

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/tidelinehq/tideline/internal/blob"
)

// fickle is a place for files that can be away.
type fickle struct {
	blob.Store
	away atomic.Bool
}

// Put implements blob.Store.
func (f *fickle) Put(ctx context.Context, key string, r io.Reader) (blob.Written, error) {
	if f.away.Load() {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return blob.Written{}, err
		}
		return blob.Written{}, blob.ErrUnavailable
	}
	return f.Store.Put(ctx, key, r)
}

// away asks for what needs the place for files while that is away.
func (p *promises) away() {
	p.blobs.away.Store(true)
	defer p.blobs.away.Store(false)
	for _, id := range []string{"uploadFile", "uploadFileByURL", "sendVoiceMessage", "sendFileMessage"} {
		p.expect(id, "while files can't be stored", p.good(id), 503, "internal_error")
	}
}
