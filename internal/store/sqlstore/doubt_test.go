package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// flaky is a way to PostgreSQL that can break.
type flaky struct {
	s      *Store
	down   bool // nothing gets through
	lost   bool // the next transaction is committed, but the answer never comes; then nothing gets through
	called int
}

func (f *flaky) transact(run func(*tx) error) (bool, error) {
	f.called++
	switch {
	case f.down:
		return false, driver.ErrBadConn
	case f.lost:
		f.down, f.lost = true, false
		if _, err := f.s.transact(context.Background(), run); err != nil {
			return false, err
		}
		return true, driver.ErrBadConn
	}
	return f.s.transact(context.Background(), run)
}

func TestMessagesOfACommitInDoubtReachTheOutboxInOrder(t *testing.T) {
	t.Parallel()
	s, acceptance := newWorld(t, testenv.PostgreSQL(t))
	var told []int64
	s.OnAccepted(func(batch []store.Queued) {
		for _, q := range batch {
			told = append(told, q.MessageID)
		}
	})
	way := &flaky{s: s, lost: true}
	d := &doubts{s: s, transact: way.transact}

	lost := []*job{{accept: acceptance("a")}, {accept: acceptance("b")}}
	if again := d.commit(lost); again <= 0 {
		t.Error("nobody will look for the messages")
	}
	for _, j := range lost {
		if !errors.Is(j.err, driver.ErrBadConn) {
			t.Errorf("a message in doubt was answered with %+v, %v", j.accepted, j.err)
		}
	}
	// While the doubt stays, later messages may not pass the lost ones.
	refused := &job{accept: acceptance("c")}
	first := d.commit([]*job{refused})
	if second := d.commit(nil); refused.err == nil || first <= 0 || second <= first {
		t.Errorf("a message passed those in doubt: %v; pauses %s, %s", refused.err, first, second)
	}
	if len(told) > 0 {
		t.Errorf("the outbox was told of %v", told)
	}

	way.down = false
	next := &job{accept: acceptance("d")}
	if again := d.commit([]*job{next}); again != 0 || next.err != nil || next.accepted.Err != nil {
		t.Fatalf("after the doubt: %+v, %v, again after %s", next.accepted, next.err, again)
	}
	var want []int64
	if err := s.Backlog(t.Context(), func(q store.Queued) error { want = append(want, q.MessageID); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, told); diff != "" || len(told) != 3 {
		t.Errorf("told of %v (-stored +told):\n%s", told, diff)
	}
	assertQueue(t, s, 3)
}

func TestADoubtAboutNothingStoredEndsQuietly(t *testing.T) {
	t.Parallel()
	s, acceptance := newWorld(t, testenv.PostgreSQL(t))
	s.OnAccepted(func(batch []store.Queued) { t.Errorf("the outbox was told of %v", batch) })
	way := &flaky{s: s}
	d := &doubts{s: s, transact: way.transact, open: []*store.Acceptance{acceptance("a")}}
	for range 2 {
		if again := d.commit(nil); again != 0 || len(d.open) > 0 {
			t.Errorf("still in doubt, again after %s", again)
		}
	}
	if way.called != 1 {
		t.Errorf("%d transactions", way.called)
	}
}

func TestACommitterComesBackByItself(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	calls := make(chan int)
	left := 3
	c := startCommitter(8, func(jobs []*job) time.Duration {
		calls <- len(jobs)
		left--
		if left == 0 {
			return 0
		}
		return time.Millisecond
	})
	done := make(chan error)
	go func() { done <- c.do(ctx, &job{}) }()
	for i, want := range []int{1, 0, 0} {
		select {
		case n := <-calls:
			if n != want {
				t.Errorf("call %d got %d jobs, want %d", i, n, want)
			}
		case <-ctx.Done():
			t.Fatal("the committer did not come back")
		}
		if i == 0 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	c.stop()
}
