package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Events is the log of what happened. An event is written in the transaction of
// its cause, so it is there exactly when the cause is:
//
//   - message:sent:new when a message is settled as sent, or was typed on the
//     phone; message:received:new and call:… when one is received;
//   - message:failed when a message ends as failed;
//   - chat:incoming:new, chat:outgoing:new and chat:new (a group) when a chat is
//     made, before the events of its messages;
//   - message:reaction when a reaction to a message that is here changed;
//   - whatsapp:account:… as tideline.AccountEvent says;
//   - chat:responsible:… when a chat is assigned.
//
// The event of a received message that has an attachment is written when the
// attachment is there, or the first attempt to fetch it failed, so that a
// receiver finds the file. Messages that are taken in with a phone's history
// make no events. Events are kept for tideline.DeliveryLogWindow (see
// Settings.Prune).
type Events interface {
	// ListEvents lists events of the workspace with an id above after, oldest
	// first, at most limit, and says whether there are more. An event is listed
	// only when no event with a smaller id can appear any more, so a reader that
	// goes on after the last id it saw misses nothing.
	ListEvents(ctx context.Context, workspaceID, after int64, limit int) ([]EventView, bool, error)
	// EventID finds an event by its uid: not_found.
	EventID(ctx context.Context, workspaceID int64, uid string) (int64, error)
	// OnEvents names the one who is told, after the commit, that this process wrote
	// events. fn must not block. Call it once, before anything is written. Other
	// processes write events too (the command line), so look now and then as well.
	OnEvents(fn func())
}

// EventView is an event with what is needed to render it, as it is now. What the
// event does not name, or what is gone, is nil.
type EventView struct {
	Event     tideline.Event
	Workspace tideline.Workspace // ID, Slug and TimeZone are set
	Chat      *ChatView          // without its last message; the chat that took over the event's when one did
	Account   *AccountView
	Message   *MessageView // without history; Chat and Account are not set, see above
}

// AccountView is an account as an event shows it.
type AccountView struct {
	Account tideline.Account
	Removed bool // it was removed from the workspace
}

// FanOut turns events into deliveries. It serves the server itself and spans
// workspaces. One caller at a time.
type FanOut interface {
	// UnsentEvents gives the next events behind the cursor, at most limit of them,
	// with the webhooks that want them. Those that no webhook wants are not in the
	// list but counted in To. From == To when there is nothing.
	UnsentEvents(ctx context.Context, limit int) (EventPage, error)
	// PutDeliveries stores deliveries and moves the cursor from the page's From to
	// its To, all of it or none of it, so that an event is fanned out exactly once
	// whatever crashes when. A page without events needs it too, with nothing to
	// put. The rows get ids in the order given, above all that were given before,
	// and are due at once.
	// ErrCursorMoved: somebody else fanned the page out; read the next one.
	PutDeliveries(ctx context.Context, page EventPage, put Deliveries, now time.Time) ([]Delivery, error)
}

// EventPage is a part of the log behind the cursor.
type EventPage struct {
	From, To int64 // exclusive, inclusive: ids of events
	Events   []WantedEvent
}

// WantedEvent is an event and who gets it.
type WantedEvent struct {
	EventView
	Webhooks []WebhookTarget // by id; enabled when this was read
}

// WebhookTarget is a webhook that wants an event.
type WebhookTarget struct {
	ID        int64
	EventType tideline.EventType // what it subscribed to
}

// Deliveries are new deliveries with their bodies. A body is stored once however
// many webhooks get it.
type Deliveries struct {
	Bodies [][]byte
	Rows   []NewDelivery
}

// NewDelivery is one event for one webhook.
type NewDelivery struct {
	WorkspaceID int64
	WebhookID   int64
	EventID     int64  // 0 = a test
	EventUID    string // its webhook-id
	ChatID      int64  // deliveries of one chat go in order; 0 = none
	Body        int    // index in Deliveries.Bodies
	EventAt     time.Time
}
