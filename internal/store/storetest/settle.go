package storetest

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var settleTests = map[string]func(*testing.T, *world){
	"SentLeavesTheQueue": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.now = w.now.Add(3 * time.Second)
		w.settle(out.MessageID, tideline.StatusSent)
		v := w.view(in.Message.UID)
		same(t, "status", v.Message.Status, tideline.StatusSent)
		same(t, "sent at", v.Message.SentAt, w.now)
		same(t, "history", v.History, []tideline.StatusChange{{Status: tideline.StatusSent, At: w.now}})
		same(t, "queue", len(w.backlog()), 0)
		same(t, "left", w.balance().Period, tideline.Credits(999))
		_, err := w.store.Outgoing(w.ctx(), out.MessageID)
		w.wantCode(err, tideline.CodeNotFound)
		w.audit()
	},

	"FailedGivesBackTheCreditsOnce": func(t *testing.T, w *world) {
		in, out := w.accept(func(a *store.Acceptance) { a.Message.Credits = 2 })
		for range 3 {
			w.settle(out.MessageID, tideline.StatusFailed, func(s *store.Settlement) { s.Reason = tideline.ReasonNotOnWhatsApp })
		}
		v := w.view(in.Message.UID)
		same(t, "status", v.Message.Status, tideline.StatusFailed)
		same(t, "reason", v.Message.Reason, tideline.ReasonNotOnWhatsApp)
		same(t, "sent at", v.Message.SentAt, time.Time{})
		same(t, "history", v.History, []tideline.StatusChange{{Status: tideline.StatusFailed, At: w.now, Reason: tideline.ReasonNotOnWhatsApp}})
		b := w.balance()
		same(t, "left", b.Period, tideline.Credits(1000))
		same(t, "used", b.Used, tideline.Credits(0))
		same(t, "entries", len(w.entries()), 3) // grant, charge, refund
		same(t, "queue", len(w.backlog()), 0)
		w.audit()
	},

	"SettledStaysSettled": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.settle(out.MessageID, tideline.StatusSent)
		w.settle(out.MessageID, tideline.StatusFailed)
		same(t, "a sent message", w.history(in.Message.UID), []tideline.Status{tideline.StatusSent})
		in, out = w.accept()
		w.settle(out.MessageID, tideline.StatusFailed)
		w.settle(out.MessageID, tideline.StatusSent)
		w.settle(out.MessageID, "")
		same(t, "a failed message", w.history(in.Message.UID), []tideline.Status{tideline.StatusFailed})
		w.audit()
	},

	"ARepeatedAttemptStaysInTheQueue": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.settle(out.MessageID, "", func(s *store.Settlement) { s.Note = "no acknowledgement"; s.LaneAt = w.now })
		same(t, "status", w.view(in.Message.UID).Message.Status, tideline.StatusPending)
		same(t, "queue", len(w.backlog()), 1)
		same(t, "lanes", w.lanes(), []store.Lane{{AccountID: w.acc.ID, At: w.now}})
	},

	"TheLanesClockIsKept": func(t *testing.T, w *world) {
		_, out := w.accept()
		w.settle(out.MessageID, tideline.StatusSent, func(s *store.Settlement) { s.LaneAt = w.now })
		w.settle(out.MessageID, tideline.StatusSent, func(s *store.Settlement) { s.LaneAt = w.now.Add(time.Second) })
		_, out = w.accept()
		w.settle(out.MessageID, tideline.StatusFailed) // no LaneAt: nothing went out
		same(t, "lanes", w.lanes(), []store.Lane{{AccountID: w.acc.ID, At: w.now.Add(time.Second)}})
	},

	"ALanesClockIsNeverKeptTooEarly": func(t *testing.T, w *world) {
		for _, step := range []struct{ given, kept time.Duration }{
			{time.Second, time.Second},
			{2*time.Second + 1, 2*time.Second + time.Millisecond},
			{3*time.Second - 1, 3 * time.Second},
		} {
			_, out := w.accept()
			w.settle(out.MessageID, tideline.StatusSent, func(s *store.Settlement) { s.LaneAt = w.now.Add(step.given) })
			same(t, "lanes", w.lanes(), []store.Lane{{AccountID: w.acc.ID, At: w.now.Add(step.kept)}})
		}
	},

	"ARefundOfAPastPeriodDoesNotVanishWithIt": func(t *testing.T, w *world) {
		_, out := w.accept()
		w.now = time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC)
		// Nobody has opened the new period yet when the message fails.
		w.settle(out.MessageID, tideline.StatusFailed)
		b := w.balance()
		same(t, "period", b.Period, tideline.Credits(1000))
		same(t, "extra", b.Extra, tideline.Credits(1))
		w.audit()
	},

	"AWrongAccountOrWorkspaceIsNotFound": func(t *testing.T, w *world) {
		other, _ := w.workspace("second", 10)
		second := w.account(w.ws, "+14840000002")
		in, out := w.accept()
		for _, s := range []store.Settlement{
			{WorkspaceID: other.ID, AccountID: w.acc.ID, MessageID: out.MessageID},
			{WorkspaceID: w.ws.ID, AccountID: second.ID, MessageID: out.MessageID},
			{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: out.MessageID + 1000},
		} {
			s.Status, s.Reason, s.At, s.LaneAt = tideline.StatusFailed, tideline.ReasonRejected, w.now, w.now
			w.wantCode(w.store.Settle(w.ctx(), s), tideline.CodeNotFound)
		}
		same(t, "status", w.view(in.Message.UID).Message.Status, tideline.StatusPending)
		same(t, "lanes", len(w.lanes()), 0)
		w.audit()
	},

	"OnlySentAndFailedSettle": func(t *testing.T, w *world) {
		_, out := w.accept()
		err := w.store.Settle(w.ctx(), store.Settlement{WorkspaceID: w.ws.ID, AccountID: w.acc.ID, MessageID: out.MessageID,
			Status: tideline.StatusRead, At: w.now})
		if err == nil {
			t.Fatal("a settlement made a message read")
		}
	},
}

func (w *world) lanes() []store.Lane {
	w.t.Helper()
	var all []store.Lane
	w.must(w.store.Lanes(w.ctx(), func(l store.Lane) error {
		all = append(all, l)
		return nil
	}))
	return all
}

var receiptTests = map[string]func(*testing.T, *world){
	"MoveAMessageForward": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.settle(out.MessageID, tideline.StatusSent)
		delivered, read := w.now.Add(time.Second), w.now.Add(time.Minute)
		w.receive(tideline.StatusDelivered, delivered, in.Message.WhatsAppID)
		w.receive(tideline.StatusRead, read, in.Message.WhatsAppID)
		same(t, "history", w.view(in.Message.UID).History, []tideline.StatusChange{
			{Status: tideline.StatusSent, At: w.now}, {Status: tideline.StatusDelivered, At: delivered}, {Status: tideline.StatusRead, At: read}})
		same(t, "status", w.view(in.Message.UID).Message.Status, tideline.StatusRead)
	},

	"NeverMoveAMessageBack": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.settle(out.MessageID, tideline.StatusSent)
		w.receive(tideline.StatusRead, w.now, in.Message.WhatsAppID)
		w.receive(tideline.StatusDelivered, w.now, in.Message.WhatsAppID)
		w.receive(tideline.StatusRead, w.now.Add(time.Second), in.Message.WhatsAppID)
		same(t, "history", w.history(in.Message.UID), []tideline.Status{tideline.StatusSent, tideline.StatusRead})
	},

	"ThatOvertakeTheSettlementAreNotLost": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.receive(tideline.StatusDelivered, w.now.Add(time.Second), in.Message.WhatsAppID)
		w.receive(tideline.StatusRead, w.now.Add(2*time.Second), in.Message.WhatsAppID)
		w.settle(out.MessageID, tideline.StatusSent, func(s *store.Settlement) { s.At = w.now.Add(time.Hour) })
		v := w.view(in.Message.UID)
		same(t, "status", v.Message.Status, tideline.StatusRead)
		same(t, "history", v.History, []tideline.StatusChange{
			{Status: tideline.StatusSent, At: w.now.Add(time.Second)}, // no later than its first receipt
			{Status: tideline.StatusDelivered, At: w.now.Add(time.Second)},
			{Status: tideline.StatusRead, At: w.now.Add(2 * time.Second)}})
		w.receive(tideline.StatusDelivered, w.now, in.Message.WhatsAppID)
		same(t, "history after a late receipt", len(w.history(in.Message.UID)), 3)
		w.audit()
	},

	"ProveThatAMessageWasSent": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.receive(tideline.StatusDelivered, w.now, in.Message.WhatsAppID)
		w.settle(out.MessageID, tideline.StatusFailed, func(s *store.Settlement) { s.Reason = tideline.ReasonExpired })
		same(t, "history", w.history(in.Message.UID), []tideline.Status{tideline.StatusSent, tideline.StatusDelivered})
		same(t, "left", w.balance().Period, tideline.Credits(999))
		same(t, "reason", w.view(in.Message.UID).Message.Reason, tideline.Reason(""))
		w.audit()
	},

	"ProveItAlsoWhenTheAccountIsRemoved": func(t *testing.T, w *world) {
		in, _ := w.accept()
		w.receive(tideline.StatusRead, w.now, in.Message.WhatsAppID)
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		same(t, "history", w.history(in.Message.UID), []tideline.Status{tideline.StatusSent, tideline.StatusRead})
		w.audit()
	},

	"OfUnknownMessagesAreIgnored": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		in, out := w.accept()
		w.settle(out.MessageID, tideline.StatusSent)
		w.receive(tideline.StatusRead, w.now, "3EB0FFFF", "3EB0FFFE", "3EB0FFFF")
		w.receive(tideline.StatusRead, w.now, "3EB0FFFF")
		w.must(w.store.ApplyReceipts(w.ctx(), store.Receipts{AccountID: second.ID, WhatsAppIDs: []string{in.Message.WhatsAppID},
			Status: tideline.StatusRead, At: w.now}))
		w.receive(tideline.StatusRead, w.now)
		same(t, "history", w.history(in.Message.UID), []tideline.Status{tideline.StatusSent})
		w.must(w.store.Prune(w.ctx(), w.now.Add(365*24*time.Hour)))
	},

	"OfManyMessagesComeAtOnce": func(t *testing.T, w *world) {
		var ids, uids []string
		for range 5 {
			in, out := w.accept()
			w.settle(out.MessageID, tideline.StatusSent)
			ids, uids = append(ids, in.Message.WhatsAppID), append(uids, in.Message.UID)
		}
		w.receive(tideline.StatusRead, w.now, ids...)
		for _, uid := range uids {
			same(t, "status", w.view(uid).Message.Status, tideline.StatusRead)
		}
	},

	"OfAFailedMessageChangeNothing": func(t *testing.T, w *world) {
		in, out := w.accept()
		w.settle(out.MessageID, tideline.StatusFailed)
		w.receive(tideline.StatusRead, w.now, in.Message.WhatsAppID)
		same(t, "history", w.history(in.Message.UID), []tideline.Status{tideline.StatusFailed})
		w.audit()
	},
}
