package whatsapp

import (
	"errors"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// A phone tells a newly linked device what it remembers. It does so in chunks:
// it announces each of them with a message, and the chunk itself is inside the
// announcement or in a file at WhatsApp. A chunk can hold years of a chat, so a
// connector hands it out in parts.

// MaxHistoryPart is how many entries or contacts a HistoryPart has at most.
const MaxHistoryPart = 200

// HistoryChunk is the announcement of a chunk.
type HistoryChunk struct {
	ID       string // the same when it is announced again
	Order    int    // its place among the chunks, as the phone counts; for the log
	Progress int    // how much was sent with it, in percent; for the log
	Ref      []byte // what Connector.History needs; opaque, and large when it holds the chunk
}

// HistoryPart is a piece of a chunk. It has contacts, or chats.
type HistoryPart struct {
	// Contacts are people: both addresses of somebody, a name, or all of that.
	Contacts []tideline.Peer
	Chats    []HistoryChat
}

// HistoryChat is a chat of a phone, or a piece of it.
type HistoryChat struct {
	Peer    tideline.Peer  // with the name that the phone shows; "" = unknown
	Unread  int            // messages that the phone's owner has not read
	Entries []HistoryEntry // in the order in which they were said
}

// HistoryEntry is something that was said in a chat before.
type HistoryEntry struct {
	Inbound
	// Status is how far a message of the account itself has come: StatusSent,
	// StatusDelivered or StatusRead; "" for all others.
	Status tideline.Status
}

// ErrAccountPending says that a handler doesn't know the account of a device yet,
// because the device is just being paired. It is a matter of moments.
var ErrAccountPending = errors.New("the account is being paired and not stored yet")
