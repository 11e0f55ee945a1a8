package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// acceptMany accepts n messages of an account and gives their ids.
func (w *world) acceptMany(n int, account int64) (ids []int64) {
	w.t.Helper()
	for range n {
		_, out := w.accept(func(a *store.Acceptance) { a.AccountID = account })
		ids = append(ids, out.MessageID)
	}
	return ids
}

// queue lists the ids of what waits.
func (w *world) queue(f store.QueueFilter, p store.Page) (ids []int64, more bool) {
	w.t.Helper()
	items, more, err := w.store.Queue(w.ctx(), w.ws.ID, f, p)
	w.must(err)
	for _, i := range items {
		ids = append(ids, i.View.Message.ID)
	}
	return ids, more
}

var queueTests = map[string]func(*testing.T, *world){
	"APauseIsStoredWithWhoAndWhen": func(t *testing.T, w *world) {
		version := w.version()
		paused := func() tideline.Pause {
			a, err := w.another().Account(w.ctx(), w.ws.ID, w.acc.ID)
			w.must(err)
			return a.Pause
		}
		same(t, "at first", paused(), tideline.Pause{})
		w.must(w.store.PauseAccount(w.ctx(), w.ws.ID, w.acc.ID, "Ann", w.now))
		w.must(w.store.PauseAccount(w.ctx(), w.ws.ID, w.acc.ID, "Bob", w.now.Add(time.Hour)))
		same(t, "paused", paused(), tideline.Pause{Since: w.now, By: "Ann"})
		ids, err := w.store.PausedAccounts(w.ctx())
		w.must(err)
		same(t, "paused accounts", ids, []int64{w.acc.ID})
		same(t, "version", w.version(), version)    // acceptances must not look everything up anew
		_, err = w.store.PutAccount(w.ctx(), w.acc) // paired again
		w.must(err)
		same(t, "after another pairing", paused(), tideline.Pause{Since: w.now, By: "Ann"})

		end := w.now.Add(2 * time.Hour)
		w.must(w.store.ResumeAccount(w.ctx(), w.ws.ID, w.acc.ID, end))
		w.must(w.store.ResumeAccount(w.ctx(), w.ws.ID, w.acc.ID, end.Add(time.Hour)))
		same(t, "resumed", paused(), tideline.Pause{Ended: end})
		ids, err = w.store.PausedAccounts(w.ctx())
		w.must(err)
		same(t, "paused accounts", len(ids), 0)
	},

	"ACancelledMessageGivesItsCreditsBackOnce": func(t *testing.T, w *world) {
		before := w.balance().Period
		in, out := w.accept(func(a *store.Acceptance) { a.Message.Credits = 2 })
		kept := w.acceptMany(1, w.acc.ID)
		for range 2 {
			c, err := w.store.CancelQueued(w.ctx(), w.ws.ID, w.acc.ID, []int64{out.MessageID, 999999}, "by Ann", w.now)
			w.must(err)
			if len(c.Sent) > 0 || len(c.Gone) > 1 {
				t.Fatalf("cancelled %+v", c)
			}
		}
		w.settle(out.MessageID, tideline.StatusFailed) // comes too late, and changes nothing
		v := w.view(in.Message.UID)
		same(t, "status", v.Message.Status, tideline.StatusFailed)
		same(t, "reason", v.Message.Reason, tideline.ReasonCancelled)
		same(t, "left", w.balance().Period, before-1)
		same(t, "queue", len(w.backlog()), len(kept))
		last := w.entries()[len(w.entries())-1]
		same(t, "ledger entry", []any{last.Kind, last.MessageID, last.Note},
			[]any{tideline.EntryRefund, out.MessageID, "cancelled: by Ann"})
		w.audit()
	},

	"AMessageThatWasSentIsNotCancelled": func(t *testing.T, w *world) {
		before := w.balance().Period
		in, out := w.accept()
		w.receive(tideline.StatusDelivered, w.now, in.Message.WhatsAppID) // overtook the acknowledgement
		c, err := w.store.CancelQueued(w.ctx(), w.ws.ID, w.acc.ID, []int64{out.MessageID}, "", w.now)
		w.must(err)
		same(t, "outcome", c, store.Cancelled{Gone: []int64{out.MessageID}, Sent: []int64{out.MessageID}})
		same(t, "status", w.view(in.Message.UID).Message.Status, tideline.StatusDelivered)
		same(t, "left", w.balance().Period, before-1)
		w.audit()
	},

	"WhatIsPutFirstGoesFirst": func(t *testing.T, w *world) {
		ids := w.acceptMany(5, w.acc.ID)
		w.must(w.store.PutFirst(w.ctx(), w.ws.ID, ids[3]))
		w.must(w.store.PutFirst(w.ctx(), w.ws.ID, ids[4]))
		w.must(w.store.PutFirst(w.ctx(), w.ws.ID, ids[1]))
		w.must(w.store.PutFirst(w.ctx(), w.ws.ID, ids[4])) // once more
		want := []int64{ids[4], ids[1], ids[3], ids[0], ids[2]}
		got, more := w.queue(store.QueueFilter{}, store.Page{Limit: 10})
		same(t, "order", got, want)
		same(t, "more", more, false)
		var firsts []int64
		w.must(w.another().Firsts(w.ctx(), func(q store.Queued) error {
			same(t, "lane", []any{q.AccountID, q.Gap}, []any{w.acc.ID, 2 * time.Second})
			firsts = append(firsts, q.MessageID)
			return nil
		}))
		same(t, "put first", firsts, want[:3])
		for lane, at := range map[string]time.Time{"never sent": {}, "sent": w.now.Add(time.Minute)} {
			if !at.IsZero() {
				w.settle(want[0], "", func(s *store.Settlement) { s.LaneAt = at })
			}
			items, _, err := w.store.Queue(w.ctx(), w.ws.ID, store.QueueFilter{AccountID: w.acc.ID}, store.Page{Limit: 10})
			w.must(err)
			for i, id := range want {
				p, err := w.store.PlaceOf(w.ctx(), w.ws.ID, id)
				w.must(err)
				same(t, fmt.Sprintf("%s: place of %d", lane, i), p, items[i].Place)
				same(t, "position", p.Position, i)
				same(t, "first", items[i].First, i < 3)
			}
		}
		w.settle(want[0], tideline.StatusSent)
		w.wantCode(w.store.PutFirst(w.ctx(), w.ws.ID, want[0]), tideline.CodeNotFound)
	},

	"TheQueueIsListedInPages": func(t *testing.T, w *world) {
		ids := w.acceptMany(7, w.acc.ID)
		for at := 0; at < 9; at += 3 {
			got, more := w.queue(store.QueueFilter{AccountID: w.acc.ID}, store.Page{Offset: at, Limit: 3})
			same(t, "page", got, slices.Clone(ids[min(at, 7):min(at+3, 7)]))
			same(t, "more", more, at+3 < 7)
		}
		items, _, err := w.store.Queue(w.ctx(), w.ws.ID, store.QueueFilter{}, store.Page{Offset: 2, Limit: 1})
		w.must(err)
		i := items[0]
		same(t, "what is shown", []any{i.View.Message.Text, i.View.Chat.Phone, i.View.Account.Phone, i.View.MemberName, i.Place.Position},
			[]any{"hello", tideline.Phone("+14840000099"), w.acc.Phone, w.owner.DisplayName, 2})
	},

	"LanesAreListedByTheTimeThatTheirMessagesGo": func(t *testing.T, w *world) {
		// More accounts than are read one by one.
		accounts := []int64{w.acc.ID}
		for i := range 8 {
			accounts = append(accounts, w.account(w.ws, tideline.Phone(fmt.Sprintf("+1484000010%d", i))).ID)
		}
		var want []int64
		for round := range 3 {
			for i, a := range accounts {
				if round == 0 && i > 0 {
					continue // the first lane is one ahead
				}
				want = append(want, w.acceptMany(1, a)...)
			}
		}
		w.must(w.store.PutFirst(w.ctx(), w.ws.ID, want[len(want)-1]))
		all, more := w.queue(store.QueueFilter{}, store.Page{Limit: 100})
		same(t, "more", more, false)
		slices.Sort(want)
		sorted := slices.Sorted(slices.Values(all))
		same(t, "listed", sorted, want)
		items, _, err := w.store.Queue(w.ctx(), w.ws.ID, store.QueueFilter{}, store.Page{Limit: 100})
		w.must(err)
		positions := make(map[int64]int)
		last := time.Time{}
		for _, i := range items {
			same(t, "position", i.Place.Position, positions[i.View.Account.ID])
			positions[i.View.Account.ID]++
			if i.Place.Expected.Before(last) {
				t.Errorf("%v is listed after %v", i.Place.Expected, last)
			}
			last = i.Place.Expected
		}
		lengths, err := w.store.QueueLengths(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "lengths", []any{len(lengths), lengths[accounts[0]], lengths[accounts[1]]}, []any{9, int64(3), int64(2)})
	},

	"WhatIsHeldBackComesLast": func(t *testing.T, w *world) {
		ids := w.acceptMany(3, w.acc.ID)
		until := w.now.Add(time.Hour)
		w.must(w.store.SetAccountHold(w.ctx(), w.acc.ID, tideline.Hold{ReachOutUntil: until}))
		w.settle(ids[0], "", func(s *store.Settlement) { s.Note = store.NoteReachOutLimited })
		got, _ := w.queue(store.QueueFilter{}, store.Page{Limit: 10})
		same(t, "order", got, []int64{ids[1], ids[2], ids[0]})
		items, _, err := w.store.Queue(w.ctx(), w.ws.ID, store.QueueFilter{}, store.Page{Limit: 10})
		w.must(err)
		why, when := items[2].Why()
		same(t, "why", []any{why, when, items[2].Attempts}, []any{store.WaitReachOut, until, 1})
		w.must(w.store.PauseAccount(w.ctx(), w.ws.ID, w.acc.ID, "Ann", w.now))
		items, _, err = w.store.Queue(w.ctx(), w.ws.ID, store.QueueFilter{}, store.Page{Limit: 10})
		w.must(err)
		why, _ = items[0].Why()
		same(t, "why", why, store.WaitPaused)
	},

	"NothingOfAnotherWorkspaceIsTouched": func(t *testing.T, w *world) {
		_, out := w.accept()
		other, _ := w.workspace("second", 10)
		ctx := w.ctx()
		w.wantCode(w.store.PauseAccount(ctx, other.ID, w.acc.ID, "x", w.now), tideline.CodeNotFound)
		w.wantCode(w.store.ResumeAccount(ctx, other.ID, w.acc.ID, w.now), tideline.CodeNotFound)
		w.wantCode(w.store.PutFirst(ctx, other.ID, out.MessageID), tideline.CodeNotFound)
		_, err := w.store.QueuedMessage(ctx, other.ID, out.MessageID)
		w.wantCode(err, tideline.CodeNotFound)
		c, err := w.store.CancelQueued(ctx, other.ID, w.acc.ID, []int64{out.MessageID}, "", w.now)
		w.must(err)
		same(t, "cancelled", len(c.Gone), 0)
		ids, err := w.store.QueuedOf(ctx, other.ID, w.acc.ID, 0, 10)
		w.must(err)
		same(t, "queued", len(ids), 0)
		items, _, err := w.store.Queue(ctx, other.ID, store.QueueFilter{AccountID: w.acc.ID}, store.Page{Limit: 10})
		w.must(err)
		same(t, "listed", len(items), 0)
		views, _, err := w.store.LedgerPage(ctx, other.ID, 0, 100)
		w.must(err)
		for _, v := range views {
			same(t, "entry's workspace", v.Entry.WorkspaceID, other.ID)
		}
		q, err := w.store.QueuedMessage(ctx, w.ws.ID, out.MessageID)
		w.must(err)
		same(t, "own message", q, store.QueuedMessage{ID: out.MessageID, AccountID: w.acc.ID, ChatID: out.ChatID, MemberID: w.owner.ID})
	},
}

var usageTests = map[string]func(*testing.T, *world){
	"SpendingIsSummedByTheDayOfTheTimeZone": func(t *testing.T, w *world) {
		kathmandu, err := time.LoadLocation("Asia/Kathmandu") // 5:45 ahead
		w.must(err)
		second := w.account(w.ws, "+14840000002")
		at := func(when time.Time, account int64, credits tideline.Credits) int64 {
			_, out := w.accept(func(a *store.Acceptance) { a.Message.At, a.AccountID, a.Message.Credits = when, account, credits })
			return out.MessageID
		}
		day := time.Date(2026, 11, 16, 0, 0, 0, 0, kathmandu)
		at(day.Add(-time.Millisecond), w.acc.ID, 1)
		at(day, w.acc.ID, 2)
		failing := at(day.Add(time.Hour), second.ID, 1)
		spending := func() []store.Spent {
			s, err := w.store.Spending(w.ctx(), w.ws.ID, day.Add(-24*time.Hour), day.Add(30*time.Hour), kathmandu)
			w.must(err)
			return s
		}
		want := []store.Spent{
			{Day: day.AddDate(0, 0, -1), Charged: 1, Accounts: []store.AccountSpent{{AccountID: w.acc.ID, Charged: 1}}},
			{Day: day, Charged: 3, Accounts: []store.AccountSpent{{AccountID: w.acc.ID, Charged: 2}, {AccountID: second.ID, Charged: 1}}},
			{Day: day.AddDate(0, 0, 1)},
		}
		same(t, "spending", spending(), want)
		same(t, "once more", spending(), want)
		w.settle(failing, tideline.StatusFailed, func(s *store.Settlement) { s.AccountID, s.At = second.ID, day.Add(25*time.Hour) })
		want[2].Refunded, want[2].Accounts = 1, []store.AccountSpent{{AccountID: second.ID, Refunded: 1}}
		same(t, "after a refund", spending(), want)
		other, _ := w.workspace("second", 10)
		s, err := w.store.Spending(w.ctx(), other.ID, day, day, kathmandu)
		w.must(err)
		same(t, "another workspace's", s, []store.Spent{{Day: day}})
	},

	"TheLedgerIsListedNewestFirstWithWhatItWasFor": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.settle(out.MessageID, tideline.StatusFailed)
		w.accept()
		all := w.entries()
		slices.Reverse(all)
		var got []tideline.Entry
		for before, more := int64(0), true; more; {
			var page []store.LedgerView
			var err error
			page, more, err = w.store.LedgerPage(w.ctx(), w.ws.ID, before, 2)
			w.must(err)
			for _, v := range page {
				got = append(got, v.Entry)
				if v.Entry.MessageID == out.MessageID {
					same(t, "what it was for", v, store.LedgerView{Entry: v.Entry, MessageUID: in.Message.UID, Status: tideline.StatusFailed,
						Reason: tideline.ReasonRejected, AccountID: w.acc.ID, ChatID: out.ChatID, ChatName: "+14840000099", MemberID: w.owner.ID, MemberName: w.owner.DisplayName})
				}
			}
			before = page[len(page)-1].Entry.ID
		}
		same(t, "entries", got, all)
	},
}
