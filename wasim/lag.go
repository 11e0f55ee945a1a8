package wasim

import (
	"math/rand/v2"
	"sync"
	"time"
)

// lag is one direction of a connection on which stanzas take time. They stay in order, as on a TCP
// connection, and don't wait for each other longer than that takes. While nothing is late it costs no
// goroutine.
type lag struct {
	mu      sync.Mutex
	queue   []lateStep
	running bool      // a goroutine carries out the queue
	last    time.Time // when the last of the queue is due
}

type lateStep struct {
	due time.Time
	do  func()
}

// late carries out a step on a connection: at once, or when the time has passed that a fault makes it take and
// all steps before it are done. One goroutine at a time may add steps to a lag.
func (c *conn) late(l *lag, kind FaultKind, do func()) {
	var wait time.Duration
	number := ""
	if c.dev != nil {
		number = c.dev.phone.Number()
	}
	if f, ok := c.srv.faults.take(kind, number); ok {
		wait = f.Delay
		if f.Jitter > 0 {
			wait += rand.N(f.Jitter)
		}
	}
	queued, first := l.add(wait, do)
	switch {
	case !queued:
		do()
	case first && !c.srv.tasks.spawn(func() { c.carryOut(l) }):
		c.cut()
	}
}

// add queues a step, unless nothing makes it wait. first reports that nobody carries out the queue yet.
func (l *lag) add(wait time.Duration, do func()) (queued, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait == 0 && !l.running {
		return false, false
	}
	due := time.Now().Add(wait)
	if due.Before(l.last) {
		due = l.last
	}
	l.last = due
	l.queue = append(l.queue, lateStep{due, do})
	first = !l.running
	l.running = true
	return true, first
}

// carryOut works until nothing is late any more, or the connection ends.
func (c *conn) carryOut(l *lag) {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			l.queue, l.running = nil, false
			l.mu.Unlock()
			return
		}
		next := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		timer := time.NewTimer(time.Until(next.due))
		select {
		case <-timer.C:
			next.do()
		case <-c.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// left is how long until the last step is due.
func (l *lag) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, time.Until(l.last))
}
