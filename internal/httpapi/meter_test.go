package httpapi

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// book is a MeterStorage in memory.
type book struct {
	mu    sync.Mutex
	calls map[string]int64 // by start of the period
	down  error
	zone  *time.Location // nil = UTC

	balance tideline.Balance
}

func (b *book) Balance(_ context.Context, _ int64, now time.Time) (tideline.Balance, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	loc := b.zone
	if loc == nil {
		loc = time.UTC
	}
	b.balance.OpenPeriod(now, loc, 0)
	return b.balance, nil
}

func (b *book) AddAPICalls(_ context.Context, usage []store.APIUsage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return b.down
	}
	for _, u := range usage {
		b.calls[u.PeriodStart.Format(time.DateOnly)] += u.Calls
	}
	return nil
}

func (b *book) APICalls(_ context.Context, _ int64, start time.Time) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[start.Format(time.DateOnly)], nil
}

func (b *book) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = err
}

func metered(limit int64) *tideline.Workspace {
	return &tideline.Workspace{ID: 1, TimeZone: "UTC", Plan: tideline.Plan{APICalls: limit}}
}

// run runs a meter until the returned function is called.
func run(t *testing.T, m *Meter) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestCallsAreWrittenDownEveryFewSecondsAndAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // begins on 2000-01-01
		b := &book{calls: map[string]int64{"2000-01-01": 100}}
		m := NewMeter(b, nil, nil)
		stop := run(t, m)
		w := metered(-1)
		for range 7 {
			if err := m.Count(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(flushEvery) // virtual
		synctest.Wait()
		if diff := cmp.Diff(map[string]int64{"2000-01-01": 107}, b.calls); diff != "" {
			t.Errorf("after a while (-want +got):\n%s", diff)
		}
		if u, err := m.Usage(t.Context(), w); err != nil || u.Calls != 107 {
			t.Errorf("usage %+v, %v", u, err)
		}
		if err := m.Count(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		stop()
		if diff := cmp.Diff(map[string]int64{"2000-01-01": 108}, b.calls); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
	})
}

func TestCallsThatCouldNotBeWrittenAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{calls: map[string]int64{}}
		m := NewMeter(b, nil, nil)
		b.fail(errors.New("disk full"))
		if err := m.Count(t.Context(), metered(-1)); err != nil {
			t.Fatal(err)
		}
		if err := m.Flush(t.Context()); !errors.Is(err, b.down) {
			t.Fatalf("flush gives %v, want storage's error", err)
		}
		b.fail(nil)
		if err := m.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int64{"2000-01-01": 1}, b.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestTheQuotaIsExactUnderLoadAndRefusedCallsDoNotCount(t *testing.T) {
	t.Parallel()
	b := &book{calls: map[string]int64{}}
	m := NewMeter(b, nil, nil)
	w := metered(100)
	var wg sync.WaitGroup
	var mu sync.Mutex
	let := 0
	for range 8 {
		wg.Go(func() {
			for range 50 {
				err := m.Count(t.Context(), w)
				if _, ok := errors.AsType[*throttled](err); err != nil && !ok {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					let++
					mu.Unlock()
				}
			}
		})
	}
	for range 5 {
		if err := m.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	// While a flush runs, calls may be counted twice for a moment and refused for
	// it. Afterwards what is left of the quota is there.
	for m.Count(t.Context(), w) == nil {
		let++
	}
	if let != 100 {
		t.Errorf("%d calls let through, want 100", let)
	}
	if u, err := m.Usage(t.Context(), w); err != nil || u.Calls != int64(let) {
		t.Errorf("usage %+v, %v; %d were let through", u, err, let)
	}
}

func TestANewPeriodBeginsAtNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{calls: map[string]int64{}}
		m := NewMeter(b, nil, nil)
		w := metered(1)
		if err := m.Count(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		err := m.Count(t.Context(), w)
		limited, ok := errors.AsType[*throttled](err)
		if !ok || limited.retry != 31*24*time.Hour || !tideline.IsCode(err, tideline.CodeQuotaExceeded) {
			t.Fatalf("got %v", err)
		}
		<-time.After(limited.retry) // virtual
		if err := m.Count(t.Context(), w); err != nil {
			t.Errorf("in the next period: %v", err)
		}
		if err := m.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int64{"2000-01-01": 1, "2000-02-01": 1}, b.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if len(m.retired) > 0 {
			t.Errorf("%d old tallies kept", len(m.retired))
		}
	})
}

func TestANewTimeZoneBeginsNoNewCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{calls: map[string]int64{}}
		w := metered(2)
		for i, zone := range []int{0, 9, -5} {
			// A new Meter each time: a restart must not forget the period either.
			m := NewMeter(b, nil, nil)
			b.zone = time.FixedZone("", zone*60*60)
			w.Zone = b.zone
			err := m.Count(t.Context(), w)
			if over := i == 2; over != tideline.IsCode(err, tideline.CodeQuotaExceeded) {
				t.Errorf("call %d: %v", i, err)
			}
			if err := m.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(map[string]int64{"2000-01-01": 2}, b.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestOtherProcessesCallsAreSeenAfterAFlush(t *testing.T) {
	t.Parallel()
	b := &book{calls: map[string]int64{}}
	w := metered(3)
	one, other := NewMeter(b, nil, nil), NewMeter(b, nil, nil)
	for _, m := range []*Meter{one, other, other} {
		if err := m.Count(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []*Meter{other, one} {
		if err := m.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Count(t.Context(), w); !tideline.IsCode(err, tideline.CodeQuotaExceeded) {
		t.Errorf("got %v, want quota_exceeded: others used the rest", err)
	}
}
