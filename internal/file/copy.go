package file

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tidelinehq/tideline/internal/blob"
)

// copyWorkers is how many blobs are copied at the same time.
const copyWorkers = 4

// Copied is what Copy did.
type Copied struct {
	Copied int64 // blobs
	Bytes  int64 // of them
	Same   int64 // blobs that were there already
}

// Copy copies all blobs of one place to another: those that are missing there, or
// have another size. What it copies it reads back and compares by SHA-256. With
// thorough it compares also those that are there already, byte by byte, and makes
// them anew when they differ. It can be ended and begun again, and run while blobs
// come and go; those that come behind its back are for the next time. tell is
// called now and then, from one goroutine at a time; it may be nil.
func Copy(ctx context.Context, from, to blob.Store, thorough bool, tell func(Copied)) (Copied, error) {
	c := &copier{from: from, to: to, thorough: thorough, tell: tell}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan blob.Entry)
	var workers sync.WaitGroup
	for range copyWorkers {
		workers.Go(func() {
			for e := range work {
				if err := c.one(ctx, e); err != nil {
					cancel(fmt.Errorf("copy %s: %w", e.Key, err))
				}
			}
		})
	}
	err := from.List(ctx, "", "", func(e blob.Entry) error {
		select {
		case work <- e:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(work)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return c.done, err
}

type copier struct {
	from, to blob.Store
	thorough bool
	tell     func(Copied)
	mu       sync.Mutex
	done     Copied
}

// one copies a blob unless it is there.
func (c *copier) one(ctx context.Context, e blob.Entry) error {
	if ctx.Err() != nil {
		return nil
	}
	there, err := c.to.Stat(ctx, e.Key)
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	if err == nil && there.Size == e.Size {
		same, err := c.same(ctx, e.Key)
		if err != nil {
			return err
		}
		if same {
			c.note(0, true)
			return nil
		}
	}
	r, err := c.from.Open(ctx, e.Key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	w, err := c.to.Put(ctx, e.Key, r)
	if errors.Is(err, blob.ErrGone) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	back, err := digest(ctx, c.to, e.Key)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if back != w {
		return fmt.Errorf("read back: %w", blob.ErrDamaged)
	}
	c.note(w.Size, false)
	return nil
}

// same reports whether a blob that has its size in both places counts as copied.
func (c *copier) same(ctx context.Context, key string) (bool, error) {
	if !c.thorough {
		return true, nil
	}
	want, err := digest(ctx, c.from, key)
	if err != nil {
		return errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrGone), ignoreGone(err)
	}
	got, err := digest(ctx, c.to, key)
	if errors.Is(err, blob.ErrDamaged) {
		return false, nil
	}
	return got == want, err
}

// ignoreGone makes nothing of a blob that was deleted meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrGone) {
		return nil
	}
	return err
}

// digest reads a blob to its end.
func digest(ctx context.Context, s blob.Store, key string) (w blob.Written, err error) {
	r, err := s.Open(ctx, key)
	if err != nil {
		return w, err
	}
	defer func() { _ = r.Close() }() // it was only read
	sum := sha256.New()
	if w.Size, err = io.Copy(sum, r); err != nil {
		return w, err
	}
	sum.Sum(w.SHA256[:0])
	return w, nil
}

func (c *copier) note(size int64, same bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if same {
		c.done.Same++
	} else {
		c.done.Copied++
		c.done.Bytes += size
	}
	if c.tell != nil && (c.done.Copied+c.done.Same)%1000 == 0 {
		c.tell(c.done)
	}
}
