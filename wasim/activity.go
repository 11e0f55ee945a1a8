package wasim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// Who is online and who is typing is told to those who are connected at the moment, and never again: none of
// this is queued or kept.

// Activity is something that an account does without sending a message.
type Activity struct {
	From string `json:"from"` // number of the account, with "+"
	// Kind is available, unavailable, composing, recording, paused, call_reject or call_terminate.
	Kind      string    `json:"kind"`
	Group     string    `json:"group,omitempty"` // JID of the group that it happens in
	Timestamp time.Time `json:"timestamp"`
}

// Activities returns what companions have done towards this phone, and its own companions' presence, oldest
// first: the last thousand since the server started.
func (p *Phone) Activities() []Activity {
	p.actMu.Lock()
	defer p.actMu.Unlock()
	return slices.Clone(p.activities)
}

func (p *Phone) noteActivity(a Activity) {
	p.actMu.Lock()
	if len(p.activities) >= maxReceipts {
		p.activities = slices.Delete(p.activities, 0, maxReceipts/10)
	}
	p.activities = append(p.activities, a)
	p.actMu.Unlock()
	p.changed(false)
}

// AwaitActivity returns the oldest activity for which match reports true, waiting for it if need be.
func (p *Phone) AwaitActivity(ctx context.Context, match func(Activity) bool) (Activity, error) {
	for {
		p.changeMu.Lock()
		change := p.change
		p.changeMu.Unlock()
		for _, a := range p.Activities() {
			if match(a) {
				return a, nil
			}
		}
		select {
		case <-change:
		case <-ctx.Done():
			return Activity{}, fmt.Errorf("wasim: no such activity on phone %s: %w", p.Number(), ctx.Err())
		case <-p.srv.ctx.Done():
			return Activity{}, errClosed
		}
	}
}

// SetOnline opens or closes the app on the phone. Clients that have subscribed to the phone's presence are
// told. A phone is offline at first.
func (p *Phone) SetOnline(online bool) {
	p.actMu.Lock()
	p.online, p.lastSeen = online, p.srv.now()
	p.actMu.Unlock()
	p.srv.changes.ring()
	p.announcePresence()
}

// Online reports whether the app is open on the phone, which [Phone.SetOnline] decides.
func (p *Phone) Online() bool {
	p.actMu.Lock()
	defer p.actMu.Unlock()
	return p.online
}

// presence tells whether anybody uses the account right now, and when it was used last.
func (p *Phone) presence() (online bool, last time.Time) {
	for _, d := range p.srv.companions(p) {
		if c := d.live(); c != nil && c.available.Load() {
			return true, time.Time{}
		}
	}
	p.actMu.Lock()
	defer p.actMu.Unlock()
	return p.online, p.lastSeen
}

// subscribe lets a connection follow the phone's presence, and unsubscribe ends that.
func (p *Phone) subscribe(c *conn, addr types.JID) {
	p.actMu.Lock()
	if p.followers == nil {
		p.followers = map[*conn]types.JID{}
	}
	p.followers[c] = addr
	p.actMu.Unlock()
	online, last := p.presence()
	c.write(presenceNode(addr, online, last))
}

func (p *Phone) unsubscribe(c *conn) {
	p.actMu.Lock()
	defer p.actMu.Unlock()
	delete(p.followers, c)
}

func (p *Phone) announcePresence() {
	online, last := p.presence()
	p.actMu.Lock()
	list := make(map[*conn]types.JID, len(p.followers))
	for c, addr := range p.followers {
		if c.ctx.Err() != nil {
			delete(p.followers, c)
			continue
		}
		list[c] = addr
	}
	p.actMu.Unlock()
	for c, addr := range list {
		if !p.blocks(c.dev.phone) {
			c.write(presenceNode(addr, online, last))
		}
	}
}

// presenceNode tells of somebody's presence (whatsmeow presence.go, handlePresence: no type is online).
func presenceNode(from types.JID, online bool, last time.Time) stanza.Node {
	n := stanza.Node{Tag: "presence", Attrs: stanza.Attrs{"from": from.ToNonAD()}}
	if !online {
		n.Attrs["type"] = "unavailable"
		if !last.IsZero() {
			n.Attrs["last"] = last.Unix()
		}
	}
	return n
}

// Type shows the phone as typing to a number or, by its JID, a group: state is composing, recording or paused.
func (p *Phone) Type(to, state string) error {
	child := stanza.Node{Tag: state}
	switch state {
	case "composing", "paused":
	case "recording":
		child = stanza.Node{Tag: "composing", Attrs: stanza.Attrs{"media": "audio"}}
	default:
		return fmt.Errorf("wasim: unknown state %q; use composing, recording or paused", state)
	}
	if jid, ok := parseGroup(to); ok {
		g := p.srv.group(jid)
		if g == nil || !g.has(p.digits) {
			return ErrNotMember
		}
		p.typeTo(jid, g.Members, child)
		return nil
	}
	members, err := p.srv.registered([]string{to})
	if err != nil {
		return err
	}
	p.typeTo(types.EmptyJID, members, child)
	return nil
}

// typeTo shows the account as typing to the companions of the given accounts that are connected.
func (p *Phone) typeTo(group types.JID, members []string, child stanza.Node) {
	n := stanza.Node{Tag: "chatstate", Attrs: stanza.Attrs{"from": p.LID()}, Content: []stanza.Node{child}}
	if p.Options().AddressByNumber {
		n.Attrs["from"] = p.JID()
	}
	if !group.IsEmpty() {
		n.Attrs["participant"], n.Attrs["from"] = n.Attrs["from"], group
	}
	for _, digits := range members {
		other, ok := p.srv.Phone(digits)
		if !ok || other == p || other.blocks(p) {
			continue
		}
		for _, d := range p.srv.companions(other) {
			if c := d.live(); c != nil {
				c.write(n)
			}
		}
	}
}

// handlePresence takes what clients say about their attention.
func (c *conn) handlePresence(n *stanza.Node) {
	own := c.dev.phone
	if n.Tag == "chatstate" {
		c.handleChatState(n)
		return
	}
	switch kind := stanza.Str(n, "type"); kind {
	case "subscribe":
		who := stanza.JID(n, "to")
		if p := c.srv.user(who); p != nil && !p.blocks(own) {
			p.subscribe(c, who)
		}
	case "unsubscribe":
		if p := c.srv.user(stanza.JID(n, "to")); p != nil {
			p.unsubscribe(c)
		}
	case "", "available", "unavailable": // none when only the name is told
		if kind == "" {
			return
		}
		c.available.Store(kind == "available")
		own.noteActivity(Activity{From: own.Number(), Kind: kind, Timestamp: timestamp(c.srv.now())})
		own.announcePresence()
	}
}

func (c *conn) handleChatState(n *stanza.Node) {
	to := stanza.JID(n, "to")
	child, ok := stanza.First(n)
	if !ok {
		return
	}
	own := c.dev.phone
	a := Activity{From: own.Number(), Kind: child.Tag, Timestamp: timestamp(c.srv.now())}
	if stanza.Str(&child, "media") == "audio" {
		a.Kind = "recording"
	}
	group, members := types.EmptyJID, []string(nil)
	if to.Server == types.GroupServer {
		g := c.srv.group(to)
		if g == nil || !g.has(own.digits) {
			return
		}
		group, members, a.Group = to, g.Members, to.String()
	} else if p := c.srv.user(to); p != nil {
		members = []string{p.digits}
	}
	for _, digits := range members {
		if p, ok := c.srv.Phone(digits); ok && p != own && !p.blocks(own) {
			p.noteActivity(a)
		}
	}
	own.typeTo(group, members, child)
}
