package connectortest

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/wasim"
)

var receipts = []scenario{
	{name: "ReceiptsArrive", run: receiptsArrive},
	{name: "Promise6ReceiptIsRepeatedUntilHandled", run: receiptRepeated},
	{name: "ReceiptsWhileAwayComeLater", run: receiptsWhileAway, network: wasim.Options{Latency: 300 * time.Millisecond}},
	{name: "RetryIsAnsweredAfterRestart", run: retryAfterRestart, network: wasim.Options{Latency: 300 * time.Millisecond}},
}

func (w *world) receipt(device, id string, status tideline.Status) {
	w.t.Helper()
	got, err := w.rec.receipt(w.ctx(), device, id, status)
	if err != nil {
		w.t.Fatalf("no receipt %s for %s: %v", status, id, err)
	}
	if d := time.Since(got.at); d < -time.Minute || d > 10*time.Minute {
		w.t.Errorf("%s at %s, want about now", status, got.at)
	}
}

func receiptsArrive(_ *testing.T, w *world) {
	device := w.pair(business)
	m := w.text(device, ana, "tick tick")
	w.send(m)
	w.receipt(device, m.MessageID, tideline.StatusDelivered)
	w.receipt(device, m.MessageID, tideline.StatusRead)
}

func receiptRepeated(t *testing.T, w *world) {
	device := w.pair(business)
	w.rec.note(func() { w.rec.refuse = 2 })
	m := w.text(device, ana, "tick tick")
	w.send(m)
	w.receipt(device, m.MessageID, tideline.StatusDelivered)
	w.receipt(device, m.MessageID, tideline.StatusRead)
	w.rec.mu.Lock()
	defer w.rec.mu.Unlock()
	if w.rec.refused != 2 {
		t.Errorf("%d receipts were refused, want 2", w.rec.refused)
	}
}

func receiptsWhileAway(_ *testing.T, w *world) {
	device := w.pair(business)
	m := w.text(device, ana, "tick tick")
	w.send(m)
	w.stop() // before the phone reacts
	w.shown(ana, m.MessageID)
	w.start()
	w.active(device)
	w.receipt(device, m.MessageID, tideline.StatusDelivered)
	w.receipt(device, m.MessageID, tideline.StatusRead)
}

// retryAfterRestart has a phone ask again for a message that it could not
// decrypt when the process that sent it is gone.
func retryAfterRestart(t *testing.T, w *world) {
	device := w.pair(business)
	w.fault(wasim.Fault{Kind: wasim.FaultFailDecrypt, Number: ana, Count: 1})
	m := w.text(device, ana, "once more, please")
	w.send(m)
	w.stop()
	w.start()
	w.active(device)
	if got := w.shown(ana, m.MessageID); got.Text != m.Text {
		t.Errorf("the phone shows %+v, want %q", got, m.Text)
	}
	if n := w.net.Stats().Retries; n == 0 {
		t.Error("the phone did not ask again; the test shows nothing")
	}
	w.receipt(device, m.MessageID, tideline.StatusRead)
}
