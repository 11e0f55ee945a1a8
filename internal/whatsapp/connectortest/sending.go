package connectortest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var sending = []scenario{
	{name: "SendText", run: sendText},
	{name: "SendAtTheSameTime", run: sendAtTheSameTime},
	{name: "SendToUnregisteredNumber", run: sendToUnregistered},
	{name: "SendToOddRecipient", run: sendToOddRecipient},
	{name: "SendWithoutConnection", run: sendWithoutConnection},
	{name: "SendRefused", run: sendRefused},
	{name: "LostAcknowledgement", run: lostAck},
	{name: "LostAcknowledgementBoundByContext", run: lostAckBound},
	{name: "LostMessage", run: lostMessage},
	{name: "CutBeforeAcknowledgement", run: cutWhileSending(wasim.FaultCutBeforeAck)},
	{name: "CutBeforeDelivery", run: cutWhileSending(wasim.FaultCutOnMessage)},
}

func sendText(t *testing.T, w *world) {
	device := w.pair(business)
	const text = "Olá, Ana 👋\nzweite Zeile"
	m := w.text(device, ana, text)
	sent := w.send(m)
	if d := time.Since(sent.At); d < -time.Minute || d > time.Minute {
		t.Errorf("sent at %s, want about now", sent.At)
	}
	got := w.shown(ana, m.MessageID)
	if got.Text != text || got.From != business || got.To != ana || got.Attempts != 1 {
		t.Errorf("the phone shows %+v", got)
	}
	if own := w.shown(business, m.MessageID); !own.FromMe || own.To != ana {
		t.Errorf("the own phone shows %+v", own)
	}
}

func sendAtTheSameTime(t *testing.T, w *world) {
	device := w.pair(business)
	msgs := make([]whatsapp.Outgoing, 20)
	var wg sync.WaitGroup
	ctx := w.ctx()
	for i := range msgs {
		msgs[i] = w.text(device, ana, fmt.Sprint("number ", i))
		wg.Go(func() {
			if _, err := w.con.Send(ctx, msgs[i]); err != nil {
				t.Errorf("send %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for _, m := range msgs {
		if got := w.shown(ana, m.MessageID); got.Text != m.Text || got.Attempts != 1 {
			t.Errorf("the phone shows %+v, want %q once", got, m.Text)
		}
	}
}

func sendToUnregistered(t *testing.T, w *world) {
	device := w.pair(business)
	// Twice: a wrong answer must not come from what was remembered of the first.
	for range 2 {
		if e := w.refused(w.text(device, nobody, "hello?")); e.Reason != tideline.ReasonNotOnWhatsApp {
			t.Errorf("got %+v, want %s", e, tideline.ReasonNotOnWhatsApp)
		}
	}
	m := w.text(device, ana, "still here")
	w.send(m)
	w.shown(ana, m.MessageID)
}

func sendToOddRecipient(t *testing.T, w *world) {
	device := w.pair(business)
	for _, to := range []tideline.JID{"", "@s.whatsapp.net", "14840000001", "14840000001:3@s.whatsapp.net", "status@broadcast", "a.b.c@s.whatsapp.net", "1@example.org"} {
		m := w.text(device, ana, "x")
		m.To = to
		if e := w.refused(m); e.Reason != tideline.ReasonInvalidRecipient {
			t.Errorf("to %q: got %+v, want %s", to, e, tideline.ReasonInvalidRecipient)
		}
	}
}

func sendWithoutConnection(t *testing.T, w *world) {
	device := w.pair(business)
	w.con.Disconnect(device)
	if e := w.refused(w.text(device, ana, "x")); !e.Offline || e.Reason != "" {
		t.Errorf("got %+v, want offline", e)
	}
	if e := w.refused(w.text("14840000555:1@s.whatsapp.net", ana, "x")); !e.Offline || e.Reason != "" {
		t.Errorf("unknown device: got %+v, want offline", e)
	}
}

func sendRefused(t *testing.T, w *world) {
	device := w.pair(business)
	for code, want := range map[int]whatsapp.SendError{
		463: {Reason: tideline.ReasonReachOutLimited},
		479: {Reason: tideline.ReasonRejected},
		400: {Reason: tideline.ReasonRejected},
		429: {}, // not sent, later perhaps
		500: {},
		503: {},
	} {
		w.fault(wasim.Fault{Kind: wasim.FaultRefuse, Number: ana, Code: code, Count: 1})
		e := w.refused(w.text(device, ana, "x"))
		if e.Reason != want.Reason || e.Offline || e.Unknown {
			t.Errorf("code %d: got %+v, want reason %q", code, e, want.Reason)
		}
	}
	m := w.text(device, ana, "after all that")
	w.send(m)
	w.shown(ana, m.MessageID)
}

func lostAck(t *testing.T, w *world) {
	device := w.pair(business)
	w.fault(wasim.Fault{Kind: wasim.FaultDropAck, Number: ana, Count: 1})
	m := w.text(device, ana, "did you get this?")
	if e := w.refused(m); !e.Unknown || e.Reason != "" {
		t.Errorf("got %+v, want unknown", e)
	}
	w.shown(ana, m.MessageID)
	w.send(m)
	w.shownTimes(ana, m.MessageID, 2)
	w.once(ana, m.MessageID)
}

func lostAckBound(t *testing.T, w *world) {
	device := w.pair(business)
	w.fault(wasim.Fault{Kind: wasim.FaultDropAck, Number: ana, Count: 1})
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	m := w.text(device, ana, "first")
	failed := make(chan error, 1)
	go func() {
		_, err := w.con.Send(ctx, m)
		failed <- err
	}()
	w.shown(ana, m.MessageID)
	cancel()
	if err := <-failed; err == nil {
		t.Error("a send without acknowledgement succeeded")
	}
	// The next message does not wait for the lost acknowledgement.
	next := w.text(device, ana, "second")
	w.send(next)
	w.shown(ana, next.MessageID)
}

func lostMessage(t *testing.T, w *world) {
	device := w.pair(business)
	w.fault(wasim.Fault{Kind: wasim.FaultDropMessage, Number: ana, Count: 1})
	m := w.text(device, ana, "into the void")
	if e := w.refused(m); !e.Unknown {
		t.Errorf("got %+v, want unknown", e)
	}
	w.send(m)
	if got := w.shown(ana, m.MessageID); got.Attempts != 1 {
		t.Errorf("the phone got it %d times, want once", got.Attempts)
	}
}

func cutWhileSending(kind wasim.FaultKind) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		device := w.pair(business)
		// The queries that come with the first words to a stranger must be over:
		// when the connection breaks, whatsmeow lets each open request wait for the
		// next one, and two that begin to wait at once are a data race in
		// go.mau.fi/util (exsync/event.go, GetChan; harmless, both write true).
		for range 2 {
			m := w.text(device, ana, "nice to meet you")
			w.send(m)
			w.receipt(device, m.MessageID, tideline.StatusRead)
		}
		w.fault(wasim.Fault{Kind: kind, Number: ana, Count: 1})
		mark := w.rec.mark()
		m := w.text(device, ana, "hold on")
		// The connector may have repeated it already, or leave that to us.
		ctx := w.ctx()
		for {
			_, err := w.con.Send(ctx, m)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("send: %v", err)
			}
			w.state(device, mark, tideline.AccountActive)
		}
		w.shown(ana, m.MessageID)
		w.once(ana, m.MessageID)
		w.state(device, mark, tideline.AccountDisconnected)
	}
}
