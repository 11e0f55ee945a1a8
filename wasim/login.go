package wasim

import (
	"crypto/hmac"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// replayPage is how many queue entries are read at once.
const replayPage = 100

// login admits a linked companion and replays what it has missed. It reports false after a refusal.
func (c *conn) login() bool {
	s := c.srv
	digits := strconv.FormatUint(c.peer.Payload.GetUsername(), 10)
	if f, ok := s.faults.take(FaultRefuseLogin, "+"+digits); ok {
		c.refuseLogin(f.Code)
		return false
	}
	d := s.companion(digits, int(c.peer.Payload.GetDevice()))
	if d == nil || !hmac.Equal(d.snapshot().Noise, c.peer.Static[:]) {
		c.refuseLogin(401)
		return false
	}
	c.wmu.Lock()
	c.replaying = true
	c.wmu.Unlock()
	c.dev = d
	if old := d.attach(c); old != nil && old != c {
		old.endStream("", "replaced")
	}
	if !d.snapshot().Confirmed {
		if err := s.confirm(d); err != nil {
			s.log.Error("companion not confirmed", "error", err)
			return false
		}
	}
	s.counters.logins.Add(1)
	c.write(stanza.Node{Tag: "success", Attrs: stanza.Attrs{
		"t":        time.Now().Unix(),
		"lid":      d.lid(),
		"props":    "27",
		"abprops":  "1",
		"location": "lla",
		"creation": d.snapshot().LinkedAt.Unix(),
	}})
	return c.replay()
}

// replay sends the queue, then what came in the meantime. Deliveries are held back from the moment
// the connection became live; the empty batch marks the place in the queue from which on they will
// all come here.
func (c *conn) replay() bool {
	ticket := c.srv.store.Submit(new(durable.Batch))
	if err := ticket.Wait(c.ctx); err != nil {
		return false
	}
	total, err := c.srv.store.QueueLen(c.ctx, c.dev.key, ticket.Last)
	if err != nil {
		c.srv.log.Error("queue not read", "error", err)
		return false
	}
	if total > 0 {
		c.write(stanza.Node{Tag: "ib", Attrs: stanza.Attrs{"from": types.ServerJID}, Content: []stanza.Node{{
			Tag: "offline_preview",
			Attrs: stanza.Attrs{
				"count": total, "message": total, "receipt": 0, "notification": 0, "appdata": 0,
			},
		}}})
	}
	sent := 0
	for after := int64(0); ; {
		page, err := c.srv.store.Queue(c.ctx, c.dev.key, after, ticket.Last, replayPage)
		if err != nil {
			c.srv.log.Error("queue not read", "error", err)
			return false
		}
		for _, e := range page {
			after = e.Seq
			n, err := stanza.Decode(e.Payload)
			if err != nil {
				c.srv.log.Error("queue entry unreadable", "error", err)
				continue
			}
			n.Attrs["offline"] = sent
			c.write(*n)
			sent++
		}
		if len(page) < replayPage {
			break
		}
	}
	c.write(stanza.Node{Tag: "ib", Attrs: stanza.Attrs{"from": types.ServerJID}, Content: []stanza.Node{
		{Tag: "offline", Attrs: stanza.Attrs{"count": sent}},
	}})

	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.replaying, c.floor = false, ticket.Last
	held := c.held
	c.held = nil
	for _, d := range held {
		if d.entry.Seq > c.floor {
			c.writeLocked(d.node)
		}
	}
	return true
}

// deliver sends a queued stanza, unless the replay has already done so or will.
func (c *conn) deliver(d delivery) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	switch {
	case c.replaying:
		c.held = append(c.held, d)
	case d.entry.Seq > c.floor:
		c.writeLocked(d.node)
	}
}

// refuseLogin tells the client why it may not log in. The attributes beside the reason are those
// that clients read (whatsmeow connectionevents.go, handleConnectFailure).
func (c *conn) refuseLogin(reason int) {
	n := stanza.Node{Tag: "failure", Attrs: stanza.Attrs{"reason": reason, "location": "lla"}}
	switch reason {
	case 402:
		n.Attrs["code"], n.Attrs["expire"] = 101, int((24 * time.Hour).Seconds())
	case 403:
		n.Attrs["logout_message_header"] = "This account can't use WhatsApp"
		n.Attrs["logout_message_subtext"] = "Refused by the emulator"
	}
	c.end(n)
}
