package wasim

import (
	"encoding/binary"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// answerWithLID stands for addressing_mode=lid of a lookup by number: the answer then names the
// contact by hidden id, and the number beside it.
const answerWithLID = "contact addressing_mode=lid"

// iqUsync answers a lookup of users: whether they exist, their hidden ids and their devices.
func (c *conn) iqUsync(n *stanza.Node, sync stanza.Node) {
	query, list := stanza.Get(sync, "query"), stanza.Get(sync, "list")
	asked := map[string]bool{}
	for _, q := range query.GetChildren() {
		asked[q.Tag] = true
		if q.Tag == "contact" && stanza.Str(&q, "addressing_mode") == "lid" {
			asked[answerWithLID] = true
		}
	}
	users := make([]stanza.Node, 0, len(list.GetChildren()))
	for _, u := range list.GetChildren() {
		if u.Tag == "user" {
			users = append(users, c.usyncUser(u, asked))
		}
	}
	var results []stanza.Node
	for tag := range asked {
		if tag == answerWithLID {
			continue
		}
		results = append(results, stanza.Node{Tag: tag})
	}
	c.result(n, stanza.Node{
		Tag: "usync",
		Attrs: stanza.Attrs{
			"sid": stanza.Str(&sync, "sid"), "mode": stanza.Str(&sync, "mode"),
			"context": stanza.Str(&sync, "context"), "index": "0", "last": "true",
		},
		Content: []stanza.Node{{Tag: "result", Content: results}, {Tag: "list", Content: users}},
	})
}

func (c *conn) usyncUser(u stanza.Node, asked map[string]bool) stanza.Node {
	jid := stanza.JID(&u, "jid")
	out := stanza.Node{Tag: "user", Attrs: stanza.Attrs{}}
	var children []stanza.Node
	var p *Phone
	if contact, ok := u.GetOptionalChildByTag("contact"); ok && jid.IsEmpty() {
		// Asked by number, the answer repeats the question so that the client can match it.
		text := stanza.Bytes(contact)
		number, _, _ := strings.Cut(string(text), "@")
		if digits, err := parseNumber(number); err == nil {
			jid = types.NewJID(digits, types.DefaultUserServer)
			p = c.srv.user(jid)
		}
		kind := "out"
		if p != nil {
			kind = "in"
		}
		children = append(children, stanza.Node{Tag: "contact", Attrs: stanza.Attrs{"type": kind}, Content: text})
		if p != nil && asked[answerWithLID] {
			out.Attrs["pn_jid"] = jid
			jid = p.LID()
		}
	} else {
		p = c.srv.user(jid)
		if asked["contact"] {
			kind := "out"
			if p != nil {
				kind = "in"
			}
			children = append(children, stanza.Node{Tag: "contact", Attrs: stanza.Attrs{"type": kind}})
		}
	}
	if jid.IsEmpty() {
		jid = types.NewJID("0", types.DefaultUserServer)
	}
	out.Attrs["jid"] = jid
	if p != nil {
		if asked["devices"] {
			children = append(children, c.deviceList(p, jid))
		}
		if asked["lid"] {
			children = append(children, stanza.Node{Tag: "lid", Attrs: stanza.Attrs{"val": p.LID()}})
		}
		if asked["status"] {
			children = append(children, stanza.Node{Tag: "status", Attrs: stanza.Attrs{"t": 0}, Content: []byte("Hey there!")})
		}
	}
	if len(children) > 0 {
		out.Content = children
	}
	return out
}

// deviceList lists a phone (device 0) and its companions.
func (c *conn) deviceList(p *Phone, addr types.JID) stanza.Node {
	p.watch(c.dev, addr.ToNonAD())
	devices := []stanza.Node{{Tag: "device", Attrs: stanza.Attrs{"id": 0}}}
	for _, d := range c.srv.companions(p) {
		devices = append(devices, stanza.Node{
			Tag: "device", Attrs: stanza.Attrs{"id": d.rec.Device, "key-index": d.rec.Device},
		})
	}
	return stanza.Node{Tag: "devices", Content: []stanza.Node{{Tag: "device-list", Content: devices}}}
}

// iqUploadKeys stores a companion's prekeys.
func (c *conn) iqUploadKeys(n *stanza.Node) {
	registration := stanza.Child(*n, "registration")
	signed, err := parseKeyNode(stanza.Get(*n, "skey"))
	if err != nil || len(registration) != 4 || string(stanza.Child(*n, "identity")) != string(c.dev.snapshot().Identity) {
		c.refuse(n, 406, "not-acceptable")
		return
	}
	list := stanza.Get(*n, "list")
	keys := make([]publicKey, 0, len(list.GetChildren()))
	for _, child := range list.GetChildren() {
		k, err := parseKeyNode(child)
		if err != nil {
			c.refuse(n, 406, "not-acceptable")
			return
		}
		keys = append(keys, k)
	}
	var e effects
	c.dev.upload(binary.BigEndian.Uint32(registration), signed, keys, &e.batch)
	if err = c.dev.save(&e.batch); err == nil {
		err = c.srv.commit(c.ctx, &e)
	}
	if err != nil {
		c.srv.log.Error("keys not kept", "error", err)
		c.cut()
		return
	}
	c.result(n)
}

// iqFetchKeys hands out keys to start sessions with.
func (c *conn) iqFetchKeys(n *stanza.Node, list stanza.Node) {
	var e effects
	users := make([]stanza.Node, 0, len(list.GetChildren()))
	for _, u := range list.GetChildren() {
		if u.Tag != "user" {
			continue
		}
		jid := stanza.JID(&u, "jid")
		children, ok := c.srv.keysOf(jid, &e)
		if !ok {
			children = []stanza.Node{{Tag: "error", Attrs: stanza.Attrs{"code": 404, "text": "item-not-found"}}}
		}
		users = append(users, stanza.Node{Tag: "user", Attrs: stanza.Attrs{"jid": jid}, Content: children})
	}
	// A key handed out must still be known when the first message under it arrives.
	if err := c.srv.commit(c.ctx, &e); err != nil {
		c.srv.log.Error("keys not kept", "error", err)
		c.cut()
		return
	}
	c.result(n, stanza.Node{Tag: "list", Content: users})
}

// keysOf returns the key bundle of a device, phone or companion.
func (s *Server) keysOf(jid types.JID, e *effects) ([]stanza.Node, bool) {
	p := s.user(jid)
	if p == nil {
		return nil, false
	}
	if jid.Device == 0 {
		return p.bundleNodes(&e.batch), true
	}
	d := s.companion(p.digits, int(jid.Device))
	if d == nil {
		return nil, false
	}
	rec, oneTime, left := d.bundle(&e.batch)
	s.nudge(d, left, e)
	nodes := []stanza.Node{
		{Tag: "registration", Content: stanza.Uint32(rec.Registration)},
		{Tag: "type", Content: []byte{djbType}},
		{Tag: "identity", Content: rec.Identity},
		keyNode(rec.Signed),
	}
	if oneTime != nil {
		nodes = append(nodes, keyNode(*oneTime))
	}
	return nodes, true
}

// lowKeys is the count below which clients upload more (whatsmeow prekeys.go, MinPreKeyCount).
const lowKeys = 5

// nudge tells a companion when it runs out of one-time keys.
func (s *Server) nudge(d *companion, left int, e *effects) {
	if left != lowKeys-1 {
		return // once per shortage
	}
	id := newID()
	e.queue(d, 0, "notification", id, "encrypt", stanza.Node{
		Tag:     "notification",
		Attrs:   stanza.Attrs{"type": "encrypt", "from": types.ServerJID, "id": id, "t": time.Now().Unix()},
		Content: []stanza.Node{{Tag: "count", Attrs: stanza.Attrs{"value": left}}},
	})
}
