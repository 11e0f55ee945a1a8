package s3

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
)

// The operations, as Observer and errors name them.
const (
	opPut    = "put"
	opGet    = "get"
	opStat   = "stat"
	opDelete = "delete"
	opList   = "list"
)

// Retry says how often and how long an operation is tried.
type Retry struct {
	Attempts int           // at most; 8 when zero
	First    time.Duration // pause after the first; it doubles. 100 ms when zero
	Max      time.Duration // the longest pause; 2 s when zero
	Total    time.Duration // no attempt begins later than that; 1 min when zero
}

func (r Retry) withDefaults() Retry {
	return Retry{
		Attempts: cmp.Or(r.Attempts, 8), First: cmp.Or(r.First, 100*time.Millisecond),
		Max: cmp.Or(r.Max, 2*time.Second), Total: cmp.Or(r.Total, time.Minute),
	}
}

// pause is how long to wait after the nth failure, n from 1: between half and the
// whole of what doubles, so that those who failed together don't come together.
func (r Retry) pause(n int) time.Duration {
	whole := r.Max
	if n < 30 {
		whole = min(r.Max, r.First<<(n-1))
	}
	return whole/2 + rand.N(whole/2+1)
}

// do runs an operation until it succeeds, fails for good, or was tried enough. An
// attempt gets limit. Errors: ctx's, blob.ErrNotFound, blob.ErrGone, *Error.
func (s *Store) do(ctx context.Context, op string, limit time.Duration, try func(ctx context.Context) error) error {
	started := time.Now()
	for n := 1; ; n++ {
		err := s.once(ctx, op, limit, try)
		if err == nil {
			s.answered()
			return nil
		}
		if again, err := s.failed(ctx, op, err, n, started); !again {
			return err
		}
	}
}

// once makes one attempt and observes it.
func (s *Store) once(ctx context.Context, op string, limit time.Duration, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	started := time.Now()
	err := try(ctx)
	s.opts.Observer.Attempted(op, err == nil || settled(meaning(err)), time.Since(started))
	return err
}

// settled reports whether an error is an answer rather than a failure.
func settled(err error) bool { return errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrGone) }

// failed decides what follows on the nth failed attempt: another one, before
// which it waits, or the operation's end with the error that it gives.
func (s *Store) failed(ctx context.Context, op string, err error, n int, started time.Time) (again bool, _ error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	err = meaning(err)
	if settled(err) {
		s.answered()
		return false, err
	}
	fault, ok := errors.AsType[*Error](err)
	// Where no region is set, the library learns it from a first refusal.
	hopeless := ok && fault.Advice != "" && (s.opts.Region != "" || n > 1)
	if hopeless || n >= s.opts.Retry.Attempts {
		return false, s.giveUp(ctx, op, err)
	}
	pause := s.opts.Retry.pause(n)
	if time.Since(started)+pause > s.opts.Retry.Total {
		return false, s.giveUp(ctx, op, err)
	}
	s.log.DebugContext(ctx, "s3 request failed; trying again", "operation", op, "attempt", n, "err", err)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// giveUp notes that an operation failed. The log hears of the first of a row:
// whoever asked says what follows from each.
func (s *Store) giveUp(ctx context.Context, op string, err error) error {
	s.opts.Observer.GaveUp(op)
	if s.down.CompareAndSwap(false, true) {
		s.log.WarnContext(ctx, "files in s3 can't be reached; what needs them waits or is refused", "operation", op, "err", err)
	}
	return err
}

// answered notes that S3 did what it was asked.
func (s *Store) answered() {
	if s.down.CompareAndSwap(true, false) {
		s.log.Info("files in s3 can be reached again")
	}
}
