package connectortest

import (
	"context"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

var pairing = []scenario{
	{name: "PairByQRCode", run: pairByQR},
	{name: "PairByPhoneCode", run: pairByPhoneCode},
	{name: "PairWithWrongPhoneCode", run: pairWithWrongPhoneCode},
	{name: "PairEndsWithItsContext", run: pairEndsWithContext},
	{name: "PairRefusedByServer", run: pairRefused},
	{name: "PairSeveralAtOnce", run: pairSeveral},
	{name: "MessageIDsDiffer", run: messageIDsDiffer},
}

func pairByQR(t *testing.T, w *world) {
	ctx := w.ctx()
	steps, err := w.con.Pair(ctx, whatsapp.PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.owner(business).ScanQR(ctx, w.qr(steps).Text); err != nil {
		t.Fatal(err)
	}
	checkPaired(t, w, w.paired(steps))
}

func checkPaired(t *testing.T, w *world, p *whatsapp.Paired) {
	t.Helper()
	if p.JID != tideline.Phone(business).JID() || p.Phone != business || p.LID.Server() != tideline.ServerLID {
		t.Errorf("paired %+v, want the account of %s", p, business)
	}
	companions := w.owner(business).Companions()
	if len(companions) != 1 || companions[0].JID.String() != p.DeviceJID || !companions[0].Connected {
		t.Errorf("the phone lists %+v, want %s, connected", companions, p.DeviceJID)
	}
	if !w.hasDevice(p.DeviceJID) {
		t.Error("the connector does not list the device")
	}
	w.state(p.DeviceJID, 0, tideline.AccountActive)
	m := w.text(p.DeviceJID, ana, "first words")
	w.send(m)
	w.shown(ana, m.MessageID)
}

func pairByPhoneCode(t *testing.T, w *world) {
	ctx := w.ctx()
	steps, err := w.con.Pair(ctx, whatsapp.PairRequest{Phone: business})
	if err != nil {
		t.Fatal(err)
	}
	ev := w.step(steps)
	if len(ev.Code) != 8 {
		t.Fatalf("got %+v, want a code of eight characters", ev)
	}
	if err := w.owner(business).EnterCode(ctx, ev.Code); err != nil {
		t.Fatal(err)
	}
	checkPaired(t, w, w.paired(steps))
}

func pairWithWrongPhoneCode(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	steps, err := w.con.Pair(ctx, whatsapp.PairRequest{Phone: business})
	if err != nil {
		t.Fatal(err)
	}
	code := w.step(steps).Code
	wrong := strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, code)
	if err := w.owner(business).EnterCode(ctx, wrong); err == nil {
		t.Error("the phone took a wrong code")
	}
	cancel()
	if last := w.last(steps); last.Failed == nil {
		t.Errorf("got %+v, want a failure", last)
	}
	if n := len(w.owner(business).Companions()); n != 0 {
		t.Errorf("the phone lists %d devices, want none", n)
	}
}

func pairEndsWithContext(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(w.ctx())
	defer cancel()
	steps, err := w.con.Pair(ctx, whatsapp.PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	w.qr(steps)
	cancel()
	if last := w.last(steps); last.Failed == nil {
		t.Errorf("got %+v, want a failure", last)
	}
	if devices, err := w.con.Devices(w.ctx()); err != nil || len(devices) != 0 {
		t.Errorf("devices %v, %v; want none", devices, err)
	}
}

func pairRefused(t *testing.T, w *world) {
	w.fault(wasim.Fault{Kind: wasim.FaultRefuseConnection})
	steps, err := w.con.Pair(w.ctx(), whatsapp.PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if last := w.last(steps); last.Failed == nil {
		t.Errorf("got %+v, want a failure", last)
	}
}

func pairSeveral(t *testing.T, w *world) {
	ctx := w.ctx()
	one, err := w.con.Pair(ctx, whatsapp.PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	two, err := w.con.Pair(ctx, whatsapp.PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	qr1, qr2 := w.qr(one), w.qr(two)
	if err := w.owner(second).ScanQR(ctx, qr2.Text); err != nil {
		t.Fatal(err)
	}
	if err := w.owner(business).ScanQR(ctx, qr1.Text); err != nil {
		t.Fatal(err)
	}
	a, b := w.paired(one), w.paired(two)
	if a.Phone != business || b.Phone != second {
		t.Errorf("paired %s and %s, want %s and %s", a.Phone, b.Phone, business, second)
	}
	// Two accounts of one connector are strangers to each other like any others.
	m := w.text(a.DeviceJID, second, "hello neighbour")
	w.send(m)
	w.shown(second, m.MessageID)
	m = w.text(b.DeviceJID, business, "hello yourself")
	w.send(m)
	w.shown(business, m.MessageID)
}

func messageIDsDiffer(t *testing.T, w *world) {
	seen := map[string]bool{}
	for range 1000 {
		id := w.con.NewMessageID()
		if len(id) != 22 || !strings.HasPrefix(id, "3EB0") || strings.ToUpper(id) != id || seen[id] {
			t.Fatalf("message id %q is malformed or was drawn before", id)
		}
		seen[id] = true
	}
}
