package webhook

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestABurstIsNotReadBackFromStorage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events = 3000 // more than a window, less than may be kept
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		r.on("one.example", func(post) (int, error) { pass(time.Millisecond); return http.StatusOK, nil })
		d := start(t, m, r, Config{Poll: time.Hour})
		m.emit(1, 1)
		pass(time.Second) // it is known that nothing waits before the burst
		m.mu.Lock()
		before := m.loaded
		m.mu.Unlock()
		m.emit(events, 1, 2, 3, 4, 5, 6, 7)
		pass(time.Minute)
		m.mu.Lock()
		loaded := m.loaded - before
		m.mu.Unlock()
		got := r.taken("one.example")
		if distinct(got) != events+1 || len(got) != events+1 {
			t.Errorf("%d arrived, %d of them distinct, want %d", len(got), distinct(got), events+1)
		}
		inOrder(t, got)
		if loaded > minWindow+windowPer { // to see that nothing waits before them
			t.Errorf("%d deliveries were read that had just been written", loaded)
		}
		d.stop()
		if left := d.ahead.Load(); left != 0 {
			t.Errorf("%d bytes are still counted as kept", left)
		}
	})
}

func TestWhatWasKeptArrivesInOrderAfterTroubleAndReplays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events = 3000
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		began := time.Now()
		r.on("one.example", func(post) (int, error) {
			pass(time.Millisecond)
			if down := time.Since(began).Milliseconds() / 50; down%3 == 1 {
				return http.StatusServiceUnavailable, nil
			}
			return http.StatusOK, nil
		})
		d := start(t, m, r, Config{Poll: 70 * time.Millisecond})
		for range 10 {
			m.emit(events/10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
			pass(13 * time.Millisecond)
			d.Changed()
		}
		pass(time.Hour)
		r.on("one.example", nil)
		pass(3 * time.Hour)
		d.stop()
		got := r.taken("one.example")
		if distinct(got) != events {
			t.Errorf("%d arrived, want %d; states %v", distinct(got), events, m.states(0))
		}
		inOrder(t, got)
		if left := d.ahead.Load(); left != 0 {
			t.Errorf("%d bytes are still counted as kept", left)
		}
	})
}

func TestEndpointsKeepAheadWhatFitsInMemoryTogether(t *testing.T) {
	t.Parallel()
	d := &Dispatcher{}
	all := make([]ahead, aheadBytes/aheadShare)
	share := &store.Delivery{ID: 1, Body: make([]byte, aheadShare)}
	for i := range all {
		all[i].kept = &d.ahead
		if !all[i].keep(share) {
			t.Fatalf("share %d does not fit", i)
		}
		if all[i].keep(&store.Delivery{ID: 2, Body: []byte("x")}) {
			t.Fatal("one endpoint keeps more than its share")
		}
	}
	late := ahead{kept: &d.ahead}
	if late.keep(&store.Delivery{ID: 2, Body: []byte("x")}) {
		t.Error("all endpoints together keep any number of bytes")
	}
	for i := range all[1:] {
		all[i+1].drop()
	}
	if got := d.ahead.Load(); got != aheadShare {
		t.Errorf("%d bytes are counted, want one share", got)
	}
	one := &all[0]
	for i := range aheadMost - 1 {
		if !one.keep(&store.Delivery{ID: int64(i + 2)}) {
			t.Fatalf("delivery %d was refused", i)
		}
	}
	if one.keep(&store.Delivery{ID: 1 << 40}) {
		t.Error("one endpoint keeps any number")
	}
	for i := range aheadMost {
		if got := one.next(); got.ID != int64(i+1) {
			t.Fatalf("the next one is %d, want %d", got.ID, i+1)
		}
	}
	if !one.empty() || d.ahead.Load() != 0 {
		t.Errorf("something is left: %d bytes", d.ahead.Load())
	}
}
