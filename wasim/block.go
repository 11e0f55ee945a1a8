package wasim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// Block makes the phone's account block a number, or unblock it. What a blocked account sends to it is
// acknowledged and delivered to nobody, and it sees neither presence nor picture.
func (p *Phone) Block(ctx context.Context, number string, block bool) error {
	digits, err := parseNumber(number)
	if err != nil {
		return fmt.Errorf("wasim: %w", err)
	}
	return p.setBlocked(ctx, digits, block, nil)
}

// Blocked lists the numbers that the account blocks, in order.
func (p *Phone) Blocked() []string {
	var out []string
	for _, digits := range *p.blocked.Load() {
		out = append(out, "+"+digits)
	}
	return out
}

func (p *Phone) blocks(other *Phone) bool { return slices.Contains(*p.blocked.Load(), other.digits) }

// setBlocked changes the list and tells the companions, other than the one that did it (whatsmeow
// notification.go, handleBlocklist).
func (p *Phone) setBlocked(ctx context.Context, digits string, block bool, by *companion) error {
	var e effects
	err := p.update(ctx, &e, func() error {
		old := *p.blocked.Load()
		list := slices.DeleteFunc(slices.Clone(old), func(d string) bool { return d == digits })
		action := "unblock"
		if block {
			list, action = append(list, digits), "block"
			slices.Sort(list)
		}
		p.blocked.Store(&list)
		for _, d := range p.srv.companions(p) {
			if d == by {
				continue
			}
			id := newID()
			e.queue(d, 0, "notification", id, "account_sync", stanza.Node{
				Tag:   "notification",
				Attrs: stanza.Attrs{"type": "account_sync", "from": p.JID(), "id": id, "t": p.srv.now().Unix()},
				Content: []stanza.Node{{
					Tag: "blocklist", Attrs: stanza.Attrs{"dhash": listHash(list), "prev_dhash": listHash(old)},
					Content: []stanza.Node{{Tag: "item", Attrs: stanza.Attrs{"jid": lidOf(digits), "action": action}}},
				}},
			})
		}
		return p.save(&e.batch)
	})
	if err != nil {
		return fmt.Errorf("wasim: keep list of blocked numbers: %w", err)
	}
	return nil
}

// listHash stands for a list, by which clients notice that theirs is old.
func listHash(list []string) string {
	sum := sha256.Sum256([]byte(strings.Join(list, ",")))
	return hex.EncodeToString(sum[:8])
}

// iqBlocklist tells whom the account blocks, or changes that.
func (c *conn) iqBlocklist(n *stanza.Node, child stanza.Node) {
	p := c.dev.phone
	if stanza.Str(n, "type") == "set" {
		who := c.srv.user(stanza.JID(&child, "jid"))
		action := stanza.Str(&child, "action")
		if who == nil || action != "block" && action != "unblock" {
			c.refuse(n, 400, "bad-request")
			return
		}
		if err := p.setBlocked(c.ctx, who.digits, action == "block", c.dev); err != nil {
			c.srv.log.Error("list not kept", "error", err)
			c.cut()
			return
		}
	}
	list := *p.blocked.Load()
	items := make([]stanza.Node, len(list))
	for i, digits := range list {
		items[i] = stanza.Node{Tag: "item", Attrs: stanza.Attrs{
			"jid": lidOf(digits), "pn_jid": types.NewJID(digits, types.DefaultUserServer),
		}}
	}
	c.result(n, stanza.Node{Tag: "list", Attrs: stanza.Attrs{"dhash": listHash(list)}, Content: items})
}
