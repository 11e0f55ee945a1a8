package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// strangers is the chat of those messages that are first contacts.
const strangers = 99

func (m *memory) FirstContact(_ context.Context, _, chatID int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return chatID == strangers && !m.answered, nil
}

// answer makes a conversation of the strangers' chat.
func (m *memory) answer() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered = true
}

// putCold stores a queued message to somebody new.
func (m *memory) putCold(account, id int64) {
	told := m.accepted
	m.accepted = nil
	m.put(account, id)
	m.mu.Lock()
	o := m.messages[id]
	o.Message.ChatID = strangers
	m.messages[id] = o
	m.accepted = told
	m.mu.Unlock()
	if told != nil {
		told([]store.Queued{{AccountID: account, MessageID: id, Gap: o.Gap}})
	}
}

// limit is what the account room notes about every message's account.
func (m *memory) limit(until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, o := range m.messages {
		o.Account.Hold.ReachOutUntil = until
		m.messages[id] = o
	}
}

func TestComplaint22ColdSendsWaitForTheEndOfTheTimelock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		m.putCold(1, 1)
		m.put(1, 2)
		m.putCold(1, 3)
		m.put(1, 4)
		m.limit(time.Now().Add(time.Hour))
		_, stop := serve(t, m, p, outbox.Config{})
		pass(30 * time.Minute)
		if diff := cmp.Diff([]string{"2 Sent ", "4 Sent "}, m.outcomes()); diff != "" {
			t.Fatalf("outcomes during the limit (-want +got):\n%s", diff)
		}
		stop() // a restart forgets nothing
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		pass(29 * time.Minute)
		if n, _ := s.Queued(); n != 2 || len(p.tried()) != 2 {
			t.Fatalf("%d queued and %d attempts before the limit ends, want 2 and 2", n, len(p.tried()))
		}
		pass(2 * time.Minute)
		if diff := cmp.Diff([]string{"2 Sent ", "4 Sent ", "1 Sent ", "3 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes after the limit (-want +got):\n%s", diff)
		}
	})
}

func TestColdSendThatTheLimitOutlivesFailsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		m.putCold(1, 1)
		m.put(1, 2)
		m.limit(time.Now().Add(2 * time.Hour))
		_, stop := serve(t, m, p, outbox.Config{Deadline: time.Hour})
		defer stop()
		pass(time.Minute)
		if diff := cmp.Diff([]string{"1 Failed reach_out_limited", "2 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestColdSendsGoWhenTheLimitIsLifted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		m.putCold(1, 1)
		m.limit(time.Now().Add(10 * time.Hour))
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		pass(time.Hour)
		m.limit(time.Now().Add(time.Hour)) // shorter now
		s.Limited(1)
		pass(30 * time.Minute)
		m.limit(time.Time{})
		s.Limited(1)
		pass(time.Second)
		if diff := cmp.Diff([]string{"1 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestPromise4ColdSendsGoBeforeWhatIsSaidLaterInTheirChat(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*memory){
		"the stranger wrote":             (*memory).answer,
		"the limit is over, not told of": func(m *memory) { m.limit(time.Time{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, p := newMemory(), &phone{}
				m.putCold(1, 1)
				m.putCold(1, 2)
				m.limit(time.Now().Add(10 * time.Hour))
				_, stop := serve(t, m, p, outbox.Config{})
				defer stop()
				pass(time.Minute)
				end(m)
				m.putCold(1, 3)
				m.mu.Lock()
				later := m.messages[3]
				later.Account.Hold = m.messages[1].Account.Hold
				m.messages[3] = later
				m.mu.Unlock()
				pass(time.Minute)
				if diff := cmp.Diff([]string{"1 Sent ", "2 Sent ", "3 Sent "}, m.outcomes()); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
				if n := len(p.tried()); n != 3 {
					t.Errorf("%d attempts, want 3", n)
				}
			})
		})
	}
}

func TestColdSendsGoWhenTheStrangerWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		m.putCold(1, 1)
		m.limit(time.Now().Add(10 * time.Hour))
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		pass(time.Minute)
		s.Answered(1, strangers+1)
		s.Answered(2, strangers)
		pass(time.Minute)
		if got := m.outcomes(); len(got) > 0 {
			t.Fatalf("outcomes %v although somebody else wrote", got)
		}
		m.answer()
		s.Answered(1, strangers)
		pass(time.Minute)
		if diff := cmp.Diff([]string{"1 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestHeldMessagesOfARemovedAccountLeaveTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		m.putCold(1, 1)
		m.putCold(1, 2)
		m.limit(time.Now().Add(10 * time.Hour))
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		pass(time.Minute)
		m.remove(1)
		m.put(1, 3) // it was paired again
		pass(time.Minute)
		if diff := cmp.Diff([]string{"3 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		pass(10 * time.Hour)
		if n, busy := s.Queued(); n != 0 || busy != 0 || len(p.tried()) != 1 {
			t.Errorf("%d queued, %d in flight, %d attempts", n, busy, len(p.tried()))
		}
	})
}

func TestComplaint02RefusalForReachingOutHasAStableReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{script: []error{
			&whatsapp.SendError{Reason: tideline.ReasonReachOutLimited, Err: errors.New("whatsapp answered 463")}, nil,
		}}
		_, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		m.putCold(1, 1)
		m.put(1, 2)
		pass(time.Minute)
		if diff := cmp.Diff([]string{"1 Failed reach_out_limited", "2 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if len(p.tried()) != 2 {
			t.Errorf("attempts %v: a refusal is final", p.tried())
		}
	})
}

// TestPromise4OrderAndGapHoldBesideWhatIsSetAside has a pacer whose heads are set
// aside and recalled by chance, and checks what goes out.
func TestPromise4OrderAndGapHoldBesideWhatIsSetAside(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(rt, "messages")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			const account, took = 1, 40 * time.Millisecond
			rng, fate := rand.New(rand.NewPCG(seed, 2)), rand.New(rand.NewPCG(seed, 3))
			cold, gaps := map[int64]bool{}, map[int64]time.Duration{}
			for id := int64(1); id <= int64(n); id++ {
				gaps[id], cold[id] = time.Duration(rng.Int64N(3000))*time.Millisecond, rng.IntN(2) == 0
			}
			var limited atomic.Bool
			limited.Store(true)
			var mu sync.Mutex // for sent
			var sent []int64
			var ended time.Time
			heads := make(chan int64, n)
			p := outbox.NewPacer(func(_, message int64, _ time.Time) { heads <- message })
			stop := run(t, p)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for id := range heads {
					switch {
					case limited.Load() && cold[id]:
						p.SetAside(account)
					case fate.IntN(8) == 0:
						p.GiveWay(account)
					case fate.IntN(5) == 0:
						p.Again(account, time.Now().Add(time.Second), time.Time{})
					default:
						if !ended.IsZero() && time.Since(ended) < gaps[id] {
							t.Errorf("message %d went %v after the one before, its gap is %v", id, time.Since(ended), gaps[id])
						}
						<-time.After(took)
						mu.Lock()
						sent, ended = append(sent, id), time.Now()
						mu.Unlock()
						p.Finish(account, ended)
					}
				}
			}()
			for id := int64(1); id <= int64(n); id++ {
				p.Enqueue(queued(account, id, gaps[id]))
				pass(time.Duration(rng.Int64N(800)) * time.Millisecond)
				if rng.IntN(6) == 0 {
					p.Recall(account)
				}
			}
			pass(time.Duration(n) * 10 * time.Second)
			mu.Lock()
			warm := slices.Clone(sent)
			mu.Unlock()
			if queuedNow, _ := p.Queued(); queuedNow != n-len(warm) {
				t.Errorf("%d count as queued, want %d", queuedNow, n-len(warm))
			}
			limited.Store(false)
			p.Recall(account)
			pass(time.Duration(n) * 10 * time.Second)
			stop()
			close(heads)
			<-done
			for _, part := range [][]int64{warm, sent[len(warm):]} {
				if !slices.IsSorted(part) {
					t.Errorf("sent %v: not in the order of acceptance", part)
				}
			}
			if slices.Sort(sent); len(slices.Compact(sent)) != n {
				t.Error(fmt.Sprint("sent ", sent, ": want every message once"))
			}
		})
	})
}
