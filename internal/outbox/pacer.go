package outbox

import (
	"context"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// Pacer decides which lane may send next, and when. It holds for each lane the
// ids and gaps of its queued messages and nothing else of them.
//
// A lane is idle (nothing queued, or paused), waiting (its head is due at a known instant)
// or busy (its head was handed out and has not come back). Only Run hands out
// heads, and never before they are due.
type Pacer struct {
	hand func(accountID, messageID int64, due time.Time)
	base time.Time     // zero of the instants below; carries the monotonic clock
	wake chan struct{} // capacity 1: the earliest due time may have changed

	mu      sync.Mutex
	byID    pages
	lanes   []lane
	free    []uint32 // indexes of lanes that were forgotten
	queue   entries
	heap    laneHeap
	queued  int
	running int               // busy lanes
	aside   map[int64][]entry // by account: what SetAside took out of the lane, in acceptance order
	first   map[int64][]int64 // by account: what PutFirst moved and is still queued, in sending order
}

// lane is one account's queue. 40 bytes; head and tail point into Pacer.queue.
type lane struct {
	account    int64
	last       int64 // when the last send ended, as an offset from base in ns; far in the past if never
	due        int64 // when the head may go, while waiting
	head, tail uint32
	pos        int32 // place in the heap; -1 when not waiting
	state      laneState
	parked     bool // waiting: due was set by Again, not by the gap; busy: Wake or Recall was called
	paused     bool // nothing is handed out; it is idle or, until its head comes back, busy
}

type laneState uint8

const (
	laneIdle laneState = iota
	laneWaiting
	laneBusy
)

// never is a "last" so long ago that no gap is left of it.
const never = -int64(10 * 365 * 24 * time.Hour)

// NewPacer makes a Pacer that calls hand for every head whose time has come.
// hand runs on Run's goroutine and must not block; the lane stays busy until
// Finish or Again is called for its account.
func NewPacer(hand func(accountID, messageID int64, due time.Time)) *Pacer {
	return &Pacer{hand: hand, base: time.Now(), wake: make(chan struct{}, 1)}
}

// SetClock tells from when a lane's gap counts, as stored by an earlier run.
// An instant in the future (the machine's clock was set back meanwhile) counts
// as now: the wait is never longer than one gap. Call it before Enqueue.
func (p *Pacer) SetClock(accountID int64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lanes[p.lane(accountID)]
	l.last = min(p.offset(at.Round(0)), p.offset(time.Now()))
}

// Enqueue appends messages to their lanes. Messages of one lane must come in
// acceptance order. It does not block.
func (p *Pacer) Enqueue(qs []store.Queued) {
	p.mu.Lock()
	now := p.offset(time.Now())
	earlier := false
	for _, q := range qs {
		i := p.lane(q.AccountID)
		l := &p.lanes[i]
		p.queue.push(l, q.MessageID, q.Gap)
		p.queued++
		if l.state == laneIdle {
			earlier = p.wait(i, p.afterGap(l, now)) || earlier
		}
	}
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// Finish ends the lane's busy head: it leaves the queue, and the gap of the
// next message counts from laneAt. A zero laneAt leaves the clock as it was,
// for a message that ended without being sent.
func (p *Pacer) Finish(accountID int64, laneAt time.Time) {
	p.mu.Lock()
	i := p.lane(accountID)
	l := &p.lanes[i]
	if l.state != laneBusy {
		p.mu.Unlock()
		return
	}
	p.running--
	p.queued--
	p.forgetFirst(accountID, p.queue.at(l.head).message)
	p.queue.pop(l)
	if !laneAt.IsZero() {
		l.last = max(l.last, p.offset(laneAt))
	}
	l.state, l.parked = laneIdle, false
	earlier := false
	if l.head != 0 {
		earlier = p.wait(i, p.afterGap(l, p.offset(time.Now())))
	}
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// Again puts the lane's busy head back, to be handed out at the given time, or
// as soon as the gap allows after Wake. A laneAt that is not zero is when the
// attempt ended that may have sent something: gaps count from it.
func (p *Pacer) Again(accountID int64, at, laneAt time.Time) {
	p.mu.Lock()
	i := p.lane(accountID)
	l := &p.lanes[i]
	if l.state != laneBusy {
		p.mu.Unlock()
		return
	}
	p.running--
	if !laneAt.IsZero() {
		l.last = max(l.last, p.offset(laneAt))
	}
	due, parked := p.offset(at), true
	if p.reseat(l) { // another one is the head now, and the pause was not for that
		due, parked = p.afterGap(l, p.offset(time.Now())), false
	} else if l.parked { // Wake came while the head was in flight
		due = p.afterGap(l, p.offset(time.Now()))
	}
	earlier := p.wait(i, due)
	l.parked = parked
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// Regap corrects the gap of the lane's busy head to what is stored now, and
// reports whether that has passed. When it has not, the head is put back until
// it has.
func (p *Pacer) Regap(accountID int64, gap time.Duration) (due bool) {
	p.mu.Lock()
	i := p.lane(accountID)
	l := &p.lanes[i]
	if l.state != laneBusy {
		p.mu.Unlock()
		return false
	}
	p.queue.at(l.head).setGap(gap)
	now := p.offset(time.Now())
	at := p.afterGap(l, now)
	earlier := false
	if at > now {
		p.running--
		l.parked = false
		if p.reseat(l) {
			earlier = p.wait(i, p.afterGap(l, now))
		} else {
			earlier = p.wait(i, at)
		}
	}
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
	return at <= now
}

// RegapAll corrects the gaps of queued messages to what is stored now. Messages
// of one lane must come in acceptance order; those that the Pacer does not have
// are passed over.
func (p *Pacer) RegapAll(qs []store.Queued) {
	p.mu.Lock()
	cursor := make(map[int64]uint32) // lane's account → entry to compare next
	for _, q := range qs {
		i := p.lane(q.AccountID)
		at, seen := cursor[q.AccountID]
		if !seen {
			at = p.afterFirst(&p.lanes[i])
		}
		for at != 0 && p.queue.at(at).message < q.MessageID {
			at = p.queue.at(at).next
		}
		if at != 0 && p.queue.at(at).message == q.MessageID {
			p.queue.at(at).setGap(q.Gap)
		}
		cursor[q.AccountID] = at
	}
	p.regapAside(qs)
	p.regapFirst(qs)
	now := p.offset(time.Now())
	for account := range cursor {
		l := &p.lanes[p.lane(account)]
		if l.state == laneWaiting && !l.parked {
			l.due = p.afterGap(l, now)
			p.heap.fix(p.lanes, int(l.pos))
		}
	}
	p.mu.Unlock()
	p.poke()
}

// Wake ends a pause that Again began, or is about to begin: the account is back.
func (p *Pacer) Wake(accountID int64) {
	p.mu.Lock()
	l := &p.lanes[p.lane(accountID)]
	earlier := false
	switch {
	case l.state == laneBusy:
		l.parked = true // should the head come back, it need not wait
	case l.state == laneWaiting && l.parked:
		l.parked = false
		l.due = p.afterGap(l, p.offset(time.Now()))
		p.heap.fix(p.lanes, int(l.pos))
		earlier = l.pos == 0
	}
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// Queued counts the messages that wait or are in flight, and the busy lanes.
func (p *Pacer) Queued() (messages, inFlight int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queued, p.running
}

// Run hands out heads until ctx ends.
func (p *Pacer) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []handout
	for ctx.Err() == nil {
		var next time.Duration
		due, next = p.takeDue(due[:0])
		for _, h := range due {
			p.hand(h.account, h.message, p.base.Add(time.Duration(h.due)))
		}
		if len(due) > 0 {
			continue // handing out took time: look again before sleeping
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-p.wake:
		}
	}
	return nil
}

// maxHandouts bounds how many heads are taken under one lock, so that Enqueue
// and Finish never wait long.
const maxHandouts = 1024

type handout struct{ account, message, due int64 }

// takeDue makes the lanes busy whose head is due, and tells how long to sleep
// until the next one is.
func (p *Pacer) takeDue(out []handout) ([]handout, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.offset(time.Now())
	for len(p.heap) > 0 {
		l := &p.lanes[p.heap[0]]
		if l.due > now {
			return out, time.Duration(l.due - now)
		}
		p.heap.remove(p.lanes, 0)
		l.state, l.parked = laneBusy, false
		p.running++
		out = append(out, handout{l.account, p.queue.at(l.head).message, l.due})
		if len(out) == maxHandouts {
			return out, 0
		}
	}
	return out, time.Hour
}

// wait puts a lane in the heap and reports whether it is now the earliest. A paused
// lane becomes idle instead.
func (p *Pacer) wait(i uint32, due int64) bool {
	if p.lanes[i].paused {
		p.lanes[i].state = laneIdle
		return false
	}
	p.lanes[i].state, p.lanes[i].due = laneWaiting, due
	p.heap.push(p.lanes, i)
	return p.lanes[i].pos == 0
}

// afterGap is when the lane's head may go: its gap after the last send, not in the past.
func (p *Pacer) afterGap(l *lane, now int64) int64 {
	return max(now, l.last+int64(p.queue.at(l.head).gap())) // offsets in ns
}

// offset gives an instant as nanoseconds since base. An instant that carries
// the monotonic clock is measured by it; a stored one by the wall clock.
func (p *Pacer) offset(t time.Time) int64 { return int64(t.Sub(p.base)) }

// lane gives the index of the account's lane, made on first use.
func (p *Pacer) lane(accountID int64) uint32 {
	slot := p.byID.slot(accountID)
	switch n := len(p.free); {
	case *slot != 0:
	case n > 0:
		*slot = p.free[n-1] + 1
		p.free = p.free[:n-1]
		p.lanes[*slot-1] = lane{account: accountID, last: never, pos: -1}
	default:
		p.lanes = append(p.lanes, lane{account: accountID, last: never, pos: -1})
		*slot = uint32(len(p.lanes))
	}
	return *slot - 1
}

// poke makes Run look at the heap again.
func (p *Pacer) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
