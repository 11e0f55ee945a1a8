package tideline

import "strings"

// Peer is who a conversation is with, or who wrote in it. WhatsApp knows a
// person under two addresses, and a message may carry either or both.
type Peer struct {
	JID  JID    // by phone number, or a group's; "" when only the hidden id is known
	LID  JID    // hidden id; "" when it is not known, and for groups
	Name string // what the person calls themselves; "" when unknown
}

// Address is the address to write to: by phone number when that is known.
func (p Peer) Address() JID {
	if p.JID != "" {
		return p.JID
	}
	return p.LID
}

// Phone gives the number, "" for groups and while it is not known.
func (p Peer) Phone() Phone { return p.JID.Phone() }

// Is reports whether p and q are certainly the same.
func (p Peer) Is(q Peer) bool {
	return p.JID != "" && p.JID == q.JID || p.LID != "" && p.LID == q.LID
}

// CleanName makes of a name that somebody gave one that can be stored and shown:
// valid UTF-8 without U+0000, no space around it, at most MaxChatName characters.
func CleanName(name string) string {
	name = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(name, "\uFFFD"), "\x00", ""))
	if r := []rune(name); len(r) > MaxChatName {
		return strings.TrimSpace(string(r[:MaxChatName]))
	}
	return name
}

// IsLID reports whether j is a person's hidden id.
func (j JID) IsLID() bool { return j.Server() == ServerLID }

// Kind is what a message is made of. The words are stored.
type Kind string

// The kinds. "" is a message that Tideline sent: a text, a file, or both. Of what
// Tideline sends, KindVoice is a voice note, and KindDocument a file that goes as a
// document whatever its type is.
const (
	KindText     Kind = "text"
	KindImage    Kind = "image"
	KindVideo    Kind = "video"
	KindDocument Kind = "document"
	KindAudio    Kind = "audio"
	KindVoice    Kind = "voice"    // an audio file recorded as a message
	KindSticker  Kind = "sticker"  // a picture without text
	KindContact  Kind = "contact"  // one or more cards; names and numbers are the text
	KindLocation Kind = "location" // a place; name, address and a map link are the text
	KindPoll     Kind = "poll"     // question and options are the text
	KindCall     Kind = "call"     // a call that ended; see CallStatus
	KindOther    Kind = "other"    // a kind that Tideline can't show; the text says so
	KindNote     Kind = "note"     // what members write for each other; it never leaves Tideline
)

// MessageType is the word by which the API tells kinds of messages apart.
type MessageType string

// The types.
const (
	TypeWhatsApp MessageType = "whatsapp"
	TypeCall     MessageType = "whatsapp_call"
	TypeNote     MessageType = "note"
)

// Type gives the word for messages of this kind.
func (k Kind) Type() MessageType {
	switch k {
	case KindCall:
		return TypeCall
	case KindNote:
		return TypeNote
	}
	return TypeWhatsApp
}

// What became of a call. They take the place of a Status in messages of
// KindCall; nothing follows them.
const (
	CallMissed   Status = "missed"
	CallAnswered Status = "answered"
	CallRejected Status = "rejected"
)

// Keys of Message.Data.
const (
	DataLatitude   = "latitude"   // degrees, of a location
	DataLongitude  = "longitude"  // degrees, of a location
	DataContact    = "vcard"      // of a contact; several cards one after the other
	DataVideo      = "video"      // "true" for a video call
	DataDuration   = "duration"   // seconds, of a voice message, video or call
	DataWaveform   = "waveform"   // of a voice message: 64 bytes of 0 to 100, how loud it is from its beginning to its end, in base64
	DataPrivate    = "is_private" // "true" or "false", of a note
	DataAttachment = "attachment" // why the attachment is not there, see AttachmentState
	DataHistory    = "history"    // "true" for what a phone remembered from before it was paired
)

// AttachmentState says, under DataAttachment, why the file of a received message
// is not there. Once it is, the key is gone.
type AttachmentState string

// The states.
const (
	AttachmentPending  AttachmentState = "downloading" // it is being fetched, or will be
	AttachmentTooLarge AttachmentState = "too_large"   // it is larger than the server takes
	AttachmentGone     AttachmentState = "gone"        // WhatsApp doesn't have it any more
	AttachmentBroken   AttachmentState = "broken"      // what WhatsApp had was not what was sent
	AttachmentSkipped  AttachmentState = "not_fetched" // it is from the history, and too old to be fetched unasked
)

// Reaction is an emoji that somebody gave to a message.
type Reaction struct {
	Peer  Peer // who; zero when it was the account itself
	Own   bool
	Emoji string
}
