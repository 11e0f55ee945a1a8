package httpapi

import (
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// UpdateChat implements apigen.ServerInterface.
func (s *server) UpdateChat(_ http.ResponseWriter, r *http.Request, id apigen.ChatID) {
	x := of(r)
	n, err := chatID(id)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	b, err := s.bodyOf(r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	change := team.ChatChange{
		Name: b.text("name"), Responsible: b.text("responsible"),
		Closed: b.boolean("closed"), Read: b.boolean("read"), AutoReply: b.boolean("chatgpt_autoresponse_enabled"),
	}
	if err := b.err(); err != nil {
		s.fail(x, r, err)
		return
	}
	c, err := s.team.ChangeChat(r.Context(), x.principal, n, change)
	if err != nil {
		if change.Responsible == nil {
			err = noChat(n, err)
		}
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.ChatResponse{Status: apigen.Ok, Data: s.chatInfo(r, &c)})
}

// ListChatLabels implements apigen.ServerInterface.
func (s *server) ListChatLabels(_ http.ResponseWriter, r *http.Request, id apigen.ChatID) {
	x := of(r)
	n, err := chatID(id)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	labels, err := s.team.Labels(r.Context(), x.principal, n)
	s.replyLabels(x, r, n, labels, err)
}

// ReplaceChatLabels implements apigen.ServerInterface.
func (s *server) ReplaceChatLabels(_ http.ResponseWriter, r *http.Request, id apigen.ChatID) {
	s.putLabels(r, id, true)
}

// AddChatLabels implements apigen.ServerInterface.
func (s *server) AddChatLabels(_ http.ResponseWriter, r *http.Request, id apigen.ChatID) {
	s.putLabels(r, id, false)
}

func (s *server) putLabels(r *http.Request, id apigen.ChatID, replace bool) {
	x := of(r)
	n, err := chatID(id)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	b, err := s.bodyOf(r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	wanted := b.texts("labels")
	if err := b.err(); err != nil {
		s.fail(x, r, err)
		return
	}
	labels, err := s.team.PutLabels(r.Context(), x.principal, n, wanted, replace)
	s.replyLabels(x, r, n, labels, err)
}

func (s *server) replyLabels(x *exchange, r *http.Request, chat int64, labels []string, err error) {
	if err != nil {
		s.fail(x, r, noChat(chat, err))
		return
	}
	if labels == nil {
		labels = []string{}
	}
	s.reply(x, http.StatusOK, apigen.LabelsResponse{Status: apigen.Ok, Data: apigen.LabelsResponse_Data{Labels: labels}})
}

// AddNote implements apigen.ServerInterface.
func (s *server) AddNote(_ http.ResponseWriter, r *http.Request, id apigen.ChatID) {
	x := of(r)
	n, err := chatID(id)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	text, private, err := s.decodeNote(r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	uid, err := s.team.AddNote(r.Context(), x.principal, n, text, private)
	if err != nil {
		s.fail(x, r, noChat(n, err))
		return
	}
	s.reply(x, http.StatusOK, apigen.SendMessageResponse{Status: apigen.Ok, Data: apigen.MessageID{MessageUid: uid}})
}

// decodeNote reads a note: an object, or with text/plain the text itself.
func (s *server) decodeNote(r *http.Request) (text string, private bool, err error) {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "text/plain" {
		raw, err := io.ReadAll(io.LimitReader(r.Body, s.maxJSON+1))
		switch {
		case err != nil:
			return "", false, &tideline.Error{Code: tideline.CodeValidation, Message: "The body did not arrive completely", Err: err}
		case int64(len(raw)) > s.maxJSON:
			return "", false, bodyTooLarge(s.maxJSON)
		case !utf8.Valid(raw):
			return "", false, tideline.Errorf(tideline.CodeValidation, "The note must be UTF-8")
		}
		return string(raw), true, nil
	}
	b, err := s.bodyOf(r)
	if err != nil {
		return "", false, err
	}
	text, private = b.required("text"), true
	if v := b.boolean("is_private"); v != nil {
		private = *v
	}
	return text, private, b.err()
}
