package wasim

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// group is a group chat. It doesn't change once it is in Server.groups: a change puts another one there.
type group struct {
	ID        string    `json:"id"` // user part of its JID
	Subject   string    `json:"subject"`
	SubjectBy string    `json:"subject_by,omitempty"` // digits; empty is the creator
	SubjectAt time.Time `json:"subject_at,omitzero"`
	Topic     string    `json:"topic,omitempty"` // the description
	TopicID   string    `json:"topic_id,omitempty"`
	TopicBy   string    `json:"topic_by,omitempty"` // digits
	TopicAt   time.Time `json:"topic_at,omitzero"`
	Creator   string    `json:"creator"` // digits
	Created   time.Time `json:"created"`
	Members   []string  `json:"members"`            // digits, the creator's first while it is a member
	Admins    []string  `json:"admins,omitempty"`   // digits of members, other than the creator
	Announce  bool      `json:"announce,omitempty"` // only admins may write
	Picture   *picture  `json:"picture,omitempty"`
	Locked    bool      `json:"locked,omitempty"` // only admins may change subject and description
}

const maxGroup = 1024 // members

func (g *group) jid() types.JID { return types.NewJID(g.ID, types.GroupServer) }

func (g *group) has(digits string) bool { return slices.Contains(g.Members, digits) }

func (g *group) admin(digits string) bool {
	return g.has(digits) && (digits == g.Creator || slices.Contains(g.Admins, digits))
}

// mayWrite reports whether a member's messages are let through.
func (g *group) mayWrite(digits string) bool {
	return g.has(digits) && (!g.Announce || g.admin(digits))
}

func (g *group) clone() *group {
	c := *g
	c.Members, c.Admins = slices.Clone(g.Members), slices.Clone(g.Admins)
	return &c
}

func (g *group) save(b *durable.Batch) error {
	raw, err := json.Marshal(g)
	if err == nil {
		b.Put(bucketGroup, g.ID, raw)
	}
	return err
}

// Group is a group chat as its members see it.
type Group struct {
	JID         types.JID
	Subject     string
	Description string
	Members     []string // numbers with "+"
	Admins      []string // numbers with "+", the creator's among them while it is a member
	Announce    bool     // only admins may write
	Locked      bool     // only admins may change subject and description
}

// Groups lists the network's groups, ordered by JID.
func (s *Server) Groups() []Group {
	s.mu.RLock()
	list := slices.SortedFunc(maps.Values(s.groups), func(a, b *group) int { return strings.Compare(a.ID, b.ID) })
	s.mu.RUnlock()
	out := make([]Group, len(list))
	for i, g := range list {
		out[i] = Group{JID: g.jid(), Subject: g.Subject, Description: g.Topic, Announce: g.Announce, Locked: g.Locked}
		for _, m := range g.Members {
			out[i].Members = append(out[i].Members, "+"+m)
			if g.admin(m) {
				out[i].Admins = append(out[i].Admins, "+"+m)
			}
		}
	}
	return out
}

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

func lidOf(digits string) types.JID { return types.NewJID(hiddenID(digits), types.HiddenUserServer) }

// memberNode names a member, whose address is the hidden id, as in groups made today.
func memberNode(digits string) stanza.Node {
	return stanza.Node{Tag: "participant", Attrs: stanza.Attrs{
		"jid": lidOf(digits), "phone_number": types.NewJID(digits, types.DefaultUserServer),
	}}
}

// groupNode describes a group.
func groupNode(g *group) stanza.Node {
	children := make([]stanza.Node, len(g.Members), len(g.Members)+3)
	for i, digits := range g.Members {
		children[i] = memberNode(digits)
		switch {
		case digits == g.Creator:
			children[i].Attrs["type"] = "superadmin"
		case g.admin(digits):
			children[i].Attrs["type"] = "admin"
		}
	}
	if g.Topic != "" {
		children = append(children, stanza.Node{
			Tag:     "description",
			Attrs:   stanza.Attrs{"id": g.TopicID, "participant": lidOf(g.TopicBy), "t": g.TopicAt.Unix()},
			Content: []stanza.Node{{Tag: "body", Content: []byte(g.Topic)}},
		})
	}
	if g.Announce {
		children = append(children, stanza.Node{Tag: "announcement"})
	}
	if g.Locked {
		children = append(children, stanza.Node{Tag: "locked"})
	}
	subjectBy, subjectAt := g.Creator, g.Created
	if g.SubjectBy != "" {
		subjectBy, subjectAt = g.SubjectBy, g.SubjectAt
	}
	return stanza.Node{Tag: "group", Attrs: stanza.Attrs{
		"id": g.ID, "subject": g.Subject, "creation": g.Created.Unix(), "creator": lidOf(g.Creator),
		"s_t": subjectAt.Unix(), "s_o": lidOf(subjectBy), "size": len(g.Members), "addressing_mode": "lid",
	}, Content: children}
}

// routeGroup hands a group message to each device that it is encrypted for. The part for the device
// carries the sender's key, the part for all the message.
func (c *conn) routeGroup(n *stanza.Node, g *group) []handled {
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
			from: c.dev.phone, device: c.dev, group: g.jid(), addr: p.LID(), id: stanza.Str(n, "id"), enc: enc, at: c.srv.now(),
		}, e)})
	}
	return done
}
