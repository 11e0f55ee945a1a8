package connectortest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var connection = []scenario{
	{name: "RestartFromStoredSession", run: restart},
	{name: "ConnectTwiceIsOnce", run: connectTwice},
	{name: "ConnectWithoutSession", run: connectWithoutSession},
	{name: "DisconnectAndConnect", run: disconnectAndConnect},
	{name: "DisconnectIsTheLastThatIsHeard", run: disconnectIsLast},
	{name: "ReconnectAfterCut", run: reconnectAfter(wasim.FaultCut)},
	{name: "ReconnectAfterServerRestart", run: reconnectAfter(wasim.FaultRestart)},
	{name: "ReconnectAfterBeingReplaced", run: reconnectAfter(wasim.FaultKick)},
	{name: "ReconnectWhenServerIsBack", run: reconnectWhenBack},
	{name: "DeadConnectionIsNoticed", run: deadConnection},
	{name: "CloseTwice", run: closeTwice},
}

func restart(_ *testing.T, w *world) {
	device := w.pair(business)
	m := w.text(device, ana, "before")
	w.send(m)
	w.shown(ana, m.MessageID)
	for range 2 {
		w.stop()
		w.start()
		w.active(device)
		m = w.text(device, ana, "after")
		w.send(m)
		w.shown(ana, m.MessageID)
	}
}

func connectTwice(t *testing.T, w *world) {
	device := w.pair(business)
	logins := w.net.Stats().Logins
	mark := w.rec.mark()
	for range 3 {
		if err := w.con.Connect(w.ctx(), device); err != nil {
			t.Fatal(err)
		}
	}
	m := w.text(device, ana, "x")
	w.send(m)
	if got := w.net.Stats().Logins; got != logins {
		t.Errorf("%d logins for an account that was connected, want none", got-logins)
	}
	if got := w.rec.since(mark); len(got) != 0 {
		t.Errorf("reported %+v, want nothing", got)
	}
}

func connectWithoutSession(t *testing.T, w *world) {
	for _, device := range []string{"", "14840000100:7@s.whatsapp.net", "14840000100@s.whatsapp.net", "nonsense"} {
		if err := w.con.Connect(w.ctx(), device); !errors.Is(err, whatsapp.ErrNoSession) {
			t.Errorf("connect %q: got %v, want ErrNoSession", device, err)
		}
		w.con.Disconnect(device)
		if err := w.con.Logout(w.ctx(), device); err != nil {
			t.Errorf("log out %q: %v", device, err)
		}
	}
}

func disconnectAndConnect(t *testing.T, w *world) {
	device := w.pair(business)
	for range 3 {
		mark := w.rec.mark()
		w.con.Disconnect(device)
		w.state(device, mark, tideline.AccountDisconnected)
		if !w.hasDevice(device) {
			t.Fatal("the session is gone")
		}
		w.active(device)
		states := w.rec.since(mark)
		if len(states) != 3 || states[1].State != tideline.AccountConnecting {
			t.Errorf("reported %+v, want disconnected, connecting, active", states)
		}
	}
}

// disconnectIsLast disconnects while messages pour in. What is being handled is
// finished before Disconnect returns, nothing is handled after it, and what WhatsApp
// was not answered comes to the next connection.
func disconnectIsLast(t *testing.T, w *world) {
	device := w.pair(business)
	heard := func() (n int) {
		w.rec.note(func() { n = len(w.rec.messages) + len(w.rec.receipts) })
		return n
	}
	for range 3 {
		entered, release := make(chan struct{}), make(chan struct{})
		var handled atomic.Bool
		var once sync.Once
		w.rec.note(func() {
			w.rec.meanwhile = func() {
				once.Do(func() {
					close(entered)
					<-release
					handled.Store(true)
				})
			}
		})
		var ids []string
		for range 5 {
			ids = append(ids, w.says(ana, "hello"))
		}
		<-entered
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			w.con.Disconnect(device)
			if !handled.Load() {
				t.Error("Disconnect returned while a message was being handled")
			}
		}()
		ids = append(ids, w.says(ana, "are you there?"))
		close(release)
		<-gone
		n := heard()
		for range 5 {
			ids = append(ids, w.says(ana, "hello?"))
		}
		if now := heard(); now != n {
			t.Errorf("%d events came after Disconnect returned", now-n)
		}
		w.active(device)
		for _, id := range ids {
			w.told(id)
		}
	}
}

func reconnectAfter(kind wasim.FaultKind) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		device := w.pair(business)
		mark := w.rec.mark()
		w.fault(wasim.Fault{Kind: kind, Number: business})
		if ev := w.state(device, mark, tideline.AccountDisconnected); ev.Reason == "" {
			t.Error("disconnected without a reason")
		}
		w.state(device, mark, tideline.AccountActive)
		m := w.text(device, ana, "back again")
		w.send(m)
		w.shown(ana, m.MessageID)
	}
}

func reconnectWhenBack(_ *testing.T, w *world) {
	device := w.pair(business)
	away := w.fault(wasim.Fault{Kind: wasim.FaultRefuseConnection})
	mark := w.rec.mark()
	w.fault(wasim.Fault{Kind: wasim.FaultCut, Number: business})
	w.state(device, mark, tideline.AccountDisconnected)
	w.net.ClearFaults(away.ID)
	w.state(device, mark, tideline.AccountActive)
}

func deadConnection(t *testing.T, w *world) {
	device := w.pair(business)
	mark := w.rec.mark()
	dead := w.fault(wasim.Fault{Kind: wasim.FaultDropPing, Number: business})
	if ev := w.state(device, mark, tideline.AccountDisconnected); ev.Reason == "" {
		t.Error("disconnected without a reason")
	}
	w.net.ClearFaults(dead.ID)
	w.state(device, mark, tideline.AccountActive)
}

func closeTwice(t *testing.T, w *world) {
	device := w.pair(business)
	w.stop()
	w.stop()
	if err := w.con.Connect(w.ctx(), device); err == nil {
		t.Error("a closed connector connected")
	}
	if e := w.refused(w.text(device, ana, "x")); !e.Offline {
		t.Errorf("got %+v, want offline", e)
	}
	if _, err := w.con.Pair(w.ctx(), whatsapp.PairRequest{}); err == nil {
		t.Error("a closed connector pairs")
	}
}
