// Package scene describes a sandbox's world in plain types: phones, what they
// show, who is linked to them, and what is made to go wrong. The pages show it
// without knowing the emulator behind it.
package scene

import (
	"errors"
	"time"
)

// Errors of a world, so that pages can answer in words of their own.
var (
	ErrNoPhone   = errors.New("there is no phone with this number")
	ErrNoPairing = errors.New("no pairing shows this code any more")
)

// Phone is an emulated phone. Numbers are in international form with "+".
type Phone struct {
	Number, Name string
	AutoReply    string // sent back for every message; "" for none
	Registered   bool   // on WhatsApp
	Delivers     bool   // says that it got a message
	Reads        bool   // says that its owner read one
	Online       bool   // the app is open
	Limited      time.Time
	Clients      []Client
}

// Business reports whether a server is or was linked to the phone, which makes
// it the side that customers write to.
func (p Phone) Business() bool { return len(p.Clients) > 0 }

// Client is a linked device of a phone.
type Client struct {
	Device    int
	Platform  string
	LinkedAt  time.Time
	Connected bool
}

// Group is a group chat on the network.
type Group struct {
	JID, Subject    string
	Members, Admins []string // numbers
}

// Kinds of messages.
const (
	KindText     = "text"
	KindMedia    = "media"
	KindReaction = "reaction"
	KindEdit     = "edit"
	KindRevoke   = "revoke"
)

// Message is one thing that a phone received or sent: also what changes another
// message, see Fold.
type Message struct {
	ID       string
	Chat     string // number of the other side, or the group's JID
	From     string // number
	Own      bool   // by this phone, or by a client that is linked to it
	ByClient bool   // a linked client sent it, not the phone itself
	Kind     string
	Text     string
	Target   string // id of the message that a reply, reaction, edit or deletion is about
	File     *File
	At       time.Time
	Attempts int // how often it reached the phone; more than 1 is a duplicate on the wire
}

// File is an attachment as the phone has it.
type File struct {
	Kind    string // image, video, gif, audio, voice, document or sticker
	MIME    string
	Name    string
	Size    int64 // bytes
	Seconds int
	Error   string // why the phone could not fetch it; "" when it could
}

// Note is something that a server told a phone, other than a message.
type Note struct {
	At   time.Time
	From string // number of the account
	// Kind is delivered, read, played, retry and the like of receipts, and available,
	// unavailable, composing, recording, paused, call_reject and call_terminate.
	Kind    string
	Message string // id, for receipts
	Group   string // JID, when it happened in one
}

// Fault is something that goes wrong on purpose until it is spent or cleared.
type Fault struct {
	ID            string
	Kind          string // a kind of the emulator's, such as drop_ack
	Number        string // "" = everyone
	Count         int    // strikes left; 0 = until it is cleared
	Code          int
	Delay, Jitter time.Duration
	FirstHost     bool
}

// Pairing is a server that shows a code and waits for a phone to scan it.
type Pairing struct {
	ID    string
	Since time.Time
}

// Draft is a message that a phone's owner writes.
type Draft struct {
	To      string // number or group
	Text    string // also the caption of a file
	ReplyTo string // id of a message that the phone shows
	File    *Upload
}

// Upload is a file that a phone's owner sends.
type Upload struct {
	Kind string // image, video, audio, voice or document
	MIME string
	Name string
	Data []byte
}
