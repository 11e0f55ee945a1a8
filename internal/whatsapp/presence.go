package whatsapp

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Presencer is the part of a Connector by which people see of each other that
// somebody is there. Nothing of it is kept: WhatsApp tells it to who is connected at
// the moment, and no answer says whether anybody saw it. All of it ends with the
// connection. Errors: ErrOffline, or the connection's.
type Presencer interface {
	// Available shows the account as online, or not any more. While it is, WhatsApp
	// spares the owner's phone its notifications, and tells the account who types. An
	// account is not available at first, nor after a new connection.
	Available(ctx context.Context, device string, available bool) error
	// Watch has WhatsApp tell the handler what a contact does, while the account is
	// available. Members of groups need no watching.
	Watch(ctx context.Context, device string, contact tideline.Peer) error
	// Compose shows the people in a chat that the account is writing or recording.
	// Phones believe it for about 25 seconds.
	Compose(ctx context.Context, device string, chat tideline.JID, c Composing) error
	// MarkRead tells who wrote messages that they were read. Doing it again is fine.
	MarkRead(ctx context.Context, device string, r ReadMessages) error
}

// Composing is what somebody does in a chat before they send.
type Composing string

// What people do.
const (
	ComposingNothing Composing = ""
	ComposingText    Composing = "text"
	ComposingVoice   Composing = "voice"
)

// ReadMessages are received messages of one chat and sender.
type ReadMessages struct {
	Chat   tideline.JID
	Sender tideline.Peer // who wrote them; needed in groups only
	IDs    []string      // WhatsApp ids
	At     time.Time     // when they were read
}

// ComposingEvent says what a person does in a chat. It is told while the account is
// available, may be lost, and is repeated about every ten seconds while it lasts.
type ComposingEvent struct {
	Chat   tideline.Peer // the contact or group
	Sender tideline.Peer // with the name that the account knows, "" for none
	Doing  Composing
}
