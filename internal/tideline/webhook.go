package tideline

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Webhook is a subscription: events of one type are posted to a URL.
type Webhook struct {
	ID          int64
	WorkspaceID int64
	EventType   EventType
	URL         string
	Enabled     bool
	Accounts    []int64 // only events of these accounts, in ascending order; empty = of all
	// ErrorsCounter counts deliveries whose quick attempts failed, since the last
	// one that succeeded.
	ErrorsCounter int64
	// Trouble says why Tideline itself disabled it; "" when it did not.
	Trouble   string
	CreatedBy string // e-mail of the member, or "command line"
	UpdatedBy string // likewise
	CreatedAt time.Time
	UpdatedAt time.Time

	// Secret signs deliveries.
	Secret SigningSecret
	// Previous signs them too until PreviousUntil, while receivers change theirs.
	Previous      SigningSecret // "" = none
	PreviousUntil time.Time     // zero = none

	Circuit Circuit
}

// Wants reports whether e is delivered to w.
func (w *Webhook) Wants(e *Event) bool {
	return w.Enabled && w.WorkspaceID == e.WorkspaceID && w.EventType.Covers(e.Kind) &&
		(len(w.Accounts) == 0 || e.AccountID != 0 && slices.Contains(w.Accounts, e.AccountID))
}

// Secrets gives what signs a delivery at the time now, the current one first.
func (w *Webhook) Secrets(now time.Time) []SigningSecret {
	secrets := []SigningSecret{w.Secret}
	if w.Previous != "" && now.Before(w.PreviousUntil) {
		secrets = append(secrets, w.Previous)
	}
	return secrets
}

// SigningSecret is the text of a Standard Webhooks secret: "whsec_" and base64
// of 24 to 64 bytes. Logs don't show it.
type SigningSecret string

// LogValue implements slog.LogValuer.
func (SigningSecret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Circuit is whether an endpoint as a whole is believed to be down. While it is,
// its deliveries are held, and now and then the first of them is tried.
type Circuit struct {
	Failures  int       // attempts that failed since the last one that succeeded
	OpenSince time.Time // zero = the endpoint is believed to work
	ProbeAt   time.Time // when it is tried next; zero unless open
}

// Open reports whether deliveries are held.
func (c Circuit) Open() bool { return !c.OpenSince.IsZero() }

// MaxWebhookURL is the longest URL of a webhook, in characters.
const MaxWebhookURL = 4096

// CheckWebhookURL reports whether s can be the URL of a webhook: absolute, http or
// https, with a host, and in its userinfo neither "+" nor "=" unless escaped.
// Where it leads is not looked at; that is decided at every connection.
func CheckWebhookURL(s string) error {
	invalid := func(msg string) error {
		return Invalid([]FieldError{{Path: []string{"url"}, Msg: msg}})
	}
	if utf8.RuneCountInString(s) > MaxWebhookURL {
		return invalid("must be at most 4096 characters long")
	}
	const wellFormed = "must be a valid http(s) URL"
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return invalid(wellFormed)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return invalid(wellFormed)
	}
	if u.User != nil {
		_, rest, _ := strings.Cut(s, "://")
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			rest = rest[:end]
		}
		if strings.ContainsAny(rest[:strings.LastIndex(rest, "@")], "+=") {
			return invalid(wellFormed + `; write "+" and "=" in the user or password as %2B and %3D`)
		}
	}
	return nil
}

// CheckEventType reports whether a webhook can subscribe to t.
func CheckEventType(t EventType) error {
	if !t.Subscribable() {
		return Invalid([]FieldError{{Path: []string{"event_type"}, Msg: "is not an event type that webhooks know, such as message:received:new"}})
	}
	return nil
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states. The words are stored.
//
//	waiting ─► delivered
//	   ├─────► aside ─► delivered
//	   ▼         ▼
//	  dead ◄─────┘
//
// A replay makes a delivered or dead one wait again.
const (
	DeliveryWaiting   DeliveryState = "waiting"   // in line: later ones of its chat go after it
	DeliveryAside     DeliveryState = "aside"     // failed while its endpoint works: tried again by itself, others pass it
	DeliveryDelivered DeliveryState = "delivered" // the receiver answered 2xx
	DeliveryDead      DeliveryState = "dead"      // given up; it can be replayed
)

// Pending reports whether the delivery may still be tried by itself.
func (s DeliveryState) Pending() bool { return s == DeliveryWaiting || s == DeliveryAside }

// Times of deliveries.
const (
	// DeliveryTimeout bounds one attempt.
	DeliveryTimeout = 5 * time.Second
	// QuickAttempts is after how many failed attempts a delivery counts as failed.
	QuickAttempts = 3
	// DeliveryWindow is how long a delivery is tried, from when it was made.
	DeliveryWindow = 3 * 24 * time.Hour
	// DeliveryLogWindow is how long deliveries and their attempts, and events, are kept
	// unless the operator sets another time.
	DeliveryLogWindow = 10 * 24 * time.Hour

	firstBackoff = 30 * time.Second
	maxBackoff   = 8 * time.Hour
)

// NextAttempt says when a delivery that was made at the time made and whose
// attempts-th attempt failed at the time now is tried again; false when it is
// over. After the first attempt it waits a second, after the second five, then
// with full jitter: anything up to 30 s, 1 min, 2 min … 8 h. retryAfter is what
// the receiver asked for at least; 0 = nothing. n must give a uniform number in
// [0, n), as (*rand.Rand).Int64N does. The last attempt is at the end of
// DeliveryWindow, never later.
func NextAttempt(made, now time.Time, attempts int, retryAfter time.Duration, n func(int64) int64) (time.Time, bool) {
	end := made.Add(DeliveryWindow)
	if !now.Before(end) {
		return time.Time{}, false
	}
	var wait time.Duration
	switch {
	case attempts <= 1:
		wait = time.Second
	case attempts < QuickAttempts:
		wait = 5 * time.Second
	default:
		ceiling := maxBackoff
		if doublings := attempts - QuickAttempts; doublings < 10 {
			ceiling = min(ceiling, firstBackoff<<doublings)
		}
		wait = time.Duration(n(int64(ceiling) + 1))
	}
	next := now.Add(max(wait, retryAfter))
	if next.After(end) {
		next = end
	}
	return next, true
}
