package wasim

import (
	"sync/atomic"
	"time"
)

// bell counts changes and wakes those who wait for the next. The zero value is ready.
type bell struct {
	count atomic.Uint64
	next  atomic.Pointer[chan struct{}] // closed at the next change; nil while nobody waits
}

func (b *bell) ring() {
	b.count.Add(1)
	if waiting := b.next.Swap(nil); waiting != nil {
		close(*waiting)
	}
}

// Now is the network's time, see [Options.Now] and [Server.AdvanceClock].
func (s *Server) Now() time.Time { return s.now() }

// Nudge counts a change that happened around the server, for those who wait for [Server.Changes].
func (s *Server) Nudge() { s.changes.ring() }

// Changes tells how often anything that people can see has changed since the server started (a phone, its messages,
// receipts, connections, groups, faults), and gives a channel that is closed at the next change. Take the channel
// first, then look: what changes afterwards closes it. Some of what is counted may look the same as before.
func (s *Server) Changes() (count uint64, next <-chan struct{}) {
	for {
		waiting := s.changes.next.Load()
		if waiting == nil {
			made := make(chan struct{})
			if !s.changes.next.CompareAndSwap(nil, &made) {
				continue
			}
			waiting = &made
		}
		return s.changes.count.Load(), *waiting
	}
}
