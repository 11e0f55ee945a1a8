package meow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// errNoAck is the cause when WhatsApp did not acknowledge in SendTimeout.
var errNoAck = errors.New("no acknowledgement in time")

// Send implements whatsapp.Connector. Messages of one account go one at a time.
// When the connection drops while the acknowledgement is awaited and is back
// within five seconds, the library repeats the frame by itself (request.go);
// the id is the same.
func (c *Connector) Send(ctx context.Context, m whatsapp.Outgoing) (whatsapp.Sent, error) {
	s := c.lookup(m.DeviceJID)
	if s == nil || !s.active() {
		return whatsapp.Sent{}, &whatsapp.SendError{Offline: true, Err: whatsapp.ErrOffline}
	}
	to, err := recipient(m.To)
	if err != nil {
		return whatsapp.Sent{}, &whatsapp.SendError{Reason: tideline.ReasonInvalidRecipient, Err: err}
	}
	select {
	case s.slot <- struct{}{}:
	case <-ctx.Done():
		return whatsapp.Sent{}, &whatsapp.SendError{Err: fmt.Errorf("wait for the account's previous message: %w", ctx.Err())}
	}
	sent, err := s.send(ctx, to, m.MessageID, func(ctx context.Context) (*waE2E.Message, error) { return s.content(ctx, m) })
	if err != nil {
		if e, ok := errors.AsType[*whatsapp.SendError](err); ok && e.Reason == tideline.ReasonReachOutLimited {
			s.reachOutRefused(ctx)
		}
		return whatsapp.Sent{}, err
	}
	return sent, nil
}

// React implements whatsapp.Connector. A reaction is a message with an id of its
// own; a phone keeps the last one of each person.
func (c *Connector) React(ctx context.Context, r whatsapp.Reaction) error {
	s := c.lookup(r.DeviceJID)
	if s == nil || !s.active() {
		return &whatsapp.SendError{Offline: true, Err: whatsapp.ErrOffline}
	}
	to, err := recipient(r.Chat)
	var sender types.JID
	if err == nil && !r.FromMe {
		sender, err = recipient(r.Sender.Address())
	}
	if err != nil {
		return &whatsapp.SendError{Reason: tideline.ReasonInvalidRecipient, Err: err}
	}
	select {
	case s.slot <- struct{}{}:
	case <-ctx.Done():
		return &whatsapp.SendError{Err: fmt.Errorf("wait for the account's previous message: %w", ctx.Err())}
	}
	_, err = s.send(ctx, to, c.NewMessageID(), func(context.Context) (*waE2E.Message, error) {
		return s.cli.BuildReaction(to, sender, r.MessageID, r.Emoji), nil
	})
	return err
}

// recipient reads whom a message is for.
func recipient(jid tideline.JID) (types.JID, error) {
	to, err := types.ParseJID(string(jid))
	if err != nil || to.User == "" || to.Device != 0 {
		return types.JID{}, errors.Join(fmt.Errorf("recipient of kind %q can't be written to", jid.Server()), err)
	}
	switch to.Server {
	case types.DefaultUserServer, types.HiddenUserServer, types.GroupServer:
		return to, nil
	}
	return types.JID{}, fmt.Errorf("recipient of kind %q can't be written to", jid.Server())
}

// send makes one attempt. It owns the account's slot and gives it back when the
// library is done, which can be later than it returns.
func (s *session) send(ctx context.Context, to types.JID, id string, build func(context.Context) (*waE2E.Message, error)) (whatsapp.Sent, error) {
	handedOver := false
	defer func() {
		if !handedOver {
			<-s.slot
		}
	}()
	lookupCtx, cancelLookup := context.WithTimeout(ctx, s.c.opts.SendTimeout)
	err := s.mustExist(lookupCtx, to)
	cancelLookup()
	if err != nil {
		return whatsapp.Sent{}, err
	}
	msg, err := build(ctx)
	if err != nil {
		return whatsapp.Sent{}, err
	}

	ctx, cancel := context.WithTimeoutCause(ctx, s.c.opts.SendTimeout, errNoAck)
	answer := make(chan whatsmeow.SendResponse, 1)
	failure := make(chan error, 1)
	// The library's lock knows no context, and after a drop it waits for a
	// reconnect whatever the context says. So it gets a goroutine for the call.
	handedOver = s.c.spawn(func() {
		defer func() { <-s.slot }()
		defer cancel()
		ctx, turn := sendTurn(ctx)
		defer turn.stop(nil)
		defer turn.end()
		resp, err := s.cli.SendMessage(ctx, to, msg, whatsmeow.SendRequestExtra{ID: id})
		if err == nil && !s.reached(to, turn) {
			err = errNotReached
		}
		if err != nil {
			failure <- err
			return
		}
		answer <- resp
	})
	if !handedOver {
		cancel()
		return whatsapp.Sent{}, &whatsapp.SendError{Offline: true, Err: errClosed}
	}
	select {
	case resp := <-answer:
		if resp.Timestamp.IsZero() || resp.Timestamp.Unix() == 0 {
			resp.Timestamp = time.Now() // an acknowledgement without a time
		}
		return whatsapp.Sent{At: resp.Timestamp}, nil
	case err := <-failure:
		return whatsapp.Sent{}, sendError(timedOut(ctx, err))
	case <-ctx.Done():
		return whatsapp.Sent{}, &whatsapp.SendError{Unknown: true, Err: context.Cause(ctx)}
	}
}

// mustExist asks WhatsApp about a number that this connector never wrote to. The
// library would do the same before a send, but its error for a number without an
// account has no type (send.go, "no LID found").
func (s *session) mustExist(ctx context.Context, to types.JID) error {
	if to.Server != types.DefaultUserServer {
		return nil
	}
	lids := s.c.sessions.container.LIDMap
	if lid, err := lids.GetLIDForPN(ctx, to); err != nil {
		return &whatsapp.SendError{Err: fmt.Errorf("look up the recipient: %w", quiet(err))}
	} else if !lid.IsEmpty() {
		return nil
	}
	users, err := s.cli.GetUserInfo(ctx, []types.JID{to})
	switch {
	case err != nil && !s.active():
		return &whatsapp.SendError{Offline: true, Err: fmt.Errorf("ask for the recipient: %w", quiet(err))}
	case err != nil:
		return &whatsapp.SendError{Err: fmt.Errorf("ask for the recipient: %w", quiet(err))}
	case users[to].LID.IsEmpty():
		return &whatsapp.SendError{Reason: tideline.ReasonNotOnWhatsApp, Err: errNoRecipient}
	}
	return nil
}

// content builds the message, uploading its attachment first.
func (s *session) content(ctx context.Context, m whatsapp.Outgoing) (*waE2E.Message, error) {
	quote := s.quote(m.Quote)
	if m.File == nil {
		if quote == nil {
			return &waE2E.Message{Conversation: &m.Text}, nil
		}
		return &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{Text: &m.Text, ContextInfo: quote}}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.opts.UploadTimeout)
	defer cancel()
	msg, err := s.attachment(ctx, m.File, m.Text)
	if err != nil {
		return nil, attachmentError(err)
	}
	attach(msg, quote)
	return msg, nil
}

// quotedText is how much of the quoted text goes along, in characters. Phones
// that have the message show their own copy.
const quotedText = 200

// quote refers to an earlier message; nil when there is none.
func (s *session) quote(q *whatsapp.Quote) *waE2E.ContextInfo {
	if q == nil {
		return nil
	}
	author := s.jid.ToNonAD().String()
	if !q.FromMe {
		author = string(q.Sender.Address())
	}
	text := q.Text
	if r := []rune(text); len(r) > quotedText {
		text = string(r[:quotedText])
	}
	return &waE2E.ContextInfo{StanzaID: &q.MessageID, Participant: &author, QuotedMessage: &waE2E.Message{Conversation: &text}}
}

// attach puts the quote into the part of a message with a file that carries it.
func attach(msg *waE2E.Message, quote *waE2E.ContextInfo) {
	if inner := msg.GetDocumentWithCaptionMessage().GetMessage(); inner != nil {
		msg = inner
	}
	switch {
	case quote == nil:
	case msg.ImageMessage != nil:
		msg.ImageMessage.ContextInfo = quote
	case msg.VideoMessage != nil:
		msg.VideoMessage.ContextInfo = quote
	case msg.AudioMessage != nil:
		msg.AudioMessage.ContextInfo = quote
	case msg.DocumentMessage != nil:
		msg.DocumentMessage.ContextInfo = quote
	}
}
