package account_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

var member = tideline.Member{ID: 7, WorkspaceID: 1, Email: "ann@example.com", DisplayName: "Ann"}

// last reads a pairing to its end.
func last(t *testing.T, steps <-chan whatsapp.PairEvent) (ev whatsapp.PairEvent) {
	t.Helper()
	for ev = range steps {
	}
	return ev
}

func TestPairStoresTheAccountBeforeItSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(), newStorage(), account.Config{})
		h.run(t)
		steps, err := h.Pair(t.Context(), 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		h.con.steps <- whatsapp.PairEvent{QR: &whatsapp.QR{Text: "code", ValidFor: time.Minute}}
		if ev := <-steps; ev.QR == nil || ev.QR.Text != "code" {
			t.Fatalf("got %+v, want the code", ev)
		}
		h.con.linked("dev:1", shop)
		ev := <-steps
		if ev.Paired == nil {
			t.Fatalf("got %+v, want paired", ev)
		}
		a := h.store.get(1)
		if a.Phone != shop || a.DeviceJID != "dev:1" || a.OwnerEmail != member.Email || a.State != tideline.AccountActive || a.ConnectedOn.IsZero() {
			t.Errorf("stored %+v", a)
		}
		h.checkState(t, 1, tideline.AccountActive)
		if h.wakes.of(1) == 0 {
			t.Error("the outbox was not told")
		}
		if _, more := <-steps; more {
			t.Error("something came after paired")
		}
	})
}

func TestPairIsNotDisturbedByALookForNewAccounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(), newStorage(), account.Config{})
		h.store.stored = func() { <-time.After(time.Minute) } // Run looks meanwhile
		h.run(t)
		steps, err := h.Pair(t.Context(), 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		h.con.linked("dev:1", shop)
		if ev := last(t, steps); ev.Paired == nil {
			t.Fatalf("got %+v, want paired", ev)
		}
		h.checkState(t, 1, tideline.AccountActive)
	})
}

func TestPairOfTheSameNumberReplacesItsSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := numbered(1, tideline.AccountDisconnected)
		h := newHouse(newConnector(device(1)), newStorage(a), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		steps, err := h.Pair(t.Context(), 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		h.con.linked("new:2", a.Phone)
		if ev := last(t, steps); ev.Paired == nil {
			t.Fatalf("got %+v, want paired", ev)
		}
		h.checkState(t, 1, tideline.AccountActive)
		if d := h.store.get(1).DeviceJID; d != "new:2" {
			t.Errorf("device %q, want the new one", d)
		}
		if got := h.con.outs(); !slices.Equal(got, []string{device(1)}) {
			t.Errorf("logged out %v, want the old session", got)
		}
		// The old session's last words change nothing.
		h.con.say(device(1), tideline.AccountLoggedOut, "late")
		h.checkState(t, 1, tideline.AccountActive)
	})
}

func TestPairOfAnotherWorkspacesNumberIsUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := numbered(1, tideline.AccountDisconnected)
		a.WorkspaceID = 2
		h := newHouse(newConnector(device(1)), newStorage(a), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		steps, err := h.Pair(t.Context(), 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		h.con.linked("new:2", a.Phone)
		if ev := last(t, steps); !tideline.IsCode(ev.Failed, tideline.CodeConflict) {
			t.Fatalf("got %+v, want conflict", ev)
		}
		if got := h.con.outs(); !slices.Equal(got, []string{"new:2"}) {
			t.Errorf("logged out %v, want the new session only", got)
		}
		h.checkState(t, 1, tideline.AccountActive)
	})
}

func TestPairedPhoneIsStoredAlthoughTheCallerLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(), newStorage(), account.Config{})
		h.run(t)
		ctx, leave := context.WithCancel(t.Context())
		if _, err := h.Pair(ctx, 1, member, whatsapp.PairRequest{}); err != nil {
			t.Fatal(err)
		}
		leave()
		synctest.Wait()
		h.con.linked("dev:1", shop)
		synctest.Wait()
		h.checkState(t, 1, tideline.AccountActive)
	})
}

func TestPairThatCannotBeStoredIsUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(), newStorage(), account.Config{})
		steps, err := h.Pair(t.Context(), 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		h.store.setAway(true)
		h.con.linked("dev:1", shop)
		if ev := last(t, steps); ev.Failed == nil {
			t.Fatalf("got %+v, want a failure", ev)
		}
		if got := h.con.outs(); !slices.Equal(got, []string{"dev:1"}) {
			t.Errorf("logged out %v, want the new session", got)
		}
	})
}

func TestPairingsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(), newStorage(), account.Config{MaxPairings: 3, MaxPairingsPerWorkspace: 2})
		stop := h.run(t)
		pair := func(workspace int64) error {
			_, err := h.Pair(t.Context(), workspace, member, whatsapp.PairRequest{})
			return err
		}
		for _, step := range []struct {
			workspace int64
			ok        bool
		}{{1, true}, {1, true}, {1, false}, {2, true}, {2, false}, {3, false}} {
			if err := pair(step.workspace); (err == nil) != step.ok || err != nil && !tideline.IsCode(err, tideline.CodeRateLimitExceeded) {
				t.Errorf("workspace %d: got %v, want success %t", step.workspace, err, step.ok)
			}
		}
		close(h.con.steps) // all of them end
		synctest.Wait()
		if err := pair(1); err != nil {
			t.Errorf("after the others ended: %v", err)
		}
		stop()
		if err := pair(1); err == nil {
			t.Error("a stopped service pairs")
		}
	})
}
