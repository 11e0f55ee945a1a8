package wasim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// Errors of changing groups.
var (
	// ErrNoGroup is returned for a group that isn't on this network.
	ErrNoGroup = errors.New("wasim: there is no such group")
	// ErrNotMember is returned when a phone isn't in the group that it writes to or changes.
	ErrNotMember = errors.New("wasim: the phone isn't a member of the group")
	// ErrNotAdmin is returned when only the group's admins may do what was asked.
	ErrNotAdmin = errors.New("wasim: only admins of the group may do this")
)

// GroupChange is what a member does to a group. Every field that is set is carried out, in this order.
type GroupChange struct {
	Add         []string // numbers
	Remove      []string // numbers
	Promote     []string // numbers, to admins
	Demote      []string // numbers
	Subject     *string
	Description *string // "" removes it
	Announce    *bool   // only admins may write
	Locked      *bool   // only admins may change subject and description
	Leave       bool
}

// CreateGroup makes a group of this phone, its creator, and the phones with the given numbers.
func (p *Phone) CreateGroup(ctx context.Context, subject string, numbers ...string) (types.JID, error) {
	members, err := p.srv.registered(numbers)
	if err != nil {
		return types.EmptyJID, err
	}
	g, err := p.srv.createGroup(ctx, p, subject, "", members)
	if err != nil {
		return types.EmptyJID, err
	}
	return g.jid(), nil
}

// ChangeGroup lets the phone change a group that it is in. The companions of all members are told.
func (p *Phone) ChangeGroup(ctx context.Context, jid types.JID, change GroupChange) error {
	for _, list := range []struct {
		action  string
		numbers []string
	}{{"add", change.Add}, {"remove", change.Remove}, {"promote", change.Promote}, {"demote", change.Demote}} {
		if len(list.numbers) == 0 {
			continue
		}
		members, err := p.srv.registered(list.numbers)
		if err != nil {
			return err
		}
		if err := p.srv.changeGroup(ctx, jid, p, changeMembers(list.action, members, nil)); err != nil {
			return err
		}
	}
	toggle := func(on *bool, yes, no string) string {
		switch {
		case on == nil:
			return ""
		case *on:
			return yes
		}
		return no
	}
	var steps []groupStep
	if change.Subject != nil {
		steps = append(steps, changeSubject(*change.Subject))
	}
	if change.Description != nil {
		steps = append(steps, changeTopic(newID(), *change.Description))
	}
	if tag := toggle(change.Announce, "announcement", "not_announcement"); tag != "" {
		steps = append(steps, changeRule(tag))
	}
	if tag := toggle(change.Locked, "locked", "unlocked"); tag != "" {
		steps = append(steps, changeRule(tag))
	}
	if change.Leave {
		steps = append(steps, changeMembers("leave", []string{p.digits}, nil))
	}
	for _, step := range steps {
		if err := p.srv.changeGroup(ctx, jid, p, step); err != nil {
			return err
		}
	}
	return nil
}

// registered returns the digits of numbers that have a phone.
func (s *Server) registered(numbers []string) ([]string, error) {
	out := make([]string, len(numbers))
	for i, number := range numbers {
		digits, err := parseNumber(number)
		if err != nil {
			return nil, fmt.Errorf("wasim: %w", err)
		}
		if s.user(types.NewJID(digits, types.DefaultUserServer)) == nil {
			return nil, ErrNotRegistered
		}
		out[i] = digits
	}
	return out, nil
}

func (s *Server) createGroup(ctx context.Context, creator *Phone, subject, key string, members []string) (*group, error) {
	g := &group{
		ID:      "120363" + strings.TrimPrefix(hiddenID(creator.digits+newID()), "1"),
		Subject: subject, Creator: creator.digits, Created: s.now().UTC(), Members: []string{creator.digits},
	}
	for _, m := range members {
		if !g.has(m) {
			g.Members = append(g.Members, m)
		}
	}
	if g.Subject == "" || len(g.Subject) > maxName || len(g.Members) > maxGroup {
		return nil, fmt.Errorf("wasim: a group has a subject of up to %d bytes and up to %d members", maxName, maxGroup)
	}
	var e effects
	if err := g.save(&e.batch); err != nil {
		return nil, fmt.Errorf("wasim: %w", err)
	}
	create := stanza.Node{Tag: "create", Attrs: stanza.Attrs{"type": "new"}, Content: []stanza.Node{groupNode(g)}}
	if key != "" {
		create.Attrs["key"] = key // by which the client that asked recognises its group
	}
	s.notifyGroup(g, creator, g.Members, create, &e)
	s.mu.Lock()
	s.groups[g.ID] = g
	s.changes.ring()
	s.mu.Unlock()
	if err := s.commit(ctx, &e); err != nil {
		return nil, fmt.Errorf("wasim: keep group: %w", err)
	}
	return g, nil
}

// groupStep changes a group that it may change freely, and returns what members are told: one stanza for all,
// and for those in joined another one that describes the group.
type groupStep func(s *Server, actor *Phone, g *group) (told stanza.Node, joined []string, err error)

// changeGroup carries out one step. Steps of all groups come one after another.
func (s *Server) changeGroup(ctx context.Context, jid types.JID, actor *Phone, step groupStep) error {
	s.groupMu.Lock()
	defer s.groupMu.Unlock()
	old := s.group(jid)
	switch {
	case old == nil:
		return ErrNoGroup
	case !old.has(actor.digits):
		return ErrNotMember
	}
	g := old.clone()
	told, joined, err := step(s, actor, g)
	if err != nil {
		return err
	}
	var e effects
	if err := g.save(&e.batch); err != nil {
		return fmt.Errorf("wasim: %w", err)
	}
	// Who leaves is told too, and who joins is told of the whole group instead.
	before := slices.DeleteFunc(slices.Clone(old.Members), func(m string) bool { return slices.Contains(joined, m) })
	if old.Picture != g.Picture {
		s.announceGroupPicture(g, actor, &e)
	} else {
		s.notifyGroup(g, actor, before, told, &e)
	}
	s.notifyGroup(g, actor, joined, stanza.Node{Tag: "create", Content: []stanza.Node{groupNode(g)}}, &e)
	s.mu.Lock()
	s.groups[g.ID] = g
	s.changes.ring()
	s.mu.Unlock()
	if err := s.commit(ctx, &e); err != nil {
		return fmt.Errorf("wasim: keep group: %w", err)
	}
	for _, m := range old.Members {
		if !g.has(m) {
			s.rotateSenderKeys(ctx, g)
			break
		}
	}
	return nil
}

// rotateSenderKeys makes the members' phones use new keys.
func (s *Server) rotateSenderKeys(ctx context.Context, g *group) {
	for _, digits := range g.Members {
		p, ok := s.Phone(digits)
		if !ok {
			continue
		}
		var e effects
		err := p.update(ctx, &e, func() error {
			p.forgetSenderKey(&e.batch, g.jid().String())
			return nil
		})
		if err != nil {
			s.log.Error("sender key not kept", "error", err)
		}
	}
}

// notifyGroup tells the companions of members about a group (whatsmeow group.go, parseGroupNotification).
func (s *Server) notifyGroup(g *group, actor *Phone, members []string, what stanza.Node, e *effects) {
	for _, digits := range members {
		p, ok := s.Phone(digits)
		if !ok {
			continue
		}
		for _, d := range s.companions(p) {
			id := newID()
			e.queue(d, 0, "notification", id, "w:gp2", stanza.Node{Tag: "notification", Attrs: stanza.Attrs{
				"type": "w:gp2", "from": g.jid(), "id": id, "t": s.now().Unix(), "addressing_mode": "lid",
				"participant": actor.LID(), "participant_pn": actor.JID(), "notify": actor.Options().Name,
			}, Content: []stanza.Node{what}})
		}
	}
}

// changeMembers adds, removes, promotes or demotes members, or lets the actor leave. When results is set,
// it collects the participants as the server answers for them.
func changeMembers(action string, members []string, results *[]stanza.Node) groupStep {
	return func(s *Server, actor *Phone, g *group) (stanza.Node, []string, error) {
		leaving := action == "leave"
		if !leaving && !g.admin(actor.digits) {
			return stanza.Node{}, nil, ErrNotAdmin
		}
		tag := action
		if leaving {
			tag = "remove"
		}
		told := stanza.Node{Tag: tag, Attrs: stanza.Attrs{}}
		var list []stanza.Node
		var joined []string
		for _, m := range members {
			node := memberNode(m)
			code := 0
			switch {
			case action == "add" && g.has(m):
				code = 409
			case action == "add" && len(g.Members) >= maxGroup:
				code = 419
			case action == "add":
				g.Members = append(g.Members, m)
				joined = append(joined, m)
			case !g.has(m):
				code = 404
			case action == "promote":
				if !g.admin(m) {
					g.Admins = append(g.Admins, m)
				}
			case m == g.Creator && !leaving:
				code = 406 // who made a group stays its admin
			default:
				g.Admins = slices.DeleteFunc(g.Admins, func(a string) bool { return a == m })
				if tag == "remove" {
					g.Members = slices.DeleteFunc(g.Members, func(a string) bool { return a == m })
				}
			}
			if code == 0 {
				list = append(list, node)
			} else {
				node.Attrs["error"] = code
			}
			if results != nil {
				*results = append(*results, node)
			}
		}
		told.Content = list
		return told, joined, nil
	}
}

func changeSubject(subject string) groupStep {
	return func(s *Server, actor *Phone, g *group) (stanza.Node, []string, error) {
		if g.Locked && !g.admin(actor.digits) {
			return stanza.Node{}, nil, ErrNotAdmin
		}
		if subject == "" || len(subject) > maxName {
			return stanza.Node{}, nil, fmt.Errorf("wasim: a subject has 1 to %d bytes", maxName)
		}
		g.Subject, g.SubjectBy, g.SubjectAt = subject, actor.digits, s.now().UTC()
		return stanza.Node{Tag: "subject", Attrs: stanza.Attrs{
			"subject": subject, "s_t": g.SubjectAt.Unix(), "s_o": actor.LID(), "s_o_pn": actor.JID(),
		}}, nil, nil
	}
}

func changeTopic(id, topic string) groupStep {
	return func(s *Server, actor *Phone, g *group) (stanza.Node, []string, error) {
		if g.Locked && !g.admin(actor.digits) {
			return stanza.Node{}, nil, ErrNotAdmin
		}
		if len(topic) > maxText {
			return stanza.Node{}, nil, fmt.Errorf("wasim: a description has at most %d bytes", maxText)
		}
		g.Topic, g.TopicID, g.TopicBy, g.TopicAt = topic, id, actor.digits, s.now().UTC()
		inner := stanza.Node{Tag: "body", Content: []byte(topic)}
		if topic == "" {
			inner = stanza.Node{Tag: "delete"}
		}
		return stanza.Node{Tag: "description", Attrs: stanza.Attrs{"id": id}, Content: []stanza.Node{inner}}, nil, nil
	}
}

// changeRule sets who may write or change the group.
func changeRule(tag string) groupStep {
	return func(s *Server, actor *Phone, g *group) (stanza.Node, []string, error) {
		if !g.admin(actor.digits) {
			return stanza.Node{}, nil, ErrNotAdmin
		}
		switch tag {
		case "announcement", "not_announcement":
			g.Announce = tag == "announcement"
		default:
			g.Locked = tag == "locked"
		}
		return stanza.Node{Tag: tag, Attrs: stanza.Attrs{"v_id": s.now().UnixMicro()}}, nil, nil
	}
}
