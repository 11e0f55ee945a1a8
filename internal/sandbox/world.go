package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

// AccountNumber is the number of the phone that the first account is paired with.
const AccountNumber = "+14840000000"

// FirstCustomer is the number of a customer who receives, reads and answers.
const FirstCustomer = "+14840000001"

// cast are the phones of a new world. Numbers in this range belong to no one.
func cast() []wasim.PhoneOptions {
	return []wasim.PhoneOptions{
		{Number: AccountNumber, Name: "Tideline Sandbox"},
		{Number: FirstCustomer, Name: "Ana Costa", AutoReply: "Thank you, that was quick!"},
		{Number: "+14840000002", Name: "Ben Okafor", AutoReply: "Got it. I'll be there at ten."},
		{Number: "+14840000003", Name: "Chloé Martin", AutoReply: "Merci 🙏"},
		{Number: "+14840000004", Name: "Dilan Yilmaz", NoRead: true},
		{Number: "+14840000009", Name: "Nobody", Unregistered: true},
	}
}

// World is the emulated network with its phones.
type World struct {
	network *wasim.Server
	screens screens
}

// Open starts the network, which keeps everything in the folder dir, and adds
// the phones that aren't there yet. Close stops it.
func Open(ctx context.Context, dir string, log *slog.Logger) (*World, error) {
	network, err := wasim.Start(context.WithoutCancel(ctx), wasim.Options{
		Dir: dir, Logger: log,
		TLSListen: "127.0.0.1:0", // for other clients than ours, whom GET /sandbox/network tells where it is
	})
	if err != nil {
		return nil, fmt.Errorf("start the sandbox's network: %w", err)
	}
	for _, p := range cast() {
		if _, there := network.Phone(p.Number); there {
			continue // as whoever uses the sandbox left it
		}
		if _, err := network.AddPhone(ctx, p); err != nil {
			return nil, errors.Join(fmt.Errorf("add a phone to the sandbox: %w", err), network.Close())
		}
	}
	return &World{network: network}, nil
}

// Close stops the network.
func (w *World) Close() error { return w.network.Close() }

// Addr is the address of the network, on this machine.
func (w *World) Addr() string { return w.network.Addr() }

// RootKey is the key by which clients know the network.
func (w *World) RootKey() [32]byte { return w.network.RootKey() }

// Control is the API by which people and tests look at the phones, act as them,
// and make things go wrong. Its paths begin with /sandbox/.
func (w *World) Control() http.Handler { return wasim.Control(w.network) }

// Link follows a pairing's events and scans the QR codes with the account's
// phone, as its owner would. It returns once the pairing has ended.
func (w *World) Link(ctx context.Context, events <-chan whatsapp.PairEvent) error {
	phone, ok := w.network.Phone(AccountNumber)
	if !ok {
		return fmt.Errorf("pair the sandbox's account: there is no phone %s", AccountNumber)
	}
	var scanned error
	for e := range events { // to the end: the last event says how it went
		switch {
		case e.Paired != nil:
			return nil
		case e.Failed != nil:
			return fmt.Errorf("pair the sandbox's account: %w", errors.Join(e.Failed, scanned))
		case e.QR != nil:
			scanned = phone.ScanQR(ctx, e.QR.Text)
		}
	}
	return fmt.Errorf("pair the sandbox's account: no answer: %w", errors.Join(scanned, ctx.Err()))
}
