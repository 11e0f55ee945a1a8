package numbers

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rsc.io/qr"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// pairPage is what numbers/pair and numbers/step show.
type pairPage struct {
	Running bool // there is a pairing, running or over
	Pairing account.Pairing
	// Phase is where it stands: "start" (none), "wait" (for the first code), "qr",
	// "code", "syncing" (linked, not connected yet), "done", "failed".
	Phase   string
	Seen    string // what the script says that it has seen
	QR      picture
	Halves  [2]string // of the code to type
	Problem string    // why it failed, in words
	Account *row
	Sandbox bool
	Phone   string // that was typed in, to be mended
	Wrong   string // what is wrong with it
}

func (s *section) pairPage(q *ui.Request) error {
	p, err := s.pairing(q)
	if err != nil {
		return err
	}
	return s.page(q, "numbers/pair", "numbers.pair.title", p, "numbers/pair.js")
}

// pairStep answers the script with what changed since it looked last, if anything.
func (s *section) pairStep(q *ui.Request) error {
	p, err := s.pairing(q)
	if err != nil {
		return err
	}
	if q.R.URL.Query().Get("seen") == p.Seen {
		q.W.WriteHeader(http.StatusNoContent)
		return nil
	}
	q.W.Header().Set("X-Seen", p.Seen)
	q.W.Header().Set("X-Over", strconv.FormatBool(p.Phase == "done" || p.Phase == "failed" || p.Phase == "start"))
	return q.Fragment("numbers/step", p)
}

// pairing tells how far the member's pairing is.
func (s *section) pairing(q *ui.Request) (pairPage, error) {
	p := pairPage{Sandbox: s.Sandbox, Phase: "start"}
	p.Pairing, p.Running = s.Desk.PairingOf(q.Principal)
	if !p.Running {
		p.Seen = "none"
		return p, nil
	}
	g := &p.Pairing
	switch {
	case g.Paired != nil:
		rows, err := s.rows(q)
		if err != nil {
			return p, err
		}
		at := slices.IndexFunc(rows, func(r row) bool { return r.JID == g.Paired.JID })
		if at < 0 { // it was stored before the pairing was over, so it was removed since
			return pairPage{Sandbox: s.Sandbox, Phase: "start", Seen: "none"}, nil
		}
		p.Account = &rows[at]
		p.Phase = "done"
		if p.Account.State == tideline.AccountConnecting {
			p.Phase = "syncing"
		}
	case g.Over():
		p.Phase, p.Problem = "failed", s.problem(q, g)
	case g.Code != "":
		p.Phase = "code"
		p.Halves = [2]string{g.Code[:len(g.Code)/2], g.Code[len(g.Code)/2:]}
	case g.QR != "":
		p.Phase = "qr"
		var err error
		if p.QR, err = draw(g.QR); err != nil {
			return p, fmt.Errorf("draw qr code: %w", err)
		}
	default:
		p.Phase = "wait"
	}
	p.Seen = fmt.Sprintf("%s-%d-%s", g.ID, g.Seen, p.Phase)
	if p.Account != nil {
		p.Seen += "-" + string(p.Account.State)
	}
	return p, nil
}

// problem says why a pairing failed.
func (s *section) problem(q *ui.Request, g *account.Pairing) string {
	switch {
	case g.Replaced:
		return q.T("numbers.pair.replaced")
	case tideline.IsCode(g.Failed, tideline.CodeConflict):
		return q.T("numbers.pair.taken")
	case g.Failed != nil:
		return g.Failed.Error()
	}
	return q.T("numbers.pair.unknown")
}

func (s *section) startPairing(q *ui.Request) error {
	f, err := q.Form()
	if err != nil {
		return err
	}
	var phone tideline.Phone
	if f.Get("by") == "code" {
		if phone, err = tideline.ParsePhone(f.Get("phone")); err != nil {
			if q.WantsJSON() {
				return tideline.Invalid([]tideline.FieldError{{Path: []string{"phone"}, Msg: q.T("numbers.pair.phone.wrong")}})
			}
			p, _ := s.pairing(q)
			p.Phone, p.Wrong = f.Get("phone"), q.T("numbers.pair.phone.wrong")
			return q.PageStatus(http.StatusUnprocessableEntity, "numbers/pair", ui.Page{Title: "numbers.pair.title", Nav: "numbers",
				Styles: styles, Scripts: []string{"numbers/pair.js"}, Data: p})
		}
	}
	if _, err := s.Desk.StartPairing(q.Context(), q.Principal, phone); err != nil {
		return err
	}
	return q.Done("/numbers/pair", "numbers.pair.started")
}

func (s *section) endPairing(q *ui.Request) error {
	s.Desk.EndPairing(q.Principal)
	return q.Done("/numbers/pair", "numbers.pair.ended")
}

// picture is a QR code to be drawn as an image of lines.
type picture struct {
	Size int    // of a side, with its margin
	Path string // of an SVG path: its dark squares
}

// quiet is the margin that scanners want, in squares.
const quiet = 4

// draw makes a picture of a QR code.
func draw(text string) (picture, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return picture{}, err
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			if !code.Black(x, y) {
				continue
			}
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
		}
	}
	return picture{Size: code.Size + 2*quiet, Path: b.String()}, nil
}
