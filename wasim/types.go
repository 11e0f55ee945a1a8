package wasim

import (
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// PhoneOptions describes an emulated phone for [Server.AddPhone].
type PhoneOptions struct {
	// Number is the phone number in international form, with or without "+": 7 to 15 digits.
	Number string
	// Name is the push name that recipients of this phone's messages see.
	Name string
	// AutoReply, when not empty, is sent back once for every message received.
	AutoReply string
	// Unregistered makes the number unknown to WhatsApp: lookups find no account behind it.
	Unregistered bool
	// NoDeliver keeps the phone from sending delivery receipts, and so read receipts too.
	NoDeliver bool
	// NoRead keeps the phone from sending read receipts.
	NoRead bool
	// History says how the phone passes its history on to a client that is linked to it.
	History HistoryMode
	// AddressByNumber makes messages of this phone come from its number (…@s.whatsapp.net)
	// rather than from its hidden id (…@lid), as accounts not yet migrated do.
	AddressByNumber bool
	// HideNumber makes messages of this phone name its hidden id alone, as those of people do whose
	// number one doesn't know. When it is taken back, later messages tell the number: the mapping
	// comes late. It beats AddressByNumber. Lists of a group's members name the number all the same.
	HideNumber bool
}

// Media describes an attachment as the phone found it after downloading and decrypting it.
type Media struct {
	Kind     string `json:"kind"`                // image, video, gif, audio, voice, document or sticker
	MIME     string `json:"mime"`                // as the sender declared it
	FileName string `json:"file_name,omitempty"` // documents only
	Caption  string `json:"caption,omitempty"`
	Size     int64  `json:"size"`   // bytes of the decrypted file
	SHA256   string `json:"sha256"` // of the decrypted file, lower-case hexadecimal

	Seconds  uint32 `json:"seconds,omitempty"`  // length of audio, a voice note or a video, as declared
	Waveform string `json:"waveform,omitempty"` // of a voice note, as declared, in base64
	Width    uint32 `json:"width,omitempty"`    // of a picture or a video, as declared
	Height   uint32 `json:"height,omitempty"`
	// Thumbnail is the picture, a JPEG in base64, that is shown until the file was fetched.
	Thumbnail string `json:"thumbnail,omitempty"`
	// Error says why the attachment could not be fetched or verified; Size and SHA256 are then
	// what the sender declared.
	Error string `json:"error,omitempty"`
}

// Received is one message that a phone has decrypted.
type Received struct {
	// Seq orders the messages of a phone and is the cursor of [Phone.Received].
	Seq int64 `json:"seq"`
	// ID is the message id chosen by the sender.
	ID string `json:"id"`
	// From is the sender's number, with "+".
	From string `json:"from"`
	// To is the number, or the group's JID, that the message was addressed to.
	To string `json:"to"`
	// FromMe marks a copy of what a companion of this very phone sent.
	FromMe bool `json:"from_me,omitempty"`
	// Group is the group's JID; empty in a direct chat.
	Group string `json:"group,omitempty"`
	// Kind is text, media, reaction, edit, revoke, protocol or other.
	Kind string `json:"kind"`
	// Text is what a person reads: the text, the caption, the emoji of a reaction.
	Text string `json:"text"`
	// Target is the id of the message that a reaction, edit, revocation or reply refers to.
	Target string `json:"target,omitempty"`
	// TargetFrom is the number, with "+", of who wrote the message that a reply refers to, as the reply says.
	TargetFrom string `json:"target_from,omitempty"`
	// Media is set when the message carries an attachment.
	Media *Media `json:"media,omitempty"`
	// Timestamp is when the server accepted the first attempt.
	Timestamp time.Time `json:"timestamp"`
	// ArrivedAt is the same instant to the millisecond, by the emulator's clock; WhatsApp's own
	// times are in whole seconds.
	ArrivedAt time.Time `json:"arrived_at"`
	// Attempts counts how often the message reached the phone. A phone shows a message once, as
	// real ones do, however often it arrives; more than 1 reveals a duplicate on the wire.
	Attempts int `json:"attempts"`
}

// Receipt is what a companion told a phone about one of the phone's messages.
type Receipt struct {
	MessageID string    `json:"message_id"`
	From      string    `json:"from"` // number of the account that sent the receipt, with "+"
	Type      string    `json:"type"` // "" delivered, "inactive", "read", "played", "retry", …
	Timestamp time.Time `json:"timestamp"`
}

// Companion is a linked device of a phone: one paired client.
type Companion struct {
	JID       types.JID // number and device
	LID       types.JID // hidden id and device
	Device    int       // 1 to 99, drawn at pairing and never reused
	Platform  string    // as announced when it was paired
	LinkedAt  time.Time
	Connected bool
}

// Unhandled is a stanza that the emulator could not answer as WhatsApp would. An IQ was answered
// with error 501; anything else was dropped.
type Unhandled struct {
	Time   time.Time
	Device types.JID // empty before login
	Reason string
	Stanza string // XML form
}

// Direction says which way a traced stanza went.
type Direction string

// The two directions of [TraceEvent].
const (
	FromClient Direction = "from client"
	ToClient   Direction = "to client"
)

// TraceEvent is one stanza on a connection. Node must not be changed.
type TraceEvent struct {
	Direction Direction
	Device    types.JID // empty before login
	Node      *waBinary.Node
}

// Stats counts what a server did since it started.
type Stats struct {
	Connections int   // open now
	Logins      int64 // successful ones
	Messages    int64 // accepted from companions, duplicates included
	Delivered   int64 // logged by phones, duplicates excluded
	Duplicates  int64 // reached a phone that already had them
	Retries     int64 // retry receipts sent by phones
	Unhandled   int64
}
