package cluster

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// check compares what nodes act for.
func (w *watch) check(when string, want []int, members ...*member) {
	w.t.Helper()
	if got := w.counts(members...); !slices.Equal(got, want) {
		w.t.Errorf("%s the nodes act for %v accounts, want %v", when, got, want)
	}
}

func TestOneNodeTakesAllAccountsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(100)
		a := w.start(db, Config{Adopts: 8})
		pass(time.Second)
		w.check("after a second", []int{100}, a)
		if a.maxAtOne > 8 {
			t.Errorf("%d adoptions at once, want at most 8", a.maxAtOne)
		}
		if !a.Held(1) || a.Held(101) || !a.Alive() || a.Self() != 1 || a.client.fence != 1 {
			t.Error("the node doesn't know what it holds")
		}
		w.end(a)
		if len(db.nodes) != 0 || len(db.holder) != 0 || a.orderly != 100 || a.hurried != 0 {
			t.Errorf("after the stop: %d nodes, %d holds, %d orderly yields, %d others", len(db.nodes), len(db.holder), a.orderly, a.hurried)
		}
	})
}

func TestAccountsAreSharedAndThenStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(100)
		a := w.start(db, Config{})
		pass(time.Second)
		b, c := w.start(db, Config{}), w.start(db, Config{})
		pass(5 * time.Second)
		if got := w.counts(a, b, c); got[0] < 80 {
			t.Errorf("%v soon after others joined: too many accounts connect anew at once", got)
		}
		pass(10 * time.Minute)
		if got := w.counts(a, b, c); sum(got) != 100 || slices.Max(got) > 34 {
			t.Errorf("in the end the nodes act for %v accounts, want nobody to have more than 34", got)
		}
		moves := a.adopted + b.adopted + c.adopted
		if moves != 100+66 {
			t.Errorf("%d adoptions, want one for each account and one for each that moved", moves)
		}
		pass(time.Hour)
		if now := a.adopted + b.adopted + c.adopted; now != moves {
			t.Errorf("%d accounts moved although all have their share", now-moves)
		}
		w.end(a, b, c)
	})
}

func TestWhoStopsHandsOverAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(10)
		a, b := w.start(db, Config{}, func(m *member) { m.drain = 20 * time.Second }), w.start(db, Config{})
		pass(time.Minute)
		w.check("before", []int{5, 5}, a, b)
		a.stop()
		pass(19 * time.Second) // longer than a lease: it goes on being renewed
		w.check("while it drains", []int{5, 5}, a, b)
		pass(4 * time.Second)
		w.check("after", []int{0, 10}, a, b)
		w.end(a, b)
		if a.hurried != 0 {
			t.Errorf("%d accounts were not yielded in order", a.hurried)
		}
	})
}

func TestAKilledNodesAccountsAreTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(9)
		a, b, c := w.start(db, Config{}), w.start(db, Config{}), w.start(db, Config{})
		pass(time.Minute)
		w.check("before", []int{3, 3, 3}, a, b, c)
		a.mu.Lock()
		a.frozen = true // to the others there is no difference
		a.mu.Unlock()
		a.client.set(true, 0)
		pass(12 * time.Second)
		if got := w.counts(a, b, c); got[0] != 0 || sum(got) != 9 {
			t.Errorf("12 s after the kill the nodes act for %v accounts, want all taken", got)
		}
		a.client.set(false, 0)
		w.end(a, b, c)
	})
}

func TestWhoIsCutOffStopsBeforeOthersBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(10)
		a, b := w.start(db, Config{}), w.start(db, Config{})
		pass(time.Minute)
		lease, before := a.Lease(), a.Self()
		a.client.set(true, 0)
		pass(7500 * time.Millisecond)
		if a.Alive() || lease.Err() == nil || len(a.held) != 0 {
			t.Error("it goes on without a lease")
		}
		w.check("when the lease is over", []int{0, 5}, a, b)
		pass(5 * time.Second)
		w.check("after the take-over", []int{0, 10}, a, b)
		if a.Alive() {
			t.Error("alive although it was expelled")
		}
		a.client.set(false, 0)
		pass(5 * time.Minute)
		w.check("after it came back", []int{5, 5}, a, b)
		if a.Self() == before || a.client.fence != a.Self() || !a.Alive() {
			t.Errorf("it is node %d, was %d, and its fence is %d", a.Self(), before, a.client.fence)
		}
		w.end(a, b)
	})
}

func TestAnInterruptionThatNobodyUsedIsMended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(10)
		a := w.start(db, Config{})
		pass(time.Minute)
		epoch := db.hold[1].Epoch
		a.client.set(true, 0)
		pass(time.Minute)
		w.check("cut off", []int{0}, a)
		a.client.set(false, 0)
		pass(4 * time.Second)
		w.check("after it", []int{10}, a)
		if a.Self() != 1 || db.hold[1].Epoch != epoch || a.Stats().Lapses != 1 || !a.Held(10) {
			t.Errorf("node %d, epoch %d, %d lapses: it should have kept what it holds", a.Self(), db.hold[1].Epoch, a.Stats().Lapses)
		}
		w.end(a)
	})
}

// A frozen process runs nothing while the clock goes on. When it goes on, the first
// thing that runs may be anything; it asks Alive before it acts.
func TestAFrozenNodeIsNotAliveWhenItGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(4)
		a := w.start(db, Config{})
		pass(time.Minute)
		// As if the timer had not run yet although the instant has passed.
		a.Service.mu.Lock()
		a.deadline = time.Now()
		a.Service.mu.Unlock()
		if a.Alive() || a.Held(1) {
			t.Error("alive at the deadline, before the timer ran")
		}
		a.renewed(time.Now()) // an answer that is read before the timer runs mends nothing
		if a.Alive() {
			t.Error("alive although not everything is yielded")
		}
		pass(3 * time.Second)
		if a.hurried != 4 {
			t.Errorf("%d accounts were given up at once, want 4", a.hurried)
		}
		w.check("after it", []int{4}, a)
		w.end(a)
	})
}

func TestASlowDatabaseIsNoReasonToStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(6)
		a, b := w.start(db, Config{}), w.start(db, Config{})
		pass(time.Minute)
		a.client.set(false, 1900*time.Millisecond)
		pass(10 * time.Minute)
		if a.Stats().Lapses != 0 || a.hurried+b.hurried != 0 {
			t.Errorf("%d lapses, %d hurried yields", a.Stats().Lapses, a.hurried+b.hurried)
		}
		a.client.set(false, 5*time.Second) // no statement is done in time
		pass(time.Minute)
		if got := w.counts(a, b); got[0] != 0 {
			t.Errorf("the nodes act for %v accounts, want none of the one that can't renew", got)
		}
		a.client.set(false, 0)
		w.end(a, b)
	})
}

func TestJumpsOfTheDatabasesClockNeverMakeTwoHolders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(30)
		a, b, c := w.start(db, Config{}), w.start(db, Config{}), w.start(db, Config{})
		pass(time.Minute)
		for _, by := range []time.Duration{time.Hour, -2 * time.Hour, 9 * time.Second, -9 * time.Second, 7 * time.Second} {
			db.jump(by)
			// Who is expelled by a jump forward notices at its next renewal, and until then
			// believes in its lease. What it does in between nothing is stored of.
			for _, m := range []*member{a, b, c} {
				m.mu.Lock()
				m.frozen = by > 0
				m.mu.Unlock()
			}
			pass(3 * time.Second)
			for _, m := range []*member{a, b, c} {
				m.mu.Lock()
				m.frozen = false
				m.mu.Unlock()
			}
			pass(5 * time.Minute)
			w.check("after the jump", []int{10, 10, 10}, a, b, c)
		}
		w.end(a, b, c)
	})
}

func TestAnAccountThatIsHardToAdoptIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(1)
		a := w.start(db, Config{}, func(m *member) { m.refuse = 4 })
		pass(time.Minute)
		w.check("after a minute", []int{1}, a)
		w.end(a)
	})
}

func TestAPairedAccountIsTakenAtOnceAndARemovedOneGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(2)
		a, b := w.start(db, Config{}), w.start(db, Config{})
		pass(time.Minute)
		db.mu.Lock()
		db.hold[3] = &store.Hold{AccountID: 3}
		db.mu.Unlock()
		if ok, err := a.Take(t.Context(), 3); !ok || err != nil || !a.Held(3) {
			t.Errorf("took it: %t, %v", ok, err)
		}
		if ok, err := b.Take(t.Context(), 3); ok || err != nil {
			t.Errorf("another took it too: %t, %v", ok, err)
		}
		if holder, err := b.Holder(t.Context(), 3); holder != a.Self() || err != nil {
			t.Errorf("holder %d, %v", holder, err)
		}
		pass(time.Minute)
		db.mu.Lock()
		db.hold[3].Removed = true
		db.mu.Unlock()
		pass(5 * time.Second)
		if a.Held(3) || db.holder[3] != 0 {
			t.Error("a removed account is still held")
		}
		w.end(a, b)
		if ok, err := a.Take(t.Context(), 1); ok || err == nil {
			t.Error("a node that stopped takes accounts")
		}
	})
}

func TestADutyIsDoneByOneNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, db := newWatch(t), newDatabase(0)
		running := make(chan int, 9) // how many do it
		var now int
		duty := func(m *member) {
			m.Duty("webhooks", func(ctx context.Context) error {
				db.mu.Lock()
				now++
				running <- now
				db.mu.Unlock()
				<-ctx.Done()
				db.mu.Lock()
				now--
				db.mu.Unlock()
				return nil
			})
		}
		a, b := w.start(db, Config{}, duty), w.start(db, Config{}, duty)
		pass(time.Minute)
		if len(running) != 1 {
			t.Fatalf("%d nodes do it, want one", len(running))
		}
		first, second := a, b
		if db.duties["webhooks"] == b.Self() {
			first, second = b, a
		}
		w.end(first)
		pass(3 * time.Second)
		if db.duties["webhooks"] != second.Self() {
			t.Error("nobody took the duty over from who stopped")
		}
		second.client.set(true, 0)
		pass(10 * time.Second)
		if now != 0 {
			t.Error("the duty goes on without a lease")
		}
		second.client.set(false, 0)
		pass(5 * time.Second)
		if now != 1 {
			t.Error("the duty is not done again")
		}
		w.end(second)
		close(running)
		for n := range running {
			if n != 1 {
				t.Errorf("%d did it at once", n)
			}
		}
	})
}

func TestSoloHoldsEverythingAndDoesTheDuties(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewSolo(nil)
		began := false
		s.Duty("webhooks", func(ctx context.Context) error { began = true; <-ctx.Done(); return nil })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		if ok, err := s.Take(ctx, 7); !began || !s.Held(7) || !s.Alive() || !ok || err != nil || s.Lease().Err() != nil {
			t.Error("it does not hold everything")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s = NewSolo(nil)
		s.Duty("webhooks", func(context.Context) error { return errRefused })
		if err := s.Run(t.Context()); err == nil {
			t.Error("a duty that ends by itself is no error")
		}
	})
}
