package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/tidelinehq/tideline/internal/blob"
)

// skipAtMost is how far forward a Seek is followed by reading on instead of
// asking anew, in bytes.
const skipAtMost = 256 << 10

// Open implements blob.Store. It asks for the whole blob; what is not read is not
// fetched, but for what fits into the buffers on the way.
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, error) {
	if err := errors.Join(ctx.Err(), blob.CheckKey(key)); err != nil {
		return nil, err
	}
	r := &reader{s: s, ctx: ctx, key: key, sum: sha256.New()}
	if err := r.ask(); err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return r, nil
}

// reader reads a blob by GETs, each from where the one before broke off.
type reader struct {
	s   *Store
	ctx context.Context
	key string

	known bool   // size, etag and want are those of the blob
	size  int64  // bytes
	etag  string // of the object that was opened
	want  []byte // SHA-256 that stands beside the object; nil = none

	pos    int64         // where the next Read reads
	body   io.ReadCloser // gives the bytes from at on; nil = none is under way
	at     int64
	cancel context.CancelFunc // ends the request of body
	failed int                // attempts since the last byte

	sum    hash.Hash // of the bytes before summed; nil = they were not all read in order
	summed int64
	closed bool
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	started := time.Now()
	for {
		switch {
		case r.closed:
			return 0, errors.New("read blob: it is closed")
		case r.ctx.Err() != nil:
			return 0, context.Cause(r.ctx)
		case r.pos >= r.size:
			return 0, r.end()
		case len(p) == 0:
			return 0, nil
		}
		if err := r.reach(); err != nil {
			return 0, fmt.Errorf("read blob: %w", err)
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.size-r.pos)])
		if n > 0 {
			r.note(p[:n])
			r.failed = 0
			if r.pos == r.size {
				if err := r.end(); !errors.Is(err, io.EOF) {
					return 0, err // whoever counts bytes must not take the last ones for good
				}
			}
			return n, nil
		}
		if err == nil {
			continue
		}
		// It broke off, whatever the reason is called: bytes are lacking.
		r.drop()
		r.s.opts.Observer.Attempted(opGet, false, time.Since(started))
		if r.failed++; r.failed > 1 {
			if again, err := r.s.failed(r.ctx, opGet, err, r.failed, started); !again {
				return 0, fmt.Errorf("read blob: %w", err)
			}
		}
	}
}

// note takes bytes that were read into account.
func (r *reader) note(p []byte) {
	if r.sum != nil && r.pos == r.summed {
		r.sum.Write(p)
		r.summed += int64(len(p))
	}
	r.pos += int64(len(p))
	r.at = r.pos
}

// end gives io.EOF, or blob.ErrDamaged when all bytes were read and are not those
// that were put.
func (r *reader) end() error {
	if r.summed == r.size && r.want != nil && !bytes.Equal(r.sum.Sum(nil), r.want) {
		return fmt.Errorf("read blob %s: %w", r.key, blob.ErrDamaged)
	}
	return io.EOF
}

// reach sees to it that body gives what is at pos.
func (r *reader) reach() error {
	if r.body != nil && r.at != r.pos {
		ahead := r.pos - r.at
		if ahead < 0 || ahead > skipAtMost {
			r.drop()
		} else if _, err := io.CopyN(io.Discard, r.body, ahead); err != nil {
			r.drop()
		} else {
			r.at = r.pos
		}
	}
	if r.body != nil {
		return nil
	}
	return r.ask()
}

// ask asks S3 for the bytes from pos on.
func (r *reader) ask() error {
	err := r.s.do(r.ctx, opGet, noLimit, func(context.Context) error {
		// The request outlives the attempt, which ends when the body begins. How long
		// S3 may take until then is the transport's concern.
		ctx, cancel := context.WithCancel(r.ctx)
		err := r.get(ctx) //nolint:contextcheck // the reader's own, see above
		if err != nil || r.body == nil {
			cancel()
			return err
		}
		r.cancel = cancel
		return nil
	})
	if r.known && errors.Is(err, blob.ErrNotFound) {
		return blob.ErrGone // it was there a moment ago
	}
	return err
}

// noLimit is the limit of an attempt that the transport bounds.
const noLimit = 24 * time.Hour

func (r *reader) get(ctx context.Context) error {
	opts := minio.GetObjectOptions{}
	// A range also makes S3 tell the size of the whole, whatever becomes of the
	// length of the answer on its way.
	opts.Set("Range", "bytes="+strconv.FormatInt(r.pos, 10)+"-")
	if r.etag != "" {
		if err := opts.SetMatchETag(r.etag); err != nil {
			return err
		}
	}
	body, info, header, err := r.s.core.GetObject(ctx, r.s.opts.Bucket, r.s.object(r.key), opts)
	if minio.ToErrorResponse(err).Code == minio.InvalidRange && !r.known {
		return r.empty(ctx)
	}
	if err != nil {
		return err
	}
	skip, size, err := extent(header, r.pos)
	switch {
	case err != nil:
	case r.known && info.ETag != r.etag:
		err = blob.ErrGone
	case r.known && size != r.size:
		err = fmt.Errorf("the blob had %d bytes and now has %d", r.size, size)
	case skip > 0:
		_, err = io.CopyN(io.Discard, body, skip)
	}
	if err != nil {
		_ = body.Close()
		return err
	}
	r.learn(info, size)
	r.body, r.at = body, r.pos
	return nil
}

// empty makes sure that a blob of which nothing can be got has no bytes.
func (r *reader) empty(ctx context.Context) error {
	info, err := r.s.core.StatObject(ctx, r.s.opts.Bucket, r.s.object(r.key), minio.StatObjectOptions{})
	if err != nil {
		return err
	}
	if info.Size != 0 {
		return fmt.Errorf("S3 gives nothing of a blob with %d bytes", info.Size)
	}
	r.learn(info, 0)
	return nil
}

func (r *reader) learn(info minio.ObjectInfo, size int64) {
	if r.known {
		return
	}
	r.known, r.size, r.etag = true, size, info.ETag
	if want, err := hex.DecodeString(info.UserMetadata[sumName]); err == nil && len(want) == sha256.Size {
		r.want = want
	}
}

// extent tells from an answer to a request for the bytes from pos on how many to
// skip, and the size of the whole.
func extent(header http.Header, pos int64) (skip, size int64, err error) {
	described := header.Get("Content-Range")
	if described == "" { // a service that does not know ranges
		size, err = strconv.ParseInt(header.Get("Content-Length"), 10, 64)
		if err != nil || size < pos {
			return 0, 0, errors.New("S3 does not tell how long the blob is")
		}
		return pos, size, nil
	}
	span, whole, _ := strings.Cut(strings.TrimPrefix(described, "bytes "), "/")
	first, last, _ := strings.Cut(span, "-")
	size, err = strconv.ParseInt(whole, 10, 64)
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	if errors.Join(err, err1, err2) != nil || from != pos || to < from || to >= size {
		return 0, 0, fmt.Errorf("S3 was asked for the bytes from %d on and describes what it gives as %q", pos, described)
	}
	return 0, size, nil
}

// Seek implements io.Seeker. It asks S3 for nothing.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	case io.SeekStart:
	default:
		return 0, errors.New("seek in blob: there is no such origin")
	}
	if offset < 0 {
		return 0, errors.New("seek in blob: it begins at 0")
	}
	if offset == 0 && r.pos != 0 {
		r.sum, r.summed = sha256.New(), 0
	}
	r.pos = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.closed = true
	r.drop()
	return nil
}

// drop ends what is under way.
func (r *reader) drop() {
	if r.cancel != nil {
		r.cancel()
		r.cancel = nil
	}
	if r.body != nil {
		_ = r.body.Close() // it is not needed any more
		r.body = nil
	}
}
