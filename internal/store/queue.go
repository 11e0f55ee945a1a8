package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// QueueControl is what people change about the queue. It only stores; that nothing
// of what it changes is being sent meanwhile is the caller's business, see package
// outbox.
type QueueControl interface {
	// PauseAccount notes that an account sends nothing until ResumeAccount; by says
	// who did it. One that is paused stays as it is. not_found.
	PauseAccount(ctx context.Context, workspaceID, accountID int64, by string, at time.Time) error
	// ResumeAccount ends a pause; doing it twice is fine. not_found.
	ResumeAccount(ctx context.Context, workspaceID, accountID int64, at time.Time) error
	// CancelQueued fails those of the messages that are in an account's queue, with
	// tideline.ReasonCancelled and note, and gives back what they cost, all of it in
	// one transaction. It gives the ids of the messages that left the queue and of
	// those among them that turned out to be sent: a receipt of the recipient's phone
	// was there already. Messages that are not in the queue are passed over.
	CancelQueued(ctx context.Context, workspaceID, accountID int64, messageIDs []int64, note string, at time.Time) (Cancelled, error)
	// PutFirst moves a queued message before all others of its lane, also before
	// those that were moved so earlier. not_found when it is not queued.
	PutFirst(ctx context.Context, workspaceID, messageID int64) error
	// QueuedOf gives ids of an account's queued messages above after, in acceptance
	// order, at most limit.
	QueuedOf(ctx context.Context, workspaceID, accountID, after int64, limit int) ([]int64, error)
	// QueuedMessage tells whose a queued message is: not_found when it is not queued.
	QueuedMessage(ctx context.Context, workspaceID, messageID int64) (QueuedMessage, error)
}

// Cancelled is what CancelQueued did.
type Cancelled struct {
	Gone []int64 // left the queue
	Sent []int64 // of these, sent after all; the others failed
}

// QueuedMessage says whose a queued message is.
type QueuedMessage struct {
	ID        int64
	AccountID int64
	ChatID    int64
	MemberID  int64 // who sent it; 0 = not known
}

// QueueStart is what the outbox reads of it when it starts, besides the queue. It
// serves the server itself and spans workspaces.
type QueueStart interface {
	// Firsts calls fn for every message that PutFirst moved, lane by lane, in the
	// order in which they go.
	Firsts(ctx context.Context, fn func(Queued) error) error
	// PausedAccounts lists the accounts that are paused.
	PausedAccounts(ctx context.Context) ([]int64, error)
}

// QueueReader lists what waits, for people.
type QueueReader interface {
	// Queue lists queued messages in the order in which they are expected to be
	// sent: of one lane in its order; of several, f.AccountID being 0, by the time
	// that each would go if all accounts were connected. What waits for the end of a
	// limit (see Place.HeldUntil) comes last in its lane. It says whether there are
	// more after the page. The queue of a removed account is empty.
	Queue(ctx context.Context, workspaceID int64, f QueueFilter, p Page) ([]QueueItem, bool, error)
	// QueueLengths counts the queued messages of a workspace by account; those with
	// none are left out.
	QueueLengths(ctx context.Context, workspaceID int64) (map[int64]int64, error)
}

// QueueFilter chooses what Queue lists.
type QueueFilter struct {
	AccountID int64 // 0 = all of the workspace
}

// QueueItem is one message that waits.
type QueueItem struct {
	View     MessageView // without history, reactions and ReplyToUID
	Place    Place
	Attempts int  // attempts that were noted
	First    bool // PutFirst moved it
}

// Wait is why a queued message is not sent yet, for people and programs.
type Wait string

// The reasons, the ones that a person has to deal with first.
const (
	WaitPaused    Wait = "paused"     // people paused its account
	WaitLoggedOut Wait = "logged_out" // its number must be paired again
	WaitBanned    Wait = "banned"     // WhatsApp refuses the number, perhaps until a known time
	WaitOutdated  Wait = "outdated"   // WhatsApp refuses the client's version
	WaitOffline   Wait = "offline"    // its account is not connected for now
	WaitReachOut  Wait = "reach_out"  // WhatsApp lets its account write to nobody new until a known time
	WaitRetry     Wait = "retry"      // the last attempt did not end it; Place.Note says why
	WaitTurn      Wait = "turn"       // others of its lane go before it
	WaitGap       Wait = "gap"        // it is next, and the pause between two sends is not over
)

// Why says why the message waits, and until when if that is known.
func (i *QueueItem) Why() (why Wait, until time.Time) {
	a := &i.View.Account
	switch {
	case a.Pause.Paused():
		return WaitPaused, time.Time{}
	case a.State == tideline.AccountLoggedOut:
		return WaitLoggedOut, time.Time{}
	case a.State == tideline.AccountBanned:
		return WaitBanned, a.Hold.BannedUntil
	case a.State == tideline.AccountOutdated:
		return WaitOutdated, time.Time{}
	case a.State != tideline.AccountActive:
		return WaitOffline, time.Time{}
	case !i.Place.HeldUntil.IsZero():
		return WaitReachOut, i.Place.HeldUntil
	case i.Place.Note != "":
		return WaitRetry, time.Time{}
	case i.Place.Position > 0:
		return WaitTurn, i.Place.Expected
	}
	return WaitGap, i.Place.Expected
}
