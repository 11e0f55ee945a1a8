package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// chatID reads the id of a chat out of a path.
func chatID(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return 0, tideline.Errorf(tideline.CodeNotFound, "Whatsapp chat_id not found: the id of a chat is a number")
	}
	return n, nil
}

// noChat says not_found in the words that clients know.
func noChat(id int64, err error) error {
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return tideline.Errorf(tideline.CodeNotFound, "Whatsapp chat_id %d not found", id)
	}
	return err
}

// ListChats implements apigen.ServerInterface.
func (s *server) ListChats(_ http.ResponseWriter, r *http.Request, _ apigen.ListChatsParams) {
	s.listChats(of(r), r, queryOf(r), nil)
}

// listChats answers with the chats that q selects of those that viewer sees.
func (s *server) listChats(x *exchange, r *http.Request, q *query, viewer *store.Viewer) {
	loc := x.principal.Workspace.Location()
	f := store.ChatFilter{
		Labels: q.list("label"), Names: q.list("name"), Responsible: q.list("responsible"), VisibleTo: viewer,
		Group: q.boolean("group"), Read: q.boolean("read"), Closed: q.boolean("closed"), AutoReply: q.boolean("chatgpt_autoresponse_enabled"),
		CreatedAfter: q.time("created_after", loc, false), CreatedBefore: q.time("created_before", loc, true),
	}
	for _, id := range q.list("whatsapp_account_id") {
		f.Accounts = append(f.Accounts, tideline.JID(id))
	}
	f.Phone = phoneFilter(q.text("phone"))
	if f.Phone != "" {
		direct := false
		none := f.Group != nil && *f.Group
		f.Group = &direct
		if none {
			s.noChats(x)
			return
		}
	}
	for _, phone := range q.list("whatsapp_phone") {
		f.ContactPhones = append(f.ContactPhones, digitsOf(phone))
	}
	withMessage := q.boolean("with_msg")
	f.WithLastMessage = withMessage != nil && *withMessage
	page := q.page()
	if err := q.err(); err != nil {
		s.fail(x, r, err)
		return
	}
	if q.text("phone") != "" && f.Phone == "" {
		s.noChats(x)
		return
	}
	chats, more, err := s.storage.ListChats(r.Context(), x.principal.Workspace.ID, f, page)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	list := make([]apigen.ChatInfo, len(chats))
	for i := range chats {
		list[i] = s.chatInfo(r, &chats[i])
	}
	s.reply(x, http.StatusOK, apigen.ChatsResponse{Status: apigen.Ok, Data: apigen.ChatsResponse_Data{HasMorePages: more, Chats: list}})
}

func (s *server) noChats(x *exchange) {
	s.reply(x, http.StatusOK, apigen.ChatsResponse{Status: apigen.Ok, Data: apigen.ChatsResponse_Data{Chats: []apigen.ChatInfo{}}})
}

// GetChat implements apigen.ServerInterface.
func (s *server) GetChat(_ http.ResponseWriter, r *http.Request, id apigen.ChatID) {
	x := of(r)
	n, err := chatID(id)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	c, err := s.storage.ChatView(r.Context(), x.principal.Workspace.ID, n)
	if err != nil {
		s.fail(x, r, noChat(n, err))
		return
	}
	s.reply(x, http.StatusOK, apigen.ChatResponse{Status: apigen.Ok, Data: s.chatInfo(r, &c)})
}

// ListChatMessages implements apigen.ServerInterface.
func (s *server) ListChatMessages(_ http.ResponseWriter, r *http.Request, id apigen.ChatID, _ apigen.ListChatMessagesParams) {
	x := of(r)
	n, err := chatID(id)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	loc := x.principal.Workspace.Location()
	q := queryOf(r)
	f := store.MessageFilter{
		FromMe: q.boolean("from_me"),
		After:  q.time("after", loc, false), Before: q.time("before", loc, true),
		AfterMessage: q.uid("after_message"), BeforeMessage: q.uid("before_message"),
		OldestFirst: q.oneOf("sorting_order", "asc", "desc") == "asc",
	}
	page := q.page()
	if err := q.err(); err != nil {
		s.fail(x, r, err)
		return
	}
	messages, more, err := s.storage.ChatMessages(r.Context(), x.principal.Workspace.ID, n, f, page)
	if err != nil {
		if f.AfterMessage == "" && f.BeforeMessage == "" {
			err = noChat(n, err)
		}
		s.fail(x, r, err)
		return
	}
	list := make([]apigen.MessageInfo, len(messages))
	for i := range messages {
		list[i] = s.messageInfo(r, &messages[i])
	}
	s.reply(x, http.StatusOK, apigen.MessagesResponse{Status: apigen.Ok, Data: apigen.MessagesResponse_Data{HasMorePages: more, Messages: list}})
}

// chatInfo shows a chat to who asked in r.
func (s *server) chatInfo(r *http.Request, v *store.ChatView) apigen.ChatInfo {
	c := &v.Chat
	loc := of(r).principal.Workspace.Location()
	info := apigen.ChatInfo{
		Id:                         c.ID,
		Name:                       c.Name,
		Phone:                      optional(string(c.Phone)),
		Jid:                        string(c.JID),
		IsGroup:                    c.JID.IsGroup(),
		Closed:                     c.Closed,
		Read:                       c.Unread == 0,
		Labels:                     v.Labels,
		WhatsappAccountId:          string(v.Account.JID),
		ChatUrl:                    fmt.Sprintf("%s/chat/%d/messages/", s.baseURL(r), c.ID),
		CreatedTimestamp:           timestamp(c.CreatedAt, loc),
		LastMessageUid:             optional(v.LastMessageUID),
		Unattended:                 c.Unread > 0,
		ChatgptAutoresponseEnabled: c.AutoReply,
		IsAllowedToMessage:         !v.AccountGone && v.Account.State == tideline.AccountActive && c.Bar == "",
	}
	if v.PhotoUID != "" {
		link := s.fileLink(r, v.PhotoUID)
		info.Photo = &link
	}
	if info.IsGroup {
		members := make([]apigen.GroupMember, len(v.Members))
		for i := range v.Members {
			members[i] = groupMember(&v.Members[i])
		}
		info.GroupMembers = &members
	}
	if info.Labels == nil {
		info.Labels = []string{}
	}
	if !c.LastMessageAt.IsZero() {
		at := timestamp(c.LastMessageAt, loc)
		info.LastMessageTimestamp = &at
	}
	if m := v.Responsible; m != nil {
		info.ResponsibleEmail, info.ResponsibleName = &m.Email, &m.DisplayName
	}
	if v.LastMessage != nil {
		m := s.messageSummary(r, v.LastMessage)
		info.LastMessage = &m
	}
	return info
}

// groupMember shows a member of a group. Who has told no name is called by the
// number.
func groupMember(m *store.GroupMemberView) apigen.GroupMember {
	shown := apigen.GroupMember{Name: cmp.Or(m.Name, string(m.Phone)), Phone: optional(string(m.Phone)), Role: apigen.GroupMemberRole(m.Role)}
	if m.ChatID != 0 {
		shown.ChatId = &m.ChatID
	}
	return shown
}
