package webhook

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestOutcomesAreStoredTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		r.on("one.example", func(post) (int, error) {
			pass(time.Millisecond)
			return http.StatusOK, nil
		})
		d := start(t, m, r, Config{})
		const n = 1000
		m.emit(n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		pass(10 * time.Second)
		synctest.Wait()
		if got := m.states(1); got[tideline.DeliveryDelivered] != n {
			t.Fatalf("%v, want %d delivered", got, n)
		}
		if len(r.all) != n {
			t.Errorf("%d posts for %d deliveries", len(r.all), n)
		}
		if m.commits > n/20 {
			t.Errorf("%d commits for %d outcomes", m.commits, n)
		}
		inOrder(t, r.taken("one.example"))
		d.stop()
	})
}

func TestAnOutcomeThatCannotBeStoredKeepsNoOtherFromIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		m.refused = map[int64]error{2: errors.New("the row is damaged")}
		r := newReceivers()
		d := start(t, m, r, Config{})
		m.emit(3, 1, 2, 3)
		pass(time.Minute)
		m.emit(1, 2)
		pass(time.Second)
		synctest.Wait()
		if got := m.states(1); got[tideline.DeliveryDelivered] != 3 || got[tideline.DeliveryWaiting] != 1 {
			t.Errorf("%v, want all but one delivered", got)
		}
		m.mu.Lock()
		m.refused = nil
		m.mu.Unlock()
		pass(2 * time.Second)
		synctest.Wait()
		if got := m.states(1); got[tideline.DeliveryDelivered] != 4 {
			t.Errorf("%v, want all delivered once the row is sound", got)
		}
		if len(r.all) != 4 {
			t.Errorf("%d posts for 4 deliveries: what arrived was posted again", len(r.all))
		}
		d.stop()
	})
}

// The server must not hang on what it can't store, and must deliver it after the
// next start.
func TestStoppingGivesUpOutcomesThatCannotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		m.broken = errors.New("the disk is full")
		r := newReceivers()
		d := start(t, m, r, Config{Drain: 3 * time.Second})
		m.emit(5, 1, 2)
		pass(5 * time.Second)
		began := time.Now()
		d.stop()
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("stopping took %v, want all of the drain and no more", took)
		}
		m.broken = nil
		d = start(t, m, r, Config{})
		pass(5 * time.Second)
		d.stop()
		if got := m.states(1); got[tideline.DeliveryDelivered] != 5 {
			t.Errorf("%v after the next start, want 5 delivered", got)
		}
		if distinct(r.all) != 5 || len(r.all) != 10 {
			t.Errorf("%d posts with %d ids, want each of 5 twice", len(r.all), distinct(r.all))
		}
	})
}

func TestStoppingWaitsForNoMoreOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		d := start(t, m, r, Config{})
		m.emit(1, 1)
		synctest.Wait() // posted; its outcome waits for others
		began := time.Now()
		d.stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("stopping took %v", took)
		}
		if got := m.states(1); got[tideline.DeliveryDelivered] != 1 {
			t.Errorf("%v, want the outcome stored before the end", got)
		}
	})
}
