package meow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// message passes on what came in a chat. False keeps WhatsApp from being
// answered, and as it repeats a message only after the next connection, that is
// brought about. The library has kept the plaintext by then (message.go,
// bufferedDecrypt), so a message can be passed on again although it can be
// decrypted only once.
func (s *session) message(e *events.Message) bool {
	if n := announcement(e.Message); n != nil && e.Info.IsFromMe {
		return s.history(e.Info.ID, n)
	}
	if !conversation(&e.Info) {
		return true
	}
	s.reveal(e)
	in, ok := convert(e)
	if !ok {
		s.c.log.Debug("message without content for people", "device", s.device, "id", e.Info.ID, "type", e.Info.Type)
		return true
	}
	err := s.address(s.c.ctx, &e.Info, &in)
	if err == nil {
		err = s.pass(func() error { return s.c.handler.Message(s.c.ctx, s.device, in) })
	}
	if err == nil {
		return true
	}
	if errors.Is(err, errSessionOver) {
		return false // it comes to whoever connects next
	}
	s.c.log.Error("message not stored; whatsapp will repeat it", "device", s.device, "id", in.ID, "err", err)
	s.repeatLater()
	return false
}

// conversation reports whether a message belongs to a chat that Tideline shows.
// Channels and status updates are published, not said to somebody; what goes to
// a broadcast list of the owner's arrives in each recipient's own chat.
func conversation(info *types.MessageInfo) bool {
	switch info.Chat.Server {
	case types.DefaultUserServer, types.HiddenUserServer, types.GroupServer, types.LegacyUserServer:
		return info.Category != "peer"
	case types.BroadcastServer:
		return info.Chat != types.StatusBroadcastJID && !info.IsFromMe
	}
	return false
}

// reveal decrypts what is encrypted once more inside a message, under the
// secret of an earlier one. When that fails the message stays as it is.
func (s *session) reveal(e *events.Message) {
	switch {
	case e.Message.GetSecretEncryptedMessage() != nil:
		m, err := s.cli.DecryptSecretEncryptedMessage(s.c.ctx, e)
		if err != nil {
			s.c.log.Warn("decrypt a change of a message", "device", s.device, "id", e.Info.ID, "err", err)
			return
		}
		e.Message = m
	case e.Message.GetEncReactionMessage() != nil:
		r, err := s.cli.DecryptReaction(s.c.ctx, e)
		if err != nil {
			s.c.log.Warn("decrypt a reaction", "device", s.device, "id", e.Info.ID, "err", err)
			return
		}
		if r.Key == nil {
			r.Key = e.Message.GetEncReactionMessage().GetTargetMessageKey()
		}
		e.Message.ReactionMessage, e.Message.EncReactionMessage = r, nil
	}
}

// address says in whose chat a message is and who wrote it, under both of their
// addresses as far as they are known.
func (s *session) address(ctx context.Context, info *types.MessageInfo, in *whatsapp.Inbound) error {
	in.ID, in.FromMe, in.At = info.ID, info.IsFromMe, info.Timestamp
	var err error
	if !info.IsFromMe {
		if in.Sender, err = s.peer(ctx, info.Sender, info.SenderAlt); err != nil {
			return err
		}
		if in.Sender.Name, err = s.contactName(ctx, in.Sender, pushName(info.PushName)); err != nil {
			return err
		}
	}
	switch {
	case info.Chat.Server == types.GroupServer:
		in.Chat = tideline.Peer{JID: tideline.JID(info.Chat.String())}
	case !info.IsFromMe:
		in.Chat = in.Sender
	default:
		chat, alt := info.Chat, info.RecipientAlt
		if own := chat.User == s.jid.User || chat.User == s.cli.Store.LID.User; own && info.DeviceSentMeta != nil {
			// The stanza names the chat; older servers leave that to the message.
			if to, parseErr := types.ParseJID(info.DeviceSentMeta.DestinationJID); parseErr == nil && to.User != "" {
				chat, alt = to, types.EmptyJID
			}
		}
		if in.Chat, err = s.peer(ctx, chat, alt); err == nil {
			in.Chat.Name, err = s.contactName(ctx, in.Chat, "")
		}
	}
	return err
}

// pushName is the name that a sender gives; WhatsApp sends "-" for none.
func pushName(name string) string {
	if name == "-" {
		return ""
	}
	return name
}

// peer gives a person both of their addresses. alt is what the stanza says; when
// it says nothing, what the library remembers.
func (s *session) peer(ctx context.Context, jid, alt types.JID) (tideline.Peer, error) {
	var pn, lid types.JID
	for _, j := range []types.JID{alt, jid} {
		switch j.Server {
		case types.DefaultUserServer, types.HostedServer, types.LegacyUserServer:
			pn = types.NewJID(j.User, types.DefaultUserServer)
		case types.HiddenUserServer, types.HostedLIDServer:
			lid = types.NewJID(j.User, types.HiddenUserServer)
		}
	}
	lids := s.c.sessions.container.LIDMap
	var known types.JID
	var err error
	switch {
	case pn.IsEmpty() && !lid.IsEmpty():
		known, err = lids.GetPNForLID(ctx, lid)
		pn = known.ToNonAD()
	case lid.IsEmpty() && !pn.IsEmpty():
		known, err = lids.GetLIDForPN(ctx, pn)
		lid = known.ToNonAD()
	}
	if err != nil {
		return tideline.Peer{}, fmt.Errorf("look up the other address of a contact: %w", err)
	}
	return tideline.Peer{JID: domainJID(pn), LID: domainJID(lid)}, nil
}

func domainJID(j types.JID) tideline.JID {
	if j.User == "" {
		return ""
	}
	return tideline.JID(j.String())
}

// repeatLater resets the connection after a while, because WhatsApp repeats what
// was not acknowledged only after a login.
func (s *session) repeatLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.resetAt != nil {
		return
	}
	s.resetAt = time.AfterFunc(s.c.opts.RedeliverAfter, func() {
		s.mu.Lock()
		s.resetAt = nil
		s.mu.Unlock()
		s.c.spawn(s.line.cut)
	})
}
