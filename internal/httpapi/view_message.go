package httpapi

import (
	"maps"
	"net/http"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// messageInfo shows a message to who asked in r.
func (s *server) messageInfo(r *http.Request, v *store.MessageView) apigen.MessageInfo {
	m := s.messageSummary(r, v)
	return apigen.MessageInfo{
		Uid: m.Uid, ChatId: m.ChatId, Timestamp: m.Timestamp, ReceivedTimestamp: m.ReceivedTimestamp,
		SenderPhone: m.SenderPhone, SenderName: m.SenderName, RecipientPhone: m.RecipientPhone, RecipientName: m.RecipientName,
		FromMe: m.FromMe, Text: m.Text, AttachmentUrl: m.AttachmentUrl, AttachmentFilename: m.AttachmentFilename,
		Status: m.Status, Origin: m.Origin, HasAttachment: m.HasAttachment,
		MessageType: apigen.MessageInfoMessageType(m.MessageType), Data: m.Data, CreatedBy: m.CreatedBy,
		Reactions: reactions(v),
	}
}

// messageSummary shows a message without its reactions.
func (s *server) messageSummary(r *http.Request, v *store.MessageView) apigen.MessageSummary {
	m := &v.Message
	loc := of(r).principal.Workspace.Location()
	at := m.SentAt
	if at.IsZero() {
		at = m.AcceptedAt
	}
	info := apigen.MessageSummary{
		Uid:               m.UID,
		ChatId:            m.ChatID,
		Timestamp:         timestamp(at, loc),
		ReceivedTimestamp: timestamp(m.AcceptedAt, loc),
		SenderPhone:       string(v.Account.Phone),
		SenderName:        v.Account.Name,
		RecipientPhone:    string(v.Chat.Phone),
		RecipientName:     v.Chat.Name,
		FromMe:            m.FromMe,
		Text:              optional(m.Text),
		Status:            apigen.MessageStatus(m.Status),
		Origin:            string(m.Origin),
		HasAttachment:     v.File != nil || m.Data[tideline.DataAttachment] != "",
		MessageType:       apigen.MessageSummaryMessageType(m.Type()),
		Data:              messageData(v),
		CreatedBy:         v.MemberName,
	}
	if !m.FromMe {
		info.RecipientPhone, info.RecipientName = info.SenderPhone, info.SenderName
		info.SenderPhone, info.SenderName = sender(v)
	}
	if v.File != nil {
		link := s.fileLink(r, v.File.UID)
		info.AttachmentUrl, info.AttachmentFilename = &link, &v.File.Name
	}
	return info
}

// sender is who wrote a received message: in a direct chat the contact, under
// the chat's name, in a group the member.
func sender(v *store.MessageView) (phone, name string) {
	if !v.Chat.JID.IsGroup() {
		return string(v.Chat.Phone), v.Chat.Name
	}
	p := v.Message.Sender
	name = p.Name
	if name == "" {
		name = string(p.Phone())
	}
	return string(p.Phone()), name
}

// messageData is what is known about a message besides its text.
func messageData(v *store.MessageView) map[string]string {
	data := maps.Clone(v.Message.Data)
	if data == nil {
		data = make(map[string]string)
	}
	if v.ReplyToUID != "" {
		data["reply_to_uid"] = v.ReplyToUID
	}
	if !v.Message.EditedAt.IsZero() {
		data["edited"] = "true"
	}
	if !v.Message.DeletedAt.IsZero() {
		data["deleted"] = "true"
	}
	return data
}

// reactions shows who reacted to a message.
func reactions(v *store.MessageView) apigen.Reactions {
	all := apigen.Reactions{Users: []apigen.UserReaction{}, Reactions: map[string]int{}, Total: len(v.Reactions)}
	for _, r := range v.Reactions {
		user := apigen.UserReaction{Name: r.Peer.Name, Phone: string(r.Peer.Phone()), Reaction: r.Emoji, Current: r.Own}
		switch {
		case r.Own:
			user.Name, user.Phone = v.Account.Name, string(v.Account.Phone)
		case !v.Chat.JID.IsGroup():
			user.Name, user.Phone = v.Chat.Name, string(v.Chat.Phone)
		}
		all.Users = append(all.Users, user)
		all.Reactions[r.Emoji]++
	}
	return all
}
