package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// lease is longer than any test takes; over is one that ended a moment ago.
const (
	lease = time.Hour
	over  = -time.Second
)

// join makes a node of a store of its own, as another process would be.
func (w *world) join() (store.Store, int64) {
	w.t.Helper()
	s := w.another()
	n, err := s.Join(w.ctx(), store.NodeInfo{Name: "box, process 7", Version: "1.2.3", URL: "https://box.example"}, lease)
	w.must(err)
	s.Fence(n.ID)
	return s, n.ID
}

// claimed gives the ids of the accounts that a node claims.
func (w *world) claimed(s store.Store, node int64, limit int) []int64 {
	w.t.Helper()
	holds, err := s.Claim(w.ctx(), node, limit)
	w.must(err)
	ids := make([]int64, 0, len(holds))
	for _, h := range holds {
		ids = append(ids, h.AccountID)
	}
	return ids
}

func (w *world) wantExpelled(err error) {
	w.t.Helper()
	if !errors.Is(err, store.ErrExpelled) {
		w.t.Fatalf("error %v, want ErrExpelled", err)
	}
}

// expel lets a node's lease be over and another node expel it.
func (w *world) expel(dead int64, by store.Store, byID int64) {
	w.t.Helper()
	w.must(by.Renew(w.ctx(), dead, over))
	gone, err := by.ExpelDead(w.ctx(), byID)
	w.must(err)
	same(w.t, "expelled", gone, []int64{dead})
}

var nodeTests = map[string]func(*testing.T, *world){
	"AreListedWithWhatTheyHold": func(t *testing.T, w *world) {
		other := w.account(w.ws, "+14840000002")
		s, a := w.join()
		_, b := w.join()
		same(t, "claimed", w.claimed(s, a, 1), []int64{w.acc.ID})
		w.must(s.MarkLeaving(w.ctx(), b))
		nodes, err := w.store.ListNodes(w.ctx())
		w.must(err)
		if len(nodes) != 2 || nodes[0].ID != a || nodes[1].ID != b || a >= b {
			t.Fatalf("nodes: %+v", nodes)
		}
		if nodes[0].Left <= 0 || nodes[0].Left > lease || nodes[0].Started.IsZero() {
			t.Errorf("lease and start: %+v", nodes[0])
		}
		info := store.NodeInfo{Name: "box, process 7", Version: "1.2.3", URL: "https://box.example"}
		same(t, "info", nodes[0].NodeInfo, info)
		same(t, "accounts and leaving", fmt.Sprint(nodes[0].Accounts, nodes[0].Leaving, nodes[1].Accounts, nodes[1].Leaving), "1 false 0 true")
		n, err := w.store.CountAccounts(w.ctx())
		w.must(err)
		same(t, "accounts", n, 2)
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, other.ID, w.now))
		n, err = w.store.CountAccounts(w.ctx())
		w.must(err)
		same(t, "accounts after a removal", n, 1)
	},

	"ClaimOnlyWhatIsFree": func(t *testing.T, w *world) {
		second, third := w.account(w.ws, "+14840000002"), w.account(w.ws, "+14840000003")
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, third.ID, w.now))
		s, a := w.join()
		_, b := w.join()
		same(t, "first claim", w.claimed(s, a, 1), []int64{w.acc.ID})
		same(t, "second claim", w.claimed(s, b, 9), []int64{second.ID})
		same(t, "third claim", w.claimed(s, a, 9), []int64{})
		_, ok, err := s.ClaimAccount(w.ctx(), a, second.ID)
		w.must(err)
		same(t, "claimed what another has", ok, false)
		_, ok, err = s.ClaimAccount(w.ctx(), a, third.ID)
		w.must(err)
		same(t, "claimed what was removed", ok, false)
		h, ok, err := s.ClaimAccount(w.ctx(), a, w.acc.ID)
		w.must(err)
		same(t, "claimed its own", fmt.Sprint(h, ok), fmt.Sprint(store.Hold{AccountID: w.acc.ID, Epoch: 1}, true))
		w.must(s.Release(w.ctx(), b, []int64{w.acc.ID, second.ID})) // the first is not b's
		holder, err := s.HolderOf(w.ctx(), w.acc.ID)
		w.must(err)
		same(t, "holder", holder, a)
		h, ok, err = s.ClaimAccount(w.ctx(), a, second.ID)
		w.must(err)
		same(t, "claimed what was released", fmt.Sprint(h, ok), fmt.Sprint(store.Hold{AccountID: second.ID, Epoch: 2}, true))
		w.must(s.MarkLeaving(w.ctx(), a))
		w.must(s.Release(w.ctx(), a, []int64{second.ID}))
		same(t, "claim of one that leaves", w.claimed(s, a, 9), []int64{})
	},

	"KeepWhatTheyHoldUntilItIsRemoved": func(t *testing.T, w *world) {
		s, a := w.join()
		w.claimed(s, a, 1)
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		holds, err := s.HoldsOf(w.ctx(), a)
		w.must(err)
		same(t, "holds", holds, []store.Hold{{AccountID: w.acc.ID, Epoch: 1, Removed: true}})
		w.must(s.Release(w.ctx(), a, []int64{w.acc.ID}))
		same(t, "claim", w.claimed(s, a, 1), []int64{})
		_, err = w.store.PutAccount(w.ctx(), w.acc) // paired again
		w.must(err)
		same(t, "claim", w.claimed(s, a, 1), []int64{w.acc.ID})
	},

	"AreExpelledOnlyWhenTheirLeaseIsOver": func(t *testing.T, w *world) {
		a, aID := w.join()
		b, bID := w.join()
		w.claimed(a, aID, 1)
		gone, err := b.ExpelDead(w.ctx(), bID)
		w.must(err)
		same(t, "expelled", len(gone), 0)
		w.must(a.Renew(w.ctx(), aID, over))
		w.must(a.Renew(w.ctx(), aID, lease)) // it was over, and nobody came
		gone, err = b.ExpelDead(w.ctx(), bID)
		w.must(err)
		same(t, "expelled", len(gone), 0)
		w.must(a.Renew(w.ctx(), aID, over))
		w.must(b.Renew(w.ctx(), bID, over))
		gone, err = b.ExpelDead(w.ctx(), bID) // the clock jumped: b has to renew first
		w.must(err)
		same(t, "expelled by one whose lease is over", len(gone), 0)
		w.must(b.Renew(w.ctx(), bID, lease))
		w.expel(aID, b, bID)
		w.wantExpelled(a.Renew(w.ctx(), aID, lease))
		w.wantExpelled(a.MarkLeaving(w.ctx(), aID))
		_, err = a.Claim(w.ctx(), aID, 1)
		w.wantExpelled(err)
		_, _, err = a.ClaimAccount(w.ctx(), aID, w.acc.ID)
		w.wantExpelled(err)
		w.wantExpelled(a.Release(w.ctx(), aID, []int64{w.acc.ID}))
		_, err = a.TakeDuty(w.ctx(), aID, "webhooks")
		w.wantExpelled(err)
		w.must(a.Leave(w.ctx(), aID))
		same(t, "claim of the other", w.claimed(b, bID, 1), []int64{w.acc.ID})
	},

	// A process that has its predecessor's place is proof of its death.
	"AreExpelledAtOnceWhenTheirSeatIsTaken": func(t *testing.T, w *world) {
		seat := store.NodeInfo{Name: "first", Seat: "a folder"}
		old, err := w.another().Join(w.ctx(), seat, lease)
		w.must(err)
		neighbour, err := w.another().Join(w.ctx(), store.NodeInfo{Name: "other", Seat: "another folder"}, lease)
		w.must(err)
		_, nowhere := w.join()
		seat.Name = "second"
		s := w.another()
		successor, err := s.Join(w.ctx(), seat, lease)
		w.must(err)
		gone, err := s.ExpelDead(w.ctx(), successor.ID)
		w.must(err)
		same(t, "expelled", gone, []int64{old.ID})
		nodes, err := s.ListNodes(w.ctx())
		w.must(err)
		var left []int64
		for _, n := range nodes {
			left = append(left, n.ID)
		}
		same(t, "nodes", left, []int64{neighbour.ID, nowhere, successor.ID})
	},

	"FreeAllWhenTheyLeave": func(t *testing.T, w *world) {
		a, aID := w.join()
		b, bID := w.join()
		w.claimed(a, aID, 1)
		took, err := a.TakeDuty(w.ctx(), aID, "webhooks")
		w.must(err)
		same(t, "took", took, true)
		took, err = b.TakeDuty(w.ctx(), bID, "webhooks")
		w.must(err)
		same(t, "took what another has", took, false)
		w.must(a.Leave(w.ctx(), aID))
		w.must(a.Leave(w.ctx(), aID))
		took, err = b.TakeDuty(w.ctx(), bID, "webhooks")
		w.must(err)
		same(t, "took what was left", took, true)
		holds, err := b.Claim(w.ctx(), bID, 5)
		w.must(err)
		same(t, "claimed", holds, []store.Hold{{AccountID: w.acc.ID, Epoch: 2}})
		w.must(b.DropDuty(w.ctx(), aID, "webhooks")) // not a's any more
		took, err = b.TakeDuty(w.ctx(), bID, "webhooks")
		w.must(err)
		same(t, "took its own again", took, true)
		w.must(b.DropDuty(w.ctx(), bID, "webhooks"))
		nodes, err := b.ListNodes(w.ctx())
		w.must(err)
		same(t, "nodes", len(nodes), 1)
	},

	"StoreNothingForAccountsOnceExpelled": func(t *testing.T, w *world) {
		a, aID := w.join()
		b, bID := w.join()
		w.claimed(a, aID, 1)
		_, first := w.accept()
		_, second := w.accept()
		settled := func(id int64) store.Settlement {
			return store.Settlement{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: id, Status: tideline.StatusSent, At: w.now}
		}
		w.must(a.Settle(w.ctx(), settled(first.MessageID)))
		w.wantExpelled(b.Settle(w.ctx(), settled(second.MessageID))) // not its account
		w.wantExpelled(b.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountDisconnected, "", w.now))
		w.expel(aID, b, bID)
		for name, write := range fencedWrites(w, a, second.MessageID) {
			if err := write(); !errors.Is(err, store.ErrExpelled) {
				t.Errorf("%s by an expelled node: %v, want ErrExpelled", name, err)
			}
		}
		same(t, "queue", len(w.backlog()), 1)
		acc, err := w.store.Account(w.ctx(), w.ws.ID, w.acc.ID)
		w.must(err)
		same(t, "state", acc.State, tideline.AccountActive)
		in := w.acceptance()
		w.must(a.Accept(w.ctx(), in).Err) // owns nothing, so it may
		same(t, "queue", len(w.backlog()), 2)

		w.claimed(b, bID, 1)
		w.must(b.Settle(w.ctx(), settled(second.MessageID)))
		w.must(b.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountDisconnected, "", w.now))
		w.must(w.store.Settle(w.ctx(), settled(second.MessageID))) // no node: a command
		w.audit()
	},

	"GetOneHolderEachHoweverManyClaim": func(t *testing.T, w *world) {
		for i := range 40 {
			w.account(w.ws, tideline.Phone(fmt.Sprintf("+1484001%04d", i)))
		}
		const nodes = 4
		got := make(chan []int64, nodes)
		for range nodes {
			s, id := w.join()
			go func() {
				var mine []int64
				for {
					holds, err := s.Claim(w.ctx(), id, 3)
					if err != nil || len(holds) == 0 {
						got <- mine
						return
					}
					for _, h := range holds {
						mine = append(mine, h.AccountID)
					}
				}
			}()
		}
		seen := make(map[int64]int)
		for range nodes {
			for _, id := range <-got {
				seen[id]++
			}
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("account %d is held %d times", id, n)
			}
		}
		// Who skips what another one just claims may stop before all are claimed.
		s, id := w.join()
		same(t, "claimed", len(seen)+len(w.claimed(s, id, 100)), 41)
	},
}

// fencedWrites are writes for the world's account that only its holder may do.
func fencedWrites(w *world, s store.Store, messageID int64) map[string]func() error {
	ctx, peer := w.ctx(), tideline.Peer{JID: "14840000099@s.whatsapp.net"}
	return map[string]func() error{
		"settle": func() error {
			return s.Settle(ctx, store.Settlement{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: messageID, Status: tideline.StatusSent, At: w.now})
		},
		"receipts": func() error {
			return s.ApplyReceipts(ctx, store.Receipts{AccountID: w.acc.ID, WhatsAppIDs: []string{"x"}, Status: tideline.StatusRead, At: w.now})
		},
		"receive": func() error {
			_, err := s.Receive(ctx, w.reception("A1"))
			return err
		},
		"state": func() error {
			return s.SetAccountState(ctx, w.acc.ID, tideline.AccountLoggedOut, "", w.now)
		},
		"name":   func() error { return s.SetAccountName(ctx, w.acc.ID, "New") },
		"hold":   func() error { return s.SetAccountHold(ctx, w.acc.ID, tideline.Hold{}) },
		"pause":  func() error { return s.PauseAccount(ctx, w.ws.ID, w.acc.ID, "ann", w.now) },
		"resume": func() error { return s.ResumeAccount(ctx, w.ws.ID, w.acc.ID, w.now) },
		"cancel": func() error {
			_, err := s.CancelQueued(ctx, w.ws.ID, w.acc.ID, []int64{messageID}, "", w.now)
			return err
		},
		"first":    func() error { return s.PutFirst(ctx, w.ws.ID, messageID) },
		"download": func() error { return s.AbandonDownload(ctx, w.ws.ID, messageID, tideline.AttachmentGone) },
		"chunk": func() error {
			return s.PutHistoryChunk(ctx, store.HistoryChunk{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, Chunk: "1", AnnouncedAt: w.now})
		},
		"history": func() error {
			_, err := s.ReceiveHistory(ctx, store.History{WorkspaceID: w.ws.ID, AccountID: w.acc.ID})
			return err
		},
		"groups": func() error { return s.LookAtGroups(ctx, w.ws.ID, w.acc.ID, w.now) },
		"names":  func() error { return s.NameContacts(ctx, w.ws.ID, w.acc.ID, []tideline.Peer{peer}) },
		"deliveries": func() error {
			_, err := s.PutDeliveries(ctx, store.EventPage{}, store.Deliveries{}, w.now)
			return err
		},
		"outcome": func() error {
			return s.PutOutcomes(ctx, []store.Outcome{{WorkspaceID: w.ws.ID, WebhookID: 1, DeliveryID: 1, State: tideline.DeliveryDead, At: w.now}})[0]
		},
	}
}
