package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var acceptTests = map[string]func(*testing.T, *world){
	"StoresTheMessageItsChargeAndItsPlace": func(t *testing.T, w *world) {
		in, out := w.accept(func(a *store.Acceptance) {
			a.Message.Text, a.Message.Gap = "good morning ☀", 1234*time.Millisecond
		})
		v := w.view(in.Message.UID)
		same(t, "message", v.Message, tideline.Message{
			ID: out.MessageID, UID: in.Message.UID, WorkspaceID: w.ws.ID, AccountID: w.acc.ID, ChatID: out.ChatID,
			MemberID: w.owner.ID, WhatsAppID: in.Message.WhatsAppID, FromMe: true, Text: "good morning ☀",
			Origin: tideline.OriginPublicAPI, Status: tideline.StatusPending, Credits: 1, AcceptedAt: w.now,
		})
		same(t, "chat's phone", v.Chat.Phone, tideline.Phone("+14840000099"))
		same(t, "account", v.Account.ID, w.acc.ID)
		same(t, "member", v.MemberName, w.owner.DisplayName)
		same(t, "history", len(v.History), 0)
		same(t, "queue", w.backlog(), []store.Queued{{AccountID: w.acc.ID, MessageID: out.MessageID, Gap: 1234 * time.Millisecond}})
		b := w.balance()
		same(t, "left", b.Period, tideline.Credits(999))
		same(t, "used", b.Used, tideline.Credits(1))
		w.audit()
	},

	"AMessageKeepsHowItIsSent": func(t *testing.T, w *world) {
		data := map[string]string{tideline.DataDuration: "7", tideline.DataWaveform: "AAEC"}
		var outs []store.Accepted
		for _, kind := range []tideline.Kind{"", tideline.KindVoice, tideline.KindDocument} {
			_, out := w.accept(func(a *store.Acceptance) {
				a.Message.Kind = kind
				if kind == tideline.KindVoice {
					a.Message.Data = data
				}
			})
			outs = append(outs, out)
		}
		for i, want := range []tideline.Message{{}, {Kind: tideline.KindVoice, Data: data}, {Kind: tideline.KindDocument}} {
			o, err := w.store.Outgoing(w.ctx(), outs[i].MessageID)
			w.must(err)
			same(t, "kind", o.Message.Kind, want.Kind)
			same(t, "data", o.Message.Data, want.Data)
		}
	},

	"OutgoingHasEverythingToSend": func(t *testing.T, w *world) {
		file := w.file("a.pdf")
		in, out := w.accept(func(a *store.Acceptance) { a.Message.FileID, a.Message.Credits = file.ID, 2 })
		o, err := w.store.Outgoing(w.ctx(), out.MessageID)
		w.must(err)
		same(t, "message", o.Message.WhatsAppID, in.Message.WhatsAppID)
		same(t, "chat", o.Chat.JID, in.Chat.JID)
		same(t, "device", o.Account.DeviceJID, w.acc.DeviceJID)
		same(t, "file", o.File, &file)
	},

	"IDsGrow": func(t *testing.T, w *world) {
		var last int64
		for range 20 {
			_, out := w.accept()
			if out.MessageID <= last {
				t.Fatalf("message %d came after message %d", out.MessageID, last)
			}
			last = out.MessageID
		}
	},

	"RefusesWhatTheBalanceDoesNotCover": func(t *testing.T, w *world) {
		w.setCredits(3)
		w.accept(func(a *store.Acceptance) { a.Message.Credits = 2 })
		out := w.store.Accept(w.ctx(), w.acceptance(func(a *store.Acceptance) { a.Message.Credits = 2 }))
		w.wantCode(out.Err, tideline.CodeQuotaExceeded)
		for _, words := range []string{"mass sending quota", "takes 2", "1 are left"} {
			if !strings.Contains(out.Err.Error(), words) {
				t.Errorf("the message %q does not say %q", out.Err, words)
			}
		}
		w.accept() // the last credit
		w.wantCode(w.store.Accept(w.ctx(), w.acceptance()).Err, tideline.CodeQuotaExceeded)
		same(t, "left", w.balance().Period, tideline.Credits(0))
		same(t, "queue", len(w.backlog()), 2)
		w.audit()
	},

	"UsesNonRecurringCreditsAfterThePeriods": func(t *testing.T, w *world) {
		w.setCredits(1)
		_, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{AddExtra: ptr(tideline.Credits(2)), At: w.now})
		w.must(err)
		w.accept(func(a *store.Acceptance) { a.Message.Credits = 2 })
		b := w.balance()
		same(t, "period", b.Period, tideline.Credits(0))
		same(t, "extra", b.Extra, tideline.Credits(1))
		w.audit()
	},

	"OnlyCountsWhenUnlimited": func(t *testing.T, w *world) {
		w.setCredits(tideline.Unlimited)
		for range 3 {
			w.accept()
		}
		b := w.balance()
		same(t, "used", b.Used, tideline.Credits(3))
		same(t, "unmetered", b.Unmetered, tideline.Credits(-3))
		w.audit()
	},

	"OpensANewPeriod": func(t *testing.T, w *world) {
		w.accept()
		w.now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		w.accept()
		b := w.balance()
		same(t, "left", b.Period, tideline.Credits(999))
		same(t, "used", b.Used, tideline.Credits(1))
		same(t, "start", b.PeriodStart, w.now)
		var kinds []tideline.EntryKind
		for _, e := range w.entries() {
			kinds = append(kinds, e.Kind)
		}
		same(t, "entries", kinds, []tideline.EntryKind{tideline.EntryGrant, tideline.EntryCharge, tideline.EntryExpire,
			tideline.EntryGrant, tideline.EntryCharge})
		w.audit()
	},

	"ALateClockIsChargedToTheOpenPeriod": func(t *testing.T, w *world) {
		w.now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		w.accept()
		w.now = w.now.Add(-time.Second)
		_, out := w.accept()
		w.now = w.now.Add(time.Hour)
		same(t, "left", w.balance().Period, tideline.Credits(998))
		w.settle(out.MessageID, tideline.StatusFailed)
		same(t, "left after the refund", w.balance().Period, tideline.Credits(999))
		w.audit()
	},

	"AStaleVersionChangesNothing": func(t *testing.T, w *world) {
		in := w.acceptance()
		w.must(w.store.SetAccountName(w.ctx(), w.acc.ID, "Another name"))
		if out := w.store.Accept(w.ctx(), in); !errors.Is(out.Err, store.ErrStale) {
			t.Fatalf("outcome %+v, want ErrStale", out)
		}
		same(t, "queue", len(w.backlog()), 0)
		in.Version = w.version()
		w.must(w.store.Accept(w.ctx(), in).Err)
	},

	"UnknownAccountsAndFilesAreNotFound": func(t *testing.T, w *world) {
		for name, change := range map[string]func(*store.Acceptance){
			"workspace": func(a *store.Acceptance) { a.WorkspaceID = 4711 },
			"account":   func(a *store.Acceptance) { a.AccountID = 4711 },
			"file":      func(a *store.Acceptance) { a.Message.FileID = 4711 },
		} {
			out := w.store.Accept(w.ctx(), w.acceptance(change))
			if !tideline.IsCode(out.Err, tideline.CodeNotFound) {
				t.Errorf("unknown %s: %v", name, out.Err)
			}
		}
		same(t, "left", w.balance().Period, tideline.Credits(1000))
	},

	"TellsOfAcceptedMessagesBeforeAcceptReturns": func(t *testing.T, w *world) {
		told := make(chan store.Queued, 10)
		w.store.OnAccepted(func(batch []store.Queued) {
			for _, q := range batch {
				told <- q
			}
		})
		in, out := w.accept(withKey("k", 1))
		same(t, "told", <-told, store.Queued{AccountID: w.acc.ID, MessageID: out.MessageID, Gap: in.Message.Gap})
		w.accept(withKey("k", 1))
		w.store.Accept(w.ctx(), w.acceptance(func(a *store.Acceptance) { a.AccountID = 4711 }))
		_, last := w.accept()
		same(t, "told next", (<-told).MessageID, last.MessageID)
	},

	"AnItemThatTheTablesRefuseFailsAlone": func(t *testing.T, w *world) {
		in, _ := w.accept()
		out := w.store.Accept(w.ctx(), w.acceptance(func(a *store.Acceptance) { a.Message.UID = in.Message.UID }))
		if out.Err == nil {
			t.Fatal("a message with the UID of another was accepted")
		}
		w.accept()
		same(t, "left", w.balance().Period, tideline.Credits(998))
		w.audit()
	},
}

// setCredits sets the credits per period.
func (w *world) setCredits(n tideline.Credits) {
	w.t.Helper()
	ws, err := w.store.UpdateWorkspace(w.ctx(), w.ws.ID, store.WorkspaceUpdate{Credits: &n, Note: "test", At: w.now})
	w.must(err)
	w.ws = ws
}

// withKey gives an acceptance an Idempotency-Key and a body.
func withKey(key string, body byte) func(*store.Acceptance) {
	return func(a *store.Acceptance) { a.Idem = &store.Idempotency{Key: key, BodyHash: [32]byte{body}} }
}
