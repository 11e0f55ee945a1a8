package tideline

import (
	"time"
)

// Limits of a message, in characters (Unicode code points, not bytes).
const (
	MaxText     = 2000
	MaxLabel    = 64
	MaxChatName = 256
)

// Origin says where a message came from, in the words the API shows.
type Origin string

// The origins.
const (
	OriginPublicAPI Origin = "Public API"
	OriginInbox     Origin = "Shared Inbox"
	OriginWhatsApp  Origin = "synced from WhatsApp"
)

// Chat is a conversation between one account and one contact or group.
type Chat struct {
	ID          int64
	WorkspaceID int64
	AccountID   int64
	JID         JID    // where to write to: by phone number when that is known, else by hidden id; or a group's
	LID         JID    // the contact's hidden id; "" while unknown, and for groups
	Phone       Phone  // "" for groups, and while it is not known
	Name        string // unique in the workspace
	Closed      bool
	Unread      int   // messages received since somebody of the team read or answered
	Responsible int64 // member whom the chat is assigned to; 0 = nobody
	AutoReply   bool  // an automaton may answer; kept for programs that ask, Tideline has none
	CreatedAt   time.Time

	LastMessageID int64     // the latest one that was sent, failed or was received; 0 = none
	LastMessageAt time.Time // zero = none

	Bar Bar // why nothing can be written here; "" = it can
}

// Message is one thing said in a chat.
type Message struct {
	ID          int64  // grows with acceptance; within one account it is the sending order
	UID         string // UUID, its id on the wire
	WorkspaceID int64
	AccountID   int64
	ChatID      int64
	MemberID    int64 // who sent it through Tideline; 0 when nobody of the team did
	WhatsAppID  string
	FromMe      bool
	Kind        Kind
	Sender      Peer   // who wrote it; zero when FromMe
	Text        string // "" when it is only an attachment
	ReplyTo     string // WhatsApp id of the message of the same chat that it answers; "" = none
	Data        map[string]string
	FileID      int64 // 0 when there is no attachment
	Origin      Origin
	Status      Status
	Reason      Reason // only when failed
	Credits     Credits
	AcceptedAt  time.Time // when Tideline stored it
	SentAt      time.Time // WhatsApp's time; zero until sent
	EditedAt    time.Time // when its text was last changed; zero = never
	DeletedAt   time.Time // when it was taken back, and with it its text and file; zero = never
}

// Type is the word by which the API tells kinds of messages apart.
func (m *Message) Type() MessageType { return m.Kind.Type() }

// StatusChange is one line of a message's append-only history. A status
// appears at most once.
type StatusChange struct {
	Status Status
	At     time.Time
	Reason Reason
}

// File is something uploaded, to be sent as an attachment.
type File struct {
	ID          int64
	UID         string // UUID, its id on the wire
	WorkspaceID int64
	MemberID    int64
	Name        string // file name without a path
	MIMEType    string
	Size        int64  // bytes
	Blob        string // key of its bytes in blob storage
	UploadedBy  string // e-mail of the uploader; RemovedUploader when they are no member any more
	UploadedAt  time.Time
}

// RemovedUploader takes the place of an uploader's e-mail when they leave.
const RemovedUploader = "(removed)"

// AttachmentTemplate is a file kept under a number, so that a program can send
// it without uploading it first.
type AttachmentTemplate struct {
	ID          int64
	WorkspaceID int64
	Name        string
	FileID      int64
	CreatedAt   time.Time
	Uses        int64 // messages that were accepted with it
}
