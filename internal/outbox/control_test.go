package outbox_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// What people stored about the queue, for memory; paused is in every message's
// account.

func (m *memory) PauseAccount(_ context.Context, _, account int64, by string, at time.Time) error {
	m.setPause(account, tideline.Pause{Since: at, By: by})
	return nil
}

func (m *memory) ResumeAccount(_ context.Context, _, account int64, at time.Time) error {
	m.setPause(account, tideline.Pause{Ended: at})
	return nil
}

func (m *memory) setPause(account int64, p tideline.Pause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pauses[account] = p
}

func (m *memory) CancelQueued(_ context.Context, _, account int64, ids []int64, note string, at time.Time) (store.Cancelled, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken > 0 {
		m.broken--
		return store.Cancelled{}, errors.New("disk full")
	}
	var c store.Cancelled
	for _, id := range ids {
		if _, ok := m.messages[id]; ok {
			delete(m.messages, id)
			m.settled = append(m.settled, store.Settlement{AccountID: account, MessageID: id,
				Status: tideline.StatusFailed, Reason: tideline.ReasonCancelled, At: at, Note: note})
			c.Gone = append(c.Gone, id)
		}
	}
	return c, nil
}

func (m *memory) PutFirst(_ context.Context, _, id int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.messages[id]; !ok {
		return tideline.Errorf(tideline.CodeNotFound, "not queued")
	}
	m.firsts = slices.Insert(slices.DeleteFunc(m.firsts, func(f int64) bool { return f == id }), 0, id)
	return nil
}

func (m *memory) QueuedOf(_ context.Context, _, account, after int64, limit int) ([]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []int64
	for id, o := range m.messages {
		if o.Message.AccountID == account && id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids[:min(limit, len(ids))], nil
}

func (m *memory) QueuedMessage(_ context.Context, _, id int64) (store.QueuedMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.messages[id]
	if !ok {
		return store.QueuedMessage{}, tideline.Errorf(tideline.CodeNotFound, "not queued")
	}
	return store.QueuedMessage{ID: id, AccountID: o.Message.AccountID}, nil
}

func (m *memory) QueueLengths(context.Context, int64) (map[int64]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lengths := make(map[int64]int64)
	for _, o := range m.messages {
		lengths[o.Message.AccountID]++
	}
	return lengths, nil
}

func (m *memory) Firsts(_ context.Context, fn func(store.Queued) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range m.firsts {
		if o, ok := m.messages[id]; ok {
			if err := fn(store.Queued{AccountID: o.Message.AccountID, MessageID: id, Gap: o.Gap}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) PausedAccounts(context.Context) (ids []int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, p := range m.pauses {
		if p.Paused() {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func TestAPausedAccountSendsNothingAndItsMessagesDoNotExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		s, stop := serve(t, m, p, outbox.Config{Deadline: time.Hour})
		m.put(1, 1)
		m.put(1, 2)
		pass(100 * time.Millisecond)
		m.put(2, 3)
		pass(400 * time.Millisecond)
		if err := s.Pause(t.Context(), 1, 1, "Ann"); err != nil {
			t.Fatal(err)
		}
		m.put(1, 4)
		pass(10 * time.Hour)
		stop() // a restart changes nothing
		s, stop = serve(t, m, p, outbox.Config{Deadline: time.Hour})
		defer stop()
		s.Wake(1)
		pass(10 * time.Hour)
		if diff := cmp.Diff([]string{"1 Sent ", "3 Sent "}, m.outcomes()); diff != "" {
			t.Fatalf("outcomes while account 1 is paused (-want +got):\n%s", diff)
		}
		if err := s.Resume(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if diff := cmp.Diff([]string{"1 Sent ", "3 Sent ", "2 Sent ", "4 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes after it was resumed (-want +got):\n%s", diff)
		}
	})
}

func TestDeadlinesCountAnewFromTheEndOfAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{script: []error{&whatsapp.SendError{Offline: true, Err: errors.New("away")}}}
		s, stop := serve(t, m, p, outbox.Config{Deadline: time.Hour})
		defer stop()
		m.put(1, 1)
		pass(30 * time.Minute)
		if err := s.Pause(t.Context(), 1, 1, "Ann"); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Hour)
		if err := s.Resume(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
		pass(59 * time.Minute)
		if len(m.outcomes()) > 0 {
			t.Fatalf("outcomes before the deadline: %v", m.outcomes())
		}
		pass(2 * time.Minute)
		if diff := cmp.Diff([]string{"1 Failed expired"}, m.outcomes()); diff != "" {
			t.Errorf("outcomes an hour after the pause (-want +got):\n%s", diff)
		}
	})
}

func TestPauseLetsTheMessageInFlightFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{took: 3 * time.Second, script: []error{&whatsapp.SendError{Unknown: true, Err: errors.New("no ack")}, nil}}
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		m.put(1, 1)
		pass(time.Second)
		if err := s.Pause(t.Context(), 1, 1, "Ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if got := len(p.tried()); got != 1 {
			t.Fatalf("%d attempts, want 1: it came back into a paused lane", got)
		}
		if err := s.Resume(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if diff := cmp.Diff([]string{"1 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestCancelTakesAMessageOutUnlessItIsBeingSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{took: 3 * time.Second}
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		for id := range int64(4) {
			m.put(1, id+1)
		}
		pass(time.Second)
		if err := s.Cancel(t.Context(), 1, 1, "by Ann"); !tideline.IsCode(err, tideline.CodeConflict) {
			t.Fatalf("cancel of the message in flight: %v", err)
		}
		if err := s.PutFirst(t.Context(), 1, 1); !tideline.IsCode(err, tideline.CodeConflict) {
			t.Fatalf("put first of the message in flight: %v", err)
		}
		if err := s.Cancel(t.Context(), 1, 2, "by Ann"); err != nil {
			t.Fatal(err)
		}
		if err := s.Cancel(t.Context(), 1, 2, "by Ann"); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Fatalf("second cancel: %v", err)
		}
		if n, _ := s.Queued(); n != 3 {
			t.Errorf("%d queued after one of four was cancelled", n)
		}
		m.mu.Lock()
		m.broken = 1
		m.mu.Unlock()
		if err := s.Cancel(t.Context(), 1, 3, "by Ann"); err == nil {
			t.Fatal("cancel told of no error while storage failed")
		}
		pass(time.Minute)
		if diff := cmp.Diff([]string{"2 Failed cancelled", "1 Sent ", "3 Sent ", "4 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if len(p.tried()) != 3 {
			t.Errorf("attempts: %v", p.tried())
		}
	})
}

func TestCancelAllEndsTheQueueOfOneAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{took: 3 * time.Second}
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		for id := range int64(1300) {
			m.put(1, id+1)
		}
		m.put(2, 2000)
		pass(time.Second)
		cancelled, kept, err := s.CancelAll(t.Context(), 1, 1, "by Ann")
		if cancelled != 1299 || kept != 1 || err != nil {
			t.Fatalf("CancelAll() = %d, %d, %v", cancelled, kept, err)
		}
		if n, _ := s.Queued(); n != 2 {
			t.Errorf("%d queued, want the two in flight", n)
		}
		pass(time.Minute)
		if got := len(p.tried()); got != 2 {
			t.Errorf("%d attempts, want 2", got)
		}
	})
}

func TestWhatIsPutFirstIsSentFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script  []error
		restart bool
		want    []string
	}{
		"at once":                   {nil, false, []string{"1 Sent ", "4 Sent ", "3 Sent ", "2 Sent ", "5 Sent "}},
		"after a restart":           {nil, true, []string{"1 Sent ", "4 Sent ", "3 Sent ", "2 Sent ", "5 Sent "}},
		"before one that came back": {[]error{&whatsapp.SendError{Err: errors.New("odd")}, nil}, false, []string{"4 Sent ", "3 Sent ", "1 Sent ", "2 Sent ", "5 Sent "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, p := newMemory(), &phone{took: 500 * time.Millisecond, script: c.script}
				s, stop := serve(t, m, p, outbox.Config{})
				for id := range int64(5) {
					m.put(1, id+1)
				}
				pass(100 * time.Millisecond) // 1 is in flight
				for _, id := range []int64{3, 4} {
					if err := s.PutFirst(t.Context(), 1, id); err != nil {
						t.Fatal(err)
					}
				}
				if c.restart {
					stop()
					_, stop = serve(t, m, p, outbox.Config{})
				}
				defer stop()
				pass(time.Minute)
				if diff := cmp.Diff(c.want, m.outcomes()); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAChangedGapCountsForWhatWasPutFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		m.gap = time.Hour
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		for id := range int64(5) {
			m.put(1, id+1)
		}
		pass(time.Second)
		if err := s.PutFirst(t.Context(), 1, 4); err != nil {
			t.Fatal(err)
		}
		m.setGap(time.Second)
		pass(10 * time.Second)
		if diff := cmp.Diff([]string{"1 Sent ", "4 Sent ", "2 Sent ", "3 Sent ", "5 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestAMessageThatStepsAsideComesBackToThePlaceItWasGiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		for id := range int64(3) {
			m.putCold(1, id+1)
		}
		m.limit(time.Now().Add(time.Hour))
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		pass(time.Minute)
		if err := s.PutFirst(t.Context(), 1, 3); err != nil {
			t.Fatal(err)
		}
		if err := s.Cancel(t.Context(), 1, 2, ""); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if diff := cmp.Diff([]string{"2 Failed cancelled", "3 Sent ", "1 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if n, _ := s.Queued(); n != 0 {
			t.Errorf("%d still count as queued", n)
		}
	})
}
