package connectortest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

const (
	business = "+14840000100"
	second   = "+14840000101"
	ana      = "+14840000001"
	nobody   = "+14840000009"

	patience = 60 * time.Second // for what must happen; only a broken test waits so long
)

// world is a network with a few phones, and a connector on it.
type world struct {
	t    *testing.T
	net  *wasim.Server
	open Open
	con  whatsapp.Connector
	rec  *recorder
}

func newWorld(t *testing.T, open Open, opts wasim.Options) *world {
	t.Helper()
	srv, err := wasim.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if got := srv.Unhandled(); len(got) > 0 {
			t.Errorf("stanzas that the network does not know: %+v", got)
		}
		if err := srv.Close(); err != nil {
			t.Errorf("close network: %v", err)
		}
	})
	w := &world{t: t, net: srv, open: open}
	w.phone(wasim.PhoneOptions{Number: business, Name: "Business"})
	w.phone(wasim.PhoneOptions{Number: second, Name: "Second"})
	w.phone(wasim.PhoneOptions{Number: ana, Name: "Ana"})
	w.phone(wasim.PhoneOptions{Number: nobody, Unregistered: true})
	w.start()
	t.Cleanup(w.stop)
	return w
}

// start opens a connector over the stored sessions.
func (w *world) start() {
	w.t.Helper()
	w.rec = newRecorder()
	w.con = w.open(w.t, w.net)
	w.con.Handle(w.rec)
}

// stop closes the connector.
func (w *world) stop() {
	w.t.Helper()
	if err := w.con.Close(); err != nil {
		w.t.Errorf("close connector: %v", err)
	}
}

func (w *world) ctx() context.Context {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) phone(o wasim.PhoneOptions) *wasim.Phone {
	w.t.Helper()
	p, err := w.net.AddPhone(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) owner(number string) *wasim.Phone {
	w.t.Helper()
	p, ok := w.net.Phone(number)
	if !ok {
		w.t.Fatalf("no phone %s", number)
	}
	return p
}

func (w *world) fault(f wasim.Fault) wasim.Fault {
	w.t.Helper()
	f, err := w.net.SetFault(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// pair links a number by QR code and gives its device.
func (w *world) pair(number string) string {
	w.t.Helper()
	ctx := w.ctx()
	steps, err := w.con.Pair(ctx, whatsapp.PairRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.owner(number).ScanQR(ctx, w.qr(steps).Text); err != nil {
		w.t.Fatal(err)
	}
	return w.paired(steps).DeviceJID
}

// qr takes the next step of a pairing, which must be a QR code.
func (w *world) qr(steps <-chan whatsapp.PairEvent) *whatsapp.QR {
	w.t.Helper()
	ev := w.step(steps)
	if ev.QR == nil || ev.QR.Text == "" || ev.QR.ValidFor <= 0 {
		w.t.Fatalf("got %+v, want a QR code", ev)
	}
	return ev.QR
}

// paired takes the steps to the end, which must be Paired.
func (w *world) paired(steps <-chan whatsapp.PairEvent) *whatsapp.Paired {
	w.t.Helper()
	last := w.last(steps)
	if last.Paired == nil {
		w.t.Fatalf("got %+v, want paired", last)
	}
	return last.Paired
}

// last takes the steps to the end and gives the last one.
func (w *world) last(steps <-chan whatsapp.PairEvent) whatsapp.PairEvent {
	w.t.Helper()
	for {
		ev := w.step(steps)
		if ev.Paired == nil && ev.Failed == nil {
			continue
		}
		if more, ok := <-steps; ok {
			w.t.Fatalf("%+v came after the last step", more)
		}
		return ev
	}
}

func (w *world) step(steps <-chan whatsapp.PairEvent) whatsapp.PairEvent {
	w.t.Helper()
	select {
	case ev, ok := <-steps:
		if !ok {
			w.t.Fatal("the pairing ended without a last step")
		}
		return ev
	case <-w.ctx().Done():
		w.t.Fatal("no step of the pairing came")
	}
	panic("unreachable")
}

// active connects a device and waits until it is active.
func (w *world) active(device string) {
	w.t.Helper()
	mark := w.rec.mark()
	if err := w.con.Connect(w.ctx(), device); err != nil {
		w.t.Fatal(err)
	}
	w.state(device, mark, tideline.AccountActive)
}

// state waits for a state that was reported after mark.
func (w *world) state(device string, mark int, want tideline.AccountState) whatsapp.StateEvent {
	w.t.Helper()
	ev, err := w.rec.state(w.ctx(), device, mark, want)
	if err != nil {
		w.t.Fatalf("account is not %s: %v; reported: %+v", want, err, w.rec.since(0))
	}
	return ev
}

// text is a message from device to number under a new id.
func (w *world) text(device, number, text string) whatsapp.Outgoing {
	return whatsapp.Outgoing{DeviceJID: device, MessageID: w.con.NewMessageID(), To: tideline.Phone(number).JID(), Text: text}
}

// send sends and must succeed.
func (w *world) send(m whatsapp.Outgoing) whatsapp.Sent {
	w.t.Helper()
	sent, err := w.con.Send(w.ctx(), m)
	if err != nil {
		w.t.Fatalf("send: %v", err)
	}
	return sent
}

// refused sends and must fail.
func (w *world) refused(m whatsapp.Outgoing) *whatsapp.SendError {
	w.t.Helper()
	_, err := w.con.Send(w.ctx(), m)
	e, ok := errors.AsType[*whatsapp.SendError](err)
	if !ok {
		w.t.Fatalf("send: got error %v, want a SendError", err)
	}
	return e
}

// shown waits until a phone shows the message with an id.
func (w *world) shown(number, id string) wasim.Received {
	w.t.Helper()
	return w.shownTimes(number, id, 1)
}

// shownTimes waits until the message with an id has reached a phone so often.
func (w *world) shownTimes(number, id string, attempts int) wasim.Received {
	w.t.Helper()
	got, err := w.owner(number).Await(w.ctx(), func(r wasim.Received) bool { return r.ID == id && r.Attempts >= attempts })
	if err != nil {
		w.t.Fatalf("phone %s does not show message %s (%d attempts): %v", number, id, attempts, err)
	}
	return got
}

// once checks that a phone shows a message exactly once.
func (w *world) once(number, id string) {
	w.t.Helper()
	all, err := w.owner(number).Messages()
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, r := range all {
		if r.ID == id {
			n++
		}
	}
	if n != 1 {
		w.t.Errorf("phone %s shows message %s %d times, want once", number, id, n)
	}
}

// hasDevice reports whether the connector holds keys for a device.
func (w *world) hasDevice(device string) bool {
	w.t.Helper()
	all, err := w.con.Devices(w.ctx())
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.Contains(all, device)
}
