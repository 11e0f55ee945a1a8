package webhook

import (
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// sample makes up an event for those who subscribed to as, with numbers that
// belong to nobody.
func sample(as tideline.EventType, w tideline.Workspace, uid string, now time.Time) *store.EventView {
	kind := as
	if as == tideline.EventMessageNew {
		kind = tideline.EventMessageReceived
	}
	contact := tideline.Phone("+15005550006")
	own := tideline.Phone("+15005550001")
	v := &store.EventView{
		Event:     tideline.Event{UID: uid, WorkspaceID: w.ID, Kind: kind, At: now},
		Workspace: w,
		Chat: &store.ChatView{
			Chat:   tideline.Chat{JID: contact.JID(), Phone: contact, Name: "Webhook test", CreatedAt: now},
			Labels: []string{},
		},
		Account: &store.AccountView{Account: tideline.Account{
			JID: own.JID(), Phone: own, Name: "Tideline", State: tideline.AccountActive, ConnectedOn: now, CreatedAt: now,
			OwnerName: "Tideline",
		}},
		Message: &store.MessageView{Message: tideline.Message{
			UID: uid, Text: "This is a test of your webhook.", Origin: tideline.OriginWhatsApp, AcceptedAt: now, SentAt: now,
			Sender: tideline.Peer{JID: contact.JID(), Name: "Webhook test"},
		}},
	}
	m := &v.Message.Message
	switch kind {
	case tideline.EventMessageSent:
		m.FromMe, m.Origin = true, tideline.OriginPublicAPI
	case tideline.EventReaction:
		v.Event.Detail = tideline.EventDetail{Emoji: "👍", Reactor: &m.Sender, Reactions: map[string]int{"👍": 1}}
	case tideline.EventChatAssigned:
		v.Event.Detail = tideline.EventDetail{ResponsibleName: "Ada", ResponsibleEmail: "ada@example.com"}
	case tideline.EventChatUnassigned:
		v.Event.Detail = tideline.EventDetail{PreviousName: "Ada", PreviousEmail: "ada@example.com"}
	case tideline.EventCallMissed:
		m.Kind, m.Status, m.Text = tideline.KindCall, tideline.CallMissed, ""
	case tideline.EventCallEnded:
		m.Kind, m.Status, m.Text = tideline.KindCall, tideline.CallAnswered, ""
	case tideline.EventCallOutgoingDone:
		m.Kind, m.Status, m.Text, m.FromMe = tideline.KindCall, tideline.CallAnswered, "", true
	}
	return v
}
