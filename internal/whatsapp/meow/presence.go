package meow

import (
	"context"
	"fmt"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Available implements whatsapp.Presencer. The library's receipts for what arrives
// are shown to senders only while the account is available (whatsmeow receipt.go,
// SetForceActiveDeliveryReceipts); the phone's own always are.
func (c *Connector) Available(ctx context.Context, device string, available bool) error {
	state := types.PresenceUnavailable
	if available {
		state = types.PresenceAvailable
	}
	return c.present(ctx, device, "show presence", func(ctx context.Context, s *session) error {
		return s.cli.SendPresence(ctx, state)
	})
}

// Watch implements whatsapp.Presencer.
func (c *Connector) Watch(ctx context.Context, device string, contact tideline.Peer) error {
	jid, err := recipient(contact.Address())
	if err != nil || jid.Server == types.GroupServer {
		return err
	}
	return c.present(ctx, device, "watch a contact", func(ctx context.Context, s *session) error {
		return s.cli.SubscribePresence(ctx, jid)
	})
}

// Compose implements whatsapp.Presencer.
func (c *Connector) Compose(ctx context.Context, device string, chat tideline.JID, doing whatsapp.Composing) error {
	jid, err := recipient(chat)
	if err != nil {
		return err
	}
	state, media := types.ChatPresenceComposing, types.ChatPresenceMediaText
	switch doing {
	case whatsapp.ComposingNothing:
		state = types.ChatPresencePaused
	case whatsapp.ComposingVoice:
		media = types.ChatPresenceMediaAudio
	}
	return c.present(ctx, device, "show that somebody writes", func(ctx context.Context, s *session) error {
		return s.cli.SendChatPresence(ctx, jid, state, media)
	})
}

// MarkRead implements whatsapp.Presencer. Where the owner has switched read receipts
// off, the library tells only their own devices (whatsmeow receipt.go).
func (c *Connector) MarkRead(ctx context.Context, device string, r whatsapp.ReadMessages) error {
	if len(r.IDs) == 0 {
		return nil
	}
	chat, err := recipient(r.Chat)
	if err != nil {
		return err
	}
	var sender types.JID
	if chat.Server == types.GroupServer {
		if sender, err = recipient(r.Sender.Address()); err != nil {
			return err
		}
	}
	return c.present(ctx, device, "mark messages read", func(ctx context.Context, s *session) error {
		return s.cli.MarkRead(ctx, r.IDs, r.At, chat, sender)
	})
}

// present calls the library for an account that is connected.
func (c *Connector) present(ctx context.Context, device, what string, call func(context.Context, *session) error) error {
	s := c.lookup(device)
	if s == nil || !s.active() {
		return whatsapp.ErrOffline
	}
	if err := call(ctx, s); err != nil {
		return fmt.Errorf("%s: %w", what, quiet(err))
	}
	return nil
}

// composing passes on that somebody writes. What can't be told is lost, which is no
// harm.
func (s *session) composing(e *events.ChatPresence) {
	if e.IsFromMe || !s.active() {
		return
	}
	sender, err := s.peer(s.ctx, e.Sender, e.SenderAlt)
	if err != nil || sender.Address() == "" {
		return
	}
	sender.Name, _ = s.contactName(s.ctx, sender, "") // "" is allowed
	ev := whatsapp.ComposingEvent{Chat: sender, Sender: sender}
	if e.IsGroup {
		ev.Chat = tideline.Peer{JID: domainJID(e.Chat)}
	}
	if e.State == types.ChatPresenceComposing {
		ev.Doing = whatsapp.ComposingText
		if e.Media == types.ChatPresenceMediaAudio {
			ev.Doing = whatsapp.ComposingVoice
		}
	}
	_ = s.pass(func() error {
		s.c.handler.Composing(s.c.ctx, s.device, ev)
		return nil
	})
}
