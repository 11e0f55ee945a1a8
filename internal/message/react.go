package message

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	// maxReaction is the length of a reaction, in characters.
	maxReaction = 50
	// reactTimeout bounds the wait for WhatsApp's acknowledgement.
	reactTimeout = 25 * time.Second
)

// React gives a message the account's reaction, in place of one that it gave
// before, or takes it back with "". It costs nothing, does not wait in the queue
// and returns when WhatsApp has it. Errors: validation_error (no reaction, or an
// account or message that can't react now), not_found, permission_denied;
// tideline.ErrElsewhere when another node holds the account, which is to be asked.
func (s *Service) React(ctx context.Context, p *tideline.Principal, uid, emoji string) (store.MessageView, error) {
	if !p.Member.Role.MaySend() {
		return store.MessageView{}, tideline.Errorf(tideline.CodePermissionDenied, "A member with the role %s may not react to messages; ask an admin for another role", p.Member.Role)
	}
	if err := checkReaction(emoji); err != nil {
		return store.MessageView{}, err
	}
	v, err := s.Get(ctx, p, uid)
	if err != nil {
		return store.MessageView{}, err
	}
	m := &v.Message
	switch {
	case m.Type() != tideline.TypeWhatsApp || m.Status == tideline.StatusPending || m.Status == tideline.StatusFailed:
		return store.MessageView{}, tideline.Errorf(tideline.CodeValidation, "Message uid %s is not on WhatsApp, so nobody can react to it", uid)
	case v.Chat.Bar == tideline.BarLeft: // members who may not write may react
		return store.MessageView{}, barred(v.Chat.Bar)
	case s.reactor == nil || v.Account.DeviceJID == "":
		return store.MessageView{}, errCantReact
	case s.held != nil && !s.held(v.Account.ID):
		return store.MessageView{}, tideline.ErrElsewhere
	}
	sender := m.Sender
	if sender.Address() == "" && !m.FromMe {
		sender = tideline.Peer{JID: v.Chat.JID}
	}
	ctx, cancel := context.WithTimeout(ctx, reactTimeout)
	defer cancel()
	err = s.reactor.React(ctx, v.Account.ID, whatsapp.Reaction{
		DeviceJID: v.Account.DeviceJID, Chat: v.Chat.JID, MessageID: m.WhatsAppID, FromMe: m.FromMe, Sender: sender, Emoji: emoji,
	})
	if e, ok := errors.AsType[*whatsapp.SendError](err); ok {
		switch {
		case e.Offline:
			return store.MessageView{}, errCantReact
		case e.Reason != "":
			return store.MessageView{}, &tideline.Error{Code: tideline.CodeValidation, Message: "WhatsApp did not take the reaction: " + e.Reason.Text(), Err: err}
		}
	}
	if err != nil {
		return store.MessageView{}, err
	}
	if err := s.store.PutReaction(ctx, p.Workspace.ID, m.ID, emoji, s.now()); err != nil {
		return store.MessageView{}, err
	}
	return v, nil
}

var errCantReact = tideline.Errorf(tideline.CodeValidation, "No connected WhatsApp account: the account of this message is not connected, and a reaction can't wait for it")

// checkReaction refuses what can't be an emoji: WhatsApp's phones would show it
// as a broken one.
func checkReaction(emoji string) error {
	msg := ""
	switch {
	case utf8.RuneCountInString(emoji) > maxReaction:
		msg = "is longer than 50 characters"
	case emoji != "" && strings.TrimSpace(emoji) == "":
		msg = "must be an emoji, or empty to take the reaction back"
	case strings.ContainsFunc(emoji, func(r rune) bool { return r < 0x20 || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }):
		msg = "must be an emoji"
	default:
		return nil
	}
	return tideline.Invalid([]tideline.FieldError{{Path: []string{"reaction"}, Msg: msg}})
}
