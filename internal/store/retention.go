package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Keeper deletes what is older than a workspace keeps it, and knows what of it
// was archived. All of it works in pieces that their caller bounds, each in a
// transaction of its own.
type Keeper interface {
	// Retention gives what the workspace set; RetentionDefault when nothing. not_found.
	Retention(ctx context.Context, workspaceID int64) (tideline.Retention, error)
	// SetRetention: not_found, validation_error.
	SetRetention(ctx context.Context, workspaceID int64, r tideline.Retention, at time.Time) error
	// Retentions gives the settings of all workspaces by id; it serves the server.
	Retentions(ctx context.Context) ([]WorkspaceRetention, error)

	// OldMessages gives messages that ended before q.Before, chat by chat in the order
	// of the chats' names, in each the oldest first. It looks at a bounded number of
	// chats, so a page may be empty and not the last.
	// A message of WhatsApp's past, which
	// is older than its id, is found like any other.
	OldMessages(ctx context.Context, workspaceID int64, q OldMessages) (OldPage, error)
	// DropMessages deletes messages of an account that ended, with all that hangs on
	// them: history, reactions, what is yet to be fetched. Others among ids are passed
	// over, so doing it again is fine. Their charges and refunds are carried forward, so
	// that the ledger adds up as before; their chats stay, with the last message that
	// is still there and at most as much unread as there is.
	DropMessages(ctx context.Context, workspaceID, accountID int64, ids []int64, now time.Time) (DroppedMessages, error)
	// InQueue gives the files in the queue, for DropFiles.
	InQueue(ctx context.Context, workspaceID int64) (QueuedFiles, error)
	// DropFiles deletes the records of files that are older than q.Before and were used
	// by nothing since: no message, no attachment template, no picture of a chat, nothing
	// in the queue. Their bytes are among LostBlobs from then on.
	DropFiles(ctx context.Context, workspaceID int64, q OldFiles) (FilesPage, error)

	// PlanPart decides that messages of one month are the next part of the archive. From
	// then on the part holds these messages and no others.
	PlanPart(ctx context.Context, workspaceID int64, month string, ids []int64) (ArchivePart, error)
	// OpenParts gives the parts whose messages are not all deleted yet, by id.
	OpenParts(ctx context.Context, workspaceID int64) ([]ArchivePart, error)
	// PartMessages reads those of the messages that are there, by id, with history and
	// reactions.
	PartMessages(ctx context.Context, workspaceID int64, ids []int64) ([]MessageView, error)
	// PartWritten notes that a part is durable. From then on it is not written again.
	PartWritten(ctx context.Context, p ArchivePart) error
	// ClosePart notes that the part's messages are deleted; a part that is not written
	// is forgotten.
	ClosePart(ctx context.Context, workspaceID, partID int64) error
	// ListParts gives the written parts of a workspace by month and number.
	ListParts(ctx context.Context, workspaceID int64) ([]ArchivePart, error)
}

// WorkspaceRetention is a workspace with its setting.
type WorkspaceRetention struct {
	WorkspaceID int64
	Slug        string
	Set         tideline.Retention
}

// OldMessages says which messages are wanted, and from where on.
type OldMessages struct {
	From   OldCursor
	Before time.Time // of the message
	Ended  time.Time // and neither stored nor changed in its status since then
	Limit  int
}

// OldCursor is a place in the walk through the messages of a workspace; the zero
// value is its beginning.
type OldCursor struct {
	Chat      string    // the name of the last chat that was looked at
	ChatID    int64     // its id while there is more in it
	At        time.Time // the last message of it
	MessageID int64
}

// OldMessage is one that may be deleted.
type OldMessage struct {
	ID        int64
	AccountID int64
	At        time.Time
}

// OldPage is a step of the walk.
type OldPage struct {
	Messages []OldMessage
	Next     OldCursor
	Done     bool      // the walk is over
	Oldest   time.Time // of all messages in the chats that were looked at; zero = none
}

// DroppedMessages says what was deleted.
type DroppedMessages struct {
	Messages int64
	Rows     int64 // all of them, those of the ledger included
}

// OldFiles says which files may go, and from where on.
type OldFiles struct {
	From   FileCursor
	Before time.Time
	Limit  int
	// Queued is what InQueue gave before the walk.
	Queued QueuedFiles
}

// FileCursor is a place in the walk through the files of a workspace.
type FileCursor struct {
	At time.Time
	ID int64
}

// FilesPage is a step of that walk.
type FilesPage struct {
	Files int64
	Bytes int64
	Next  FileCursor
	Done  bool
}

// QueuedFiles are those that messages in the queue send.
type QueuedFiles struct {
	UpTo  int64 // id of the last message that was looked at
	Files map[int64]bool
}

// ArchivePart is a part of a workspace's archive: one blob.
type ArchivePart struct {
	ID          int64
	WorkspaceID int64
	Month       string // "2026-11", in UTC, of all its messages
	Number      int    // of the part in its month, from 1 on
	Blob        string
	Messages    int
	Bytes       int64 // compressed
	SHA256      [32]byte
	Planned     []int64   // ids of its messages; empty when they are deleted
	WrittenAt   time.Time // zero = not yet
}
