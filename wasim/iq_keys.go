package wasim

import (
	"crypto/sha1" // the protocol's choice, for a checksum
	"encoding/binary"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// iqKeyDigest tells a companion which of its keys the server has, so that it can upload what is missing
// (Baileys Socket/socket.js, digestKeyBundle, which uploads when there is no answer). The hash covers the
// public keys in the order in which they are listed.
func (c *conn) iqKeyDigest(n *stanza.Node) {
	rec, oneTime := c.dev.publicKeys()
	h := sha1.New()
	for _, part := range [][]byte{rec.Identity, rec.Signed.Key, rec.Signed.Signature} {
		h.Write(part)
	}
	ids := make([]stanza.Node, len(oneTime))
	for i, k := range oneTime {
		ids[i] = stanza.Node{Tag: "id", Content: stanza.KeyID(k.ID)}
		h.Write(k.Key)
	}
	c.result(n, stanza.Node{Tag: "digest", Content: []stanza.Node{
		{Tag: "registration", Content: stanza.Uint32(rec.Registration)},
		{Tag: "type", Content: []byte{djbType}},
		{Tag: "identity", Content: rec.Identity},
		keyNode(rec.Signed),
		{Tag: "list", Content: ids},
		{Tag: "hash", Content: h.Sum(nil)},
	}})
}

// iqRotateKey replaces a companion's signed key and leaves its one-time keys (Baileys Socket/socket.js,
// rotateSignedPreKey).
func (c *conn) iqRotateKey(n *stanza.Node, rotate stanza.Node) {
	signed, err := parseKeyNode(stanza.Get(rotate, "skey"))
	if err != nil {
		c.refuse(n, 406, "not-acceptable")
		return
	}
	var e effects
	c.dev.upload(c.dev.snapshot().Registration, signed, nil, &e.batch)
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
	s.askForKeys(d, left, e)
}
