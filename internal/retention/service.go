package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Observer is told what a sweep does; telemetry.Retention is one.
type Observer interface {
	// Dropped notes deleted messages and the rows that went with them.
	Dropped(messages, rows int64)
	// DroppedFiles notes deleted files and their bytes.
	DroppedFiles(files, bytes int64)
	// Archived notes a part of the archive that is durable.
	Archived(messages int, bytes int64)
	// Oldest notes the time of the oldest message that a workspace has; zero = none.
	Oldest(workspace string, at time.Time)
	// Swept notes a sweep that went through everything, and how long it took.
	Swept(at time.Time, took time.Duration)
}

// Deps is what a Service works with. All but Observer and Logger are required.
type Deps struct {
	Store    store.Keeper
	Blobs    blob.Store
	Observer Observer
	Logger   *slog.Logger
}

// Config says how; zero values are replaced by defaults.
type Config struct {
	// Default is what holds for workspaces that set nothing.
	Default tideline.Retention
	Every   time.Duration // between two sweeps; an hour
	Page    int           // messages that one step deletes at most; 500
	Piece   int           // messages in one transaction; 25
	Part    int           // messages in one part of the archive; 1000
	// Rest waits between two transactions, given how long the one before took; nil
	// waits as long as that, but 100 ms at most.
	Rest func(ctx context.Context, took time.Duration)
}

// maxRest bounds the pause after a transaction that took long.
const maxRest = 100 * time.Millisecond

// Service sweeps.
type Service struct {
	Deps
	cfg Config
}

// New makes a Service.
func New(deps Deps, cfg Config) *Service {
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Observer == nil {
		deps.Observer = unobserved{}
	}
	if cfg.Every <= 0 {
		cfg.Every = time.Hour
	}
	if cfg.Page <= 0 {
		cfg.Page = 500
	}
	if cfg.Piece <= 0 {
		cfg.Piece = 25
	}
	if cfg.Part <= 0 {
		cfg.Part = 1000
	}
	if cfg.Rest == nil {
		cfg.Rest = rest
	}
	return &Service{Deps: deps, cfg: cfg}
}

// rest waits for d, or less when ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(min(d, maxRest))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Run sweeps at once and then now and then, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "delete what is older than it is kept; trying again later", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Sweep deletes, and archives, what is too old at now. What fails in one workspace
// does not keep it from the others. It returns when all is done or ctx ends.
func (s *Service) Sweep(ctx context.Context, now time.Time) error {
	began := time.Now()
	all, err := s.Store.Retentions(ctx)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var turns []*turn
	for _, w := range all {
		turns = append(turns, s.turnOf(w, now))
	}
	var failed error
	for len(turns) > 0 && ctx.Err() == nil {
		rest := turns[:0]
		for _, t := range turns {
			done, err := t.step(ctx)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("sweep the workspace %s: %w", t.slug, err))
			}
			if !done && err == nil {
				rest = append(rest, t)
			}
		}
		turns = rest
	}
	if failed == nil && ctx.Err() == nil {
		s.Observer.Swept(now, time.Since(began))
	}
	return errors.Join(failed, ctx.Err())
}

// turnOf prepares a workspace's part of a sweep.
func (s *Service) turnOf(w store.WorkspaceRetention, now time.Time) *turn {
	set := w.Set.Or(s.cfg.Default)
	t := &turn{Service: s, workspaceID: w.WorkspaceID, slug: w.Slug, now: now, archive: set.Archive, months: make(map[string][]store.OldMessage)}
	if before, ok := set.Messages.Before(now); ok {
		t.messages = store.OldMessages{Before: before, Ended: now.Add(-tideline.MessageRest), Limit: s.cfg.Page}
	}
	if before, ok := set.UnusedFiles().Before(now); ok {
		t.files = store.OldFiles{Before: before, Limit: s.cfg.Piece}
	}
	return t
}

type unobserved struct{}

func (unobserved) Dropped(int64, int64)           {}
func (unobserved) DroppedFiles(int64, int64)      {}
func (unobserved) Archived(int, int64)            {}
func (unobserved) Oldest(string, time.Time)       {}
func (unobserved) Swept(time.Time, time.Duration) {}
