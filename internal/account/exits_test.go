package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/store"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
	"github.com/tidelinehq/tideline/wasim"
)

// The ways out of the states of an account, over the real protocol.

func (l *live) fault(f wasim.Fault) wasim.Fault {
	l.t.Helper()
	f, err := l.net.SetFault(f)
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

// later gives a version that comes after the library's.
func later(by uint32) string {
	v := store.GetWAVersion()
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]+by)
}

func TestComplaint21OutdatedAccountsReturnWithAnotherVersion(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	if err := l.net.RequireVersion(later(2)); err != nil {
		t.Fatal(err)
	}
	l.fault(wasim.Fault{Kind: wasim.FaultCut, Number: string(shop)})
	l.untilState(tideline.AccountOutdated)
	if why := l.store.get(1).StateReason; !strings.Contains(why, "tideline whatsapp-version") || !strings.Contains(why, meow.BuiltInVersion()) {
		t.Errorf("the reason %q says neither which version was refused nor what to do", why)
	}
	con := l.con.(*meow.Connector)
	for _, bad := range []string{"new", "2.3000", "0.0.0", "2.3000.10477698937", "2.3000.-1"} {
		if err := con.SetVersion(bad); !tideline.IsCode(err, tideline.CodeValidation) {
			t.Errorf("version %q: got %v, want validation_error", bad, err)
		}
	}
	// Still too old: the account says so for this version too.
	if err := con.SetVersion(later(1)); err != nil {
		t.Fatal(err)
	}
	l.until("outdated with the other version", func(a tideline.Account) bool {
		return a.State == tideline.AccountOutdated && strings.Contains(a.StateReason, later(1))
	})
	if err := con.SetVersion(later(2)); err != nil {
		t.Fatal(err)
	}
	l.untilState(tideline.AccountActive)
	l.send("let in again")
	// Pairing announces the version too.
	l.pair()
	l.untilState(tideline.AccountActive)
	if got := con.Version(); got != later(2) {
		t.Errorf("announces %s, want %s", got, later(2))
	}
}

func TestComplaint08PairingAgainShowsACodeInEveryState(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	for _, state := range []struct {
		name   tideline.AccountState
		get    wasim.Fault
		refuse wasim.Fault // so that the account stays there
	}{
		{name: tideline.AccountActive},
		{name: tideline.AccountLoggedOut, get: wasim.Fault{Kind: wasim.FaultLogout, Number: string(shop)}},
		{name: tideline.AccountBanned, refuse: wasim.Fault{Kind: wasim.FaultRefuseLogin, Number: string(shop), Code: 402}},
		{name: tideline.AccountOutdated, refuse: wasim.Fault{Kind: wasim.FaultRefuseLogin, Number: string(shop), Code: 405}},
		{name: tideline.AccountDisconnected, refuse: wasim.Fault{Kind: wasim.FaultRefuseLogin, Number: string(shop), Code: 503}},
	} {
		l.untilState(tideline.AccountActive)
		if state.refuse.Kind != "" {
			state.refuse = l.fault(state.refuse)
			state.get = wasim.Fault{Kind: wasim.FaultCut, Number: string(shop)}
		}
		if state.get.Kind != "" {
			l.fault(state.get)
		}
		l.untilState(state.name)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		steps, err := l.Pair(ctx, 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatalf("%s: %v", state.name, err)
		}
		ev := <-steps
		if ev.QR == nil {
			t.Fatalf("%s: got %+v, want a QR code", state.name, ev)
		}
		if state.refuse.ID != "" {
			l.net.ClearFaults(state.refuse.ID)
		}
		if err := l.phone(string(shop)).ScanQR(ctx, ev.QR.Text); err != nil {
			t.Fatalf("%s: %v", state.name, err)
		}
		if ev := last(t, steps); ev.Paired == nil {
			t.Fatalf("%s: got %+v, want paired", state.name, ev)
		}
		cancel()
		l.untilState(tideline.AccountActive)
		l.until("alone on the phone", func(tideline.Account) bool { return len(l.phone(string(shop)).Companions()) == 1 })
		l.send("linked out of " + string(state.name))
	}
}

func TestComplaint08ReconnectIsIdempotent(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	logins := l.net.Stats().Logins
	for range 3 {
		if err := l.Reconnect(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	l.send("none the wiser")
	if got := l.net.Stats().Logins; got != logins {
		t.Errorf("%d logins of an account that is connected", got-logins)
	}
	if err := l.Reconnect(t.Context(), 2, 1); !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("another workspace's account: got %v, want not_found", err)
	}
	// Out of a ban, before its time.
	ban := l.fault(wasim.Fault{Kind: wasim.FaultRefuseLogin, Number: string(shop), Code: 402})
	l.fault(wasim.Fault{Kind: wasim.FaultCut, Number: string(shop)})
	l.untilState(tideline.AccountBanned)
	l.net.ClearFaults(ban.ID)
	if err := l.Reconnect(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	l.untilState(tideline.AccountActive)
	if until := l.store.get(1).Hold.BannedUntil; !until.IsZero() {
		t.Errorf("banned until %s although it is connected", until)
	}
	l.fault(wasim.Fault{Kind: wasim.FaultLogout, Number: string(shop)})
	l.untilState(tideline.AccountLoggedOut)
	if err := l.Reconnect(t.Context(), 1, 1); !tideline.IsCode(err, tideline.CodeConflict) || !strings.Contains(err.Error(), "pair") {
		t.Errorf("without a session: got %v, want a conflict that says to pair", err)
	}
}

func TestComplaint22ABanIsShownWithItsEnd(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	l.fault(wasim.Fault{Kind: wasim.FaultRefuseLogin, Number: string(shop), Code: 402})
	l.fault(wasim.Fault{Kind: wasim.FaultCut, Number: string(shop)})
	l.untilState(tideline.AccountBanned)
	a := l.store.get(1)
	if d := time.Until(a.Hold.BannedUntil); d < 23*time.Hour || d > 24*time.Hour {
		t.Errorf("banned for %s more, want a day", d)
	}
	if a.StateReason == "" {
		t.Error("banned without a reason")
	}
	logins := l.net.Stats().Logins
	l.stop()
	l.start() // a restart does not try before the time
	<-l.Compared()
	if got := l.store.get(1); got.State != tideline.AccountBanned || !got.Hold.BannedUntil.Equal(a.Hold.BannedUntil) {
		t.Errorf("after a restart the account is %s until %s", got.State, got.Hold.BannedUntil)
	}
	if got := l.net.Stats().Logins; got != logins {
		t.Error("a banned account logged in after a restart")
	}
}

func TestComplaint22TheEndOfATimelockIsStored(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	until := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	limit := func(until time.Time) {
		t.Helper()
		if err := l.phone(string(shop)).LimitReachOut(t.Context(), until); err != nil {
			t.Fatal(err)
		}
	}
	limit(until)
	l.until("limited", func(a tideline.Account) bool { return a.Hold.ReachOutUntil.Equal(until) })
	if got := l.store.get(1).State; got != tideline.AccountActive {
		t.Errorf("the account is %s, want active: its conversations go on", got)
	}
	l.until("told to the outbox", func(tideline.Account) bool { return l.wakes.limitsOf(1) == 1 })
	l.stop()
	limit(until.Add(time.Hour)) // while nobody listens
	l.start()
	l.until("limited for longer", func(a tideline.Account) bool { return a.Hold.ReachOutUntil.Equal(until.Add(time.Hour)) })
	limit(time.Time{})
	l.until("free again", func(a tideline.Account) bool { return a.Hold == tideline.Hold{} })
}

func TestComplaint02SeveralRefusalsForReachingOutAreALimit(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	refuse := func() {
		t.Helper()
		l.fault(wasim.Fault{Kind: wasim.FaultRefuse, Number: customer, Code: 463, Count: 1})
		_, err := l.con.Send(t.Context(), whatsapp.Outgoing{
			DeviceJID: l.store.get(1).DeviceJID, MessageID: l.con.NewMessageID(), To: tideline.Phone(customer).JID(), Text: "hello stranger",
		})
		if e, ok := errors.AsType[*whatsapp.SendError](err); !ok || e.Reason != tideline.ReasonReachOutLimited {
			t.Fatalf("got %v, want reach_out_limited", err)
		}
	}
	refuse()
	refuse()
	if until := l.store.get(1).Hold.ReachOutUntil; !until.IsZero() {
		t.Fatalf("limited until %s after two refusals, which may be about the recipient", until)
	}
	refuse()
	l.until("limited for an hour", func(a tideline.Account) bool {
		d := time.Until(a.Hold.ReachOutUntil)
		return d > 50*time.Minute && d <= time.Hour
	})
}

func TestComplaint06AStreamErrorDoesNotSilenceAnAccount(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	heard := make(chan whatsapp.Inbound, 16)
	l.inbox.set(func(m whatsapp.Inbound) { heard <- m })
	for _, kind := range []wasim.FaultKind{wasim.FaultRestart, wasim.FaultCut, wasim.FaultRestart} {
		wakes := l.wakes.of(1)
		l.fault(wasim.Fault{Kind: kind, Number: string(shop)})
		l.until("connected once more", func(tideline.Account) bool { return l.wakes.of(1) > wakes })
		text := "after " + string(kind)
		if _, err := l.phone(customer).Send(t.Context(), string(shop), text); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-heard:
			if m.Content == nil || m.Content.Text != text {
				t.Errorf("got %+v, want %q", m, text)
			}
		case <-time.After(time.Minute):
			t.Fatalf("nothing is heard %s", text)
		}
	}
}

func TestComplaint25APairingEndsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		steps, err := l.Pair(ctx, 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if ev := <-steps; ev.QR == nil {
			t.Fatalf("got %+v, want a QR code", ev)
		}
		cancel()
		for range steps {
		}
	}
	l.until("without pairings", func(tideline.Account) bool { return l.Pairings() == 0 })
	if devices, err := l.con.Devices(t.Context()); err != nil || len(devices) != 0 {
		t.Errorf("sessions %v, %v are left of pairings that nobody finished", devices, err)
	}
	if got := l.net.Stats().Logins; got != 0 {
		t.Errorf("%d logins without an account", got)
	}
}
