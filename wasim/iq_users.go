package wasim

import (
	"strings"

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
