package operator

import (
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// The words of Event.Kind. Paired and Failed are last events.
const (
	KindQR     = "qr"
	KindCode   = "code"
	KindPaired = "paired"
	KindFailed = "failed"
)

// Event is one step of a pairing, one line of JSON each.
type Event struct {
	Kind string `json:"event"`
	// With KindQR: the QR code's content, and for how many seconds it is good.
	QR       string  `json:"qr,omitempty"`
	ValidFor float64 `json:"valid_for_seconds,omitempty"`
	// With KindCode: the eight characters to type on the phone.
	Code string `json:"code,omitempty"`
	// With KindPaired: the account.
	AccountID string `json:"whatsapp_account_id,omitempty"`
	Phone     string `json:"phone,omitempty"`
	Name      string `json:"name,omitempty"`
	// With KindFailed: why, and what to do.
	Error string `json:"error,omitempty"`
}

// fromPairing turns a connector's event into a line.
func fromPairing(e whatsapp.PairEvent) Event {
	switch {
	case e.QR != nil:
		return Event{Kind: KindQR, QR: e.QR.Text, ValidFor: e.QR.ValidFor.Seconds()}
	case e.Code != "":
		return Event{Kind: KindCode, Code: e.Code}
	case e.Paired != nil:
		return Event{Kind: KindPaired, AccountID: string(e.Paired.JID), Phone: string(e.Paired.Phone), Name: e.Paired.Name}
	default:
		return Event{Kind: KindFailed, Error: fmt.Sprint(e.Failed)}
	}
}

// Last reports whether e ends a pairing.
func (e Event) Last() bool { return e.Kind == KindPaired || e.Kind == KindFailed }

// PairRequest asks to pair a phone with a workspace.
type PairRequest struct {
	WorkspaceID int64          `json:"workspace_id"`
	MemberID    int64          `json:"member_id"`
	MemberName  string         `json:"member_name"`
	MemberEmail string         `json:"member_email"`
	Phone       tideline.Phone `json:"phone,omitempty"` // pair by code; "" = by QR
}

// AccountRequest names an account.
type AccountRequest struct {
	WorkspaceID int64 `json:"workspace_id"`
	AccountID   int64 `json:"account_id"`
}

// Status is what a running server says of itself.
type Status struct {
	PID      int       `json:"pid"`
	Version  string    `json:"version"`
	Sandbox  bool      `json:"sandbox"`
	URL      string    `json:"url"`
	Started  time.Time `json:"started"`
	Queued   int       `json:"queued"`
	InFlight int       `json:"in_flight"`
	Pairings int       `json:"pairings"` // that wait for a phone
}

// failure is the body of an answer that is no success.
type failure struct {
	Code    tideline.Code `json:"code"`
	Message string        `json:"message"`
}
