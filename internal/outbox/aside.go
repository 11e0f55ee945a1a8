package outbox

import (
	"cmp"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// SetAside takes the lane's busy head out of the line, for it can't be sent for a
// longer time while the ones behind it can. It stays queued until Recall brings
// it back; when Recall or Wake came while it was in flight, it stays in line, to
// be looked at again. Nothing was sent, so the lane's clock stays as it was.
func (p *Pacer) SetAside(accountID int64) {
	p.mu.Lock()
	i := p.lane(accountID)
	l := &p.lanes[i]
	if l.state != laneBusy {
		p.mu.Unlock()
		return
	}
	p.running--
	l.state = laneIdle
	if !l.parked {
		head := *p.queue.at(l.head)
		p.queue.pop(l)
		if p.aside == nil {
			p.aside = make(map[int64][]entry)
		}
		list := p.aside[accountID]
		at, _ := find(list, head.message)
		p.aside[accountID] = slices.Insert(list, at, entry{message: head.message, gapMS: head.gapMS})
	}
	l.parked = false
	earlier := false
	if l.head != 0 {
		p.reseat(l)
		earlier = p.wait(i, p.afterGap(l, p.offset(time.Now())))
	}
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// Recall brings back what SetAside took out of a lane, each message to its place
// by acceptance: before all that were accepted after it and are neither in flight
// nor put first.
// The next one goes as soon as its gap allows.
func (p *Pacer) Recall(accountID int64) {
	p.mu.Lock()
	i := p.lane(accountID)
	l := &p.lanes[i]
	if l.state == laneBusy {
		l.parked = true // should the head be about to be set aside, it is looked at again
	}
	if len(p.aside[accountID]) == 0 {
		p.mu.Unlock()
		return
	}
	p.merge(l, l.state == laneBusy)
	earlier := false
	switch at := p.offset(time.Now()); {
	case l.state == laneIdle: // also when it is paused
		earlier = p.wait(i, p.afterGap(l, at))
	case l.state == laneWaiting && !l.parked: // its head may be another one now
		l.due = p.afterGap(l, at)
		p.heap.fix(p.lanes, int(l.pos))
		earlier = true
	}
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// GiveWay is Recall for a lane whose busy head must not go before what was set
// aside earlier: it goes back in line, too, to its own place. Nothing was sent, so
// the lane's clock stays as it was.
func (p *Pacer) GiveWay(accountID int64) {
	p.mu.Lock()
	i := p.lane(accountID)
	l := &p.lanes[i]
	if l.state != laneBusy {
		p.mu.Unlock()
		return
	}
	p.running--
	p.merge(l, false)
	l.parked = false
	earlier := p.wait(i, p.afterGap(l, p.offset(time.Now())))
	p.mu.Unlock()
	if earlier {
		p.poke()
	}
}

// merge puts what was set aside of a lane back into it, in the order of
// acceptance behind what was put first. A head that is in flight stays the head. It is called with mu held.
func (p *Pacer) merge(l *lane, inFlight bool) {
	back := p.aside[l.account]
	delete(p.aside, l.account)
	var first []entry
	if inFlight {
		first = append(first, *p.queue.at(l.head))
		p.queue.pop(l)
	}
	for l.head != 0 {
		back = append(back, *p.queue.at(l.head))
		p.queue.pop(l)
	}
	slices.SortFunc(back, p.order(l.account))
	for _, e := range append(first, back...) {
		p.queue.push(l, e.message, e.gap())
	}
}

// regapAside corrects the gaps of what is set aside. It is called with mu held.
func (p *Pacer) regapAside(qs []store.Queued) {
	if len(p.aside) == 0 {
		return
	}
	for _, q := range qs {
		list := p.aside[q.AccountID]
		if at, ok := find(list, q.MessageID); ok {
			list[at].setGap(q.Gap)
		}
	}
}

// find gives the place of a message in a list in acceptance order.
func find(list []entry, message int64) (at int, found bool) {
	return slices.BinarySearchFunc(list, message, func(e entry, id int64) int { return cmp.Compare(e.message, id) })
}
