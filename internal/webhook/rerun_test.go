package webhook

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// again runs a Dispatcher that ran before.
func (r *running) again(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
}

// The duty to deliver comes and goes: a dispatcher stops with deliveries that it knows,
// another one makes them, and the first goes on with what there is then.
func TestADispatcherThatRunsAgainBeginsWithWhatIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		var down atomic.Bool
		r.on("one.example", func(post) (int, error) {
			if down.Load() {
				return http.StatusServiceUnavailable, nil
			}
			return http.StatusOK, nil
		})
		first := start(t, m, r, Config{})
		taken := 0
		for round := range 3 {
			down.Store(true)
			m.emit(5, 1, 2, 3) // known to the first, which can't deliver them
			pass(100 * time.Millisecond)
			first.stop()
			if n := len(r.taken("one.example")); n != taken {
				t.Fatalf("round %d: %d arrived while the receiver was down", round, n-taken)
			}
			down.Store(false)
			other := start(t, m, r, Config{})
			pass(time.Minute)
			other.stop()
			arrived := r.taken("one.example")
			if taken = len(arrived); taken != (round+1)*10-5 {
				t.Errorf("round %d: %d arrived, want %d", round, taken, (round+1)*10-5)
			}
			first.again(t)
			m.emit(5, 1)
			pass(time.Minute)
			arrived = r.taken("one.example")
			if taken = len(arrived); taken != (round+1)*10 || distinct(arrived) != taken {
				t.Errorf("round %d: %d arrived with %d ids, want %d of each", round, taken, distinct(arrived), (round+1)*10)
			}
			if left := first.ahead.Load(); left != 0 {
				t.Errorf("round %d: %d bytes are still kept", round, left)
			}
		}
		first.stop()
		inOrder(t, r.taken("one.example"))
	})
}
