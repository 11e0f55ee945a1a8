package outbox_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handed is one head that a Pacer handed out.
type handed struct {
	account, message int64
	at               time.Time
}

// recorder takes what a Pacer hands out and answers each head after took.
type recorder struct {
	mu    sync.Mutex
	log   []handed
	early []handed
	pacer *outbox.Pacer
	took  func() time.Duration
}

func newRecorder(took func() time.Duration) *recorder {
	r := &recorder{took: took}
	r.pacer = outbox.NewPacer(func(account, message int64, due time.Time) {
		now := time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.log = append(r.log, handed{account, message, now})
		if now.Before(due) {
			r.early = append(r.early, handed{account, message, now})
		}
		go func() {
			<-time.After(r.took())
			r.pacer.Finish(account, time.Now())
		}()
	})
	return r
}

func (r *recorder) of(account int64) (ids []int64, at []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.log {
		if h.account == account {
			ids, at = append(ids, h.message), append(at, h.at)
		}
	}
	return ids, at
}

// pass lets virtual time go by, and whoever is due do their work; it must be
// called inside a synctest bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// run starts the pacer and gives a function that stops it.
func run(t *testing.T, p *outbox.Pacer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func queued(account, message int64, gap time.Duration) []store.Queued {
	return []store.Queued{{AccountID: account, MessageID: message, Gap: gap}}
}

func TestPromise4OrderAndGapHoldOnEveryLane(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lanes := rapid.IntRange(1, 6).Draw(rt, "lanes")
		n := rapid.IntRange(1, 40).Draw(rt, "messages")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			r := newRecorder(func() time.Duration { return 37 * time.Millisecond })
			stop := run(t, r.pacer)
			gaps := make(map[int64]time.Duration)
			for id := int64(1); id <= int64(n); id++ {
				gap := time.Duration(1000+rng.Int64N(2001)) * time.Millisecond
				gaps[id] = gap
				r.pacer.Enqueue(queued(1+rng.Int64N(int64(lanes)), id, gap))
				pass(time.Duration(rng.Int64N(900)) * time.Millisecond)
			}
			pass(time.Duration(n) * 4 * time.Second)
			synctest.Wait()
			stop()

			total := 0
			for account := int64(1); account <= int64(lanes); account++ {
				ids, at := r.of(account)
				total += len(ids)
				if !slices.IsSorted(ids) {
					t.Fatalf("lane %d sent %v: not in acceptance order", account, ids)
				}
				for i := 1; i < len(ids); i++ {
					ended := at[i-1].Add(37 * time.Millisecond)
					if got := at[i].Sub(ended); got < gaps[ids[i]] {
						t.Fatalf("lane %d: %v between the end of %d and the start of %d, want at least %v", account, got, ids[i-1], ids[i], gaps[ids[i]])
					}
				}
			}
			if total != n {
				t.Fatalf("handed out %d messages, want %d", total, n)
			}
			if len(r.early) > 0 {
				t.Fatalf("handed out before they were due: %v", r.early)
			}
			if q, f := r.pacer.Queued(); q != 0 || f != 0 {
				t.Fatalf("Queued() = %d, %d after everything was sent", q, f)
			}
		})
	})
}

func TestALaneWithoutHistorySendsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func() time.Duration { return 0 })
		defer run(t, r.pacer)()
		start := time.Now()
		r.pacer.Enqueue(queued(7, 1, 3*time.Second))
		synctest.Wait()
		if _, at := r.of(7); len(at) != 1 || !at[0].Equal(start) {
			t.Fatalf("handed out at %v, want once at %v", at, start)
		}
	})
}

func TestPromise4ARestartKeepsTheWaitItFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func() time.Duration { return 0 })
		r.pacer.SetClock(1, time.Now().Add(-1500*time.Millisecond).Round(0))
		r.pacer.Enqueue(queued(1, 1, 2*time.Second))
		start := time.Now()
		defer run(t, r.pacer)()
		pass(499 * time.Millisecond)
		synctest.Wait()
		if _, at := r.of(1); len(at) != 0 {
			t.Fatalf("burst after a restart: sent %v after the start", at[0].Sub(start))
		}
		pass(time.Millisecond)
		synctest.Wait()
		if _, at := r.of(1); len(at) != 1 {
			t.Fatal("the wait began anew after a restart")
		}
	})
}

func TestAClockThatWasSetBackCostsAtMostOneGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func() time.Duration { return 0 })
		r.pacer.SetClock(1, time.Now().Add(10*time.Hour).Round(0))
		r.pacer.Enqueue(queued(1, 1, 2*time.Second))
		defer run(t, r.pacer)()
		pass(2 * time.Second)
		synctest.Wait()
		if ids, _ := r.of(1); len(ids) != 1 {
			t.Fatal("a lane clock from the future stalled the lane")
		}
	})
}

func TestWakeEndsAPauseButKeepsTheGap(t *testing.T) {
	t.Parallel()
	for name, wakeFirst := range map[string]bool{"while it waits": false, "while the head is in flight": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				heads := make(chan int64, 10)
				p := outbox.NewPacer(func(_, message int64, _ time.Time) { heads <- message })
				defer run(t, p)()
				p.Enqueue(queued(1, 1, time.Second))
				p.Enqueue(queued(1, 2, time.Second))
				<-heads
				p.Finish(1, time.Now())
				<-heads // 2, one second later
				p.Finish(1, time.Now())
				p.Enqueue(queued(1, 3, 2*time.Second))
				<-heads
				last := time.Now()
				if wakeFirst {
					p.Wake(1)
					p.Again(1, time.Now().Add(time.Hour), time.Time{})
				} else {
					p.Again(1, time.Now().Add(time.Hour), time.Time{})
					p.Wake(1)
				}
				if <-heads != 3 {
					t.Fatal("another head than the one that was put back")
				}
				if since := time.Since(last); since > time.Second {
					t.Fatalf("woken lane waited %v more", since)
				}
			})
		})
	}
}

func TestShorterGapCountsAfterAWakeDuringASend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const account = 1
		heads := make(chan int64, 2)
		p := outbox.NewPacer(func(_, message int64, _ time.Time) { heads <- message })
		stop := run(t, p)
		defer stop()
		p.Enqueue(queued(account, 1, time.Hour))
		p.Enqueue(queued(account, 2, time.Hour))
		<-heads
		p.Wake(account)
		p.Finish(account, time.Now())
		p.RegapAll(queued(account, 2, time.Second))
		pass(time.Minute)
		if len(heads) != 1 {
			t.Error("the next message waits for the gap that was")
		}
	})
}

// A lane whose memory was given back begins anew, in the same place or for another
// account, and leaves nothing behind.
func TestAForgottenLaneLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var handed []int64
		p := outbox.NewPacer(func(_, message int64, _ time.Time) { handed = append(handed, message) })
		stop := run(t, p)
		q := func(account int64, messages ...int64) {
			for _, m := range messages {
				p.Enqueue([]store.Queued{{AccountID: account, MessageID: m, Gap: time.Second}})
			}
		}
		for round := range int64(3) {
			q(1, 10, 11, 12) // 10 is in flight, as nobody ends it
			q(2, 20)
			p.Pause(3)
			q(3, 30, 31)
			pass(0)
			p.PutFirst(1, 12)
			p.SetAside(2)
			for account := int64(1); account <= 4; account++ {
				p.Forget(account)
			}
			if queued, inFlight := p.Queued(); queued != 0 || inFlight != 0 {
				t.Errorf("round %d: %d queued, %d in flight", round, queued, inFlight)
			}
			p.Finish(1, time.Now()) // comes too late
			handed = nil
			q(3, 32) // is not paused any more, and waits for no gap
			q(5+round, 50)
			pass(0)
			if want := []int64{32, 50}; !slices.Equal(handed, want) {
				t.Errorf("round %d: handed out %v, want %v", round, handed, want)
			}
			p.Forget(3)
			p.Forget(5 + round)
		}
		pass(time.Hour)
		if len(handed) != 2 {
			t.Errorf("handed out %v, of which some were forgotten", handed)
		}
		stop()
	})
}
