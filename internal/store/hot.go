package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Acceptance asks to accept one message.
type Acceptance struct {
	WorkspaceID int64
	AccountID   int64
	MemberID    int64
	// Version is the configuration version (see Directory) under which the
	// sender, the account and the plan were looked up. When the version in the
	// database is another one, the item ends with ErrStale and nothing is done:
	// look up again and retry. So a token revoked or a role changed by another
	// process takes effect on the very next acceptance.
	Version int64

	Message  NewMessage
	Chat     ChatRef
	Label    string           // attached to the chat, created when missing; "" = none
	Idem     *Idempotency     // nil = no Idempotency-Key
	Grant    tideline.Credits // the workspace's credits per period, for opening a period
	Location *time.Location   // the workspace's time zone, for period borders
}

// NewMessage is the message of an Acceptance.
type NewMessage struct {
	UID        string // UUIDv7, drawn by the caller
	WhatsAppID string // drawn by the caller; every attempt to send uses it
	Text       string
	FileID     int64             // 0 = none; must belong to the workspace
	TemplateID int64             // the attachment template that FileID is of, whose uses are counted; 0 = none
	ReplyTo    string            // WhatsApp id of the message of the same chat that it answers; "" = none
	Kind       tideline.Kind     // "" = a text, a file as its type is shown, or both
	Data       map[string]string // see tideline.DataDuration and its neighbours; may be nil
	Origin     tideline.Origin
	Credits    tideline.Credits
	Gap        time.Duration // the pause to keep before this message, drawn by the caller
	At         time.Time
}

// ChatRef says in which chat of the account a message goes. The chat is made
// when there is none for JID yet.
type ChatRef struct {
	JID   tideline.JID
	Phone tideline.Phone
	// Name is the wish for a new chat's name; "" = the phone number. When a chat
	// of the workspace has that name already, " (2)", " (3)", … is appended. An
	// existing chat keeps its name.
	Name string
}

// Idempotency is a client's Idempotency-Key.
type Idempotency struct {
	Key      string   // 1–255 of A-Za-z0-9._-; unique in the workspace for IdempotencyWindow
	BodyHash [32]byte // SHA-256 of the request's body
}

// IdempotencyWindow is how long an Idempotency-Key is remembered.
const IdempotencyWindow = 24 * time.Hour

// Accepted is the outcome of an Acceptance: exactly one of Err and MessageID is set.
type Accepted struct {
	MessageID int64
	UID       string
	ChatID    int64
	// Replayed: the Idempotency-Key was used before with the same body. The ids
	// are those of the first message; nothing was charged or queued. That the
	// account or the file is gone by now does not matter to a replay.
	Replayed bool
	// Err: quota_exceeded (the balance does not cover it), conflict (the key was
	// used with another body), not_found (workspace, account or file), ErrStale,
	// or a storage failure.
	Err error
}

// ErrStale says that the configuration changed since Acceptance.Version.
var ErrStale = tideline.Errorf(tideline.CodeInternal, "the configuration changed; try again")

// Acceptor takes messages.
type Acceptor interface {
	// Accept charges, finds or makes the chat, stores the message and its place
	// in the outbox, all of it or none of it, and returns after the commit. The
	// id given to a message is larger than that of every message accepted before
	// it for the same workspace.
	//
	// When ctx ends while the item waits, Accept may return ctx.Err() although
	// the message was or will be accepted. So may it return a storage failure when
	// the database went away during the commit; when the message turns out to be
	// stored, OnAccepted's fn is told later, still before any later message.
	Accept(ctx context.Context, a Acceptance) Accepted

	// OnAccepted names the one who is told of accepted messages: after their
	// commit, before their Accept calls return (if these succeed), in acceptance order. Only so can
	// the outbox keep the order in memory: callers of Accept wake up in any order.
	// fn must not block and must not keep the slice. Call it once, before the
	// first Accept. Replays are not reported.
	OnAccepted(fn func([]Queued))
}

// Replayer answers repeated requests.
type Replayer interface {
	// Replay gives the first answer to key, marked Replayed, when a message of the
	// workspace was accepted under it within IdempotencyWindow before at; found is
	// false otherwise. Error: conflict when that message had another body.
	//
	// Accept looks keys up by itself. Replay is for a request that would be refused
	// before it gets there, because what it names is gone since the first time.
	Replay(ctx context.Context, workspaceID int64, key Idempotency, at time.Time) (a Accepted, found bool, err error)
}

// Settlement reports how one attempt to send a message ended.
type Settlement struct {
	WorkspaceID int64
	AccountID   int64
	MessageID   int64
	// Status is StatusSent or StatusFailed, or "" when the message stays in the
	// queue for another attempt.
	Status tideline.Status
	Reason tideline.Reason // with StatusFailed
	At     time.Time       // of the server's acknowledgement, or of the failure
	// LaneAt, when not zero, is the instant from which the gap to the lane's next
	// send is counted. It is kept, so that a restart neither bursts nor waits anew;
	// rounded up to milliseconds, so that it never sends early either.
	LaneAt time.Time
	Note   string // for the log of a failed or repeated attempt; no message text, no number
}

// Settler ends messages.
type Settler interface {
	// Settle applies one outcome: status and history, removal from the outbox,
	// on failure the refund in the same transaction, and the lane's clock. A
	// message that is settled already stays as it is and the call returns nil,
	// so a repeated settlement never refunds twice.
	Settle(ctx context.Context, s Settlement) error

	// ApplyReceipts moves sent messages forward. It returns nil for receipts that
	// change nothing: unknown messages, late or repeated receipts. A receipt that
	// overtakes the settlement of its message is kept and applied with it; it
	// proves that the message was sent, so the message can't fail any more.
	ApplyReceipts(ctx context.Context, r Receipts) error
}

// Receipts says that the recipient's phone has, or the recipient has read,
// some messages that an account sent.
type Receipts struct {
	AccountID   int64
	WhatsAppIDs []string
	Status      tideline.Status // StatusDelivered or StatusRead
	At          time.Time
}

// Queued is one message in the outbox.
type Queued struct {
	AccountID int64
	MessageID int64
	Gap       time.Duration
}

// Lane is an account's pacing clock.
type Lane struct {
	AccountID int64
	At        time.Time // see Settlement.LaneAt; zero when the account never sent
}

// Outgoing is everything needed to send one queued message.
type Outgoing struct {
	Message tideline.Message
	Chat    tideline.Chat
	Account tideline.Account
	File    *tideline.File // nil = text only
	Gap     time.Duration  // the pause to keep before it, as stored now
	Note    string         // what was noted last about why it waits; "" = nothing
	// Quote is the message that it answers, as far as it is known: its WhatsApp id,
	// FromMe, Sender and Text are set. nil = none.
	Quote *tideline.Message
}

// Outbox reads the queue. It serves the server itself and spans workspaces.
type Outbox interface {
	// Backlog calls fn for every queued message in acceptance order.
	Backlog(ctx context.Context, fn func(Queued) error) error
	// Lanes calls fn for every lane that has a clock.
	Lanes(ctx context.Context, fn func(Lane) error) error
	// Outgoing reads a queued message; not_found when it is not (or no longer) queued.
	Outgoing(ctx context.Context, messageID int64) (Outgoing, error)
	// FirstContact reports whether a chat has no conversation yet: nothing was
	// received in it, and nothing that was sent to it went out. What counts for
	// WhatsApp is the person, so a group is never one. Deleted messages count too.
	FirstContact(ctx context.Context, workspaceID, chatID int64) (bool, error)
}
