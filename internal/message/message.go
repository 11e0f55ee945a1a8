// Package message accepts sends and reads messages back.
//
// Sending is: validate the request, resolve its account, file and template,
// and hand it to store.Accept, which charges, stores and queues it in one
// commit. What Send returned without an error is durable and paid for, and the
// outbox will end it as sent or failed.
//
// Lookups that every send needs (who is it, which accounts are there) are kept
// in memory with the configuration version under which they were read; Accept
// compares that version inside its transaction, so a revoked token or a changed
// account is never used for one more message, although nothing is looked up on
// the hot path.
package message

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// SendRequest asks to send a message: to a chat when ChatID is set, else to a JID,
// else to the chat with a name, when these are set, else to a phone number. Pointer fields are nil when the
// client did not give them.
type SendRequest struct {
	ChatID       int64   // the chat's account sends
	JID          *string // of a person or a group
	ToName       *string // exact name of a chat
	Phone        string  // any international form
	AccountPhone *string // "whatsapp_account_phone": sender, as a phone number …
	AccountID    *string // "whatsapp_account_id": … or as a JID; both nil = the most recently connected account
	Text         *string
	FileUID      *string
	TemplateID   *int64
	ReplyTo      *string // uid of the message of the same chat that it answers; nil or "" = none
	Label        *string
	ChatName     *string
	// Kind is how the file is sent: "" as its type is shown, tideline.KindVoice as a
	// voice note, without a text, or tideline.KindDocument.
	Kind   tideline.Kind
	Data   map[string]string // what is known about a voice note: tideline.DataDuration, DataWaveform
	Origin tideline.Origin
	Idem   *store.Idempotency
}

// Receipt is the outcome of a send that was accepted.
type Receipt struct {
	MessageUID string
	MessageID  int64
	ChatID     int64
	Replayed   bool // the Idempotency-Key's first answer
}

// Storage is what this room needs from store.Store.
type Storage interface {
	store.Acceptor
	store.Replayer
	store.Directory
	FileByUID(ctx context.Context, workspaceID int64, uid string) (tideline.File, error)
	Template(ctx context.Context, workspaceID, templateID int64) (tideline.AttachmentTemplate, tideline.File, error)
	MessageByUID(ctx context.Context, workspaceID int64, uid string) (store.MessageView, error)
	Chat(ctx context.Context, workspaceID, chatID int64) (tideline.Chat, error)
	ChatByName(ctx context.Context, workspaceID int64, name string) (tideline.Chat, error)
	BarOf(ctx context.Context, workspaceID, accountID int64, group tideline.JID) (tideline.Bar, error)
	PutReaction(ctx context.Context, workspaceID, messageID int64, emoji string, at time.Time) error
}

// Reactor gives a reaction of an account, see React of whatsapp.Connector.
type Reactor interface {
	React(ctx context.Context, accountID int64, r whatsapp.Reaction) error
}

// Refresher looks a principal up again, ignoring what is kept in memory.
type Refresher interface {
	Refresh(ctx context.Context, p *tideline.Principal) (*tideline.Principal, error)
}
