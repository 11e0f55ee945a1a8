package cluster

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// Bus is how the nodes of one database tell and ask each other, by way of that
// database: they need no other connection, no port and no secret of their own.
//
// A signal is told to every other node that listens just then. It is a hint: what it
// announces is also found by looking, so it may be lost, and then nothing but time is.
// After a loss that can be noticed (a connection that broke, too many signals at once)
// those who registered with OnResync are told.
//
// A call asks one node to do something, and waits for its answer. See Ask.
type Bus struct {
	store store.Signals
	cfg   BusConfig
	log   *slog.Logger

	handlers map[string]func(ctx context.Context, args []byte) ([]byte, error)
	hearers  map[string][]func(payload []byte)
	resync   []func()

	tell chan struct{} // capacity 1: there is something in out
	look chan struct{} // capacity 1: there may be calls

	mu    sync.Mutex
	out   []item
	size  int // bytes in out
	lost  bool
	stats BusStats
	waits map[int64]chan struct{} // capacity 1, by call: the reply may be there
}

// BusConfig says who the node is among the others.
type BusConfig struct {
	// Self is this node's id; 0 = it is none just now.
	Self func() int64
	// Others reports whether there are other nodes. While there are none, signals are
	// not sent. nil = always.
	Others func() bool
	// Present reports whether a node is there as far as is known. nil = always.
	Present func(nodeID int64) bool
	Log     *slog.Logger // nil: silent
}

// BusStats counts what a bus carried since its start.
type BusStats struct {
	Sent, Received int64 // signals, as they were registered or given
	Asked, Served  int64 // calls
}

// Stats gives the counts, for metrics.
func (b *Bus) Stats() BusStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats
}

// item is one signal of a notification.
type item struct {
	Kind    string          `json:"k"`
	Payload json.RawMessage `json:"p,omitempty"`
}

// notification is what goes over the wire.
type notification struct {
	From  int64  `json:"f"`
	Items []item `json:"s"`
}

// Kinds of the bus's own.
const (
	kindResync = "resync" // signals were lost
	kindCall   = "call"   // payload: the target
	kindReply  = "reply"  // payload: the caller and the call
)

const (
	// joinFor is how long a signal waits for others, to share a notification.
	joinFor = 4 * time.Millisecond
	// maxOut bounds the signals that wait to be sent, in bytes. What is more is
	// replaced by a resync.
	maxOut = 128 << 10
	// notifyTimeout bounds the sending of a notification.
	notifyTimeout = 5 * time.Second
	// listenPause is the pause before listening is tried again; it doubles up to
	// listenPauseMax.
	listenPause    = 100 * time.Millisecond
	listenPauseMax = 2 * time.Second
)

// NewBus makes a Bus. Register everything before Run.
func NewBus(s store.Signals, c BusConfig) *Bus {
	if c.Others == nil {
		c.Others = func() bool { return true }
	}
	if c.Present == nil {
		c.Present = func(int64) bool { return true }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Bus{
		store: s, cfg: c, log: c.Log,
		handlers: make(map[string]func(context.Context, []byte) ([]byte, error)),
		hearers:  make(map[string][]func([]byte)),
		tell:     make(chan struct{}, 1), look: make(chan struct{}, 1),
		waits: make(map[int64]chan struct{}),
	}
}

// OnSignal registers who is told of signals of a kind that other nodes send. fn must
// not block and must not keep the payload. Call it before Run.
func (b *Bus) OnSignal(kind string, fn func(payload []byte)) {
	b.hearers[kind] = append(b.hearers[kind], fn)
}

// OnResync registers who is told that signals may have been lost. fn must not
// block. Call it before Run.
func (b *Bus) OnResync(fn func()) { b.resync = append(b.resync, fn) }

// Signal tells all other nodes. payload is JSON, with which a notification must not be
// too long (see store.MaxNotification); a signal that is too long is lost. It
// doesn't block, and it doesn't keep payload.
func (b *Bus) Signal(kind string, payload []byte) {
	if !b.cfg.Others() {
		return
	}
	b.put(item{kind, json.RawMessage(payload)})
}

func (b *Bus) put(i item) {
	const overhead = 64 // of a notification and an item
	if len(i.Payload)+len(i.Kind)+overhead > store.MaxNotification {
		b.log.Warn("a signal is too long for a notification", "kind", i.Kind, "bytes", len(i.Payload))
		return
	}
	i.Payload = append(json.RawMessage(nil), i.Payload...)
	b.mu.Lock()
	if b.size += len(i.Payload); b.size > maxOut {
		b.out, b.size, b.lost = keepCalls(b.out), 0, true
	} else {
		b.out = append(b.out, i)
		b.stats.Sent++
	}
	b.mu.Unlock()
	poke(b.tell)
}

// keepCalls drops signals of others; those about calls are few and waited for.
func keepCalls(all []item) []item {
	kept := all[:0]
	for _, i := range all {
		if i.Kind == kindCall || i.Kind == kindReply {
			kept = append(kept, i)
		}
	}
	return kept
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run carries signals and calls until ctx ends, and then waits for the calls that are
// being answered.
func (b *Bus) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { b.send(ctx) })
	all.Go(func() { b.hear(ctx) })
	all.Go(func() { b.serve(ctx) })
	all.Wait()
	return nil
}

// send passes on what Signal was given, several signals in a notification.
func (b *Bus) send(ctx context.Context) {
	for {
		select {
		case <-b.tell:
		case <-ctx.Done():
			return
		}
		joining := time.NewTimer(joinFor)
		select {
		case <-joining.C:
		case <-ctx.Done():
		}
		joining.Stop()
		for _, payload := range b.take() {
			sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyTimeout)
			err := b.store.Notify(sending, payload)
			cancel()
			if err != nil {
				b.log.DebugContext(ctx, "signals are lost", "err", err)
				b.mu.Lock()
				b.lost = true
				b.mu.Unlock()
			}
		}
	}
}

// take gives what waits as notifications. The same signal is sent once.
func (b *Bus) take() []string {
	b.mu.Lock()
	items, lost := b.out, b.lost
	b.out, b.size, b.lost = nil, 0, false
	b.mu.Unlock()
	if lost {
		items = append(items, item{Kind: kindResync})
	}
	seen := make(map[string]bool, len(items))
	var payloads []string
	n := notification{From: b.cfg.Self()}
	size := 0
	flush := func() {
		if len(n.Items) == 0 {
			return
		}
		text, err := json.Marshal(n)
		if err != nil {
			b.log.Error("a signal is no JSON", "err", err)
		} else {
			payloads = append(payloads, string(text))
		}
		n.Items, size = nil, 0
	}
	for _, i := range items {
		key := i.Kind + " " + string(i.Payload)
		if seen[key] {
			continue
		}
		seen[key] = true
		const frame, punctuation = 40, 20
		cost := len(i.Kind) + len(i.Payload) + punctuation
		if size+cost+frame > store.MaxNotification {
			flush()
		}
		n.Items, size = append(n.Items, i), size+cost
	}
	flush()
	return payloads
}

// hear listens for ever, also after the connection broke.
func (b *Bus) hear(ctx context.Context) {
	pause := listenPause
	for ctx.Err() == nil {
		err := b.store.Listen(ctx, func() {
			pause = listenPause
			b.missed()
		}, b.heard)
		if err == nil {
			continue // ctx ended
		}
		b.log.DebugContext(ctx, "listening ended; trying again", "err", err)
		timer := time.NewTimer(pause)
		pause = min(2*pause, listenPauseMax)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// missed: signals may have been lost.
func (b *Bus) missed() {
	for _, fn := range b.resync {
		fn()
	}
	poke(b.look)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.waits {
		poke(c)
	}
}

// heard takes a notification.
func (b *Bus) heard(payload string) {
	var n notification
	if err := json.Unmarshal([]byte(payload), &n); err != nil {
		b.log.Debug("a notification can't be read", "err", err) // of another version, or another program
		return
	}
	if n.From == b.cfg.Self() {
		return
	}
	b.mu.Lock()
	b.stats.Received += int64(len(n.Items))
	b.mu.Unlock()
	for _, i := range n.Items {
		switch i.Kind {
		case kindResync:
			b.missed()
		case kindCall, kindReply:
			b.heardCall(i)
		default:
			for _, fn := range b.hearers[i.Kind] {
				fn(i.Payload)
			}
		}
	}
}
