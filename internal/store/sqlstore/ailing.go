package sqlstore

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

const (
	// ailingCheck is how often a store in trouble tries whether it can commit
	// again, when nobody else does.
	ailingCheck = time.Second
	// ailingQuiet is how long nothing is said about a trouble that comes and goes,
	// as that of a disk does on which some things still fit.
	ailingQuiet = time.Minute
)

// ailment is what commits of a store fail with now. It says so to the operator,
// once when it begins and once when it is over, so that the many who get the
// error need not.
type ailment struct {
	log     *slog.Logger
	present atomic.Bool // state.Trouble != ""; what a commit that succeeds looks at

	mu     sync.Mutex
	state  store.TroubleState
	said   bool                        // the operator was told of state
	silent map[store.Trouble]time.Time // until when nothing is said of it
}

// TroubleState gives what commits fail with. It does not look at the database: a
// server that is in trouble tries all the time.
func (s *Store) TroubleState() store.TroubleState {
	s.ailing.mu.Lock()
	defer s.ailing.mu.Unlock()
	return s.ailing.state
}

// failed notes a commit that ended with err, and reports whether trouble begins.
func (a *ailment) failed(err error) (begins bool) {
	trouble := troubleOf(err)
	if trouble == "" {
		return false // it is about what was to be stored
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.Trouble == trouble {
		return false
	}
	now := time.Now()
	since := a.state.Since
	if a.state.Trouble == "" {
		since, begins = now, true
	}
	a.state = store.TroubleState{Trouble: trouble, Since: since}
	a.present.Store(true)
	if a.said = now.After(a.silent[trouble]); !a.said {
		return begins
	}
	if a.silent == nil {
		a.silent = make(map[store.Trouble]time.Time)
	}
	a.silent[trouble] = now.Add(ailingQuiet)
	a.log.Error("nothing can be stored; the server refuses requests and goes on by itself as soon as it can",
		"why", trouble.String(), "do", trouble.Advice(), "error", err)
	return begins
}

// succeeded notes a commit.
func (a *ailment) succeeded() {
	if !a.present.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.Trouble == "" {
		return
	}
	if a.said {
		a.log.Info("storage works again", "was", a.state.Trouble.String(), "after", time.Since(a.state.Since).Round(time.Millisecond))
	}
	a.state, a.said = store.TroubleState{}, false
	a.present.Store(false)
}

// watched makes a committer's function try again by itself as long as the store is
// in trouble, so that it is known when that is over although nobody asks for anything.
func (s *Store) watched(commit func([]*job) time.Duration) func([]*job) time.Duration {
	return func(jobs []*job) time.Duration {
		if len(jobs) == 0 && s.ailing.present.Load() {
			jobs = []*job{{write: touch}}
		}
		again := commit(jobs)
		if again == 0 && s.ailing.present.Load() {
			again = ailingCheck
		}
		return again
	}
}

// touch changes nothing, in a transaction that has to be written nevertheless.
func touch(ctx context.Context, t *tx) error {
	_, err := t.exec(ctx, `UPDATE config SET version = version WHERE id = 1`)
	return err
}
