package outbox

// Forget gives a lane's memory back: its queue, its clock and what people did to it.
// Nothing of it may be in flight that still calls Finish or its like. A lane of the
// same account that begins later begins anew.
func (p *Pacer) Forget(accountID int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slot := p.byID.slot(accountID)
	if *slot == 0 {
		return
	}
	i := *slot - 1
	l := &p.lanes[i]
	switch l.state {
	case laneWaiting:
		p.heap.remove(p.lanes, int(l.pos))
	case laneBusy:
		p.running--
	}
	for l.head != 0 {
		p.queue.pop(l)
		p.queued--
	}
	p.queued -= len(p.aside[accountID])
	delete(p.aside, accountID)
	delete(p.first, accountID)
	*slot = 0
	p.lanes[i] = lane{last: never, pos: -1}
	p.free = append(p.free, i)
}

// busyWith reports whether the message is the lane's head that is handed out. It
// makes no lane.
func (p *Pacer) busyWith(accountID, messageID int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	slot := p.byID.slot(accountID)
	if *slot == 0 {
		return false
	}
	l := &p.lanes[*slot-1]
	return l.state == laneBusy && p.queue.at(l.head).message == messageID
}
