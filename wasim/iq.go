package wasim

import (
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// handleIQ answers a request. A client that gets no answer waits 75 s for it, so each gets one:
// what isn't known here is refused with 501 and recorded.
func (c *conn) handleIQ(n *stanza.Node) {
	kind := stanza.Str(n, "type")
	if kind == "result" || kind == "error" {
		c.answered(n)
		return
	}
	child, _ := stanza.First(n)
	route := stanza.Str(n, "xmlns") + " " + child.Tag
	if c.dev == nil {
		switch route {
		case "md link_code_companion_reg":
			c.iqLinkCode(n, child)
		case "w:p ":
			c.result(n)
		default:
			c.unknownIQ(n, "request before login: "+route)
		}
		return
	}
	if stanza.Str(n, "xmlns") == "w:g2" {
		c.iqGroup(n, child)
		return
	}
	switch route {
	case "w:p ", "w:p ping":
		if _, ok := c.srv.faults.take(FaultDropPing, c.dev.phone.Number()); !ok {
			c.result(n)
		}
	case "encrypt count":
		// A companion without keys is told of one: it then uploads 50. At 0 it makes 812.
		c.result(n, stanza.Node{Tag: "count", Attrs: stanza.Attrs{"value": max(1, c.dev.keysLeft())}})
	case "encrypt registration", "encrypt list":
		c.iqUploadKeys(n)
	case "encrypt key":
		c.iqFetchKeys(n, child)
	case "encrypt digest":
		c.iqKeyDigest(n)
	case "encrypt rotate":
		c.iqRotateKey(n, child)
	case "abt props":
		// Experiments that clients may take part in: there are none. The hash stands for the list; a
		// client that names it needs no answer of substance either.
		c.result(n, stanza.Node{Tag: "props", Attrs: stanza.Attrs{"protocol": "1", "hash": "wasim0", "refresh": 86400}})
	case "usync usync":
		c.iqUsync(n, child)
	case "md remove-companion-device":
		c.iqLogout(n, child)
	case "w:m media_conn":
		c.iqMediaConn(n)
	case "w:sync:app:state sync":
		c.iqAppState(n, child)
	case "privacy privacy":
		c.iqPrivacy(n)
	case "privacy tokens", "passive active", "passive passive", "urn:xmpp:whatsapp:dirty clean",
		"disappearing_mode disappearing_mode", "urn:xmpp:whatsapp:push config", "w:stats add", "tos tos":
		c.result(n)
	case "w:profile:picture picture", "w:profile:picture ":
		c.iqPicture(n, child)
	case "status privacy":
		c.result(n, stanza.Node{Tag: "privacy", Content: []stanza.Node{
			{Tag: "list", Attrs: stanza.Attrs{"type": "contacts", "default": "true"}},
		}})
	case "status status":
		c.result(n)
	case "blocklist ", "blocklist item":
		c.iqBlocklist(n, child)
	case "urn:xmpp:whatsapp:push settings":
		c.result(n, stanza.Node{Tag: "settings"})
	default:
		c.unknownIQ(n, "unknown request "+route)
	}
}

func (c *conn) unknownIQ(n *stanza.Node, reason string) {
	c.srv.recordUnhandled(c.device(), reason, n)
	c.refuse(n, 501, "feature-not-implemented")
}

// result answers a request.
func (c *conn) result(n *stanza.Node, children ...stanza.Node) {
	answer := stanza.Node{Tag: "iq", Attrs: answerAttrs(n, "result")}
	if len(children) > 0 {
		answer.Content = children
	}
	c.write(answer)
}

// refuse answers a request with an error.
func (c *conn) refuse(n *stanza.Node, code int, text string) {
	c.write(stanza.Node{Tag: "iq", Attrs: answerAttrs(n, "error"), Content: []stanza.Node{
		{Tag: "error", Attrs: stanza.Attrs{"code": code, "text": text}},
	}})
}

func answerAttrs(n *stanza.Node, kind string) stanza.Attrs {
	from := stanza.JID(n, "to")
	if from.IsEmpty() {
		from = types.ServerJID
	}
	return stanza.Attrs{"type": kind, "id": stanza.Str(n, "id"), "from": from}
}

// iqLinkCode takes the two steps of a client that wants to be linked by code.
func (c *conn) iqLinkCode(n *stanza.Node, child stanza.Node) {
	switch stage := stanza.Str(&child, "stage"); {
	case c.link == nil:
		c.refuse(n, 400, "bad-request")
	case stage == "companion_hello":
		digits := stanza.JID(&child, "jid").User
		p, ok := c.srv.Phone(digits)
		if !ok || p.unregistered() {
			c.refuse(n, 404, "item-not-found")
			return
		}
		hello := &codeHello{
			digits:  digits,
			ref:     newID(),
			wrapped: stanza.Child(child, "link_code_pairing_wrapped_companion_ephemeral_pub"),
			finish:  make(chan codeFinish, 1),
		}
		c.srv.mu.Lock()
		c.link.hello = hello
		c.srv.mu.Unlock()
		c.result(n, stanza.Node{Tag: "link_code_companion_reg", Content: []stanza.Node{
			{Tag: "link_code_pairing_ref", Content: []byte(hello.ref)},
		}})
	case stage == "companion_finish":
		c.srv.mu.RLock()
		hello := c.link.hello
		c.srv.mu.RUnlock()
		if hello == nil || string(stanza.Child(child, "link_code_pairing_ref")) != hello.ref {
			c.refuse(n, 400, "bad-request")
			return
		}
		select {
		case hello.finish <- codeFinish{
			bundle:   stanza.Child(child, "link_code_pairing_wrapped_key_bundle"),
			identity: stanza.Child(child, "companion_identity_public"),
		}:
			c.result(n)
		default:
			c.refuse(n, 409, "conflict")
		}
	default:
		c.unknownIQ(n, "unknown linking stage "+stage)
	}
}

// iqLogout removes a companion at its own request.
func (c *conn) iqLogout(n *stanza.Node, child stanza.Node) {
	jid := stanza.JID(&child, "jid")
	d := c.srv.companion(c.dev.phone.digits, int(jid.Device))
	if d == nil || jid.User != c.dev.phone.digits && jid.User != c.dev.phone.lid {
		c.refuse(n, 404, "item-not-found")
		return
	}
	if err := c.srv.forget(c.ctx, d); err != nil {
		c.srv.log.Error("log-out not kept", "error", err)
		c.cut()
		return
	}
	c.result(n)
	if other := d.live(); other != nil && other != c {
		other.endStream("401", "device_removed")
	}
}

func (c *conn) iqPrivacy(n *stanza.Node) {
	var categories []stanza.Node
	for _, name := range []string{"groupadd", "last", "status", "profile", "readreceipts", "online", "calladd"} {
		categories = append(categories, stanza.Node{
			Tag: "category", Attrs: stanza.Attrs{"name": name, "value": "all"},
		})
	}
	c.result(n, stanza.Node{Tag: "privacy", Content: categories})
}

// handleAck takes a queued stanza off a companion's queue. It isn't waited for: when it is lost in
// a crash, the stanza is sent again, which clients must bear.
func (c *conn) handleAck(n *stanza.Node) {
	if c.dev == nil {
		return // clients acknowledge the notification of a linking code before they have an account
	}
	class, typ := stanza.Str(n, "class"), stanza.Str(n, "type")
	if class == "message" {
		typ = ""
	}
	var b durable.Batch
	c.acknowledged()
	b.Ack(c.dev.key, ackKey(class, stanza.Str(n, "id"), stanza.JID(n, "to"), stanza.JID(n, "participant"), typ))
	c.srv.store.Submit(&b)
}

// handleIB accepts the hints that clients send about themselves.
func (c *conn) handleIB(n *stanza.Node) {
	for _, child := range n.GetChildren() {
		switch child.Tag {
		case "offline_batch":
			c.readyForBatch()
		case "unified_session", "thread_metadata":
		default:
			c.srv.recordUnhandled(c.device(), "unknown hint "+child.Tag, n)
		}
	}
}
