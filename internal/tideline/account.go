package tideline

import "time"

// AccountState is what is known about an account's connection. It is written
// from what the connector proves, never assumed.
type AccountState string

// The states. Each has an exit, which docs/operations.md lists: by itself with
// time, by pairing again, or for AccountOutdated by another version.
const (
	AccountConnecting   AccountState = "connecting"   // paired; the server is opening its connection
	AccountActive       AccountState = "active"       // connected and proven alive
	AccountDisconnected AccountState = "disconnected" // the connection is down; the server keeps trying
	AccountLoggedOut    AccountState = "logged_out"   // the phone unlinked Tideline; pair again
	AccountBanned       AccountState = "banned"       // WhatsApp refuses the number for now
	AccountOutdated     AccountState = "outdated"     // WhatsApp refuses this version of the client library
)

// Public is the word the public API shows: active or disconnected, nothing else.
func (s AccountState) Public() string {
	if s == AccountActive {
		return string(AccountActive)
	}
	return string(AccountDisconnected)
}

// Retryable reports whether the server should keep trying to connect by itself.
func (s AccountState) Retryable() bool {
	return s == AccountConnecting || s == AccountActive || s == AccountDisconnected
}

// Account is one WhatsApp number paired with a workspace.
type Account struct {
	ID          int64
	WorkspaceID int64
	JID         JID    // phone-number JID without device; the account's id on the wire
	DeviceJID   string // with the device part, as the connector's session store knows it; "" when logged out
	Phone       Phone
	Name        string // push name; "" while unknown
	State       AccountState
	StateReason string    // for people; "" when there is nothing to add
	ConnectedOn time.Time // when it last became active; zero = never
	OwnerName   string    // display name of the member who paired it
	OwnerEmail  string
	CreatedAt   time.Time
	Hold        Hold  // what WhatsApp restricts for a while
	Pause       Pause // what people stopped
}

// Pause says whether people stopped an account's sending. Messages are accepted
// meanwhile; they wait, and don't expire.
type Pause struct {
	Since time.Time // zero while the account sends
	By    string    // who paused it, for people; "" while it sends
	// Ended is when it was resumed last; zero = never. A queued message's deadline
	// does not count from an earlier time.
	Ended time.Time
}

// Paused reports whether the account sends nothing for now.
func (p Pause) Paused() bool { return !p.Since.IsZero() }

// Hold says until when WhatsApp restricts an account. Zero instants mean that it
// does not.
type Hold struct {
	// BannedUntil is when the account may log in again. It belongs to
	// AccountBanned and means nothing in other states.
	BannedUntil time.Time
	// ReachOutUntil is when the account may write to strangers again. The account
	// is connected meanwhile, and its conversations go on.
	ReachOutUntil time.Time
}

// ReachOutLimited reports whether the account may write only to people with whom
// it has a conversation.
func (h Hold) ReachOutLimited(now time.Time) bool { return now.Before(h.ReachOutUntil) }
