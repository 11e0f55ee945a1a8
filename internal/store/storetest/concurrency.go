package storetest

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// together runs n calls at the same time and waits for all of them.
func together(n int, call func(i int)) {
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			call(i)
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
}

var concurrencyTests = map[string]func(*testing.T, *world){
	"NothingIsAcceptedBeyondTheBalance": func(t *testing.T, w *world) {
		w.setCredits(40)
		stores := []store.Store{w.store, w.another()}
		items := make([]store.Acceptance, 120)
		for i := range items {
			items[i] = w.acceptance()
		}
		outcomes := make([]store.Accepted, len(items))
		together(len(items), func(i int) { outcomes[i] = stores[i%2].Accept(w.ctx(), items[i]) })
		accepted := 0
		for _, o := range outcomes {
			if o.Err == nil {
				accepted++
			} else if !tideline.IsCode(o.Err, tideline.CodeQuotaExceeded) {
				t.Error(o.Err)
			}
		}
		same(t, "accepted", accepted, 40)
		same(t, "left", w.balance().Period, tideline.Credits(0))
		w.audit()
	},

	"OneKeySendsOnce": func(t *testing.T, w *world) {
		items := make([]store.Acceptance, 60)
		for i := range items {
			items[i] = w.acceptance(withKey("order-1", byte(i%2)), to(tideline.Phone(fmt.Sprintf("+148400001%02d", i%2)), ""))
		}
		stores := []store.Store{w.store, w.another(), w.store}
		outcomes := make([]store.Accepted, len(items))
		together(len(items), func(i int) { outcomes[i] = stores[i%3].Accept(w.ctx(), items[i]) })
		fresh, replays, conflicts := 0, 0, 0
		for _, o := range outcomes {
			switch {
			case tideline.IsCode(o.Err, tideline.CodeConflict):
				conflicts++
			case o.Err != nil:
				t.Error(o.Err)
			case o.Replayed:
				replays++
				if o.ChatID == 0 || o.UID == "" {
					t.Errorf("incomplete replay %+v", o)
				}
			default:
				fresh++
			}
		}
		same(t, "fresh, replays, conflicts", []int{fresh, replays, conflicts}, []int{1, 29, 30})
		same(t, "queue", len(w.backlog()), 1)
		w.audit()
	},

	"ABadItemFailsAlone": func(t *testing.T, w *world) {
		taken, _ := w.accept()
		bad := map[int]func(*store.Acceptance){
			3:  func(a *store.Acceptance) { a.AccountID = 4711 },
			17: func(a *store.Acceptance) { a.Message.FileID = 4711 },
			31: func(a *store.Acceptance) { a.Message.UID = taken.Message.UID }, // only the tables notice
			40: func(a *store.Acceptance) { a.Version-- },
			55: func(a *store.Acceptance) { a.Message.Credits = 5000 },
		}
		items := make([]store.Acceptance, 64)
		for i := range items {
			items[i] = w.acceptance(to(tideline.Phone(fmt.Sprintf("+148400002%02d", i%20)), "Customer"))
			if change := bad[i]; change != nil {
				change(&items[i])
			}
		}
		outcomes := make([]store.Accepted, len(items))
		together(len(items), func(i int) { outcomes[i] = w.store.Accept(w.ctx(), items[i]) })
		for i, o := range outcomes {
			if (o.Err != nil) != (bad[i] != nil) {
				t.Errorf("item %d: %v", i, o.Err)
			}
		}
		if !errors.Is(outcomes[40].Err, store.ErrStale) {
			t.Errorf("stale item: %v", outcomes[40].Err)
		}
		same(t, "queue", len(w.backlog()), 1+len(items)-len(bad))
		w.audit()
	},

	"SettlingOnceAndAgainRefundsOnce": func(t *testing.T, w *world) {
		_, failing := w.accept()
		_, sent := w.accept()
		stores := []store.Store{w.store, w.another()}
		together(40, func(i int) {
			s := store.Settlement{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: failing.MessageID, Status: tideline.StatusFailed,
				Reason: tideline.ReasonRejected, At: w.now}
			if i%4 == 0 {
				s.MessageID, s.Status, s.Reason = sent.MessageID, tideline.StatusSent, ""
			}
			if err := stores[i%2].Settle(w.ctx(), s); err != nil {
				t.Error(err)
			}
		})
		same(t, "left", w.balance().Period, tideline.Credits(999))
		same(t, "entries", len(w.entries()), 4) // grant, two charges, one refund
		w.audit()
	},

	"EverythingAtOnceAddsUp": func(t *testing.T, w *world) {
		other := w.another()
		second := w.account(w.ws, "+14840000002")
		first := w.acc
		together(8, func(worker int) {
			for i := range 12 {
				acc := []tideline.Account{first, second}[i%2]
				in := w.acceptance(func(a *store.Acceptance) { a.AccountID = acc.ID }, to(tideline.Phone(fmt.Sprintf("+148400003%02d", i)), "Same"))
				s := []store.Store{w.store, other}[worker%2]
				out := s.Accept(w.ctx(), in)
				for errors.Is(out.Err, store.ErrStale) {
					in.Version = w.version()
					out = s.Accept(w.ctx(), in)
				}
				if tideline.IsCode(out.Err, tideline.CodeNotFound) && acc.ID == second.ID {
					continue // removed meanwhile
				}
				if out.Err != nil {
					t.Error(out.Err)
					return
				}
				settlement := store.Settlement{WorkspaceID: w.ws.ID, AccountID: acc.ID, MessageID: out.MessageID, At: w.now,
					Status: []tideline.Status{tideline.StatusSent, tideline.StatusFailed, ""}[i%3], Reason: tideline.ReasonRejected, LaneAt: w.now}
				if err := s.Settle(w.ctx(), settlement); err != nil {
					t.Error(err)
				}
				if err := s.ApplyReceipts(w.ctx(), store.Receipts{AccountID: acc.ID, WhatsAppIDs: []string{in.Message.WhatsAppID},
					Status: tideline.StatusDelivered, At: w.now}); err != nil {
					t.Error(err)
				}
				if worker == 0 && i == 8 {
					if err := s.RemoveAccount(w.ctx(), w.ws.ID, second.ID, w.now); err != nil {
						t.Error(err)
					}
				}
			}
		})
		w.audit()
		for _, q := range w.backlog() {
			if q.AccountID == second.ID {
				t.Errorf("message %d of the removed account is still queued", q.MessageID)
			}
		}
	},

	"OneWorkspacesIDsGrowInCommitOrder": func(t *testing.T, w *world) {
		stores := []store.Store{w.store, w.another()}
		var mu sync.Mutex
		var highest int64 // of the messages known to be accepted
		together(16, func(worker int) {
			for range 8 {
				mu.Lock()
				before := highest
				mu.Unlock()
				out := stores[worker%2].Accept(w.ctx(), w.acceptance())
				if out.Err != nil {
					t.Error(out.Err)
					return
				}
				if out.MessageID <= before {
					t.Errorf("message %d was accepted after message %d", out.MessageID, before)
				}
				mu.Lock()
				highest = max(highest, out.MessageID)
				mu.Unlock()
			}
		})
	},

	// Who follows the messages of a workspace by their ids misses none, although two
	// processes accept them, together with those of another workspace.
	"NothingAppearsBelowAMessageThatIsSeen": func(t *testing.T, w *world) {
		other, _ := w.workspace("second", 1000)
		second := w.account(other, "+14840000002")
		version := w.version()
		stores := []store.Store{w.store, w.another()}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			together(24, func(worker int) {
				for i := range 10 {
					in := w.acceptance(func(a *store.Acceptance) {
						a.Version = version
						if (worker+i)%3 == 0 {
							a.WorkspaceID, a.AccountID = other.ID, second.ID
						}
					})
					if out := stores[worker%2].Accept(w.ctx(), in); out.Err != nil {
						t.Error(out.Err)
						return
					}
				}
			})
		}()
		reader := w.another()
		seen := make(map[int64]bool)
		highest := make(map[int64]int64) // by account, of which each workspace has one
		look := func() {
			found := make(map[int64]int64)
			w.must(reader.Backlog(w.ctx(), func(q store.Queued) error {
				if q.MessageID < highest[q.AccountID] && !seen[q.MessageID] {
					t.Errorf("message %d appeared after message %d", q.MessageID, highest[q.AccountID])
				}
				seen[q.MessageID] = true
				found[q.AccountID] = max(found[q.AccountID], q.MessageID)
				return nil
			}))
			maps.Copy(highest, found)
		}
		for running := true; running; {
			select {
			case <-ended:
				running = false
			default:
			}
			look()
		}
		same(t, "messages seen", len(seen), 240)
	},
}

var durabilityTests = map[string]func(*testing.T, *world){
	"WhatWasAnsweredIsThereAfterReopening": func(t *testing.T, w *world) {
		in, out := w.accept(withKey("order-1", 1))
		w.settle(out.MessageID, tideline.StatusSent, func(s *store.Settlement) { s.LaneAt = w.now })
		queuedIn, queued := w.accept()
		w.must(w.store.Close())
		w.store = w.another()
		same(t, "history", w.history(in.Message.UID), []tideline.Status{tideline.StatusSent})
		same(t, "queue", w.backlog(), []store.Queued{{AccountID: w.acc.ID, MessageID: queued.MessageID, Gap: queuedIn.Message.Gap}})
		same(t, "lanes", w.lanes(), []store.Lane{{AccountID: w.acc.ID, At: w.now}})
		if _, again := w.accept(withKey("order-1", 1)); !again.Replayed {
			t.Error("the key was forgotten")
		}
		if _, next := w.accept(); next.MessageID <= queued.MessageID {
			t.Errorf("message %d was accepted after message %d", next.MessageID, queued.MessageID)
		}
		w.audit()
	},

	"AnotherProcessSeesItAtOnce": func(t *testing.T, w *world) {
		in, _ := w.accept()
		_, err := w.another().MessageByUID(w.ctx(), w.ws.ID, in.Message.UID)
		w.must(err)
	},

	"AClosedStoreRefuses": func(t *testing.T, w *world) {
		in := w.acceptance()
		w.must(w.store.Close())
		if out := w.store.Accept(w.ctx(), in); out.Err == nil {
			t.Error("a closed store accepted a message")
		}
		if err := w.store.SetAccountName(w.ctx(), w.acc.ID, "x"); err == nil {
			t.Error("a closed store changed an account")
		}
	},
}
