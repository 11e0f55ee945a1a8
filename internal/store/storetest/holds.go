package storetest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var holdTests = map[string]func(*testing.T, *world){
	"AreKeptUntilTheyAreReplaced": func(t *testing.T, w *world) {
		h := tideline.Hold{BannedUntil: w.now.Add(time.Hour), ReachOutUntil: w.now.Add(24 * time.Hour)}
		version := w.version()
		w.must(w.store.SetAccountHold(w.ctx(), w.acc.ID, h))
		same(t, "version", w.version(), version) // acceptances must not look everything up anew
		a, err := w.another().Account(w.ctx(), w.ws.ID, w.acc.ID)
		w.must(err)
		same(t, "hold", a.Hold, h)
		w.must(w.store.SetAccountState(w.ctx(), w.acc.ID, tideline.AccountDisconnected, "", w.now))
		_, err = w.store.PutAccount(w.ctx(), w.acc)
		w.must(err)
		all, err := w.store.AllAccounts(w.ctx())
		w.must(err)
		same(t, "hold after another state and another pairing", all[0].Hold, h)
		w.must(w.store.SetAccountHold(w.ctx(), w.acc.ID, tideline.Hold{}))
		a, err = w.store.Account(w.ctx(), w.ws.ID, w.acc.ID)
		w.must(err)
		same(t, "hold", a.Hold, tideline.Hold{})
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		w.wantCode(w.store.SetAccountHold(w.ctx(), w.acc.ID, h), tideline.CodeNotFound)
	},

	"FirstContactEndsWithTheFirstWord": func(t *testing.T, w *world) {
		first := func(chatID int64) bool {
			t.Helper()
			is, err := w.store.FirstContact(w.ctx(), w.ws.ID, chatID)
			w.must(err)
			return is
		}
		_, out := w.accept()
		same(t, "while it is queued", first(out.ChatID), true)
		w.settle(out.MessageID, tideline.StatusFailed)
		same(t, "when it failed", first(out.ChatID), true)
		_, out = w.accept()
		w.settle(out.MessageID, tideline.StatusSent)
		same(t, "when one was sent", first(out.ChatID), false)

		got := w.receiveMessage("in", from(tideline.Peer{JID: "14840000777@s.whatsapp.net"}))
		same(t, "when they wrote", first(got.ChatID), false)
		_, out = w.accept(func(a *store.Acceptance) { a.Chat = store.ChatRef{JID: groupJID, Name: "Choir"} })
		same(t, "a group", first(out.ChatID), false)

		other, _ := w.workspace("second", 1)
		_, err := w.store.FirstContact(w.ctx(), other.ID, out.ChatID)
		w.wantCode(err, tideline.CodeNotFound)
	},

	"AHeldMessageIsExpectedAfterTheLimit": func(t *testing.T, w *world) {
		until := w.now.Add(10 * time.Hour)
		w.must(w.store.SetAccountHold(w.ctx(), w.acc.ID, tideline.Hold{ReachOutUntil: until}))
		_, cold := w.accept()
		_, known := w.accept(func(a *store.Acceptance) { a.Message.UID = uuid.Must(uuid.NewV7()).String() })
		w.settle(cold.MessageID, "", func(s *store.Settlement) { s.Note = store.NoteReachOutLimited; s.LaneAt = w.now })
		out, err := w.store.Outgoing(w.ctx(), cold.MessageID)
		w.must(err)
		same(t, "note", out.Note, store.NoteReachOutLimited)
		same(t, "limit", out.Account.Hold.ReachOutUntil, until)
		p, err := w.store.PlaceOf(w.ctx(), w.ws.ID, cold.MessageID)
		w.must(err)
		same(t, "held until", p.HeldUntil, until)
		same(t, "expected", p.Expected, until)
		p, err = w.store.PlaceOf(w.ctx(), w.ws.ID, known.MessageID)
		w.must(err)
		same(t, "position of the one that overtakes it", p.Position, 0)
		if !p.HeldUntil.IsZero() || !p.Expected.Before(until) {
			t.Errorf("the one that overtakes it is at %+v", p)
		}
		w.must(w.store.SetAccountHold(w.ctx(), w.acc.ID, tideline.Hold{}))
		p, err = w.store.PlaceOf(w.ctx(), w.ws.ID, known.MessageID)
		w.must(err)
		same(t, "position of the later one after the limit", p.Position, 1)
		p, err = w.store.PlaceOf(w.ctx(), w.ws.ID, cold.MessageID)
		w.must(err)
		same(t, "place after the limit", []any{p.Position, p.Note, p.HeldUntil}, []any{0, "", time.Time{}})
	},

	"SettingsAreKept": func(t *testing.T, w *world) {
		for _, value := range []string{"2.3000.1", "2.3000.2", ""} {
			w.must(w.store.SetSetting(w.ctx(), "version", value))
			got, err := w.another().Setting(w.ctx(), "version")
			w.must(err)
			same(t, "value", got, value)
		}
		got, err := w.store.Setting(w.ctx(), "another")
		w.must(err)
		same(t, "what was never set", got, "")
	},
}
