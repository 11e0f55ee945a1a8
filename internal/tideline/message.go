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
	JID         JID
	Phone       Phone  // "" for groups
	Name        string // unique in the workspace
	CreatedAt   time.Time
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
	Text        string // "" when it is only an attachment
	FileID      int64  // 0 when there is no attachment
	Origin      Origin
	Status      Status
	Reason      Reason // only when failed
	Credits     Credits
	AcceptedAt  time.Time // when Tideline stored it
	SentAt      time.Time // WhatsApp's time; zero until sent
}

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
	UploadedBy  string // e-mail of the uploader
	UploadedAt  time.Time
}

// AttachmentTemplate is a file kept under a number, so that a program can send
// it without uploading it first.
type AttachmentTemplate struct {
	ID          int64
	WorkspaceID int64
	Name        string
	FileID      int64
	CreatedAt   time.Time
}
