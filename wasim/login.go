package wasim

import (
	"crypto/hmac"
	"strconv"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// replayPage is how many queue entries make a batch.
const replayPage = 100

// login admits a linked companion and replays what it has missed. It reports false after a refusal.
func (c *conn) login() bool {
	s := c.srv
	digits := strconv.FormatUint(c.peer.Payload.GetUsername(), 10)
	if f, ok := s.faults.take(FaultRefuseLogin, "+"+digits); ok {
		c.refuseLogin(f.Code, f.Delay)
		return false
	}
	d := s.companion(digits, int(c.peer.Payload.GetDevice()))
	if d == nil || !hmac.Equal(d.snapshot().Noise, c.peer.Static[:]) {
		c.refuseLogin(401, 0)
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
	if err := d.phone.greetLate(c.ctx, d); err != nil {
		s.log.Error("companion not greeted", "error", err)
		return false
	}
	s.counters.logins.Add(1)
	c.write(stanza.Node{Tag: "success", Attrs: stanza.Attrs{
		"t":        s.now().Unix(),
		"lid":      d.lid(),
		"props":    "27",
		"abprops":  "1",
		"location": "lla",
		"creation": d.snapshot().LinkedAt.Unix(),
	}})
	return c.startReplay()
}

// replay is the delivery of what a companion has missed, batch by batch.
type replay struct {
	after, until int64 // sequence numbers in the queue
	sent         int
	done         bool // nothing is left
}

// startReplay sends the first batch of the queue and, when there is more, leaves the rest to a goroutine: what
// follows depends on what the client answers, which the caller is about to read. Deliveries are held back
// from the moment the connection became live; the empty batch of changes marks the place in the queue from
// which on they will all come to this connection.
func (c *conn) startReplay() bool {
	ticket := c.srv.store.Submit(new(durable.Batch))
	if err := ticket.Wait(c.ctx); err != nil {
		return false
	}
	kinds, err := c.srv.store.QueueKinds(c.ctx, c.dev.key, ticket.Last)
	if err != nil {
		c.srv.log.Error("queue not read", "error", err)
		return false
	}
	total := 0
	for _, n := range kinds {
		total += n
	}
	if total > 0 {
		c.write(stanza.Node{Tag: "ib", Attrs: stanza.Attrs{"from": types.ServerJID}, Content: []stanza.Node{{
			Tag: "offline_preview",
			Attrs: stanza.Attrs{
				"count": total, "message": kinds["message"], "receipt": kinds["receipt"],
				"notification": kinds["notification"], "call": kinds["call"], "appdata": 0,
			},
		}}})
	}
	r := &replay{until: ticket.Last}
	if !c.replayBatch(r) {
		return false
	}
	if r.done {
		c.endReplay(r)
		return true
	}
	return c.srv.tasks.spawn(func() {
		for !r.done {
			if !c.awaitBatch() {
				return
			}
			if !c.replayBatch(r) {
				c.cut()
				return
			}
		}
		c.endReplay(r)
	})
}

// replayBatch sends the next batch of the queue.
func (c *conn) replayBatch(r *replay) bool {
	page, err := c.srv.store.Queue(c.ctx, c.dev.key, r.after, r.until, replayPage)
	if err != nil {
		if c.ctx.Err() == nil {
			c.srv.log.Error("queue not read", "error", err)
		}
		return false
	}
	r.done = len(page) < replayPage
	c.unacked.Store(int64(len(page)))
	for _, e := range page {
		r.after = e.Seq
		n, err := stanza.Decode(e.Payload)
		if err != nil {
			c.srv.log.Error("queue entry unreadable", "error", err)
			continue
		}
		n.Attrs["offline"] = r.sent
		c.write(*n)
		r.sent++
	}
	return true
}

// batchPatience is how long a client may take to acknowledge a batch. Then the next one comes anyway: a
// client that can't process something must not miss what follows.
const batchPatience = 2 * time.Second

// awaitBatch waits until the client is ready for the next batch: it has acknowledged the last one, or asked
// for more (Baileys Socket/socket.js sends offline_batch, whatsmeow doesn't).
func (c *conn) awaitBatch() bool {
	wait := time.NewTimer(batchPatience)
	defer wait.Stop()
	select {
	case <-c.nextBatch:
	case <-wait.C:
	case <-c.ctx.Done():
		return false
	}
	return true
}

// acknowledged counts that the client has taken a stanza off its queue.
func (c *conn) acknowledged() {
	if c.unacked.Add(-1) == 0 {
		c.readyForBatch()
	}
}

func (c *conn) readyForBatch() {
	select {
	case c.nextBatch <- struct{}{}:
	default:
	}
}

// endReplay says that the queue has been sent, and lets go what came in the meantime.
func (c *conn) endReplay(r *replay) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.writeLocked(stanza.Node{Tag: "ib", Attrs: stanza.Attrs{"from": types.ServerJID}, Content: []stanza.Node{
		{Tag: "offline", Attrs: stanza.Attrs{"count": r.sent}},
	}})
	c.replaying, c.floor = false, r.until
	held := c.held
	c.held = nil
	for _, d := range held {
		if d.entry.Seq > c.floor {
			c.writeLocked(d.node)
		}
	}
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
		if d.node.Tag == "message" {
			if _, ok := c.srv.faults.take(FaultRepeatMessage, c.dev.phone.Number()); ok {
				c.writeLocked(d.node)
			}
		}
	}
}

// banLength is how long a ban lasts unless the fault says otherwise.
const banLength = 24 * time.Hour

// refuseLogin tells the client why it may not log in, and in the case of a ban for how long. The attributes
// beside the reason are those that clients read (whatsmeow connectionevents.go, handleConnectFailure).
func (c *conn) refuseLogin(reason int, ban time.Duration) {
	n := stanza.Node{Tag: "failure", Attrs: stanza.Attrs{"reason": reason, "location": "lla"}}
	switch reason {
	case 402:
		if ban == 0 {
			ban = banLength
		}
		n.Attrs["code"], n.Attrs["expire"] = 101, int(ban.Seconds())
	case 403:
		n.Attrs["logout_message_header"] = "This account can't use WhatsApp"
		n.Attrs["logout_message_subtext"] = "Refused by the emulator"
	}
	c.end(n)
}
