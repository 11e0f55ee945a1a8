package wasim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// Buckets of the store. Phones are kept under their digits, companions under digits:device.
const (
	bucketMeta      = "meta"
	bucketPhone     = "phone"
	bucketCompanion = "companion"
	bucketOneTime   = "one_time"   // companion/id → a companion's public one-time key
	bucketPhoneKey  = "phone_key"  // digits/id → a phone's private one-time key
	bucketSession   = "session"    // digits/address → Signal session
	bucketSenderKey = "sender_key" // digits/group/address → group sender key
	bucketSent      = "sent"       // digits/sequence → message that a phone sent
	bucketGroup     = "group"      // group id
	bucketPast      = "past"       // digits/number → message of a phone's scripted history
	bucketAppState  = "app_state"  // digits/collection/version → patch
)

// effects collects what handling something changes and sends. Nothing of it leaves the server
// before the changes are durable.
type effects struct {
	batch      durable.Batch
	deliveries []delivery
	local      []localCopy
	logs       []logChange
}

// logChange is a phone's log that grew, or counts another attempt.
type logChange struct {
	phone   *Phone
	recount bool
}

// delivery is a queued stanza on its way to a companion.
type delivery struct {
	to    *companion
	step  int // how many latencies after the event it leaves
	entry *durable.Entry
	node  stanza.Node
}

// localCopy is a message between two phones of this server; they need no wire.
type localCopy struct {
	to      *Phone
	message incoming
}

// queue adds a stanza to a companion's queue. kind is the stanza's tag; id and, other than for
// messages, typ are what the companion's acknowledgement will name.
func (e *effects) queue(to *companion, step int, kind, id, typ string, n stanza.Node) {
	payload, err := stanza.Encode(n)
	if err != nil {
		panic(err) // stanzas to clients are built here from checked parts
	}
	key := ackKey(kind, id, stanza.JID(&n, "from"), stanza.JID(&n, "participant"), typ)
	entry := &durable.Entry{Key: key, Payload: payload}
	e.batch.Enqueue(to.key, entry)
	e.deliveries = append(e.deliveries, delivery{to, step, entry, n})
}

// ackKey names a queued stanza the way acknowledgements do: by tag, id, sender, in groups the member
// who sent it, and type.
func ackKey(kind, id string, from, member types.JID, typ string) string {
	return strings.Join([]string{kind, id, from.String(), member.String(), typ}, "|")
}

// submit hands the changes to the store. Whoever computed them under a lock submits under it too.
func (s *Server) submit(e *effects) *durable.Ticket { return s.store.Submit(&e.batch) }

// commit makes the changes durable and then lets the stanzas go.
func (s *Server) commit(ctx context.Context, e *effects) error {
	return s.settle(ctx, e, s.submit(e))
}

// settle waits for submitted changes and lets the stanzas go.
func (s *Server) settle(ctx context.Context, e *effects, t *durable.Ticket) error {
	if err := t.Wait(ctx); err != nil {
		return err
	}
	return s.publish(ctx, e)
}

// publish announces changes that are durable and lets the stanzas go.
func (s *Server) publish(ctx context.Context, e *effects) error {
	for _, l := range e.logs {
		l.phone.changed(l.recount)
	}
	s.dispatch(e.deliveries)
	for _, l := range e.local {
		if err := l.to.receiveLocal(ctx, l.message); err != nil {
			return err
		}
	}
	return nil
}

// dispatch puts stanzas on the wire, those of later steps after their share of latency.
func (s *Server) dispatch(list []delivery) {
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].step == list[0].step {
			n++
		}
		now := list[:n]
		list = list[n:]
		s.after(time.Duration(now[0].step)*s.latency, func() {
			for _, d := range now {
				if c := d.to.live(); c != nil {
					c.deliver(d)
				}
			}
		})
	}
}

// newID draws an id in the form that phones use for messages.
func newID() string {
	var raw [10]byte
	_, _ = rand.Read(raw[:])
	return "3A" + strings.ToUpper(hex.EncodeToString(raw[1:]))
}

func deviceKey(digits string, device int) string { return digits + ":" + strconv.Itoa(device) }
