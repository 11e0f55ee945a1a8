// Package whatsapp is the connector contract: what Tideline needs from a link
// to WhatsApp. The production connector is meow; connectortest is the suite
// that a connector must pass over the emulated network.
//
// A connector knows accounts by their device JID, keeps the sessions' keys in a
// store of its own and has no opinion on pacing, retries or credits. It reports
// what it sees through one Handler and never claims more than it knows.
package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Connector links accounts to WhatsApp. All methods may be called at the same
// time; calls for one account are serialised by the connector.
type Connector interface {
	// Handle names the one who is told what the connector sees. It is called once,
	// before any other method.
	Handle(h Handler)

	// Pair links a new phone and reports its progress on the channel: codes (each
	// replaces the one before), then exactly one last event, Paired or Failed,
	// after which the channel is closed. The pairing ends by itself when WhatsApp
	// gives no more codes, or when ctx ends. After Paired the account is connected.
	Pair(ctx context.Context, p PairRequest) (<-chan PairEvent, error)

	// Connect opens the account's connection and keeps it open, reconnecting after
	// drops and when a ban is over, until Disconnect, Logout or a state that needs a person. It returns
	// once the attempt has started; the outcome comes as events. Connecting what is
	// connected does nothing. ErrNoSession when the connector has no keys for device.
	Connect(ctx context.Context, device string) error

	// Disconnect closes the connection and keeps the session.
	Disconnect(device string)

	// Logout unlinks the device at WhatsApp when it is reachable, and forgets the
	// session in any case.
	Logout(ctx context.Context, device string) error

	// Send sends one message and returns when WhatsApp's server acknowledged it.
	// Sending the same message id again is safe: the recipient shows it once. On
	// failure the error is a *SendError. ctx bounds the attempt.
	Send(ctx context.Context, m Outgoing) (Sent, error)

	// React gives a message an emoji, or takes it back when the emoji is "". It
	// returns when WhatsApp's server acknowledged it; doing it again is safe. On
	// failure the error is a *SendError.
	React(ctx context.Context, r Reaction) error

	// Fetch writes the bytes of a received message's attachment to w, checked
	// against their hash. It stops with ErrMediaTooLarge after limit bytes. On
	// failure what was written means nothing. ErrMediaGone, ErrMediaBroken and
	// ErrMediaTooLarge are final; after other errors a later attempt may succeed, and
	// with ErrOffline nothing was tried.
	Fetch(ctx context.Context, device string, ref []byte, limit int64, w io.Writer) error

	// Devices lists the device JIDs that the connector has sessions for.
	Devices(ctx context.Context) ([]string, error)

	// NewMessageID draws a message id in the form that this device's messages have.
	NewMessageID() string

	// Close ends every connection and waits for the connector's goroutines.
	Close() error

	Profiler
	Presencer
	// History reads a chunk of a phone's history that was announced to the handler
	// and calls take for its parts, one after the other: contacts first. take must
	// make a part durable; its error ends the reading and is returned. A chunk that
	// was not read to its end can be read again, from its beginning; one that was may
	// be gone. Entries that are older than the connector is set to look back are left
	// out. ErrMediaGone, ErrMediaBroken and
	// ErrMediaTooLarge are final; after other errors a later attempt may succeed, and
	// with ErrOffline nothing was tried.
	History(ctx context.Context, device string, ref []byte, take func(context.Context, HistoryPart) error) error
}

// PairRequest says how to pair.
type PairRequest struct {
	// Phone, when set, asks for a code that is typed on that phone instead of a
	// QR code that is scanned.
	Phone tideline.Phone
}

// PairEvent is one step of a pairing. Exactly one field is set.
type PairEvent struct {
	QR     *QR
	Code   string  // eight characters to type on the phone
	Paired *Paired // last event
	Failed error   // last event; says why and what to do
}

// QR is a code to be drawn and scanned.
type QR struct {
	Text     string        // the QR code's content
	ValidFor time.Duration // the next one follows then
}

// Paired says which account was linked.
type Paired struct {
	JID       tideline.JID // phone-number JID without device
	LID       tideline.JID
	DeviceJID string
	Phone     tideline.Phone
	Name      string // push or business name; may be ""
}

// Outgoing is one message to send.
type Outgoing struct {
	DeviceJID string
	MessageID string // the WhatsApp message id, the same in every attempt
	To        tideline.JID
	Text      string
	File      *Attachment
	Quote     *Quote // the message that this one answers; nil = none
}

// Quote is an earlier message of the same chat.
type Quote struct {
	MessageID string
	FromMe    bool
	Sender    tideline.Peer // who wrote it, when not FromMe
	Text      string        // shown above the answer; may be shortened
}

// Reaction is an emoji to be given to a message.
type Reaction struct {
	DeviceJID string
	Chat      tideline.JID
	MessageID string        // of the message that gets it
	FromMe    bool          // the message was the account's own
	Sender    tideline.Peer // who wrote the message, when not FromMe
	Emoji     string        // "" takes it back
}

// Attachment is a file to send. Unless Kind says more, its WhatsApp kind (image,
// video, audio, document) follows from MIMEType; the message's text becomes its caption. An
// audio message has no caption, so audio with a text goes as a document.
type Attachment struct {
	Name     string
	MIMEType string
	Size     int64
	// Kind is tideline.KindVoice for a voice note, whose bytes are Opus in Ogg and
	// which has no text, tideline.KindDocument for a document whatever its type is,
	// or "".
	Kind     tideline.Kind
	Seconds  uint32 // the length of a voice note
	Waveform []byte // of a voice note, see tideline.DataWaveform; nil = not known
	// Open gives the file's bytes; it may be called more than once. An error that is fs.ErrNotExist, or has the
	// code not_found, says that the file is gone for good.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Sent is WhatsApp's acknowledgement.
type Sent struct {
	At time.Time // the server's time
}

// SendError says why a message was not sent, or not known to be sent. With none
// of Reason, Offline and Unknown nothing was sent and a later attempt may succeed.
type SendError struct {
	// Reason is set when the failure is final: the message must not be tried again.
	Reason tideline.Reason
	// Offline: the account has no connection; nothing was sent.
	Offline bool
	// Unknown: the message may have been sent, but no acknowledgement came. Try
	// again with the same id.
	Unknown bool
	Err     error
}

// Error describes the failure for the log.
func (e *SendError) Error() string {
	switch {
	case e.Reason != "":
		return fmt.Sprintf("not sent (%s): %v", e.Reason, e.Err)
	case e.Offline:
		return fmt.Sprintf("not sent, account offline: %v", e.Err)
	case e.Unknown:
		return fmt.Sprintf("no acknowledgement: %v", e.Err)
	}
	return fmt.Sprintf("not sent: %v", e.Err)
}

// Unwrap gives the cause.
func (e *SendError) Unwrap() error { return e.Err }

// ErrNoSession says that the connector holds no session for the device.
var ErrNoSession = errors.New("no session for this device; pair the account again")

// Handler takes what a connector sees. Calls for one account come one after
// another and in order; they may block for as long as storage needs, but must not
// call the connector for the same account and wait for it.
type Handler interface {
	// Receipts is told of delivered and read messages. WhatsApp is answered only
	// when it returns nil; otherwise WhatsApp sends the receipt again after the
	// next connection.
	Receipts(ctx context.Context, device string, ids []string, status tideline.Status, at time.Time) error
	// Message is told what others wrote, and what the account's owner wrote on the
	// phone. WhatsApp is answered only when it returns nil, so that must mean that
	// the message is durable; otherwise WhatsApp sends it again after the next
	// connection. A message may come more than once.
	Message(ctx context.Context, device string, m Inbound) error
	// State is told of every change of an account's connection.
	State(ctx context.Context, s StateEvent)
	// Name is told the account's push name.
	Name(ctx context.Context, device, name string)
	// News is told that contacts or groups are not what they were. Changed groups
	// and pictures are told once, so nil must mean that they will be asked for, also
	// after a crash; otherwise WhatsApp tells them again after the next connection.
	// Names can be asked for at any time: losing them is no harm.
	News(ctx context.Context, device string, n News) error
	// History is told that a phone has passed a chunk of its history on; see
	// Connector.History. WhatsApp is answered only when it returns nil, so that must
	// mean that the announcement is durable. A chunk may be announced more than once.
	// With ErrAccountPending it is asked again in a moment.
	History(ctx context.Context, device string, c HistoryChunk) error
	// ReachOut is told when WhatsApp limits to whom the account may write, and when
	// it lifts that before its time. It may come again, and may change the end.
	ReachOut(ctx context.Context, device string, l ReachOutLimit)
	// Composing is told that somebody begins or stops to write in a chat. It should
	// not block for long.
	Composing(ctx context.Context, device string, e ComposingEvent)
}

// ReachOutLimit is WhatsApp's limit on writing to people with whom the account
// has no conversation yet.
type ReachOutLimit struct {
	Active bool
	Until  time.Time // when it ends by itself; zero when WhatsApp did not say
}

// StateEvent is a change of an account's connection.
type StateEvent struct {
	DeviceJID string
	State     tideline.AccountState
	Reason    string    // for people
	At        time.Time //
	// Until is when the connector will try again by itself, with AccountBanned;
	// zero when it is not known how long the ban lasts.
	Until time.Time
}

// ErrOffline says that the account has no connection.
var ErrOffline = errors.New("the account is not connected")

// Errors of Connector.Fetch after which another attempt is of no use.
var (
	ErrMediaGone     = errors.New("WhatsApp doesn't have the file any more")
	ErrMediaBroken   = errors.New("the file is not what was sent")
	ErrMediaTooLarge = errors.New("the file is larger than allowed")
)

// Inbound is something that came in a chat. Exactly one of Content, Reaction,
// Edit, Delete and Call is set.
type Inbound struct {
	ID     string        // WhatsApp message id; a call's id for calls
	Chat   tideline.Peer // the contact, also when the owner wrote, or the group
	Sender tideline.Peer // who wrote; zero when FromMe
	FromMe bool          // from the account itself, on the phone or another linked device
	At     time.Time     // the server's time

	Content  *Content
	Reaction *Reacted
	Edit     *Edited
	Delete   *Deleted
	Call     *Call
}

// Content is a new message.
type Content struct {
	Kind    tideline.Kind
	Text    string            // what can be read: the text, the caption, or a description
	ReplyTo string            // id of the message that this one answers; "" = none
	Data    map[string]string // see tideline.DataLatitude and its neighbours; may be nil
	Media   *Media            // nil = no attachment
}

// Media describes an attachment that can be fetched.
type Media struct {
	Name     string // as the sender has it; "" for most kinds
	MIMEType string // as the sender says
	Size     int64  // bytes, as the sender says
	Ref      []byte // what Connector.Fetch needs; opaque
}

// Reacted is an emoji given to, or with "" taken back from, a message.
type Reacted struct {
	MessageID string // of the message that got it
	Emoji     string
	At        time.Time // by the clock of who reacted; a later one replaces an earlier one
}

// Edited is a new text for a message of the same sender.
type Edited struct {
	MessageID string
	Text      string
}

// Deleted takes a message back.
type Deleted struct {
	MessageID string
}

// Call is a call that ended.
type Call struct {
	Status   tideline.Status // tideline.CallMissed, CallAnswered or CallRejected
	Video    bool
	Duration time.Duration // zero when there was no talk, or it is not known
}
