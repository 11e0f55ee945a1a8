package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Profiles keeps what people see of contacts and groups: names, members and
// pictures, and which chats WhatsApp has to be asked about for them. Chats in
// which something is received are asked about by themselves: the first time, and
// again when that was ProfileLife ago.
type Profiles interface {
	// NameContacts gives the chats with contacts the names that these have, unless
	// somebody chose the chat's name. Contacts without a chat or a name are passed
	// over. not_found (the account is not in the workspace any more).
	NameContacts(ctx context.Context, workspaceID, accountID int64, contacts []tideline.Peer) error
	// PutGroup notes what WhatsApp says of a group: its chat is called by the
	// subject unless somebody chose its name. With BarLeft subject and members stay
	// as they were. not_found.
	PutGroup(ctx context.Context, workspaceID, chatID int64, g tideline.Group) error

	// LookAgain notes that WhatsApp has to be asked about the chat with a contact or
	// group, at the given time, but not sooner than pause after the last time. A
	// contact that was never asked about is passed over, as is one without a chat.
	LookAgain(ctx context.Context, workspaceID, accountID int64, chat tideline.Peer, at time.Time, pause time.Duration) error
	// LookAtGroups notes that WhatsApp has to be asked about all groups of an account
	// that have a chat.
	LookAtGroups(ctx context.Context, workspaceID, accountID int64, at time.Time) error
	// DueProfiles lists the chats whose time to be asked about has come, of accounts
	// that are active and not in resting, the longest due first, at most limit. It
	// serves the server itself and spans workspaces.
	DueProfiles(ctx context.Context, now time.Time, resting []int64, limit int) ([]Profile, error)
	// FinishProfile notes what WhatsApp said. The chat is not due any more, unless
	// LookAgain was called since p was listed. not_found (the chat is gone, or was
	// taken over): then the bytes of a new picture are the caller's to remove.
	FinishProfile(ctx context.Context, p Profile, at time.Time, news *Picture) error
	// PostponeProfile counts an attempt and sets the time of the next. not_found as
	// with FinishProfile.
	PostponeProfile(ctx context.Context, p Profile, due time.Time) error

	// LostBlobs lists bytes that no file has any more, at most limit, and
	// ForgetBlob says that they are gone. They serve the server itself.
	LostBlobs(ctx context.Context, limit int) ([]string, error)
	ForgetBlob(ctx context.Context, blob string) error

	// NewChats lists chats that were made since those that SeenChats named, by id,
	// at most limit. SeenChats notes that they were looked at; groups among them
	// are due at the given time. They serve the server itself and span workspaces.
	NewChats(ctx context.Context, limit int) ([]NewChat, error)
	SeenChats(ctx context.Context, last int64, at time.Time) error
}

// ProfileLife is for how long what WhatsApp said of a chat is believed without
// news, while people write there.
const ProfileLife = 7 * 24 * time.Hour

// Profile is a chat that WhatsApp has to be asked about.
type Profile struct {
	ChatID      int64
	WorkspaceID int64
	AccountID   int64
	DeviceJID   string        // of the account
	Chat        tideline.Peer // contact or group, without a name
	PictureID   string        // WhatsApp's id of the picture that is stored; "" = none
	Attempts    int
	Generation  int64 // opaque to callers; see FinishProfile
}

// Picture is the picture of a contact or group.
type Picture struct {
	ID   string         // WhatsApp's id; "" = there is none
	File *tideline.File // its bytes, durable already; nil with ID ""
}

// NewChat is a chat that nobody looked at yet.
type NewChat struct {
	ChatID      int64
	WorkspaceID int64
	AccountID   int64
	DeviceJID   string // of the account; "" when it is logged out or removed
	Chat        tideline.Peer
	Named       bool // it has the name that WhatsApp told with a message
}

// GroupMemberView is a member of a group with what is needed to show it.
type GroupMemberView struct {
	Name   string // of the member's own chat, else the one that is known; "" when none is
	Phone  tideline.Phone
	Role   tideline.GroupRole
	ChatID int64 // of the chat of the same account with the member; 0 = none
}
