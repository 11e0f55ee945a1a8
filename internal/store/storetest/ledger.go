package storetest

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var ledgerTests = map[string]func(*testing.T, *world){
	"ExplainsTheBalance": func(t *testing.T, w *world) {
		_, first := w.accept(func(a *store.Acceptance) { a.Message.Credits = 2 })
		w.accept()
		w.settle(first.MessageID, tideline.StatusFailed)
		_, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{AddExtra: ptr(tideline.Credits(7)), Note: "gift", At: w.now})
		w.must(err)
		var sum tideline.Balance
		var last int64
		for _, e := range w.entries() {
			sum.Period += e.Period
			sum.Extra += e.Extra
			same(t, "after entry", e.After, tideline.Balance{Period: sum.Period, Extra: sum.Extra})
			if e.ID <= last {
				t.Errorf("entry %d comes after entry %d", e.ID, last)
			}
			last = e.ID
		}
		b := w.balance()
		same(t, "period", sum.Period, b.Period)
		same(t, "extra", sum.Extra, b.Extra)
		same(t, "extra", b.Extra, tideline.Credits(7))
		page, err := w.store.LedgerEntries(w.ctx(), w.ws.ID, w.entries()[1].ID, 2)
		w.must(err)
		same(t, "page", page, w.entries()[2:4])
		w.audit()
	},

	"ANewTimeZoneLeavesNoOverlapAndGrantsNoMonthTwice": func(t *testing.T, w *world) {
		for _, step := range []struct {
			zone            string
			now, start, end time.Time
		}{
			// Eastward: in Tokyo, December began at 15:00, but the running period kept its end.
			{"Asia/Tokyo", hourOf(12, 1, 0), hourOf(12, 1, 0), hourOf(12, 31, 15)},
			// Westward: in New York, December goes on for some hours.
			{"America/New_York", hourOf(12, 31, 15), hourOf(12, 31, 15), hourOf(14, 1, 5)},
		} {
			_, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{TimeZone: &step.zone, At: w.now})
			w.must(err)
			w.now = step.now.Add(-time.Millisecond)
			_, failing := w.accept()
			w.now = step.now
			b := w.balance()
			same(t, "start", b.PeriodStart, step.start)
			same(t, "end", b.PeriodEnd, step.end)
			same(t, "left", b.Period, tideline.Credits(1000))
			w.settle(failing.MessageID, tideline.StatusFailed)
			same(t, "used after a refund of the period before", w.balance().Used, tideline.Credits(0))
			w.audit()
		}
	},

	"ABalanceNeedsAWorkspace": func(t *testing.T, w *world) {
		_, err := w.store.Balance(w.ctx(), 4711, w.now)
		w.wantCode(err, tideline.CodeNotFound)
	},

	"CountsCallsOfThePublicAPI": func(t *testing.T, w *world) {
		other, _ := w.workspace("second", 1)
		period := w.balance().PeriodStart
		for range 2 {
			w.must(w.store.AddAPICalls(w.ctx(), []store.APIUsage{
				{WorkspaceID: w.ws.ID, PeriodStart: period, Calls: 3}, {WorkspaceID: other.ID, PeriodStart: period, Calls: 1}}))
		}
		n, err := w.store.APICalls(w.ctx(), w.ws.ID, period)
		w.must(err)
		same(t, "calls", n, int64(6))
		n, err = w.store.APICalls(w.ctx(), w.ws.ID, period.AddDate(0, 1, 0))
		w.must(err)
		same(t, "calls of another period", n, int64(0))
	},
}

// hourOf is an hour in UTC; month 13 is January 2027.
func hourOf(month time.Month, day, hour int) time.Time {
	return time.Date(2026, month, day, hour, 0, 0, 0, time.UTC)
}

var outboxTests = map[string]func(*testing.T, *world){
	"TheBacklogIsInAcceptanceOrder": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		var want []store.Queued
		for i := range 10 {
			in, out := w.accept(func(a *store.Acceptance) {
				if i%2 == 0 {
					a.AccountID = second.ID
				}
			})
			want = append(want, store.Queued{AccountID: in.AccountID, MessageID: out.MessageID, Gap: in.Message.Gap})
		}
		same(t, "backlog", w.backlog(), want)
		n, err := w.store.QueueLength(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "length", n, int64(10))
	},

	"PlacesCountOnlyTheOwnLane": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		var ids []int64
		for range 3 {
			_, out := w.accept()
			ids = append(ids, out.MessageID)
			w.accept(func(a *store.Acceptance) { a.AccountID = second.ID })
		}
		places := func() (all []store.Place) {
			for _, id := range ids {
				p, err := w.store.PlaceOf(w.ctx(), w.ws.ID, id)
				w.must(err)
				all = append(all, p)
			}
			return all
		}
		same(t, "before the first send", places(), []store.Place{{}, {Position: 1, Expected: w.now.Add(2 * time.Second)},
			{Position: 2, Expected: w.now.Add(4 * time.Second)}})
		w.settle(ids[0], "", func(s *store.Settlement) { s.Note = "account offline" })
		same(t, "after an attempt", places()[0], store.Place{Note: "account offline"})
		sent := w.now.Add(time.Minute)
		w.settle(ids[0], tideline.StatusSent, func(s *store.Settlement) { s.LaneAt = sent })
		_, err := w.store.PlaceOf(w.ctx(), w.ws.ID, ids[0])
		w.wantCode(err, tideline.CodeNotFound)
		ids = ids[1:]
		same(t, "after the first send", places(), []store.Place{{Expected: sent.Add(2 * time.Second)},
			{Position: 1, Expected: sent.Add(4 * time.Second)}})
	},
}

// wallTests try to reach from one workspace what belongs to another.
var wallTests = map[string]func(*testing.T, *world){
	"NothingIsFoundThroughAnotherWorkspace": func(t *testing.T, w *world) {
		f := w.file("a.pdf")
		tmpl, err := w.store.CreateTemplate(w.ctx(), tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "menu", FileID: f.ID, CreatedAt: w.now})
		w.must(err)
		k, _ := w.token(time.Time{})
		in, out := w.accept()
		other, owner := w.workspace("second", 10)
		ctx := w.ctx()
		for name, call := range map[string]func() error{
			"message":  func() error { _, err := w.store.MessageByUID(ctx, other.ID, in.Message.UID); return err },
			"place":    func() error { _, err := w.store.PlaceOf(ctx, other.ID, out.MessageID); return err },
			"chat":     func() error { _, err := w.store.Chat(ctx, other.ID, out.ChatID); return err },
			"labels":   func() error { _, err := w.store.ChatLabels(ctx, other.ID, out.ChatID); return err },
			"account":  func() error { _, err := w.store.Account(ctx, other.ID, w.acc.ID); return err },
			"removal":  func() error { return w.store.RemoveAccount(ctx, other.ID, w.acc.ID, w.now) },
			"file":     func() error { _, err := w.store.FileByUID(ctx, other.ID, f.UID); return err },
			"template": func() error { _, _, err := w.store.Template(ctx, other.ID, tmpl.ID); return err },
			"new template": func() error {
				_, err := w.store.CreateTemplate(ctx, tideline.AttachmentTemplate{WorkspaceID: other.ID, FileID: f.ID})
				return err
			},
			"token": func() error { return w.store.RevokeToken(ctx, other.ID, k.ID, w.now) },
			"new token": func() error {
				_, err := w.store.CreateToken(ctx, tideline.Token{WorkspaceID: other.ID, MemberID: w.owner.ID, CreatedAt: w.now}, [32]byte{9})
				return err
			},
			"member": func() error { return w.store.RemoveMember(ctx, w.ws.ID, owner.ID, w.now) },
			"role":   func() error { return w.store.SetMemberRole(ctx, w.ws.ID, owner.ID, tideline.RoleAgent) },
			"sender": func() error {
				return w.store.Accept(ctx, w.acceptance(func(a *store.Acceptance) { a.WorkspaceID = other.ID })).Err
			},
			"sent file": func() error {
				acc := w.account(other, "+14840000002")
				return w.store.Accept(ctx, w.acceptance(func(a *store.Acceptance) {
					a.WorkspaceID, a.AccountID, a.Message.FileID = other.ID, acc.ID, f.ID
				})).Err
			},
		} {
			if err := call(); !tideline.IsCode(err, tideline.CodeNotFound) {
				t.Errorf("%s: %v, want not_found", name, err)
			}
		}
		for _, list := range []func() (int, error){
			func() (int, error) { l, err := w.store.ListTokens(ctx, other.ID); return len(l), err },
			func() (int, error) { l, err := w.store.ListTemplates(ctx, other.ID); return len(l), err },
			func() (int, error) { n, err := w.store.QueueLength(ctx, other.ID); return int(n), err },
		} {
			n, err := list()
			w.must(err)
			same(t, "length", n, 0)
		}
	},
}
