package connectortest

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var calls = []scenario{
	{name: "MissedCall", run: missedCall},
	// What happens on this network happened a while ago.
	{name: "CallWhoseEndNeverCame", run: callWithoutEnd, network: wasim.Options{Now: func() time.Time { return time.Now().Add(-time.Hour) }}},
}

// missed waits for a missed call.
func (w *world) missed(call string, video bool) {
	w.t.Helper()
	got := w.told(call)
	if got.Call == nil || *got.Call != (whatsapp.Call{Status: tideline.CallMissed, Video: video}) || got.FromMe {
		w.t.Errorf("told of %+v with call %+v, want a missed call", got, got.Call)
	}
	if want := w.contactPeer(ana); got.Sender.JID != want.JID || got.Sender.LID != want.LID || got.Chat.JID != want.JID {
		w.t.Errorf("a call of %+v in the chat with %+v, want %+v", got.Sender, got.Chat, want)
	}
}

func missedCall(t *testing.T, w *world) {
	device := w.pair(business)
	for _, away := range []bool{false, true} {
		if away {
			w.con.Disconnect(device)
		}
		call, err := w.owner(ana).Call(w.ctx(), business, away)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.owner(ana).HangUp(w.ctx(), business, call, ""); err != nil {
			t.Fatal(err)
		}
		if away {
			w.active(device)
		}
		w.missed(call, away)
	}
}

// callWithoutEnd has an account hear of a call that began while it was away and of
// whose end WhatsApp says nothing.
func callWithoutEnd(t *testing.T, w *world) {
	device := w.pair(business)
	w.con.Disconnect(device)
	call, err := w.owner(ana).Call(w.ctx(), business, true)
	if err != nil {
		t.Fatal(err)
	}
	w.active(device)
	w.missed(call, true)
}
