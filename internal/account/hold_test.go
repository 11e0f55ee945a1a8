package account_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestComplaint22ABannedAccountGoesOnByItselfAlsoOverRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := numbered(1, tideline.AccountBanned)
		a.StateReason, a.Hold.BannedUntil = "too many strangers", time.Now().Add(5*time.Hour)
		b := numbered(2, tideline.AccountBanned) // whose ban passed while the server was down
		b.Hold.BannedUntil = time.Now().Add(-time.Minute)
		st := newStorage(a, b)
		for range 2 {
			h := newHouse(newConnector(device(1), device(2)), st, account.Config{})
			stop := h.run(t)
			<-time.After(2 * time.Hour)
			h.checkState(t, 1, tideline.AccountBanned)
			h.checkState(t, 2, tideline.AccountActive)
			if got := h.con.connected(); !slices.Equal(got, []string{device(2)}) {
				t.Errorf("connected %v during the ban of account 1", got)
			}
			if got := st.get(1); got.StateReason != a.StateReason || !got.Hold.BannedUntil.Equal(a.Hold.BannedUntil) {
				t.Errorf("shown as %q until %s", got.StateReason, got.Hold.BannedUntil)
			}
			stop()
			h.checkState(t, 1, tideline.AccountBanned)
		}
		h := newHouse(newConnector(device(1), device(2)), st, account.Config{})
		h.run(t)
		<-time.After(time.Hour + 2*time.Minute)
		h.checkState(t, 1, tideline.AccountActive)
		if until := st.get(1).Hold.BannedUntil; !until.IsZero() {
			t.Errorf("banned until %s although it is connected", until)
		}
	})
}

func TestALimitEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, "")), account.Config{ReachOutPause: 2 * time.Hour})
		h.run(t)
		<-time.After(3 * time.Second)
		until := func() time.Duration {
			if u := h.store.get(1).Hold.ReachOutUntil; !u.IsZero() {
				return time.Until(u)
			}
			return 0
		}
		begin := time.Now()
		h.ReachOut(t.Context(), device(1), whatsapp.ReachOutLimit{Active: true})
		if got := until(); got != 2*time.Hour {
			t.Errorf("without a known end limited for %s, want the configured pause", got)
		}
		h.ReachOut(t.Context(), device(1), whatsapp.ReachOutLimit{Active: true, Until: begin.Add(10 * time.Hour)})
		h.ReachOut(t.Context(), device(1), whatsapp.ReachOutLimit{Active: true}) // a guess changes nothing
		h.ReachOut(t.Context(), "999:1@s.whatsapp.net", whatsapp.ReachOutLimit{Active: true})
		if got := until(); got != 10*time.Hour {
			t.Errorf("limited for %s, want what WhatsApp said", got)
		}
		if got := h.wakes.limitsOf(1); got != 2 {
			t.Errorf("the outbox was told %d times, want once for each change", got)
		}
		<-time.After(10*time.Hour + 10*time.Second)
		if got := until(); got != 0 {
			t.Errorf("after its end it is limited for %s more", got)
		}
	})
}

func TestALimitThatStorageCouldNotTakeIsWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, "")), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		h.store.setAway(true)
		until := time.Now().Add(10 * time.Hour)
		h.ReachOut(t.Context(), device(1), whatsapp.ReachOutLimit{Active: true, Until: until})
		<-time.After(20 * time.Second)
		h.store.setAway(false)
		<-time.After(time.Minute)
		if got := h.store.get(1).Hold.ReachOutUntil; !got.Equal(until) {
			t.Errorf("limited until %s, want %s", got, until)
		}
		if got := h.wakes.limitsOf(1); got != 2 {
			t.Errorf("the outbox was told %d times, want at once and when it can read the limit", got)
		}
	})
}

func TestComplaint25UnpairedAccountsSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var accounts []tideline.Account
		for id := int64(1); id <= 50; id++ {
			a := numbered(id, tideline.AccountLoggedOut)
			a.StateReason = "unlinked on the phone"
			accounts = append(accounts, a)
		}
		h := newHouse(newConnector(), newStorage(accounts...), account.Config{})
		h.run(t)
		<-time.After(24 * time.Hour)
		synctest.Wait()
		if got := h.con.connected(); len(got) != 0 {
			t.Errorf("%d connects of accounts without a session in a day", len(got))
		}
		if got := h.store.written(); got != 0 {
			t.Errorf("%d writes about accounts that sleep", got)
		}
	})
}

func TestComplaint09EveryAccountReturnsAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var devices []string
		var accounts []tideline.Account
		for id := int64(1); id <= 200; id++ {
			state := []tideline.AccountState{
				tideline.AccountActive, tideline.AccountDisconnected, tideline.AccountConnecting, tideline.AccountOutdated, tideline.AccountLoggedOut,
			}[id%5] // whatever a killed server left behind
			accounts, devices = append(accounts, numbered(id, state)), append(devices, device(id))
		}
		h := newHouse(newConnector(devices...), newStorage(accounts...), account.Config{ConnectPerSecond: 50})
		h.run(t)
		<-time.After(time.Second)
		if n := len(h.con.connected()); n < 40 || n > 60 {
			t.Errorf("%d connects in the first second, want about 50", n)
		}
		<-time.After(10 * time.Second)
		for id := int64(1); id <= 200; id++ {
			h.checkState(t, id, tideline.AccountActive)
		}
		if n := len(h.con.connected()); n != 200 {
			t.Errorf("%d connects for 200 accounts", n)
		}
		// A row that is gone is gone from memory too.
		h.store.change(func() { h.store.removed[7] = true })
		<-time.After(10 * time.Second)
		if err := h.Reconnect(t.Context(), 1, 7); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("reconnect of a removed account: got %v, want not_found", err)
		}
		h.ReachOut(t.Context(), device(7), whatsapp.ReachOutLimit{Active: true, Until: time.Now().Add(time.Hour)})
		if h.wakes.limitsOf(7) != 0 {
			t.Error("a removed account is still known")
		}
		if got := h.con.outs(); !slices.Equal(got, []string{device(7)}) {
			t.Errorf("logged out %v, want the removed account", got)
		}
	})
}

func TestALimitThatComesDuringThePairingIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(), newStorage(), account.Config{})
		h.run(t)
		steps, err := h.Pair(t.Context(), 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(time.Hour)
		h.ReachOut(t.Context(), "dev:1", whatsapp.ReachOutLimit{Active: true, Until: until})
		h.con.linked("dev:1", shop)
		if ev := last(t, steps); ev.Paired == nil {
			t.Fatalf("got %+v, want paired", ev)
		}
		if got := h.store.get(1).Hold.ReachOutUntil; !got.Equal(until) {
			t.Errorf("limited until %s, want %s", got, until)
		}
	})
}
