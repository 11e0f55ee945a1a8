package wasim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// The steps of a message, in latencies after it was sent.
const (
	stepAck       = 1
	stepDelivered = 2
	stepRead      = 3
	stepReply     = 4
)

// incoming is a message on its way to one phone.
type incoming struct {
	from   *Phone
	device *companion // that sent it; nil when the phone itself did
	copyTo *Phone     // set on the copy for the sender's own phone: who the message went to
	group  types.JID  // empty in a direct chat
	addr   types.JID  // what the receipts come from: the address the sender used for the recipient
	id     string
	peer   bool           // between a companion and its phone, not shown
	enc    []stanza.Node  // ciphertexts, in the order to be processed
	plain  *waE2E.Message // instead of enc, for messages between phones
	at     time.Time
}

// take lets a phone process a message: decrypt it, log it, and answer as the phone is set to. It
// submits the changes before it returns, so that the phone's state on disk is never older than a
// later change to it.
func (p *Phone) take(in incoming, e *effects) *durable.Ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.takeLocked(in, e); err != nil {
		// Only storage or a bug gets here; the sender sees a message that isn't delivered.
		p.srv.log.Error("message not processed", "error", err)
	}
	return p.srv.submit(e)
}

func (p *Phone) takeLocked(in incoming, e *effects) error {
	if in.peer {
		msg, err := p.open(in, e)
		if err != nil {
			p.srv.log.Debug("peer message not decrypted", "error", err)
			return nil
		}
		return p.answerPeerLocked(e, in.device, msg)
	}
	chat := logKey(in.from, in.group, in.copyTo)
	msg, err := p.open(in, e)
	known, findErr := p.knows(chat, in.id)
	if findErr != nil {
		return findErr
	}
	switch {
	case known:
		// Its ciphertext may be one that was opened before; that too is a duplicate.
		e.batch.Bump(p.digits, chat, in.id)
		e.logs = append(e.logs, logChange{p, true})
		p.srv.counters.duplicates.Add(1)
		p.deliveredLocked(in, e)
		return nil
	case err != nil:
		p.srv.log.Debug("message not decrypted", "error", err)
		return p.askRetryLocked(in, e)
	}
	c, show := describe(msg)
	if !show {
		p.deliveredLocked(in, e)
		return nil
	}
	if err := p.logLocked(in, chat, c, e); err != nil {
		return err
	}
	p.deliveredLocked(in, e)
	if in.copyTo != nil || in.device == nil || in.from == p {
		return nil
	}
	if !p.opts.NoDeliver && !p.opts.NoRead {
		p.tellSender(in, "read", stepRead, e)
	}
	if p.opts.AutoReply != "" && in.group.IsEmpty() && (c.kind == "text" || c.kind == "media") {
		reply := &waE2E.Message{Conversation: proto.String(p.opts.AutoReply)}
		if _, err := p.sendLocked(e, in.from, types.EmptyJID, reply, stepReply); err != nil {
			return fmt.Errorf("automatic reply: %w", err)
		}
	}
	return nil
}

// errFault is the failure that FaultFailDecrypt causes.
var errFault = errors.New("decryption failed by fault")

// open decrypts a message and returns the part that people see.
func (p *Phone) open(in incoming, e *effects) (*waE2E.Message, error) {
	if in.plain != nil {
		return in.plain, nil
	}
	if in.copyTo == nil && !in.peer {
		if _, ok := p.srv.faults.take(FaultFailDecrypt, p.Number(), in.from.Number()); ok {
			return nil, errFault
		}
	}
	var shown *waE2E.Message
	for _, enc := range in.enc {
		var plain []byte
		var err error
		if kind := stanza.Str(&enc, "type"); kind == "skmsg" {
			plain, err = p.decryptGroup(&e.batch, in.device, in.group, stanza.Bytes(enc))
		} else {
			plain, err = p.decryptFrom(&e.batch, in.device, kind, stanza.Bytes(enc))
		}
		if err != nil {
			return nil, err
		}
		if plain, err = unpad(plain); err != nil {
			return nil, err
		}
		msg := new(waE2E.Message)
		if err = proto.Unmarshal(plain, msg); err != nil {
			return nil, fmt.Errorf("unmarshal message: %w", err)
		}
		if skdm := unwrap(msg).GetSenderKeyDistributionMessage(); skdm != nil {
			if err = p.learnSenderKey(&e.batch, in.device, skdm); err != nil {
				return nil, err
			}
		}
		shown = msg
	}
	if shown == nil {
		return nil, signalerror.ErrNoValidSessions // nothing was encrypted for this phone
	}
	return shown, nil
}

// unpad removes the padding of a plaintext: one to fifteen bytes, each holding their number.
func unpad(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errors.New("plaintext is empty")
	}
	n := int(b[len(b)-1])
	if n == 0 || n > len(b) || !bytes.Equal(b[len(b)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, errors.New("plaintext has wrong padding")
	}
	return b[:len(b)-n], nil
}

// knows reports whether the phone's log has a message.
func (p *Phone) knows(chat, id string) (bool, error) {
	if p.recent.has(chat, id) {
		return true, nil
	}
	return p.srv.store.Find(p.srv.ctx, p.digits, chat, id)
}

func (p *Phone) logLocked(in incoming, chat string, c content, e *effects) error {
	r := Received{
		ID: in.id, From: in.from.Number(), To: p.Number(), Kind: c.kind, Text: c.text, Target: c.target,
		Timestamp: timestamp(in.at), ArrivedAt: in.at.UTC().Truncate(time.Millisecond),
	}
	if author, err := types.ParseJID(c.author); err == nil && c.author != "" {
		if phone := p.srv.user(author.ToNonAD()); phone != nil {
			r.TargetFrom = phone.Number()
		}
	}
	if in.copyTo != nil {
		r.To, r.FromMe = in.copyTo.Number(), true
	}
	if !in.group.IsEmpty() {
		r.Group, r.To, r.FromMe = in.group.String(), in.group.String(), in.from == p
	}
	entry := logEntry{Received: r}
	if f := c.file; f != nil {
		entry.Media = p.srv.fetch(f)
		entry.File = &keptFile{Info: f.info, Path: f.path, Key: f.key, EncSHA256: f.encSHA256, SHA256: f.sha256}
	}
	body, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("marshal log entry: %w", err)
	}
	p.recent.add(chat, in.id)
	e.batch.Append(p.digits, &durable.Message{Chat: chat, ID: in.id, Body: body, Attempts: 1})
	e.logs = append(e.logs, logChange{p, false})
	p.srv.counters.delivered.Add(1)
	return nil
}

// deliveredLocked answers with a delivery receipt, as phones do for duplicates too.
func (p *Phone) deliveredLocked(in incoming, e *effects) {
	if in.copyTo == nil && in.device != nil && in.from != p && !p.opts.NoDeliver {
		p.tellSender(in, "", stepDelivered, e)
	}
}

// tellSender tells all of the sender's companions about a message. It needs no lock.
func (p *Phone) tellSender(in incoming, typ string, step int, e *effects) {
	for _, d := range p.srv.companions(in.from) {
		p.srv.queueReceipt(d, step, in.addr, in.group, in.id, typ, e)
	}
}

// queueReceipt queues a receipt from the owner of addr for a companion's message.
func (s *Server) queueReceipt(d *companion, step int, addr, group types.JID, id, typ string, e *effects) {
	n := stanza.Node{Tag: "receipt", Attrs: stanza.Attrs{"from": addr, "id": id, "t": s.now().Unix()}}
	if !group.IsEmpty() {
		n.Attrs["from"], n.Attrs["participant"] = group, addr
	}
	if typ != "" {
		n.Attrs["type"] = typ
	}
	e.queue(d, step, "receipt", id, typ, n)
}

// askRetryLocked asks the sending companion to encrypt a message anew, under fresh keys that come
// with the request.
func (p *Phone) askRetryLocked(in incoming, e *effects) error {
	if in.device == nil {
		return nil
	}
	count := 1
	for _, enc := range in.enc {
		count = max(count, stanza.Int(&enc, "count")+1)
	}
	const most = 5 // then both sides give up (whatsmeow retry.go)
	if count > most {
		return nil
	}
	p.srv.counters.retries.Add(1)
	keys := p.freshKeysLocked(&e.batch)
	n := stanza.Node{
		Tag:   "receipt",
		Attrs: stanza.Attrs{"type": "retry", "from": in.addr, "id": in.id, "t": p.srv.now().Unix()},
		Content: []stanza.Node{
			{Tag: "retry", Attrs: stanza.Attrs{"count": count, "id": in.id, "t": in.at.Unix(), "v": 1}},
			keys[0],
			{Tag: "keys", Content: keys[1:]},
		},
	}
	switch {
	case !in.group.IsEmpty():
		n.Attrs["from"], n.Attrs["participant"] = in.group, in.addr
	case in.copyTo != nil:
		// The sender's own phone asks by its own address and names the chat.
		n.Attrs["from"], n.Attrs["recipient"] = p.LID(), in.addr
	}
	e.queue(in.device, stepDelivered, "receipt", in.id, "retry", n)
	return nil
}

// receiveLocal logs a message that another phone of this server sent.
func (p *Phone) receiveLocal(ctx context.Context, in incoming) error {
	var e effects
	return p.srv.settle(ctx, &e, p.take(in, &e))
}
