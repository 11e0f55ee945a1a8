package wasim

import (
	"errors"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// iqGroup creates groups, changes them and tells about them.
func (c *conn) iqGroup(n *stanza.Node, child stanza.Node) {
	to := stanza.JID(n, "to")
	change := func(step groupStep) {
		if err := c.srv.changeGroup(c.ctx, to, c.dev.phone, step); err != nil {
			c.refuseGroup(n, err)
			return
		}
		c.result(n)
	}
	switch child.Tag {
	case "create":
		c.iqCreateGroup(n, child)
	case "query", "invite":
		g := c.srv.group(to)
		switch {
		case g == nil:
			c.refuse(n, 404, "item-not-found")
		case !g.has(c.dev.phone.digits):
			c.refuse(n, 403, "forbidden")
		case child.Tag == "invite":
			c.result(n, stanza.Node{Tag: "invite", Attrs: stanza.Attrs{"code": inviteCode(g)}})
		default:
			c.result(n, groupNode(g))
		}
	case "participating":
		var list []stanza.Node
		c.srv.mu.RLock()
		for _, g := range c.srv.groups {
			if g.has(c.dev.phone.digits) {
				list = append(list, groupNode(g))
			}
		}
		c.srv.mu.RUnlock()
		c.result(n, stanza.Node{Tag: "groups", Content: list})
	case "add", "remove", "promote", "demote":
		var members []string
		var results []stanza.Node
		for _, m := range child.GetChildrenByTag("participant") {
			jid := stanza.JID(&m, "jid")
			if p := c.srv.user(jid); p != nil {
				members = append(members, p.digits)
				continue
			}
			results = append(results, stanza.Node{Tag: "participant", Attrs: stanza.Attrs{"jid": jid, "error": 404}})
		}
		if err := c.srv.changeGroup(c.ctx, to, c.dev.phone, changeMembers(child.Tag, members, &results)); err != nil {
			c.refuseGroup(n, err)
			return
		}
		c.result(n, stanza.Node{Tag: child.Tag, Content: results})
	case "leave":
		var results []stanza.Node
		for _, one := range child.GetChildrenByTag("group") {
			jid := stanza.JID(&one, "id")
			if jid.IsEmpty() {
				jid = types.NewJID(stanza.Str(&one, "id"), types.GroupServer)
			}
			answer := stanza.Node{Tag: "group", Attrs: stanza.Attrs{"id": jid}}
			if err := c.srv.changeGroup(c.ctx, jid, c.dev.phone, changeMembers("leave", []string{c.dev.phone.digits}, nil)); err != nil {
				answer.Attrs["error"] = 404
			}
			results = append(results, answer)
		}
		c.result(n, stanza.Node{Tag: "leave", Content: results})
	case "subject":
		change(changeSubject(string(stanza.Bytes(child))))
	case "description":
		change(changeTopic(stanza.Str(&child, "id"), string(stanza.Child(child, "body"))))
	case "locked", "unlocked", "announcement", "not_announcement":
		change(changeRule(child.Tag))
	default:
		c.unknownIQ(n, "unknown request about a group: "+child.Tag)
	}
}

func (c *conn) refuseGroup(n *stanza.Node, err error) {
	switch {
	case errors.Is(err, ErrNoGroup):
		c.refuse(n, 404, "item-not-found")
	case errors.Is(err, ErrNotMember):
		c.refuse(n, 403, "forbidden")
	case errors.Is(err, ErrNotAdmin):
		c.refuse(n, 401, "not-authorized")
	case c.ctx.Err() != nil:
		c.cut()
	default:
		c.refuse(n, 406, "not-acceptable")
	}
}

func (c *conn) iqCreateGroup(n *stanza.Node, create stanza.Node) {
	var members []string
	for _, m := range create.GetChildrenByTag("participant") {
		p := c.srv.user(stanza.JID(&m, "jid"))
		if p == nil {
			c.refuse(n, 404, "item-not-found")
			return
		}
		members = append(members, p.digits)
	}
	g, err := c.srv.createGroup(c.ctx, c.dev.phone, stanza.Str(&create, "subject"), stanza.Str(&create, "key"), members)
	if err != nil {
		c.refuseGroup(n, err)
		return
	}
	c.result(n, groupNode(g))
}

// inviteCode is the code of a group's invitation link. Nobody can join by it here.
func inviteCode(g *group) string { return "wasim" + g.ID }
