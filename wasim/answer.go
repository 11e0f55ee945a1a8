package wasim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// ErrNotOwn is returned when a phone is asked to change a message that somebody else wrote.
var ErrNotOwn = errors.New("wasim: only who wrote a message may change it")

// shownMessage is a message as it stands on a phone, received or sent.
type shownMessage struct {
	id     string
	chat   string // a number with "+", or a group's JID
	author string // number with "+"
	own    bool
	text   string
	file   *fileRef // nil without an attachment, or for one logged before its key was kept
}

// Reply sends a text that quotes a message which the phone shows, to the chat of that message. See [Phone.Send].
func (p *Phone) Reply(ctx context.Context, messageID, text string) (string, error) {
	if text == "" || len(text) > maxText {
		return "", fmt.Errorf("wasim: a text has 1 to %d bytes", maxText)
	}
	m, err := p.shown(messageID)
	if err != nil {
		return "", err
	}
	return p.SendMessage(ctx, m.chat, &waE2E.Message{ExtendedTextMessage: &waE2E.ExtendedTextMessage{
		Text: proto.String(text),
		ContextInfo: &waE2E.ContextInfo{
			StanzaID: proto.String(m.id), Participant: proto.String(p.addressOf(m.author)),
			QuotedMessage: &waE2E.Message{Conversation: proto.String(m.text)},
		},
	}})
}

// React gives a message that the phone shows an emoji in place of the one before; "" takes it back.
func (p *Phone) React(ctx context.Context, messageID, emoji string) error {
	m, err := p.shown(messageID)
	if err != nil {
		return err
	}
	_, err = p.SendMessage(ctx, m.chat, &waE2E.Message{ReactionMessage: &waE2E.ReactionMessage{
		Key: p.keyOf(m), Text: proto.String(emoji), SenderTimestampMS: proto.Int64(p.srv.now().UnixMilli()),
	}})
	return err
}

// Edit changes the text of a message that the phone has sent.
func (p *Phone) Edit(ctx context.Context, messageID, text string) error {
	m, err := p.shown(messageID)
	switch {
	case err != nil:
		return err
	case !m.own:
		return ErrNotOwn
	case text == "" || len(text) > maxText:
		return fmt.Errorf("wasim: a text has 1 to %d bytes", maxText)
	}
	_, err = p.SendMessage(ctx, m.chat, &waE2E.Message{EditedMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{
		ProtocolMessage: &waE2E.ProtocolMessage{
			Type: waE2E.ProtocolMessage_MESSAGE_EDIT.Enum(), Key: p.keyOf(m),
			EditedMessage: &waE2E.Message{Conversation: proto.String(text)},
			TimestampMS:   proto.Int64(p.srv.now().UnixMilli()),
		},
	}}})
	return err
}

// Delete takes back, for everyone, a message that the phone has sent.
func (p *Phone) Delete(ctx context.Context, messageID string) error {
	m, err := p.shown(messageID)
	switch {
	case err != nil:
		return err
	case !m.own:
		return ErrNotOwn
	}
	_, err = p.SendMessage(ctx, m.chat, &waE2E.Message{ProtocolMessage: &waE2E.ProtocolMessage{
		Type: waE2E.ProtocolMessage_REVOKE.Enum(), Key: p.keyOf(m),
	}})
	return err
}

// OpenFile gives the decrypted bytes of the attachment of a message that the phone shows, and its MIME type. It
// fetches them anew, so faults of downloads strike here too.
func (p *Phone) OpenFile(messageID string) (data []byte, mime string, err error) {
	m, err := p.shown(messageID)
	switch {
	case err != nil:
		return nil, "", err
	case m.file == nil:
		return nil, "", fmt.Errorf("wasim: message %s has no file that could be opened: %w", messageID, ErrNoMessage)
	}
	if data, err = p.srv.openFile(m.file); err != nil {
		return nil, "", fmt.Errorf("wasim: %w", err)
	}
	return data, m.file.mime, nil
}

// keyOf names a message in the way that this phone's messages do.
func (p *Phone) keyOf(m shownMessage) *waCommon.MessageKey {
	k := &waCommon.MessageKey{ID: proto.String(m.id), FromMe: proto.Bool(m.own)}
	if jid, ok := parseGroup(m.chat); ok {
		k.RemoteJID = proto.String(jid.String())
		if !m.own {
			k.Participant = proto.String(p.addressOf(m.author))
		}
		return k
	}
	k.RemoteJID = proto.String(p.addressOf(m.chat))
	return k
}

// addressOf gives the hidden id of a number.
func (p *Phone) addressOf(number string) string {
	return types.NewJID(hiddenID(strings.TrimPrefix(number, "+")), types.HiddenUserServer).String()
}

// shown finds a message among those that the phone keeps of its own and the last thousand of its log.
func (p *Phone) shown(id string) (shownMessage, error) {
	for _, m := range p.sentMessages() {
		if m.ID != id {
			continue
		}
		msg := new(waE2E.Message)
		if err := proto.Unmarshal(m.Plain, msg); err != nil {
			return shownMessage{}, fmt.Errorf("wasim: sent message: %w", err)
		}
		c, ok := describe(msg)
		if !ok {
			break
		}
		return shownMessage{id: id, chat: cmp.Or(m.Group, "+"+m.To), author: p.Number(), own: true, text: c.text, file: c.file}, nil
	}
	rows, err := p.srv.store.Last(p.srv.ctx, p.digits, maxHistory)
	if err != nil {
		return shownMessage{}, fmt.Errorf("wasim: %w", err)
	}
	for _, row := range rows {
		if row.ID != id {
			continue
		}
		r, file, err := decodeEntry(row)
		if err != nil {
			return shownMessage{}, err
		}
		m := shownMessage{id: id, chat: r.From, author: r.From, own: r.FromMe, text: r.Text, file: file}
		if r.FromMe {
			m.chat = r.To
		}
		m.chat = cmp.Or(r.Group, m.chat)
		return m, nil
	}
	return shownMessage{}, fmt.Errorf("%w: %s", ErrNoMessage, id)
}
