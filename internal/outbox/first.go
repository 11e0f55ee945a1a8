package outbox

import (
	"cmp"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// What people do to lanes: pause them, put messages first, take messages out.

// Pause keeps the lane from handing out anything until Resume. A head that is in
// flight stays so; when it comes back, it waits.
func (p *Pacer) Pause(accountID int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lanes[p.lane(accountID)]
	l.paused = true
	if l.state == laneWaiting {
		p.heap.remove(p.lanes, int(l.pos))
		l.state, l.parked = laneIdle, false
	}
}

// Resume ends a pause: the head goes as soon as its gap allows.
func (p *Pacer) Resume(accountID int64) {
	p.mu.Lock()
	i := p.lane(accountID)
	l := &p.lanes[i]
	l.paused = false
	earlier := false
	if l.state == laneIdle && l.head != 0 {
		l.parked = false
		earlier = p.wait(i, p.afterGap(l, p.offset(time.Now())))
	}
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// InFlight gives the lane's message that is handed out; 0 = none.
func (p *Pacer) InFlight(accountID int64) (message int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lanes[p.lane(accountID)]
	if l.state != laneBusy {
		return 0
	}
	return p.queue.at(l.head).message
}

// PutFirst moves messages of a lane to its head, in the order given, before those
// that were moved so earlier. A head that is in flight stays so; should it come
// back, it goes behind them. Messages that are set aside stay so; when they come
// back, it is to the place that they were given now. Messages that the lane does
// not have are passed over.
func (p *Pacer) PutFirst(accountID int64, messages ...int64) {
	p.mu.Lock()
	i := p.lane(accountID)
	l := &p.lanes[i]
	busy := p.inFlight(l)
	want := make(map[int64]struct{}, len(messages))
	for _, id := range messages {
		want[id] = struct{}{}
	}
	found := p.queue.remove(l, busy, want)
	for _, e := range p.aside[accountID] {
		if _, ok := want[e.message]; ok {
			found = append(found, entry{message: e.message})
		}
	}
	if busy != 0 {
		if e := p.queue.at(busy); slices.Contains(messages, e.message) {
			found = append(found, entry{message: e.message}) // it may come back
		}
	}
	have := make(map[int64]entry, len(found))
	for _, e := range found {
		have[e.message] = e
	}
	if p.first == nil {
		p.first = make(map[int64][]int64)
	}
	later := slices.DeleteFunc(p.first[accountID], func(id int64) bool { _, again := want[id]; return again })
	var now []int64
	at := busy
	for _, id := range messages {
		e, ok := have[id]
		if !ok {
			continue
		}
		now = append(now, id)
		if _, waits := find(p.aside[accountID], id); !waits && (busy == 0 || p.queue.at(busy).message != id) {
			at = p.queue.insert(l, at, e)
		}
	}
	if p.first[accountID] = append(now, later...); len(p.first[accountID]) == 0 {
		delete(p.first, accountID)
	}
	earlier := p.headChanged(l)
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// Drop takes messages out of a lane that ended elsewhere. One that is in flight
// stays: it is for Finish to take it out.
func (p *Pacer) Drop(accountID int64, messages []int64) {
	p.mu.Lock()
	l := &p.lanes[p.lane(accountID)]
	gone := make(map[int64]struct{}, len(messages))
	for _, id := range messages {
		gone[id] = struct{}{}
	}
	removed := p.queue.remove(l, p.inFlight(l), gone)
	list := p.aside[accountID]
	kept := slices.DeleteFunc(list, func(e entry) bool { _, is := gone[e.message]; return is })
	p.queued -= len(removed) + len(list) - len(kept)
	if len(kept) > 0 {
		p.aside[accountID] = kept
	} else {
		delete(p.aside, accountID)
	}
	p.forgetFirst(accountID, messages...)
	earlier := p.headChanged(l)
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// headChanged makes a waiting lane go by its head as it is now; it reports whether
// Run must look again. It is called with mu held.
func (p *Pacer) headChanged(l *lane) bool {
	switch {
	case l.state != laneWaiting:
		return false
	case l.head == 0:
		p.heap.remove(p.lanes, int(l.pos))
		l.state = laneIdle
		return false
	}
	l.parked = false
	l.due = p.afterGap(l, p.offset(time.Now()))
	p.heap.fix(p.lanes, int(l.pos))
	return true
}

// inFlight gives the entry of the lane's busy head; 0 = none.
func (p *Pacer) inFlight(l *lane) uint32 {
	if l.state == laneBusy {
		return l.head
	}
	return 0
}

// forgetFirst notes that messages are not queued any more.
func (p *Pacer) forgetFirst(accountID int64, messages ...int64) {
	list, any := p.first[accountID]
	if !any {
		return
	}
	list = slices.DeleteFunc(list, func(id int64) bool { return slices.Contains(messages, id) })
	if len(list) > 0 {
		p.first[accountID] = list
	} else {
		delete(p.first, accountID)
	}
}

// order gives how the messages of a lane are to be sorted: what was put first,
// then by acceptance.
func (p *Pacer) order(accountID int64) func(a, b entry) int {
	place := make(map[int64]int)
	list := p.first[accountID]
	for i, id := range list {
		place[id] = i - len(list) // below 0, which all others have
	}
	return func(a, b entry) int {
		return cmp.Or(cmp.Compare(place[a.message], place[b.message]), cmp.Compare(a.message, b.message))
	}
}

// reseat puts the head of a lane, which came back, behind what was put first while
// it was in flight, and reports whether another one is the head now.
func (p *Pacer) reseat(l *lane) bool {
	list := p.first[l.account]
	if len(list) == 0 {
		return false
	}
	head := *p.queue.at(l.head)
	order := p.order(l.account)
	prev := uint32(0)
	for i := head.next; i != 0 && order(*p.queue.at(i), head) < 0; i = p.queue.at(i).next {
		prev = i
	}
	if prev == 0 {
		return false
	}
	p.queue.pop(l)
	p.queue.insert(l, prev, head)
	return true
}

// afterFirst gives the entry of a lane with which its order of acceptance begins.
func (p *Pacer) afterFirst(l *lane) uint32 {
	at := l.head
	list := p.first[l.account]
	if len(list) == 0 {
		return at
	}
	if busy := p.inFlight(l); busy != 0 && !slices.Contains(list, p.queue.at(busy).message) {
		at = p.queue.at(busy).next // its gap is looked at by Regap
	}
	for at != 0 && slices.Contains(list, p.queue.at(at).message) {
		at = p.queue.at(at).next
	}
	return at
}

// regapFirst corrects the gaps of what was put first. It is called with mu held.
func (p *Pacer) regapFirst(qs []store.Queued) {
	if len(p.first) == 0 {
		return
	}
	for _, q := range qs {
		if !slices.Contains(p.first[q.AccountID], q.MessageID) {
			continue
		}
		l := &p.lanes[p.lane(q.AccountID)]
		end := p.afterFirst(l)
		for at := l.head; at != 0 && at != end; at = p.queue.at(at).next {
			if e := p.queue.at(at); e.message == q.MessageID {
				e.setGap(q.Gap)
			}
		}
	}
}
