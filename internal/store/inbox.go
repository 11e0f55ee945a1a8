package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Receiver takes what comes in from WhatsApp.
type Receiver interface {
	// Receive stores one thing that came in a chat and returns after the commit.
	// The chat is made when there is none for the peer. A message that is there
	// already, by account, chat and WhatsApp id, or as one of the account's own
	// sends, is recognised and nothing changes; so is a reaction, edit or deletion
	// that came before. What refers to a message that is not there yet is kept
	// for it.
	//
	// A contact is one chat whether it is named by phone number or by hidden id.
	// When both are known of two chats, the one with the number takes over what
	// is in the other, whose id goes on to name the chat.
	//
	// Errors: not_found (the account is not in the workspace any more).
	Receive(ctx context.Context, r Reception) (Received, error)
}

// Reception is something that came in. Exactly one of Message, Reaction, Edit
// and Delete is set.
type Reception struct {
	WorkspaceID int64
	AccountID   int64
	Chat        tideline.Peer // the contact or group
	FromMe      bool          // the account's owner wrote it
	Sender      tideline.Peer // who wrote it, unless FromMe
	At          time.Time     // WhatsApp's time
	ReceivedAt  time.Time     // ours

	Message  *NewInbound
	Reaction *NewReaction
	Edit     *NewEdit
	Delete   *NewDeletion

	// History says that it is from before the account was paired, as the phone
	// remembers it: no news, so nobody is told of it. See Histories.
	History bool
}

// NewInbound is the message of a Reception.
type NewInbound struct {
	UID        string // UUIDv7, drawn by the caller
	WhatsAppID string
	Kind       tideline.Kind
	Status     tideline.Status // of a call, and of the account's own message from the history; "" for all others
	Text       string
	ReplyTo    string            // WhatsApp id; "" = none
	Data       map[string]string // may be nil
	Media      *NewMedia
}

// NewMedia is an attachment that is yet to be fetched.
type NewMedia struct {
	Name     string
	MIMEType string
	Size     int64
	Ref      []byte // what the connector needs to fetch it
}

// NewReaction gives a message an emoji, or takes it back with "".
type NewReaction struct {
	Target string // WhatsApp id of the message
	Emoji  string
	At     time.Time // of two reactions of one person the later one holds
}

// NewEdit changes the text of a message. It has an effect only when the same
// person wrote the message.
type NewEdit struct {
	Target string // WhatsApp id of the message
	Text   string
}

// NewDeletion takes a message back: its text and file are gone from then on. In
// a direct chat it has an effect only when the same person wrote the message; in
// a group admins may do it, which WhatsApp has checked.
type NewDeletion struct {
	Target string // WhatsApp id of the message
}

// Received is the outcome of a Reception.
type Received struct {
	ChatID    int64
	MessageID int64  // of the message, or of the one that a change was for; 0 when that is not there
	UID       string // likewise
	Duplicate bool   // nothing changed
	NewChat   bool
	Unnamed   bool // the chat is a group's and has no name but its JID
}

// Download is an attachment that is yet to be fetched.
type Download struct {
	MessageID   int64
	WorkspaceID int64
	AccountID   int64
	DeviceJID   string // of the account; "" when it is logged out or removed
	Kind        tideline.Kind
	Name        string
	MIMEType    string
	Size        int64 // as the sender said
	Ref         []byte
	SentAt      time.Time
	Attempts    int
}

// Downloads keeps the attachments of received messages that are yet to be fetched.
type Downloads interface {
	// DueDownloads lists downloads whose time has come, the longest due first, at
	// most limit. It serves the server itself and spans workspaces.
	DueDownloads(ctx context.Context, now time.Time, limit int) ([]Download, error)
	// NextDownload is when the first of all downloads is due; zero when there is
	// none. It serves the server itself and spans workspaces.
	NextDownload(ctx context.Context) (time.Time, error)
	// FinishDownload stores f, whose bytes must be durable, as the file of the
	// message. not_found when the message doesn't wait for one (any more).
	FinishDownload(ctx context.Context, workspaceID, messageID int64, f tideline.File) error
	// PostponeDownload counts an attempt and sets the time of the next. not_found
	// as with FinishDownload.
	PostponeDownload(ctx context.Context, workspaceID, messageID int64, due time.Time, note string) error
	// AbandonDownload gives up; the message says why from then on. not_found as
	// with FinishDownload.
	AbandonDownload(ctx context.Context, workspaceID, messageID int64, why tideline.AttachmentState) error
}

// ChatFilter selects chats; the zero value selects all. Lists select what has
// any of their elements; the fields are joined by "and".
type ChatFilter struct {
	Labels        []string
	Accounts      []tideline.JID // of the accounts
	Names         []string       // parts of names; case does not matter
	Phone         string         // digits: a part of the contact's number; with a "+" before them: all of it; direct chats only
	ContactPhones []string       // digits of contacts, perhaps with a leading 0: direct chats with them, and groups that they are in
	Responsible   []string       // e-mails of members; case does not matter
	Group         *bool
	Read          *bool
	Closed        *bool
	AutoReply     *bool
	CreatedAfter  time.Time // inclusive; zero = any
	CreatedBefore time.Time // inclusive; zero = any

	// Unassigned selects chats that nobody is responsible for.
	Unassigned bool
	// Search is what somebody looks for: a part of a name in whatever case, or of a
	// contact's number as people write it; "" = anything.
	Search string

	VisibleTo *Viewer // nil = to everybody in the workspace

	WithLastMessage bool // selects nothing: fills in ChatView.LastMessage
}

// ChatView is a chat with what is needed to show it.
type ChatView struct {
	Chat           tideline.Chat
	Account        tideline.Account
	AccountGone    bool // it was removed from the workspace
	Labels         []string
	Responsible    *tideline.Member // id, e-mail and name only; nil = nobody
	LastMessageUID string           // "" = none
	LastMessage    *MessageView     // only when it was asked for; without history, reactions and what it answers

	Members  []GroupMemberView // of a group, in WhatsApp's order
	PhotoUID string            // of the file with the picture; "" = none
}

// MessageFilter selects messages of a chat; the zero value selects all.
type MessageFilter struct {
	FromMe        *bool
	After, Before time.Time // of the message's time, inclusive; zero = any
	AfterMessage  string    // uid, exclusive; "" = any
	BeforeMessage string    // uid, exclusive; "" = any
	OldestFirst   bool
}

// Page is a part of a list.
type Page struct {
	Offset, Limit int
}
