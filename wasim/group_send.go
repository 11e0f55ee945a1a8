package wasim

import (
	"fmt"
	"strings"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// parseGroup recognises a group's JID, "120363…@g.us".
func parseGroup(to string) (types.JID, bool) {
	if !strings.HasSuffix(to, "@"+types.GroupServer) {
		return types.EmptyJID, false
	}
	jid, err := types.ParseJID(to)
	return jid, err == nil
}

// sendGroupLocked encrypts a message once for a group, and the key to it for every companion that doesn't have
// it yet, as phones do.
func (p *Phone) sendGroupLocked(e *effects, g *group, msg *waE2E.Message, step int) (string, error) {
	plain, err := proto.Marshal(msg)
	if err != nil {
		return "", fmt.Errorf("marshal message: %w", err)
	}
	jid := g.jid().String()
	m := sentMessage{ID: newID(), Group: jid, Plain: plain, At: p.srv.now()}
	if err = p.rememberLocked(&m, &e.batch); err != nil {
		return "", err
	}
	key, err := p.shareSenderKey(&e.batch, jid)
	if err != nil {
		return "", err
	}
	ciphertext, err := p.encryptGroup(&e.batch, jid, pad(plain))
	if err != nil {
		return "", err
	}
	typ, media := stanzaType(msg)
	shared := stanza.Node{Tag: "enc", Attrs: stanza.Attrs{"v": "2", "type": "skmsg"}, Content: ciphertext}
	if media != "" {
		shared.Attrs["mediatype"] = media
	}
	keyPlain, err := proto.Marshal(&waE2E.Message{SenderKeyDistributionMessage: key})
	if err != nil {
		return "", fmt.Errorf("marshal sender key: %w", err)
	}
	if p.keySent == nil {
		p.keySent = map[string]map[string]bool{}
	}
	if p.keySent[jid] == nil {
		p.keySent[jid] = map[string]bool{}
	}
	for _, digits := range g.Members {
		member, ok := p.srv.Phone(digits)
		if !ok {
			continue
		}
		for _, d := range p.srv.companions(member) {
			content := []stanza.Node{shared}
			if !p.keySent[jid][d.key] {
				enc, err := p.sealLocked(e, d, keyPlain)
				if err != nil {
					return "", err
				}
				content = []stanza.Node{enc, shared}
				p.keySent[jid][d.key] = true
			}
			p.queueGroupLocked(e, d, m, typ, step, content)
		}
		if member != p {
			e.local = append(e.local, localCopy{member, incoming{
				from: p, group: g.jid(), id: m.ID, plain: proto.CloneOf(msg), at: m.At, addr: member.LID(),
			}})
		}
	}
	return m.ID, nil
}

func (p *Phone) queueGroupLocked(e *effects, d *companion, m sentMessage, typ string, step int, content []stanza.Node) {
	group, _ := parseGroup(m.Group)
	n := stanza.Node{Tag: "message", Attrs: stanza.Attrs{
		"id": m.ID, "type": typ, "t": m.At.Unix(), "notify": p.opts.Name, "from": group,
		"participant": p.LID(), "addressing_mode": "lid",
	}, Content: content}
	if !p.opts.HideNumber {
		n.Attrs["participant_pn"] = p.JID()
	}
	e.queue(d, step, "message", m.ID, "", n)
}

// repeatGroupLocked sends a group message again to one companion that could not decrypt it: encrypted for
// it alone, with the key to what follows.
func (p *Phone) repeatGroupLocked(e *effects, d *companion, m sentMessage, msg *waE2E.Message, count int) error {
	key, err := p.shareSenderKey(&e.batch, m.Group)
	if err != nil {
		return err
	}
	msg.SenderKeyDistributionMessage = key
	plain, err := proto.Marshal(msg)
	if err != nil {
		return fmt.Errorf("marshal message: %w", err)
	}
	enc, err := p.sealLocked(e, d, plain)
	if err != nil {
		return err
	}
	enc.Attrs["count"] = count
	typ, media := stanzaType(msg)
	if media != "" {
		enc.Attrs["mediatype"] = media
	}
	p.queueGroupLocked(e, d, m, typ, 0, []stanza.Node{enc})
	return nil
}
