package connectortest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var ending = []scenario{
	{name: "LogoutWhileConnected", run: logout},
	{name: "LogoutWhileDisconnected", run: logoutDisconnected},
	{name: "LogoutWhileUnreachable", run: logoutUnreachable},
	{name: "UnlinkedOnThePhone", run: unlinked},
	{name: "PairAgainAfterUnlinking", run: pairAgain},
	{name: "LoginRefused/401", run: loginRefused(401, tideline.AccountLoggedOut, false)},
	{name: "LoginRefused/402", run: loginRefused(402, tideline.AccountBanned, true)},
	{name: "LoginRefused/403", run: loginRefused(403, tideline.AccountLoggedOut, false)},
	{name: "LoginRefused/405", run: loginRefused(405, tideline.AccountOutdated, true)},
	{name: "LoginRefused/406", run: loginRefused(406, tideline.AccountBanned, false)},
	{name: "LoginRefused/409", run: loginRefused(409, tideline.AccountDisconnected, true)},
	{name: "LoginRefused/500", run: loginRefused(500, tideline.AccountDisconnected, true)},
	{name: "LoginRefused/503", run: loginRefused(503, tideline.AccountDisconnected, true)},
}

func logout(t *testing.T, w *world) {
	device := w.pair(business)
	mark := w.rec.mark()
	if err := w.con.Logout(w.ctx(), device); err != nil {
		t.Fatal(err)
	}
	w.state(device, mark, tideline.AccountLoggedOut)
	w.forgotten(device)
	if n := len(w.owner(business).Companions()); n != 0 {
		t.Errorf("the phone lists %d devices, want none", n)
	}
}

// gone waits until the connector has dropped the keys of a device.
func (w *world) gone(device string) {
	w.t.Helper()
	ctx := w.ctx()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for w.hasDevice(device) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatal("the session is still there")
		}
	}
}

// forgotten checks that nothing is left of a device.
func (w *world) forgotten(device string) {
	w.t.Helper()
	if w.hasDevice(device) {
		w.t.Error("the session is still there")
	}
	if err := w.con.Connect(w.ctx(), device); !errors.Is(err, whatsapp.ErrNoSession) {
		w.t.Errorf("connect: got %v, want ErrNoSession", err)
	}
	if e := w.refused(w.text(device, ana, "x")); !e.Offline {
		w.t.Errorf("send: got %+v, want offline", e)
	}
	if err := w.con.Logout(w.ctx(), device); err != nil {
		w.t.Errorf("log out again: %v", err)
	}
}

func logoutDisconnected(t *testing.T, w *world) {
	device := w.pair(business)
	w.con.Disconnect(device)
	if err := w.con.Logout(w.ctx(), device); err != nil {
		t.Fatal(err)
	}
	w.forgotten(device)
	if n := len(w.owner(business).Companions()); n != 0 {
		t.Errorf("the phone lists %d devices, want none", n)
	}
}

func logoutUnreachable(t *testing.T, w *world) {
	device := w.pair(business)
	w.con.Disconnect(device)
	w.fault(wasim.Fault{Kind: wasim.FaultRefuseConnection})
	if err := w.con.Logout(w.ctx(), device); err != nil {
		t.Fatal(err)
	}
	w.forgotten(device)
}

func unlinked(t *testing.T, w *world) {
	device := w.pair(business)
	other := w.pair(second)
	mark := w.rec.mark()
	w.fault(wasim.Fault{Kind: wasim.FaultLogout, Number: business})
	if ev := w.state(device, mark, tideline.AccountLoggedOut); ev.Reason == "" {
		t.Error("logged out without a reason")
	}
	if e := w.refused(w.text(device, ana, "x")); !e.Offline {
		t.Errorf("send: got %+v, want offline", e)
	}
	w.gone(device)
	// The other account is none the wiser.
	m := w.text(other, ana, "still linked")
	w.send(m)
	w.shown(ana, m.MessageID)
}

func pairAgain(t *testing.T, w *world) {
	device := w.pair(business)
	mark := w.rec.mark()
	w.fault(wasim.Fault{Kind: wasim.FaultLogout, Number: business})
	w.state(device, mark, tideline.AccountLoggedOut)
	again := w.pair(business)
	if again == device {
		t.Errorf("paired as %s again, want another device", again)
	}
	m := w.text(again, ana, "here again")
	w.send(m)
	w.shown(ana, m.MessageID)
}

// loginRefused has the server refuse a login. Where the session outlives that, a
// later connect must work.
func loginRefused(code int, want tideline.AccountState, survives bool) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		device := w.pair(business)
		w.con.Disconnect(device)
		f := w.fault(wasim.Fault{Kind: wasim.FaultRefuseLogin, Number: business, Code: code})
		mark := w.rec.mark()
		if err := w.con.Connect(w.ctx(), device); err != nil {
			t.Fatal(err)
		}
		if ev := w.state(device, mark, want); ev.Reason == "" {
			t.Errorf("%s without a reason", want)
		}
		if got := w.rec.since(mark); len(got) > 0 && got[len(got)-1].State == tideline.AccountActive {
			t.Errorf("reported %s", fmt.Sprint(got))
		}
		if !survives {
			w.gone(device)
			return
		}
		w.net.ClearFaults(f.ID)
		w.active(device)
	}
}
