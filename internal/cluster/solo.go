package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/tidelinehq/tideline/internal/store"
)

// Node is what the rest of a server needs of a Service or a Solo.
type Node interface {
	Run(ctx context.Context) error
	Self() int64
	Alive() bool
	Lease() context.Context
	Held(accountID int64) bool
	Holder(ctx context.Context, accountID int64) (int64, error)
	Nodes() []store.Node
	Take(ctx context.Context, accountID int64) (bool, error)
	Duty(name string, run func(ctx context.Context) error)
	Stats() Stats
}

var (
	_ Node = (*Service)(nil)
	_ Node = (*Solo)(nil)
)

// Solo is the only server of its database: it holds everything, for as long as it
// runs, and has all duties.
type Solo struct {
	log    *slog.Logger
	duties []duty
}

// NewSolo makes a Solo. log may be nil.
func NewSolo(log *slog.Logger) *Solo {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Solo{log: log}
}

// Run does the duties until ctx ends. The error is that of a duty that ended by itself.
func (s *Solo) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(s.duties))
	var parts sync.WaitGroup
	for i, d := range s.duties {
		parts.Go(func() {
			err := d.run(ctx)
			if ctx.Err() == nil {
				errs[i] = errors.Join(errors.New("the duty "+d.name+" ended by itself"), err)
				cancel()
			}
		})
	}
	<-ctx.Done()
	parts.Wait()
	return errors.Join(errs...)
}

// Self is 0: there are no nodes.
func (s *Solo) Self() int64 { return 0 }

// Alive is always true.
func (s *Solo) Alive() bool { return true }

// Lease never ends.
func (s *Solo) Lease() context.Context { return context.Background() }

// Held is true for every account.
func (s *Solo) Held(int64) bool { return true }

// Holder is 0, as Self is.
func (s *Solo) Holder(context.Context, int64) (int64, error) { return 0, nil }

// Nodes gives none.
func (s *Solo) Nodes() []store.Node { return nil }

// Take is always right: everything is held.
func (s *Solo) Take(context.Context, int64) (bool, error) { return true, nil }

// Duty has run called for as long as Run runs. Call it before Run.
func (s *Solo) Duty(name string, run func(ctx context.Context) error) {
	s.duties = append(s.duties, duty{name, run})
}

// Stats has nothing to tell.
func (s *Solo) Stats() Stats { return Stats{} }
