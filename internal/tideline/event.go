package tideline

import "time"

// EventType is the word by which the API names something that happened, and what
// a webhook subscribes to.
type EventType string

// What happens to numbers that are linked by QR code. Each of these is also a
// kind of Event, except EventMessageNew, which stands for two kinds.
const (
	EventMessageNew      EventType = "message:new" // sent or received
	EventMessageSent     EventType = "message:sent:new"
	EventMessageReceived EventType = "message:received:new"
	EventReaction        EventType = "message:reaction"

	EventChatNew        EventType = "chat:new"          // any chat; as a kind: a group
	EventChatIncoming   EventType = "chat:incoming:new" // a direct chat that the contact began
	EventChatOutgoing   EventType = "chat:outgoing:new" // a direct chat that we began
	EventChatAssigned   EventType = "chat:responsible:assigned"
	EventChatUnassigned EventType = "chat:responsible:unassigned"

	EventAccountConnected    EventType = "whatsapp:account:connected"
	EventAccountDisconnected EventType = "whatsapp:account:disconnected" // for good: somebody has to pair it again
	EventAccountSuspended    EventType = "whatsapp:account:suspended"    // never happens here: no subscription stops a number
	EventAccountResumed      EventType = "whatsapp:account:resumed"      // never happens here

	EventCallMissed       EventType = "call:incoming:missed"
	EventCallEnded        EventType = "call:incoming:ended"
	EventCallOutgoingDone EventType = "call:outgoing:ended"
)

// EventMessageFailed is ours: a message ended as failed. The feed of events has
// it; webhooks can't subscribe to it, because the API has no such type.
const EventMessageFailed EventType = "message:failed"

// eventTypes are the types that a webhook can subscribe to. Those that begin
// with "waba:" are taken, so that a subscription made for TimelinesAI can be made
// here, but never happen.
var eventTypes = map[EventType]bool{
	EventMessageNew: true, EventMessageSent: true, EventMessageReceived: true, EventReaction: true,
	EventChatNew: true, EventChatIncoming: true, EventChatOutgoing: true, EventChatAssigned: true, EventChatUnassigned: true,
	EventAccountConnected: true, EventAccountDisconnected: true, EventAccountSuspended: true, EventAccountResumed: true,
	EventCallMissed: true, EventCallEnded: true, EventCallOutgoingDone: true,

	"waba:message:received": true, "waba:message:delivered": true, "waba:message:failed": true, "waba:message:read": true,
	"waba:chat:incoming": true, "waba:chat:outgoing": true, "waba:chat:assigned": true, "waba:chat:unassigned": true,
	"waba:chat:closed": true, "waba:chat:reopened": true,
	"waba:account:active": true, "waba:account:disabled": true, "waba:account:disconnected": true,
	"waba:template:approved": true, "waba:template:rejected": true, "waba:template:disabled": true,
}

// Subscribable reports whether a webhook can subscribe to t.
func (t EventType) Subscribable() bool { return eventTypes[t] }

// Covers reports whether a subscription to t gets events of the kind.
func (t EventType) Covers(kind EventType) bool {
	switch t {
	case kind:
		return true
	case EventMessageNew:
		return kind == EventMessageSent || kind == EventMessageReceived
	case EventChatNew:
		return kind == EventChatIncoming || kind == EventChatOutgoing
	}
	return false
}

// Event is something that happened in a workspace. It is written in the
// transaction of its cause and never changed. It holds ids and only what can't be
// read later; a body is rendered when the event is handed on.
type Event struct {
	ID          int64     // grows with time; in one chat, and of one account, in the order in which things happened
	UID         string    // UUIDv7; its public id, by which receivers recognise repetitions (webhook-id)
	WorkspaceID int64     //
	Kind        EventType // the most specific type
	At          time.Time // when Tideline noticed, in whole milliseconds; for a message that was sent, WhatsApp's time
	AccountID   int64     // 0 = none
	ChatID      int64     // 0 = none
	MessageID   int64     // 0 = none; of a reaction, the message that it was for; of a call, its entry in the chat
	MemberID    int64     // who of the team did it; 0 = nobody, or it is not known
	Detail      EventDetail
}

// EventDetail is what can't be read any more when a body is rendered.
type EventDetail struct {
	// Of a reaction.
	Emoji     string         `json:"emoji,omitempty"`     // "" = taken back
	Previous  string         `json:"previous,omitempty"`  // the emoji that it replaced or took back; "" = none
	Own       bool           `json:"own,omitempty"`       // the account itself reacted
	Reactor   *Peer          `json:"reactor,omitempty"`   // who did; nil when Own
	Reactions map[string]int `json:"reactions,omitempty"` // all of the message after it, by emoji

	// Of an assignment: who was responsible before. "" = nobody.
	PreviousName  string `json:"previous_name,omitempty"`
	PreviousEmail string `json:"previous_email,omitempty"`
	// Who is responsible since. "" = nobody.
	ResponsibleName  string `json:"responsible_name,omitempty"`
	ResponsibleEmail string `json:"responsible_email,omitempty"`

	// Of an account: its state, and the reason for people.
	State  AccountState `json:"state,omitempty"`
	Reason string       `json:"reason,omitempty"`
}

// CallEvent gives the kind of event of a call that ended.
func CallEvent(fromMe bool, status Status) EventType {
	switch {
	case fromMe:
		return EventCallOutgoingDone
	case status == CallMissed:
		return EventCallMissed
	}
	return EventCallEnded
}

// ChatEvent gives the kind of event of a new chat with peer. outgoing: we began it.
func ChatEvent(peer JID, outgoing bool) EventType {
	switch {
	case peer.IsGroup():
		return EventChatNew
	case outgoing:
		return EventChatOutgoing
	}
	return EventChatIncoming
}

// AccountEvent says whether an account that enters state is to be announced, and
// how. announced is what was announced last: EventAccountConnected,
// EventAccountDisconnected, or "" for nothing yet.
//
// Disconnected means that somebody has to pair the number again, as in the API;
// an interruption that the server ends by itself is neither announced nor is its
// end. So a restart of the server, or of a router, announces nothing.
func AccountEvent(announced EventType, state AccountState) (EventType, bool) {
	switch {
	case state == AccountActive && announced != EventAccountConnected:
		return EventAccountConnected, true
	case !state.Retryable() && announced == EventAccountConnected:
		return EventAccountDisconnected, true
	}
	return "", false
}
