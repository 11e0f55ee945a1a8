package wasim

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// ErrNotRegistered is returned when a message is for a number without a registered phone.
var ErrNotRegistered = errors.New("wasim: the number isn't on this network")

// Send sends a text to a number, or to a group by its JID, and returns the message's id once it is durable. The companions of
// both phones get it now, or at their next login.
func (p *Phone) Send(ctx context.Context, to, text string) (string, error) {
	if text == "" || len(text) > maxText {
		return "", fmt.Errorf("wasim: a text has 1 to %d bytes", maxText)
	}
	return p.SendMessage(ctx, to, &waE2E.Message{Conversation: proto.String(text)})
}

// SendMessage sends any message to a number or, by its JID, to a group. See [Phone.Send].
func (p *Phone) SendMessage(ctx context.Context, to string, msg *waE2E.Message) (string, error) {
	if jid, ok := parseGroup(to); ok {
		return p.sendToGroup(ctx, jid, msg)
	}
	digits, err := parseNumber(to)
	if err != nil {
		return "", fmt.Errorf("wasim: %w", err)
	}
	dest := p.srv.user(types.NewJID(digits, types.DefaultUserServer))
	if dest == nil || p.unregistered() {
		return "", ErrNotRegistered
	}
	var e effects
	var id string
	err = p.update(ctx, &e, func() (err error) {
		id, err = p.sendLocked(&e, dest, types.EmptyJID, msg, 0)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("wasim: send: %w", err)
	}
	return id, nil
}

func (p *Phone) sendToGroup(ctx context.Context, jid types.JID, msg *waE2E.Message) (string, error) {
	g := p.srv.group(jid)
	switch {
	case g == nil:
		return "", ErrNoGroup
	case !g.has(p.digits):
		return "", ErrNotMember
	case !g.mayWrite(p.digits):
		return "", ErrNotAdmin
	case p.unregistered():
		return "", ErrNotRegistered
	}
	var e effects
	var id string
	err := p.update(ctx, &e, func() (err error) {
		id, err = p.sendGroupLocked(&e, g, msg, 0)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("wasim: send: %w", err)
	}
	return id, nil
}

// sentMessage is kept so that a companion that can't decrypt may ask for it again.
type sentMessage struct {
	Seq   uint64    `json:"seq"`
	ID    string    `json:"id"`
	To    string    `json:"to,omitempty"` // digits of the recipient
	Group string    `json:"group,omitempty"`
	Plain []byte    `json:"plain"`
	Peer  bool      `json:"peer,omitempty"` // for one companion, and not shown
	At    time.Time `json:"at"`
}

// maxSent is how many messages a phone can repeat.
const maxSent = 256

// sendLocked encrypts a message for every companion concerned: the recipient's and this phone's own.
func (p *Phone) sendLocked(e *effects, to *Phone, group types.JID, msg *waE2E.Message, step int) (string, error) {
	plain, err := proto.Marshal(msg)
	if err != nil {
		return "", fmt.Errorf("marshal message: %w", err)
	}
	m := sentMessage{ID: newID(), To: to.digits, Plain: plain, At: p.srv.now()}
	if err = p.rememberLocked(&m, &e.batch); err != nil {
		return "", err
	}
	blocked := to.blocks(p)
	for _, d := range p.srv.companions(to) {
		if blocked {
			break
		}
		if err = p.deliverLocked(e, d, to, m, msg, step, 0); err != nil {
			return "", err
		}
	}
	if to != p {
		for _, d := range p.srv.companions(p) {
			if err = p.deliverLocked(e, d, to, m, msg, step, 0); err != nil {
				return "", err
			}
		}
		if !blocked {
			e.local = append(e.local, localCopy{to, incoming{
				from: p, id: m.ID, plain: proto.CloneOf(msg), at: m.At, addr: to.LID(),
			}})
		}
	}
	return m.ID, nil
}

func (p *Phone) rememberLocked(m *sentMessage, b *durable.Batch) error {
	p.sentSeq++
	m.Seq = p.sentSeq
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("marshal sent message: %w", err)
	}
	if len(p.sent) == maxSent {
		b.Delete(bucketSent, sentKey(p, p.sent[0].Seq))
		p.sent = append(p.sent[:0], p.sent[1:]...)
	}
	p.sent = append(p.sent, *m)
	b.Put(bucketSent, sentKey(p, m.Seq), raw)
	return nil
}

func sentKey(p *Phone, seq uint64) string { return p.digits + "/" + fmt.Sprintf("%020d", seq) }

// deliverLocked queues a message of this phone for one companion. retry counts the companion's
// requests to repeat it.
func (p *Phone) deliverLocked(e *effects, d *companion, to *Phone, m sentMessage, msg *waE2E.Message, step, retry int) error {
	typ, media := stanzaType(msg)
	n := stanza.Node{Tag: "message", Attrs: stanza.Attrs{
		"id": m.ID, "type": typ, "t": m.At.Unix(), "notify": p.opts.Name,
	}}
	plain := m.Plain
	if own := d.phone == p && to != p; own {
		// A copy for an own companion comes from this phone and names the chat.
		var err error
		plain, err = proto.Marshal(&waE2E.Message{DeviceSentMessage: &waE2E.DeviceSentMessage{
			DestinationJID: proto.String(to.LID().String()), Message: msg,
		}})
		if err != nil {
			return fmt.Errorf("marshal copy: %w", err)
		}
		n.Attrs["from"], n.Attrs["recipient"] = p.LID(), to.LID()
		if !to.hidesNumber() {
			n.Attrs["peer_recipient_pn"] = to.JID()
		}
	} else if p.opts.HideNumber {
		n.Attrs["from"] = p.LID()
	} else if p.opts.AddressByNumber {
		n.Attrs["from"], n.Attrs["sender_lid"] = p.JID(), p.LID()
	} else {
		n.Attrs["from"], n.Attrs["sender_pn"] = p.LID(), p.JID()
	}
	enc, err := p.sealLocked(e, d, plain)
	if err != nil {
		return err
	}
	if media != "" {
		enc.Attrs["mediatype"] = media
	}
	if retry > 0 {
		enc.Attrs["count"] = retry
	}
	n.Content = []stanza.Node{enc}
	e.queue(d, step, "message", m.ID, "", n)
	return nil
}

// sealLocked encrypts for a companion, beginning a session when there is none.
func (p *Phone) sealLocked(e *effects, d *companion, plain []byte) (stanza.Node, error) {
	if _, ok := p.signal.sessions[d.address().String()]; !ok {
		rec, oneTime, left := d.bundle(&e.batch)
		p.srv.nudge(d, left, e)
		if err := p.startSession(&e.batch, d, rec, oneTime); err != nil {
			return stanza.Node{}, err
		}
	}
	kind, ciphertext, err := p.encryptFor(&e.batch, d, pad(plain))
	if err != nil {
		return stanza.Node{}, err
	}
	return stanza.Node{Tag: "enc", Attrs: stanza.Attrs{"v": "2", "type": kind}, Content: ciphertext}, nil
}

// pad appends one to fifteen bytes, each holding their number.
func pad(b []byte) []byte {
	var r [1]byte
	_, _ = rand.Read(r[:])
	n := int(r[0]%15) + 1
	out := make([]byte, len(b)+n)
	copy(out, b)
	for i := len(b); i < len(out); i++ {
		out[i] = byte(n)
	}
	return out
}

// repeat sends a message again to a companion that could not decrypt it, under a new session.
func (p *Phone) repeat(ctx context.Context, d *companion, receipt *stanza.Node) error {
	id := stanza.Str(receipt, "id")
	retry := stanza.Get(*receipt, "retry")
	var e effects
	return p.update(ctx, &e, func() error {
		return p.repeatLocked(&e, d, id, max(1, stanza.Int(&retry, "count")), receipt)
	})
}

func (p *Phone) repeatLocked(e *effects, d *companion, id string, count int, receipt *stanza.Node) error {
	var m *sentMessage
	for i := range p.sent {
		if p.sent[i].ID == id {
			m = &p.sent[i]
		}
	}
	if m == nil {
		return fmt.Errorf("message to repeat is gone")
	}
	rec, oneTime, err := d.keysFor(receipt, e)
	if err != nil {
		return err
	}
	if err = p.startSession(&e.batch, d, rec, oneTime); err != nil {
		return err
	}
	if m.Peer {
		return p.deliverPeerLocked(e, d, *m, count)
	}
	msg := new(waE2E.Message)
	if err = proto.Unmarshal(m.Plain, msg); err != nil {
		return fmt.Errorf("unmarshal sent message: %w", err)
	}
	if m.Group != "" {
		return p.repeatGroupLocked(e, d, *m, msg, count)
	}
	to, ok := p.srv.Phone(m.To)
	if !ok {
		return ErrNotRegistered
	}
	return p.deliverLocked(e, d, to, *m, msg, 0, count)
}

// keysFor returns the keys for a new session with a companion that asks for a retry: those it sent
// along, else uploaded ones.
func (d *companion) keysFor(receipt *stanza.Node, e *effects) (rec companionRecord, oneTime *publicKey, err error) {
	keys, ok := receipt.GetOptionalChildByTag("keys")
	if !ok {
		rec, oneTime, left := d.bundle(&e.batch)
		d.phone.srv.nudge(d, left, e)
		return rec, oneTime, nil
	}
	rec = d.snapshot()
	if rec.Signed, err = parseKeyNode(stanza.Get(keys, "skey")); err != nil {
		return rec, nil, err
	}
	if node, ok := keys.GetOptionalChildByTag("key"); ok {
		key, err := parseKeyNode(node)
		if err != nil {
			return rec, nil, err
		}
		oneTime = &key
	}
	return rec, oneTime, nil
}
