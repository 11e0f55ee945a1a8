package wasim

import (
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// handled is a recipient's share of a message: changes submitted and not yet published.
type handled struct {
	effects *effects
	ticket  *durable.Ticket
}

// handleMessage carries a companion's message to the devices it is encrypted for, and acknowledges
// it once all that is on disk.
func (c *conn) handleMessage(n *stanza.Node) {
	to, id := stanza.JID(n, "to"), stanza.Str(n, "id")
	if to.IsEmpty() || id == "" {
		c.srv.recordUnhandled(c.device(), "message without id or recipient", n)
		return
	}
	var dest *Phone
	var members *group
	number := ""
	if to.Server == types.GroupServer {
		if members = c.srv.group(to); members == nil {
			c.ackMessage(n, 404)
			return
		}
		if !members.mayWrite(c.dev.phone.digits) {
			c.ackMessage(n, 403)
			return
		}
	} else {
		if dest = c.srv.user(to); dest == nil {
			c.ackMessage(n, 404)
			return
		}
		number = dest.Number()
	}
	own := c.dev.phone.Number()
	c.srv.counters.messages.Add(1)
	taken := func(kind FaultKind) (Fault, bool) {
		if answersRetry(n) {
			return Fault{}, false
		}
		return c.srv.faults.take(kind, own, number)
	}
	if f, ok := taken(FaultRefuse); ok {
		c.later(0, func() { c.ackMessage(n, f.Code) })
		return
	}
	if dest != nil {
		if ok, err := c.dev.phone.mayReach(dest); err != nil {
			c.srv.log.Error("log not read", "error", err)
			c.cut()
			return
		} else if !ok {
			c.later(0, func() { c.ackMessage(n, ackReachOutLimited) })
			return
		}
	}
	if _, ok := taken(FaultDropMessage); ok {
		return
	}
	if _, ok := taken(FaultLoseMessage); ok {
		c.later(0, func() { c.ackMessage(n, 0) })
		return
	}
	if _, ok := c.srv.faults.take(FaultCutOnMessage, own, number); ok {
		c.cut()
		return
	}
	if to.Server == types.DefaultUserServer && dest != c.dev.phone {
		if _, ok := c.srv.faults.take(FaultIgnoreNumber, number); ok {
			c.later(0, func() { c.ackMessage(n, 0) })
			return
		}
	}

	var done []handled
	if members != nil {
		done = c.routeGroup(n, members)
	} else {
		done = c.routeDirect(n, dest)
	}
	for _, h := range done {
		if err := h.ticket.Wait(c.ctx); err != nil {
			if c.ctx.Err() == nil {
				c.srv.log.Error("message not kept", "error", err)
			}
			c.cut()
			return
		}
	}
	c.acknowledge(n, own, number)
	for _, h := range done {
		if err := c.srv.publish(c.srv.ctx, h.effects); err != nil && c.srv.ctx.Err() == nil {
			c.srv.log.Error("reaction not kept", "error", err)
		}
	}
}

// acknowledge acknowledges a message that is on disk, as far as faults let it.
func (c *conn) acknowledge(n *stanza.Node, own, number string) {
	if _, ok := c.srv.faults.take(FaultCutBeforeAck, own, number); ok {
		c.cut()
		return
	}
	if _, ok := c.srv.faults.take(FaultDropAck, own, number); ok {
		return
	}
	var extra time.Duration
	if f, ok := c.srv.faults.take(FaultDelayAck, own, number); ok {
		extra = f.Delay
	}
	c.later(extra, func() { c.ackMessage(n, 0) })
}

// later runs fn after the server's latency and an extra delay.
func (c *conn) later(extra time.Duration, fn func()) {
	c.srv.after(stepAck*c.srv.latency+extra, fn)
}

// ackMessage acknowledges a message stanza, with an error unless code is 0.
func (c *conn) ackMessage(n *stanza.Node, code int) {
	ack := stanza.Node{Tag: "ack", Attrs: stanza.Attrs{
		"class": "message", "id": stanza.Str(n, "id"), "from": stanza.JID(n, "to"), "t": c.srv.now().Unix(),
	}}
	if code != 0 {
		ack.Attrs["error"] = code
	}
	c.write(ack)
}

// routeDirect hands a message of a direct chat to each device that it is encrypted for.
func (c *conn) routeDirect(n *stanza.Node, dest *Phone) []handled {
	in := incoming{
		from: c.dev.phone, device: c.dev, addr: stanza.JID(n, "to").ToNonAD(), id: stanza.Str(n, "id"), at: c.srv.now(),
	}
	deliver := func(jid types.JID, enc []stanza.Node) (handled, bool) {
		p := c.srv.user(jid)
		if p == nil || p != dest && p != c.dev.phone || p.blocks(c.dev.phone) {
			return handled{}, false
		}
		if jid.Device != 0 {
			return c.forward(n, p, jid, enc)
		}
		in := in
		in.enc = enc
		in.peer = stanza.Str(n, "category") == "peer"
		if p == c.dev.phone && (p != dest || !in.peer && hasParticipants(n)) {
			in.copyTo = dest
		}
		e := new(effects)
		return handled{e, p.take(in, e)}, true
	}
	var done []handled
	if hasParticipants(n) {
		list := stanza.Get(*n, "participants")
		seen := map[types.JID]bool{} // a client that writes to itself names each device twice
		for _, to := range list.GetChildren() {
			jid := stanza.JID(&to, "jid")
			if seen[jid] {
				continue
			}
			seen[jid] = true
			if h, ok := deliver(jid, to.GetChildrenByTag("enc")); ok {
				done = append(done, h)
			}
		}
		return done
	}
	// A retry, or a message to the own phone, is encrypted for the one device it is addressed to.
	target := stanza.JID(n, "to")
	if recipient := stanza.JID(n, "recipient"); !recipient.IsEmpty() && c.srv.user(target) == c.dev.phone {
		// A copy that the own phone asked to have repeated: the chat is named apart.
		in.addr = recipient
		if other := c.srv.user(recipient); other != nil {
			in.copyTo, in.enc = other, n.GetChildrenByTag("enc")
			e := new(effects)
			return []handled{{e, c.dev.phone.take(in, e)}}
		}
	}
	if h, ok := deliver(target, n.GetChildrenByTag("enc")); ok {
		done = append(done, h)
	}
	return done
}

func hasParticipants(n *stanza.Node) bool {
	_, ok := n.GetOptionalChildByTag("participants")
	return ok
}

// forward passes ciphertexts on to another companion.
func (c *conn) forward(n *stanza.Node, p *Phone, jid types.JID, enc []stanza.Node) (handled, bool) {
	d := c.srv.companion(p.digits, int(jid.Device))
	if d == nil || d == c.dev || len(enc) == 0 {
		return handled{}, false
	}
	var e effects
	c.forwardTo(d, n, jid, enc, &e)
	return handled{&e, c.srv.submit(&e)}, true
}

// forwardTo queues a companion's message for another companion, which knows the sender by the kind
// of address under which it was encrypted for.
func (c *conn) forwardTo(d *companion, n *stanza.Node, jid types.JID, enc []stanza.Node, e *effects) {
	to, id := stanza.JID(n, "to"), stanza.Str(n, "id")
	byLID := jid.Server == types.HiddenUserServer
	// The other address of the sender comes without its device (Baileys Utils/decode-wa-message.js).
	sender, alt, altName := c.dev.jid(), c.dev.phone.LID(), "sender_lid"
	if byLID {
		sender, alt, altName = c.dev.lid(), c.dev.phone.JID(), "sender_pn"
	}
	known := !byLID || !c.dev.phone.hidesNumber()
	out := stanza.Node{Tag: "message", Attrs: stanza.Attrs{
		"id": id, "type": stanza.Str(n, "type"), "t": c.srv.now().Unix(), "notify": c.dev.phone.Options().Name,
	}}
	if edit := stanza.Str(n, "edit"); edit != "" {
		out.Attrs["edit"] = edit
	}
	switch {
	case to.Server == types.GroupServer:
		out.Attrs["from"], out.Attrs["participant"], out.Attrs["addressing_mode"] = to, sender, "lid"
		if known {
			out.Attrs["participant_pn"] = alt
		}
	case d.phone == c.dev.phone:
		out.Attrs["from"], out.Attrs["recipient"] = sender, to
		if dest := c.srv.user(to); dest != nil && to.Server == types.HiddenUserServer && !dest.hidesNumber() {
			out.Attrs["peer_recipient_pn"] = dest.JID()
		}
	default:
		out.Attrs["from"] = sender
		if known {
			out.Attrs[altName] = alt
		}
	}
	children := append([]stanza.Node(nil), enc...)
	if identity, ok := n.GetOptionalChildByTag("device-identity"); ok {
		children = append(children, identity)
	}
	out.Content = children
	e.queue(d, stepAck, "message", id, "", out)
}

// handleReceipt takes what a client says about messages it has received.
func (c *conn) handleReceipt(n *stanza.Node) {
	to, id, typ := stanza.JID(n, "to"), stanza.Str(n, "id"), stanza.Str(n, "type")
	var e effects
	if typ != "retry" {
		c.acknowledged()
		e.batch.Ack(c.dev.key, ackKey("message", id, to, stanza.JID(n, "participant"), ""))
	}
	ids := []string{id}
	if list, ok := n.GetOptionalChildByTag("list"); ok {
		for _, item := range list.GetChildren() {
			if extra := stanza.Str(&item, "id"); extra != "" {
				ids = append(ids, extra)
			}
		}
	}
	group := types.EmptyJID
	who := to
	if to.Server == types.GroupServer {
		group, who = to, stanza.JID(n, "participant")
	}
	if p := c.srv.user(who); p != nil {
		for _, one := range ids {
			p.noteReceipt(Receipt{MessageID: one, From: c.dev.phone.Number(), Type: typ, Timestamp: timestamp(c.srv.now())})
		}
		if p != c.dev.phone && typ != "retry" {
			c.relayReceipt(p, who, group, ids, typ, &e)
		}
		if typ == "retry" {
			c.retry(p, who, n)
		}
	}
	c.srv.submit(&e)
	c.write(stanza.Node{Tag: "ack", Attrs: receiptAckAttrs(n)})
	c.srv.dispatch(e.deliveries)
}

func receiptAckAttrs(n *stanza.Node) stanza.Attrs {
	attrs := stanza.Attrs{"class": "receipt", "id": stanza.Str(n, "id"), "from": stanza.JID(n, "to")}
	if typ := stanza.Str(n, "type"); typ != "" {
		attrs["type"] = typ
	}
	if who := stanza.JID(n, "participant"); !who.IsEmpty() {
		attrs["participant"] = who
	}
	return attrs
}

// relayReceipt passes a receipt on to the companions of the message's sender.
func (c *conn) relayReceipt(p *Phone, who, group types.JID, ids []string, typ string, e *effects) {
	from := c.dev.jid()
	if who.Server == types.HiddenUserServer {
		from = c.dev.lid()
	}
	for _, d := range c.srv.companions(p) {
		for _, id := range ids {
			c.srv.queueReceipt(d, stepAck, from, group, id, typ, e)
		}
	}
}

// answersRetry reports whether a message was encrypted anew because a phone asked
// for it. Nobody waits for the acknowledgement of one (whatsmeow retry.go), so no
// fault takes it away on a connection that stays up: it would be lost for good,
// which is nothing that a client could be blamed for.
func answersRetry(n *stanza.Node) bool {
	for _, enc := range n.GetChildrenByTag("enc") {
		if _, ok := enc.Attrs["count"]; ok {
			return true
		}
	}
	return false
}

// retry passes on a request to encrypt a message anew.
func (c *conn) retry(p *Phone, who types.JID, n *stanza.Node) {
	if who.Device == 0 {
		if err := p.repeat(c.ctx, c.dev, n); err != nil {
			c.srv.log.Debug("message not repeated", "error", err)
		}
		return
	}
	d := c.srv.companion(p.digits, int(who.Device))
	if d == nil {
		return
	}
	from := c.dev.jid()
	if who.Server == types.HiddenUserServer {
		from = c.dev.lid()
	}
	out := stanza.Node{Tag: "receipt", Attrs: stanza.Attrs{
		"type": "retry", "from": from, "id": stanza.Str(n, "id"), "t": c.srv.now().Unix(),
	}, Content: n.Content}
	if to := stanza.JID(n, "to"); to.Server == types.GroupServer {
		out.Attrs["from"], out.Attrs["participant"] = to, from
	}
	var e effects
	e.queue(d, stepAck, "receipt", stanza.Str(n, "id"), "retry", out)
	if err := c.srv.commit(c.ctx, &e); err != nil {
		c.srv.log.Error("retry not kept", "error", err)
	}
}
