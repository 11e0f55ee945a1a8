package httpapi

import (
	"net/http"
	"regexp"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// GetMessageReactions implements apigen.ServerInterface.
func (s *server) GetMessageReactions(_ http.ResponseWriter, r *http.Request, uid apigen.MessageUID) {
	x := of(r)
	v, err := s.message(r.Context(), x.principal, uid)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.ReactionsResponse{Status: apigen.Ok, Data: reactions(&v)})
}

// PutMessageReaction implements apigen.ServerInterface.
func (s *server) PutMessageReaction(w http.ResponseWriter, r *http.Request, uid apigen.MessageUID) {
	s.SetMessageReaction(w, r, uid)
}

// SetMessageReaction implements apigen.ServerInterface.
func (s *server) SetMessageReaction(_ http.ResponseWriter, r *http.Request, uid apigen.MessageUID) {
	x := of(r)
	emoji, err := s.decodeReaction(r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	id, err := uuid.Parse(uid)
	if err != nil {
		s.fail(x, r, tideline.Errorf(tideline.CodeNotFound, "Message not found: this is not the uid of a message"))
		return
	}
	v, err := s.messages.React(r.Context(), x.principal, id.String(), emoji)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.SendMessageResponse{Status: apigen.Ok, Data: apigen.MessageID{MessageUid: v.Message.UID}})
}

// decodeReaction reads the body of a reaction.
func (s *server) decodeReaction(r *http.Request) (string, error) {
	b, err := s.bodyOf(r)
	if err != nil {
		return "", err
	}
	if !b.given("reaction") {
		b.blame("is required: an emoji, or an empty text to take the reaction back", "reaction")
		return "", b.err()
	}
	emoji := b.required("reaction")
	return unescaped(emoji), b.err()
}

// unescaped gives the characters of a text that is nothing but escapes such as
// \uD83D\uDC4D, as some programs write emojis.
func unescaped(s string) string {
	if !escapesOnly.MatchString(s) {
		return s
	}
	var text string
	if json.Unmarshal([]byte(`"`+s+`"`), &text) != nil {
		return s
	}
	return text
}

var escapesOnly = regexp.MustCompile(`^(?:\\u[0-9A-Fa-f]{4})+$`)
