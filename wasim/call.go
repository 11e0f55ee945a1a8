package wasim

import (
	"context"
	"fmt"
	"strings"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// Calls go as far as a missed call needs: an offer, and its end. Nobody can pick up.

// Call rings a number, video or voice, and returns the call's id. Companions that aren't connected hear of it at
// their next login. End it with [Phone.HangUp].
func (p *Phone) Call(ctx context.Context, to string, video bool) (string, error) {
	id := strings.TrimPrefix(newID(), "3A")
	media := []stanza.Node{{Tag: "audio", Attrs: stanza.Attrs{"enc": "opus", "rate": "16000"}}}
	if video {
		media = append(media, stanza.Node{Tag: "video", Attrs: stanza.Attrs{"enc": "vp8"}})
	}
	return id, p.signalCall(ctx, to, stanza.Node{Tag: "offer", Attrs: p.callAttrs(id), Content: media})
}

// HangUp ends a call that nobody has answered. reason is what the server says of it, such as "timeout";
// empty when the caller gave up.
func (p *Phone) HangUp(ctx context.Context, to, call, reason string) error {
	n := stanza.Node{Tag: "terminate", Attrs: p.callAttrs(call)}
	n.Attrs["reason"] = reason
	return p.signalCall(ctx, to, n)
}

func (p *Phone) callAttrs(id string) stanza.Attrs {
	attrs := stanza.Attrs{"call-id": id, "call-creator": p.LID()}
	if !p.hidesNumber() {
		attrs["caller_pn"] = p.JID()
	}
	return attrs
}

// signalCall queues a step of a call for the callee's companions (whatsmeow call.go, handleCallEvent).
func (p *Phone) signalCall(ctx context.Context, to string, step stanza.Node) error {
	members, err := p.srv.registered([]string{to})
	if err != nil {
		return err
	}
	callee, ok := p.srv.Phone(members[0])
	if !ok || callee.blocks(p) {
		return nil // rings nowhere, and the caller isn't told why
	}
	var e effects
	for _, d := range p.srv.companions(callee) {
		id := newID()
		e.queue(d, 0, "call", id, "", stanza.Node{Tag: "call", Attrs: stanza.Attrs{
			"from": p.LID(), "id": id, "t": p.srv.now().Unix(), "notify": p.Options().Name, "platform": "android", "version": "2.26.1",
		}, Content: []stanza.Node{step}})
	}
	if err := p.srv.commit(ctx, &e); err != nil {
		return fmt.Errorf("wasim: call: %w", err)
	}
	return nil
}

// handleCall takes a client's rejection of a call, which the caller's phone notes.
func (c *conn) handleCall(n *stanza.Node) {
	to := stanza.JID(n, "to")
	child, ok := stanza.First(n)
	switch p := c.srv.user(to); {
	case !ok || child.Tag != "reject" && child.Tag != "terminate":
		c.srv.recordUnhandled(c.device(), "unknown step of a call", n)
	case p != nil:
		p.noteActivity(Activity{From: c.dev.phone.Number(), Kind: "call_" + child.Tag, Timestamp: timestamp(c.srv.now())})
	}
	c.write(stanza.Node{Tag: "ack", Attrs: stanza.Attrs{
		"class": "call", "id": stanza.Str(n, "id"), "from": orServer(to), "type": child.Tag,
	}})
}

func orServer(jid types.JID) types.JID {
	if jid.IsEmpty() {
		return types.ServerJID
	}
	return jid
}
