package webhook

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// timestampLayout is how the API writes times, in the workspace's zone.
const timestampLayout = "2006-01-02 15:04:05 -0700"

// Renderer makes bodies of events. It is safe for concurrent use.
type Renderer struct {
	// PublicURL is how clients reach the server, such as "https://wa.example.org",
	// for links. Required.
	PublicURL string
	// APIPath is where the API is on it, such as "/integrations/api".
	APIPath string
	// Link gives the query of a link to a file; see file.Service.
	Link func(uid string) url.Values
}

// Render gives the body of an event for those who subscribed to as: flat JSON
// with as in event_type. It says how things are now; only what the event itself
// kept is as it was then.
func (r *Renderer) Render(v *store.EventView, as tideline.EventType) ([]byte, error) {
	body, err := r.body(v, as)
	if err != nil {
		return nil, fmt.Errorf("render event %s (%s): %w", v.Event.UID, v.Event.Kind, err)
	}
	// Text comes from people's phones; what is no UTF-8 must not stop the rest.
	out, err := json.Marshal(body, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, fmt.Errorf("render event %s (%s): %w", v.Event.UID, v.Event.Kind, err)
	}
	return out, nil
}

func (r *Renderer) body(v *store.EventView, as tideline.EventType) (any, error) {
	e := &v.Event
	if v.Account == nil {
		return nil, fmt.Errorf("account %d is not there", e.AccountID)
	}
	group, _, _ := strings.Cut(string(e.Kind), ":")
	if group != "whatsapp" && v.Chat == nil {
		return nil, fmt.Errorf("chat %d is not there", e.ChatID)
	}
	if (group == "message" || group == "call") && v.Message == nil {
		return nil, fmt.Errorf("message %d is not there", e.MessageID)
	}
	w := writer{Renderer: r, v: v, loc: v.Workspace.Location()}
	switch {
	case e.Kind == tideline.EventReaction:
		return reactionBody{EventType: string(as), Chat: w.callChat(), Account: w.callAccount(), Reaction: w.reaction()}, nil
	case group == "message":
		return messageBody{EventType: string(as), Chat: w.messageChat(), Account: w.person(), Message: w.message()}, nil
	case group == "call":
		return callBody{EventType: string(as), Chat: w.callChat(), Account: w.callAccount(), Details: w.call()}, nil
	case group == "chat":
		return chatBody{EventType: string(as), Chat: w.chat(), Account: w.account()}, nil
	case group == "whatsapp":
		return accountBody{EventType: string(as), Account: w.account()}, nil
	}
	return nil, fmt.Errorf("no body is known for this kind")
}

// writer renders one event.
type writer struct {
	*Renderer
	v   *store.EventView
	loc *time.Location
}

func (w writer) at(t time.Time) string { return t.In(w.loc).Format(timestampLayout) }

func (w writer) chatURL() string {
	return fmt.Sprintf("%s/chat/%d/messages/", w.PublicURL, w.v.Chat.Chat.ID)
}

// responsible is who looks after the chat, of an assignment since that; nil for
// nobody.
func (w writer) responsible() (name, email *string) {
	switch w.v.Event.Kind {
	case tideline.EventChatAssigned, tideline.EventChatUnassigned:
	default:
		if r := w.v.Chat.Responsible; r != nil {
			return optional(r.DisplayName), optional(r.Email)
		}
	}
	return optional(w.v.Event.Detail.ResponsibleName), optional(w.v.Event.Detail.ResponsibleEmail)
}

func (w writer) messageChat() messageChat {
	c := &w.v.Chat.Chat
	name, email := w.responsible()
	return messageChat{
		FullName: c.Name, ChatURL: w.chatURL(), ChatID: c.ID, IsGroup: c.JID.IsGroup(), Phone: string(c.Phone),
		ResponsibleName: name, ResponsibleEmail: email,
	}
}

func (w writer) callChat() callChat {
	c := &w.v.Chat.Chat
	name, email := w.responsible()
	kind := "direct"
	if c.JID.IsGroup() {
		kind = "group"
	}
	return callChat{
		FullName: c.Name, ChatURL: w.chatURL(), ChatID: c.ID, ChatType: kind, Platform: "whatsapp", Phone: c.Phone.Digits(),
		ResponsibleName: name, ResponsibleEmail: email,
	}
}

func (w writer) person() person {
	a := &w.v.Account.Account
	return person{FullName: a.Name, Email: a.OwnerEmail, Phone: string(a.Phone)}
}

func (w writer) callAccount() callAccount {
	p := w.person()
	return callAccount{WID: string(w.v.Account.Account.JID), FullName: p.FullName, Email: p.Email, Phone: p.Phone}
}

// own is the account as one who takes part.
func (w writer) own() party {
	a := &w.v.Account.Account
	return party{FullName: a.Name, Phone: string(a.Phone)}
}

// other is the contact or the group.
func (w writer) other() party {
	c := &w.v.Chat.Chat
	return party{FullName: c.Name, Phone: string(c.Phone)}
}

// peer is someone in the chat: in a direct one the contact under the chat's name,
// in a group the member.
func (w writer) peer(p tideline.Peer) party {
	if !w.v.Chat.Chat.JID.IsGroup() {
		return w.other()
	}
	name := p.Name
	if name == "" {
		name = string(p.Phone())
	}
	return party{FullName: name, Phone: string(p.Phone())}
}

func (w writer) message() message {
	m := &w.v.Message.Message
	at := m.SentAt
	if at.IsZero() {
		at = m.AcceptedAt
	}
	out := message{
		Text: m.Text, Direction: "sent", Origin: string(m.Origin), Timestamp: w.at(at), ReceivedTimestamp: w.at(m.AcceptedAt),
		MessageUID: m.UID, Sender: w.own(), Recipient: w.other(), ReplyToUID: optional(w.v.Message.ReplyToUID),
		Attachments: []attachment{},
	}
	if !m.FromMe {
		out.Direction, out.Sender, out.Recipient = "received", w.peer(m.Sender), w.own()
	}
	if f := w.v.Message.File; f != nil {
		out.Attachments = append(out.Attachments, attachment{
			URL:      w.PublicURL + w.APIPath + "/files/" + f.UID + "/download?" + w.Link(f.UID).Encode(),
			Filename: f.Name, Size: f.Size, MIMEType: f.MIMEType,
		})
	}
	if w.v.Event.Kind == tideline.EventMessageFailed {
		out.FailureReason = &failureReason{Title: m.Reason.Text(), Details: string(m.Reason)}
	}
	return out
}

func (w writer) chat() chat {
	v := w.v.Chat
	c := &v.Chat
	d := &w.v.Event.Detail
	name, email := w.responsible()
	out := chat{
		ID: c.ID, Name: c.Name, Phone: string(c.Phone), JID: string(c.JID), IsGroup: c.JID.IsGroup(),
		Closed: c.Closed, Read: c.Unread == 0, Labels: v.Labels, UnattendedCustomer: c.Unread > 0, AutoresponseEnabled: c.AutoReply,
		AccountID: string(w.v.Account.Account.JID), ChatURL: w.chatURL(), CreatedTimestamp: w.at(c.CreatedAt),
		LastMessageUID: optional(v.LastMessageUID), ResponsibleName: name, ResponsibleEmail: email,
		PreviousResponsibleName: optional(d.PreviousName), PreviousResponsibleEmail: optional(d.PreviousEmail),
	}
	if out.Labels == nil {
		out.Labels = []string{}
	}
	if !c.LastMessageAt.IsZero() {
		out.LastMessageTimestamp = optional(w.at(c.LastMessageAt))
	}
	return out
}

// account shows the account. In an event about itself it has the state that the
// event announces, whatever happened to it since.
func (w writer) account() account {
	a := w.v.Account.Account
	if w.v.Account.Removed {
		a.State = tideline.AccountDisconnected
	}
	connected := a.ConnectedOn
	var gone *string
	switch w.v.Event.Kind {
	case tideline.EventAccountConnected:
		a.State, connected = tideline.AccountActive, w.v.Event.At
	case tideline.EventAccountDisconnected:
		a.State, gone = tideline.AccountDisconnected, optional(w.at(w.v.Event.At))
	}
	if connected.IsZero() {
		connected = a.CreatedAt
	}
	return account{
		ID: string(a.JID), Phone: string(a.Phone), ConnectedOn: w.at(connected), DisconnectedOn: gone,
		Status: a.State.Public(), AccountName: a.Name, OwnerName: a.OwnerName, OwnerEmail: a.OwnerEmail,
	}
}

func (w writer) call() callDetails {
	m := &w.v.Message.Message
	at := m.SentAt
	if at.IsZero() {
		at = m.AcceptedAt
	}
	out := callDetails{
		Direction: "incoming", IsVideo: m.Data[tideline.DataVideo] == "true", Status: callStatus(m.FromMe, m.Status),
		Timestamp: w.at(at), MessageUID: m.UID, Caller: w.peer(m.Sender), Recipient: w.own(),
	}
	if m.FromMe {
		out.Direction, out.Caller, out.Recipient = "outgoing", w.own(), w.other()
	}
	if n, err := strconv.ParseInt(m.Data[tideline.DataDuration], 10, 64); err == nil {
		out.Duration = &n
	}
	return out
}

// callStatus is what became of a call, in the words of the bodies.
func callStatus(outgoing bool, s tideline.Status) string {
	switch {
	case s == tideline.CallRejected:
		return "Rejected"
	case s == tideline.CallMissed && outgoing:
		return "No Answer"
	case s == tideline.CallMissed:
		return "Missed"
	case outgoing:
		return "Ended"
	}
	return "Answered"
}

func (w writer) reaction() reaction {
	d := &w.v.Event.Detail
	out := reaction{
		MessageUID: w.v.Message.Message.UID, Action: "set", Emoji: d.Emoji, Timestamp: w.at(w.v.Event.At),
		Reactions: d.Reactions, Reactor: w.own(),
	}
	if d.Emoji == "" {
		out.Action, out.Emoji = "clear", d.Previous
	}
	if out.Reactions == nil {
		out.Reactions = map[string]int{}
	}
	if !d.Own && d.Reactor != nil {
		out.Reactor = w.peer(*d.Reactor)
	}
	return out
}

// optional gives nil for "".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
