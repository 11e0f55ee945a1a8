package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var idempotencyTests = map[string]func(*testing.T, *world){
	"ARepeatedKeyGivesTheFirstAnswer": func(t *testing.T, w *world) {
		_, first := w.accept(withKey("order-1", 1))
		_, second := w.accept(withKey("order-1", 1))
		first.Replayed = true
		same(t, "second answer", second, first)
		same(t, "queue", len(w.backlog()), 1)
		same(t, "left", w.balance().Period, tideline.Credits(999))
		w.audit()
	},

	"AKeyWithAnotherBodyIsAConflict": func(t *testing.T, w *world) {
		w.accept(withKey("order-1", 1))
		w.wantCode(w.store.Accept(w.ctx(), w.acceptance(withKey("order-1", 2))).Err, tideline.CodeConflict)
		same(t, "queue", len(w.backlog()), 1)
	},

	"AKeyIsForgottenAfterItsWindow": func(t *testing.T, w *world) {
		_, first := w.accept(withKey("order-1", 1))
		w.now = w.now.Add(store.IdempotencyWindow - time.Millisecond)
		_, second := w.accept(withKey("order-1", 1))
		same(t, "within the window", second.MessageID, first.MessageID)
		w.now = w.now.Add(time.Millisecond)
		_, third := w.accept(withKey("order-1", 2))
		if third.MessageID == first.MessageID || third.Replayed {
			t.Fatalf("the key was remembered too long: %+v", third)
		}
		_, fourth := w.accept(withKey("order-1", 2))
		same(t, "used anew", fourth.MessageID, third.MessageID)
		w.audit()
	},

	"ARepeatedKeyIsAnsweredAlthoughWhatItNamesIsGone": func(t *testing.T, w *world) {
		w.setCredits(1)
		_, first := w.accept(withKey("order-1", 1))
		first.Replayed = true
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		for name, change := range map[string]func(*store.Acceptance){
			"no account": func(*store.Acceptance) {},
			"no file":    func(a *store.Acceptance) { a.Message.FileID = 4711 },
			"no credits": func(a *store.Acceptance) { a.Message.Credits = 100 },
		} {
			same(t, name, w.store.Accept(w.ctx(), w.acceptance(withKey("order-1", 1), change)), first)
		}
		w.wantCode(w.store.Accept(w.ctx(), w.acceptance(withKey("order-1", 2))).Err, tideline.CodeConflict)
		same(t, "queue", len(w.backlog()), 0)
		w.audit()
	},

	"AStaleVersionIsNotAnsweredFromAKey": func(t *testing.T, w *world) {
		in, _ := w.accept(withKey("order-1", 1))
		w.must(w.store.SetAccountName(w.ctx(), w.acc.ID, "Another name"))
		if out := w.store.Accept(w.ctx(), in); !errors.Is(out.Err, store.ErrStale) {
			t.Fatalf("outcome %+v, want ErrStale: the token may be revoked", out)
		}
	},

	"ReplayGivesTheFirstAnswerAndWritesNothing": func(t *testing.T, w *world) {
		key := func(body byte) store.Idempotency {
			return store.Idempotency{Key: "order-1", BodyHash: [32]byte{body}}
		}
		replay := func(workspaceID int64, k store.Idempotency) (store.Accepted, bool) {
			a, found, err := w.store.Replay(w.ctx(), workspaceID, k, w.now)
			w.must(err)
			return a, found
		}
		if a, found := replay(w.ws.ID, key(1)); found {
			t.Fatalf("an unused key gives %+v", a)
		}
		_, first := w.accept(withKey("order-1", 1))
		first.Replayed = true
		w.must(w.store.RemoveAccount(w.ctx(), w.ws.ID, w.acc.ID, w.now))
		w.now = w.now.Add(store.IdempotencyWindow - time.Millisecond)
		a, found := replay(w.ws.ID, key(1))
		same(t, "found within the window", found, true)
		same(t, "answer", a, first)
		_, _, err := w.store.Replay(w.ctx(), w.ws.ID, key(2), w.now)
		w.wantCode(err, tideline.CodeConflict)
		other, _ := w.workspace("second", 10)
		if a, found := replay(other.ID, key(1)); found {
			t.Fatalf("a key crossed the wall between two workspaces: %+v", a)
		}
		w.now = w.now.Add(time.Millisecond)
		for body := range byte(3) {
			if a, found := replay(w.ws.ID, key(body)); found {
				t.Fatalf("after the window the key gives %+v", a)
			}
		}
		w.audit()
	},

	"AnotherWorkspaceMayUseTheSameKey": func(t *testing.T, w *world) {
		_, first := w.accept(withKey("order-1", 1))
		ws, _ := w.workspace("second", 10)
		acc := w.account(ws, "+14840000002")
		_, second := w.accept(withKey("order-1", 2), func(a *store.Acceptance) { a.WorkspaceID, a.AccountID = ws.ID, acc.ID })
		if second.MessageID == first.MessageID {
			t.Fatal("a key crossed the wall between two workspaces")
		}
	},

	"ARefusedMessageDoesNotUseItsKey": func(t *testing.T, w *world) {
		w.setCredits(0)
		w.wantCode(w.store.Accept(w.ctx(), w.acceptance(withKey("order-1", 1))).Err, tideline.CodeQuotaExceeded)
		w.setCredits(1)
		if _, out := w.accept(withKey("order-1", 1)); out.Replayed {
			t.Fatal("a refusal was replayed as an acceptance")
		}
	},

	"PruneForgetsOnlyWhatIsOver": func(t *testing.T, w *world) {
		_, first := w.accept(withKey("old", 1))
		w.now = w.now.Add(20 * time.Hour)
		_, second := w.accept(withKey("young", 1))
		w.must(w.store.Prune(w.ctx(), w.now.Add(5*time.Hour)))
		_, again := w.accept(withKey("young", 1))
		same(t, "young key", again.MessageID, second.MessageID)
		// At this time the old key would still count, were it not deleted.
		if _, out := w.accept(withKey("old", 1)); out.MessageID == first.MessageID {
			t.Fatal("Prune kept a key that was over")
		}
	},
}
