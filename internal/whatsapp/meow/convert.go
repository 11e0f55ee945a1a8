package meow

import (
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// unknownText stands for a message of a kind that Tideline can't show.
const unknownText = "[a kind of message that can't be shown here; open WhatsApp on the phone to see it]"

// convert says what a message means to people; false when it means nothing to
// them. Who wrote it and where is not its business.
func convert(e *events.Message) (whatsapp.Inbound, bool) {
	m := unwrap(e.Message)
	if in, ok := convertChange(m, e.Info.Timestamp); ok {
		return in, in.Reaction != nil || in.Edit != nil || in.Delete != nil
	}
	c := convertContent(m)
	return whatsapp.Inbound{Content: c}, c != nil
}

// unwrap removes the envelopes that the library leaves (types/events, UnwrapRaw).
func unwrap(m *waE2E.Message) *waE2E.Message {
	for range 4 {
		var inner *waE2E.Message
		for _, f := range []*waE2E.FutureProofMessage{
			m.GetAssociatedChildMessage(), m.GetGroupMentionedMessage(), m.GetEphemeralMessage(), m.GetViewOnceMessage(),
			m.GetViewOnceMessageV2(), m.GetDocumentWithCaptionMessage(), m.GetEditedMessage(), m.GetPollCreationMessageV4(),
		} {
			if f.GetMessage() != nil {
				inner = f.GetMessage()
			}
		}
		if inner == nil {
			break
		}
		m = inner
	}
	return m
}

// convertContent converts a message that is neither reaction, edit nor deletion;
// nil when there is nothing to show.
func convertContent(m *waE2E.Message) *whatsapp.Content {
	for _, kind := range []func(*waE2E.Message) *whatsapp.Content{convertText, convertMedia, convertContact, convertLocation, convertPoll, convertChoice} {
		if c := kind(m); c != nil {
			if c.ReplyTo == "" {
				c.ReplyTo = answers(m)
			}
			return c
		}
	}
	if !visible(m) {
		return nil
	}
	return &whatsapp.Content{Kind: tideline.KindOther, Text: unknownText, ReplyTo: answers(m)}
}

// quoting is what the parts of a message that can answer another one have in common.
type quoting interface {
	proto.Message
	GetContextInfo() *waE2E.ContextInfo
}

// answers gives the id of the message that m answers; "" for none. A forwarded
// message has a context without a quote.
func answers(m *waE2E.Message) (id string) {
	m.ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if part, ok := partOf(v).(quoting); ok {
			id = part.GetContextInfo().GetStanzaID()
		}
		return id == ""
	})
	return id
}

// partOf gives the message in v; nil when it is none.
func partOf(v protoreflect.Value) proto.Message {
	if m, ok := v.Interface().(protoreflect.Message); ok {
		return m.Interface()
	}
	return nil
}

// invisible are the fields of a message that phones process without showing
// anything: keys, settings, votes, pins, and envelopes of what is not there.
func invisible(name protoreflect.Name) bool {
	switch name {
	case "messageContextInfo", "senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage",
		"protocolMessage", "pollUpdateMessage", "keepInChatMessage", "pinInChatMessage", "encReactionMessage",
		"encEventResponseMessage", "encCommentMessage", "secretEncryptedMessage", "albumMessage", "messageHistoryBundle",
		"stickerSyncRmrMessage", "placeholderMessage", "statusMentionMessage", "groupStatusMentionMessage",
		"deviceSentMessage", "chat", "call", "bcallMessage", "callLogMesssage", "pollResultSnapshotMessage":
		return true
	}
	return false
}

// visible reports whether phones show something for m.
func visible(m *waE2E.Message) bool {
	shown := false
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		shown = !invisible(f.Name()) && (partOf(v) != nil || f.Kind() == protoreflect.StringKind && v.String() != "")
		return !shown
	})
	return shown
}

// convertChange converts reactions, edits and deletions. ok says that m is a
// message of that sort, even when it changes nothing.
func convertChange(m *waE2E.Message, sent time.Time) (in whatsapp.Inbound, ok bool) {
	if r := m.GetReactionMessage(); r != nil {
		if id := r.GetKey().GetID(); id != "" {
			in.Reaction = &whatsapp.Reacted{MessageID: id, Emoji: r.GetText(), At: reactedAt(r.GetSenderTimestampMS(), sent)}
		}
		return in, true
	}
	p := m.GetProtocolMessage()
	if p == nil {
		return in, false
	}
	id := p.GetKey().GetID()
	switch p.GetType() {
	case waE2E.ProtocolMessage_REVOKE:
		if id != "" {
			in.Delete = &whatsapp.Deleted{MessageID: id}
		}
		return in, true
	case waE2E.ProtocolMessage_MESSAGE_EDIT:
		if c := convertContent(unwrap(p.GetEditedMessage())); id != "" && c != nil {
			in.Edit = &whatsapp.Edited{MessageID: id, Text: c.Text}
		}
		return in, true
	}
	return in, false
}

// reactedAt is when a reaction was given. The server's time has whole seconds,
// too few to order a reaction and its change; a sender's clock that is ahead of
// it must not outdo what follows.
func reactedAt(ms int64, sent time.Time) time.Time {
	at := time.UnixMilli(ms)
	if ms <= 0 || at.After(sent.Add(time.Second)) {
		return sent
	}
	return at
}
