package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mdp/qrterminal/v3"
	"rsc.io/qr"

	"github.com/tidelinehq/tideline/internal/operator"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type accountPairCmd struct {
	Phone  string `placeholder:"NUMBER" help:"Pair by a code that is typed on the phone with this number, instead of by a QR code."`
	Member string `placeholder:"EMAIL" help:"Member to whom the number belongs. Default: the owner."`
}

// Help implements kong.HelpProvider.
func (accountPairCmd) Help() string {
	return `Draws a QR code. On the phone open WhatsApp, then Settings, Linked devices, Link a device, and scan it. The code changes every few seconds and is drawn anew in its place; the command ends when the phone is paired, or when WhatsApp gives no more codes. The server must be running.

    tideline account pair
    tideline account pair --phone +14840000000

With --json every step is printed as one line: {"event":"qr","qr":"…","valid_for_seconds":60}, {"event":"code","code":"…"}, {"event":"paired","phone":"…"} or {"event":"failed","error":"…"}.`
}

// Run pairs an account.
func (c *accountPairCmd) Run(ctx context.Context, a *app) error {
	var phone tideline.Phone
	if c.Phone != "" {
		var err error
		if phone, err = tideline.ParsePhone(c.Phone); err != nil {
			return err
		}
	}
	o, err := a.operator(ctx)
	if err != nil {
		return err
	}
	return a.with(ctx, func(d *desk) error {
		m, err := d.workspaces.Member(ctx, d.workspace, c.Member)
		if err != nil {
			return err
		}
		show := pairingPrinter(a.out, a.config.JSON)
		return o.Pair(ctx, operator.PairRequest{
			WorkspaceID: d.workspace.ID, MemberID: m.ID, MemberName: m.DisplayName, MemberEmail: m.Email, Phone: phone,
		}, func(e operator.Event) error {
			if err := show(e); err != nil {
				return err
			}
			if e.Kind == operator.KindFailed {
				return errors.New(e.Error)
			}
			return nil
		})
	})
}

// pairingPrinter gives what prints the events of a pairing to w.
func pairingPrinter(w io.Writer, asJSON bool) func(operator.Event) error {
	if asJSON {
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		return func(e operator.Event) error { return lines.Encode(e) }
	}
	p := &qrPrinter{w: w, inPlace: isTerminal(w)}
	return func(e operator.Event) error {
		switch e.Kind {
		case operator.KindQR:
			p.draw(e)
		case operator.KindCode:
			fmt.Fprintf(w, "Type this code on the phone, in WhatsApp, Settings, Linked devices, Link a device, Link with phone number instead:\n\n    %s\n\n", e.Code)
		case operator.KindPaired:
			fmt.Fprintf(w, "Paired: %s %s\n", e.Phone, e.Name)
		}
		return nil
	}
}

// qrPrinter draws one QR code over the other on a terminal, and one below the
// other elsewhere.
type qrPrinter struct {
	w       io.Writer
	inPlace bool
	lines   int // height of what was drawn last
}

func (p *qrPrinter) draw(e operator.Event) {
	var picture bytes.Buffer
	qrterminal.GenerateHalfBlock(e.QR, qr.L, &picture)
	until := time.Now().Add(time.Duration(e.ValidFor * float64(time.Second)))
	fmt.Fprintf(&picture, "Scan it on the phone: WhatsApp, Settings, Linked devices, Link a device.\nGood until %s; the next one follows by itself.\n", until.Format(time.TimeOnly))
	if p.inPlace && p.lines > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", p.lines) // up, and clear what is below
	}
	p.lines = bytes.Count(picture.Bytes(), []byte("\n"))
	_, _ = picture.WriteTo(p.w) // a terminal that is gone shows nothing
}

// isTerminal reports whether w is a terminal that understands cursor movements.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
