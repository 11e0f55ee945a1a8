package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// flushEvery is how often counted calls are written down. A crash forgets at
// most that much; a call is not worth a transaction of its own.
const flushEvery = 5 * time.Second

// flushTimeout bounds the last flush.
const flushTimeout = 10 * time.Second

// MeterStorage is what a Meter needs; see store.Ledger.
type MeterStorage interface {
	Balance(ctx context.Context, workspaceID int64, now time.Time) (tideline.Balance, error)
	AddAPICalls(ctx context.Context, usage []store.APIUsage) error
	APICalls(ctx context.Context, workspaceID int64, periodStart time.Time) (int64, error)
}

// Meter counts the API calls of each workspace in its current period, in memory,
// and writes them down every few seconds. The period is that of the workspace's
// credits, so a change of the time zone doesn't begin a new count. A quota is exact within one process;
// several processes learn of each other's calls when they write.
type Meter struct {
	storage MeterStorage
	log     *slog.Logger
	now     func() time.Time

	mu      sync.RWMutex
	tallies map[int64]*tally // of the running period, by workspace
	retired []*tally         // of periods that are over, with calls not written down

	flushing sync.Mutex // one flush at a time
}

// tally is the count of one workspace in one period.
type tally struct {
	workspaceID int64
	start, end  time.Time
	stored      atomic.Int64 // as of the last look at storage
	pending     atomic.Int64 // counted here since
}

// NewMeter makes a Meter; log nil = none, now nil = time.Now.
func NewMeter(storage MeterStorage, log *slog.Logger, now func() time.Time) *Meter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &Meter{storage: storage, log: log, now: now, tallies: map[int64]*tally{}}
}

// Run writes down what was counted, every few seconds and once more when ctx
// ends, and returns nil then. End ctx after the last request was answered.
func (m *Meter) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := m.Flush(ctx); err != nil && ctx.Err() == nil {
				m.log.WarnContext(ctx, "api calls not written down, will try again", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			if err := m.Flush(last); err != nil {
				m.log.ErrorContext(ctx, "api calls of the last seconds are lost", "error", err)
			}
			return nil
		}
	}
}

// Usage is a workspace's API calls in a period.
type Usage struct {
	Calls      int64
	Start, End time.Time // of the period; End is exclusive
}

// Count counts one call of w. Errors: quota_exceeded, the call is not counted
// then, with the time until the next period in a Retry-After.
func (m *Meter) Count(ctx context.Context, w *tideline.Workspace) error {
	t, err := m.tally(ctx, w)
	if err != nil {
		return err
	}
	n := t.pending.Add(1)
	if limit := w.Plan.APICalls; limit >= 0 && t.stored.Load()+n > limit {
		t.pending.Add(-1)
		return &throttled{err: errCallQuota, retry: t.end.Sub(m.now())}
	}
	return nil
}

// Usage gives the calls of w so far in its running period.
func (m *Meter) Usage(ctx context.Context, w *tideline.Workspace) (Usage, error) {
	t, err := m.tally(ctx, w)
	if err != nil {
		return Usage{}, err
	}
	return Usage{Calls: t.stored.Load() + t.pending.Load(), Start: t.start, End: t.end}, nil
}

// tally finds the count of w's running period, starting it from what storage
// knows.
func (m *Meter) tally(ctx context.Context, w *tideline.Workspace) (*tally, error) {
	now := m.now()
	m.mu.RLock()
	t := m.tallies[w.ID]
	m.mu.RUnlock()
	if t.covers(now) {
		return t, nil
	}
	b, err := m.storage.Balance(ctx, w.ID, now)
	if err != nil {
		return nil, fmt.Errorf("read the period of api calls: %w", err)
	}
	calls, err := m.storage.APICalls(ctx, w.ID, b.PeriodStart)
	if err != nil {
		return nil, fmt.Errorf("read api calls: %w", err)
	}
	fresh := &tally{workspaceID: w.ID, start: b.PeriodStart, end: b.PeriodEnd}
	fresh.stored.Store(calls)

	m.mu.Lock()
	defer m.mu.Unlock()
	if t = m.tallies[w.ID]; t.covers(now) {
		return t, nil // a neighbour was quicker
	}
	if t != nil {
		m.retired = append(m.retired, t)
	}
	m.tallies[w.ID] = fresh
	return fresh, nil
}

func (t *tally) covers(now time.Time) bool { return t != nil && now.Before(t.end) }

// Flush writes down what was counted so far.
func (m *Meter) Flush(ctx context.Context) error {
	m.flushing.Lock()
	defer m.flushing.Unlock()

	open, usage, counts := m.collect()
	if len(usage) == 0 {
		return nil
	}
	if err := m.storage.AddAPICalls(ctx, usage); err != nil {
		return fmt.Errorf("write api calls: %w", err)
	}
	var errs []error
	for i, t := range open {
		calls, err := m.storage.APICalls(ctx, t.workspaceID, t.start)
		if err != nil {
			errs = append(errs, fmt.Errorf("read api calls: %w", err))
			calls = t.stored.Load() + counts[i]
		}
		// In this order a call in between is counted twice rather than not at all.
		t.stored.Store(calls)
		t.pending.Add(-counts[i])
	}
	m.forget()
	return errors.Join(errs...)
}

// collect lists the tallies with calls to write down, and those calls.
func (m *Meter) collect() (open []*tally, usage []store.APIUsage, counts []int64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	add := func(t *tally) {
		if n := t.pending.Load(); n > 0 {
			open, counts = append(open, t), append(counts, n)
			usage = append(usage, store.APIUsage{WorkspaceID: t.workspaceID, PeriodStart: t.start, Calls: n})
		}
	}
	for _, t := range m.retired {
		add(t)
	}
	for _, t := range m.tallies {
		add(t)
	}
	return open, usage, counts
}

// forget drops retired tallies that are written down.
func (m *Meter) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.retired[:0]
	for _, t := range m.retired {
		if t.pending.Load() > 0 {
			kept = append(kept, t)
		}
	}
	clear(m.retired[len(kept):])
	m.retired = kept
}
