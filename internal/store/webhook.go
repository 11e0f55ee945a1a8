package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// ErrCursorMoved says that a page of events was fanned out by somebody else.
var ErrCursorMoved = tideline.Errorf(tideline.CodeConflict, "these events were fanned out already")

// Webhooks keeps subscriptions.
type Webhooks interface {
	// PutWebhook makes a subscription, or gives back the one with w's event type
	// and URL: unchanged when it is enabled or w is not, enabled when it was not,
	// restored with its id and secret when it was deleted. A restored or enabled
	// one takes w.Accounts, counts no errors, and its circuit is closed. changed is
	// false when all stays as it was. limit is how many the workspace may have; -1
	// = any. w.UpdatedBy and w.UpdatedAt say who and when, also for what is made.
	// Errors: plan_feature_unavailable (the limit), not_found (the workspace, or an
	// account of w.Accounts).
	PutWebhook(ctx context.Context, w tideline.Webhook, limit int) (put tideline.Webhook, changed bool, err error)
	// ListWebhooks gives those that are not deleted by id.
	ListWebhooks(ctx context.Context, workspaceID int64) ([]tideline.Webhook, error)
	// Webhook: not_found.
	Webhook(ctx context.Context, workspaceID, webhookID int64) (tideline.Webhook, error)
	// UpdateWebhook changes what u sets. What waits for delivery goes to the new
	// URL. Enabling clears errors, trouble and circuit. Errors: not_found (also an
	// account), conflict (another webhook of the workspace has the event type and
	// the URL).
	UpdateWebhook(ctx context.Context, workspaceID, webhookID int64, u WebhookUpdate) (tideline.Webhook, error)
	// DeleteWebhook hides a webhook; what waits for delivery is dead. not_found.
	DeleteWebhook(ctx context.Context, workspaceID, webhookID int64, by string, at time.Time) error
	// RotateSecret makes secret the current one; the one before it goes on to sign
	// until until. not_found.
	RotateSecret(ctx context.Context, workspaceID, webhookID int64, secret tideline.SigningSecret, by string, at, until time.Time) (tideline.Webhook, error)
}

// WebhookUpdate changes the fields that are not nil.
type WebhookUpdate struct {
	EventType *tideline.EventType
	URL       *string
	Enabled   *bool
	Accounts  *[]int64
	By        string // for UpdatedBy
	At        time.Time
}

// Delivery is one event on its way to one webhook, or arrived.
type Delivery struct {
	ID          int64 // grows in the order of a webhook's events
	WorkspaceID int64
	WebhookID   int64
	EventID     int64 // 0 = a test
	EventUID    string
	ChatID      int64 // 0 = none
	State       tideline.DeliveryState
	Attempts    int       // since it was made or replayed
	MadeAt      time.Time // or replayed; DeliveryWindow begins
	EventAt     time.Time // when the event happened
	DueAt       time.Time // when it is tried next; zero unless pending
	EndedAt     time.Time // when it was delivered or given up; zero while pending
	Note        string    // why it is dead, or what the last attempt failed with; "" = nothing
	Body        []byte    // not read by ListDeliveries
	// Kind is that of the event; "" = a test, or the event is gone. Only read by
	// ListDeliveries.
	Kind tideline.EventType
}

// Attempt is one request that was made for a delivery.
type Attempt struct {
	At         time.Time
	Duration   time.Duration
	StatusCode int    // 0 = no answer
	Error      string // why there was none, or what was wrong with it; "" = 2xx
	Request    string // its headers, without secrets, one per line; what is not secret in the URL
	Response   string // headers and the first bytes of the body, as text
}

// MaxAttemptText bounds Request and Response of an Attempt, each, in bytes; more
// is cut off.
const MaxAttemptText = 4096

// Outcome says how an attempt ended and what follows.
type Outcome struct {
	WorkspaceID int64
	WebhookID   int64
	DeliveryID  int64
	Attempt     *Attempt // nil = there was none, the delivery only changes its state
	State       tideline.DeliveryState
	DueAt       time.Time // unless State is an end
	Note        string
	// Failed counts an error of the webhook; a State of DeliveryDelivered counts
	// them from zero again.
	Failed  bool
	Circuit *tideline.Circuit // as it is now; nil = as it was
	// Disable disables the webhook, with this as the reason; "" = no.
	Disable string
	At      time.Time // now
}

// Deliverer keeps what is on its way to endpoints. What has no workspace serves
// the server itself. One process delivers at a time, so nothing is claimed: a
// delivery stays pending until its outcome is stored, and is tried again after a
// crash under the same uid.
type Deliverer interface {
	// PendingWebhooks gives the enabled webhooks that have pending deliveries, of
	// all workspaces, by id.
	PendingWebhooks(ctx context.Context) ([]tideline.Webhook, error)
	// WaitingDeliveries gives deliveries in line for a webhook with an id above
	// after, in order, at most limit, whether or not they are due, with bodies.
	WaitingDeliveries(ctx context.Context, workspaceID, webhookID, after int64, limit int) ([]Delivery, error)
	// AsideDeliveries gives deliveries that were set aside and are due at now, the
	// longest due first, at most limit, with bodies; and when the next one is due,
	// zero when there is none.
	AsideDeliveries(ctx context.Context, workspaceID, webhookID int64, now time.Time, limit int) ([]Delivery, time.Time, error)
	// PutOutcomes stores how attempts ended, in one commit with whatever else comes
	// at the same time. Each gets its own error, in the order given: one that can't
	// be stored keeps no other from it. An outcome of a delivery that is not pending
	// any more (its webhook was deleted meanwhile) adds to the log only, and its
	// webhook stays as it is. not_found (the delivery, of this webhook).
	PutOutcomes(ctx context.Context, outcomes []Outcome) []error
	// DeliveryBacklog counts pending deliveries of enabled webhooks and says since
	// when the oldest of those has been there that are the first in line for a
	// webhook or set aside; zero when there is none. For metrics.
	DeliveryBacklog(ctx context.Context) (pending int64, oldest time.Time, err error)
}

// DeliveryLog reads and repeats deliveries.
type DeliveryLog interface {
	// AddDelivery puts one delivery in line that no event made (a test):
	// not_found (webhook).
	AddDelivery(ctx context.Context, d NewDelivery, body []byte, at time.Time) (Delivery, error)
	// ListDeliveries lists a webhook's deliveries, deleted ones' too, the latest
	// first, and says whether there are more after the page.
	ListDeliveries(ctx context.Context, workspaceID, webhookID int64, f DeliveryFilter, p Page) ([]Delivery, bool, error)
	// Delivery reads one with its body and its attempts, the oldest first: not_found.
	Delivery(ctx context.Context, workspaceID, deliveryID int64) (Delivery, []Attempt, error)
	// ReplayDelivery puts a delivery in line again, whatever state it is in, with
	// its uid, body and place: not_found.
	ReplayDelivery(ctx context.Context, workspaceID, deliveryID int64, at time.Time) (Delivery, error)
	// ReplayDeliveries does so with those of a webhook that f selects, and gives
	// their number. not_found (webhook).
	ReplayDeliveries(ctx context.Context, workspaceID, webhookID int64, f DeliveryFilter, at time.Time) (int64, error)
}

// DeliveryFilter selects deliveries; the zero value selects all.
type DeliveryFilter struct {
	States        []tideline.DeliveryState
	After, Before time.Time // of the event's time, inclusive and exclusive; zero = any
	// Kinds are those of the events; tests have none. Empty = any.
	Kinds []tideline.EventType
	// Below is an id above all that are selected, to go on behind a page however
	// many were added meanwhile; 0 = none.
	Below int64
}
