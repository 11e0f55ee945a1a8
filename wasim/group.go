package wasim

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// group is a group chat. It doesn't change once it is in Server.groups.
type group struct {
	ID      string    `json:"id"` // user part of its JID
	Subject string    `json:"subject"`
	Creator string    `json:"creator"` // digits
	Created time.Time `json:"created"`
	Members []string  `json:"members"` // digits, the creator's first
}

const maxGroup = 1024 // members

func (g *group) jid() types.JID { return types.NewJID(g.ID, types.GroupServer) }

func (s *Server) group(jid types.JID) *group {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.groups[jid.User]
}

func (s *Server) loadGroups(ctx context.Context) error {
	return s.store.Load(ctx, bucketGroup, func(id string, value []byte) error {
		g := new(group)
		if err := json.Unmarshal(value, g); err != nil {
			return err
		}
		s.groups[id] = g
		return nil
	})
}

// iqGroup creates groups and tells about them.
func (c *conn) iqGroup(n *stanza.Node, child stanza.Node) {
	switch child.Tag {
	case "create":
		c.createGroup(n, child)
	case "query":
		g := c.srv.group(stanza.JID(n, "to"))
		switch {
		case g == nil:
			c.refuse(n, 404, "item-not-found")
		case !slices.Contains(g.Members, c.dev.phone.digits):
			c.refuse(n, 403, "forbidden")
		default:
			c.result(n, c.srv.groupNode(g))
		}
	case "participating":
		var list []stanza.Node
		c.srv.mu.RLock()
		var mine []*group
		for _, g := range c.srv.groups {
			if slices.Contains(g.Members, c.dev.phone.digits) {
				mine = append(mine, g)
			}
		}
		c.srv.mu.RUnlock()
		for _, g := range mine {
			list = append(list, c.srv.groupNode(g))
		}
		c.result(n, stanza.Node{Tag: "groups", Content: list})
	}
}

func (c *conn) createGroup(n *stanza.Node, create stanza.Node) {
	creator := c.dev.phone
	g := &group{
		ID:      "120363" + strings.TrimPrefix(hiddenID(creator.digits+newID()), "1"),
		Subject: stanza.Str(&create, "subject"), Creator: creator.digits,
		Created: time.Now().UTC(), Members: []string{creator.digits},
	}
	for _, member := range create.GetChildrenByTag("participant") {
		p := c.srv.user(stanza.JID(&member, "jid"))
		if p == nil {
			c.refuse(n, 404, "item-not-found")
			return
		}
		if !slices.Contains(g.Members, p.digits) {
			g.Members = append(g.Members, p.digits)
		}
	}
	if g.Subject == "" || len(g.Members) > maxGroup {
		c.refuse(n, 406, "not-acceptable")
		return
	}
	raw, err := json.Marshal(g)
	if err != nil {
		c.refuse(n, 500, "internal-server-error")
		return
	}
	var e effects
	e.batch.Put(bucketGroup, g.ID, raw)
	if err := c.srv.commit(c.ctx, &e); err != nil {
		c.cut()
		return
	}
	c.srv.mu.Lock()
	c.srv.groups[g.ID] = g
	c.srv.mu.Unlock()
	c.result(n, c.srv.groupNode(g))
}

// groupNode describes a group whose members are addressed by hidden id, as in groups made today.
func (s *Server) groupNode(g *group) stanza.Node {
	lid := func(digits string) types.JID { return types.NewJID(hiddenID(digits), types.HiddenUserServer) }
	children := make([]stanza.Node, len(g.Members))
	for i, digits := range g.Members {
		children[i] = stanza.Node{Tag: "participant", Attrs: stanza.Attrs{
			"jid": lid(digits), "phone_number": types.NewJID(digits, types.DefaultUserServer),
		}}
		if digits == g.Creator {
			children[i].Attrs["type"] = "superadmin"
		}
	}
	return stanza.Node{Tag: "group", Attrs: stanza.Attrs{
		"id": g.ID, "subject": g.Subject, "creation": g.Created.Unix(), "creator": lid(g.Creator),
		"s_t": g.Created.Unix(), "s_o": lid(g.Creator), "size": len(g.Members), "addressing_mode": "lid",
	}, Content: children}
}

// routeGroup hands a group message to each device that it is encrypted for. The part for the device
// carries the sender's key, the part for all the message.
func (c *conn) routeGroup(n *stanza.Node, g *group) []handled {
	if !slices.Contains(g.Members, c.dev.phone.digits) {
		return nil
	}
	shared := n.GetChildrenByTag("enc")
	list := stanza.Get(*n, "participants")
	targets := list.GetChildren()
	if len(targets) == 0 {
		// A retry, encrypted for one device alone.
		who := stanza.JID(n, "participant")
		targets, shared = []stanza.Node{{Tag: "to", Attrs: stanza.Attrs{"jid": who}, Content: shared}}, nil
	}
	var done []handled
	for _, to := range targets {
		jid := stanza.JID(&to, "jid")
		p := c.srv.user(jid)
		if p == nil || !slices.Contains(g.Members, p.digits) {
			continue
		}
		enc := slices.Concat(to.GetChildrenByTag("enc"), shared)
		if jid.Device != 0 {
			if h, ok := c.forward(n, p, jid, enc); ok {
				done = append(done, h)
			}
			continue
		}
		e := new(effects)
		done = append(done, handled{e, p.take(incoming{
			from: c.dev.phone, device: c.dev, group: g.jid(), addr: p.LID(), id: stanza.Str(n, "id"), enc: enc, at: time.Now(),
		}, e)})
	}
	return done
}

// senderKeyName names the key under which a companion encrypts for a group.
func senderKeyName(group string, d *companion) *protocol.SenderKeyName {
	return protocol.NewSenderKeyName(group, d.address())
}

// decryptGroup decrypts a message that was encrypted once for all members of a group.
func (p *Phone) decryptGroup(b *durable.Batch, d *companion, group types.JID, ciphertext []byte) ([]byte, error) {
	codecs, keys := serializer(), signalStore{p, b}
	msg, err := protocol.NewSenderKeyMessageFromBytes(ciphertext, codecs.SenderKeyMessage)
	if err != nil {
		return nil, fmt.Errorf("parse group message: %w", err)
	}
	cipher := groups.NewGroupCipher(groups.NewGroupSessionBuilder(keys, codecs), senderKeyName(group.String(), d), keys)
	return cipher.Decrypt(context.Background(), msg)
}

// learnSenderKey takes the key that a companion will encrypt for a group with.
func (p *Phone) learnSenderKey(b *durable.Batch, d *companion, m *waE2E.SenderKeyDistributionMessage) error {
	codecs := serializer()
	msg, err := protocol.NewSenderKeyDistributionMessageFromBytes(
		m.GetAxolotlSenderKeyDistributionMessage(), codecs.SenderKeyDistributionMessage)
	if err != nil {
		return fmt.Errorf("parse sender key: %w", err)
	}
	builder := groups.NewGroupSessionBuilder(signalStore{p, b}, codecs)
	if err = builder.Process(context.Background(), senderKeyName(m.GetGroupID(), d), msg); err != nil {
		return fmt.Errorf("learn sender key: %w", err)
	}
	return nil
}
