package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Shared is what a Service needs whose queue other nodes work at, too. It holds no
// lane until Adopt, and those of other accounts do not concern it.
//
// Any node accepts messages for a lane; the one that holds it reads them from storage
// when it is told that there are some (Hint), and looks by itself now and then. So
// their order is storage's, and what is told may be lost.
type Shared struct {
	Store store.SharedQueue
	// Alive reports whether this node may act for its accounts, by its own clock. It is
	// asked right before each send; nil = always.
	Alive func() bool
	// Accepted is told for which accounts messages were accepted here, after their
	// commit, so that other nodes hear of it. It must not block; nil = nobody is told.
	Accepted func(accountIDs []int64)
}

// held is a lane that this node holds. Service.mu guards its fields.
type held struct {
	ready   chan struct{} // closed when it is loaded, or could not be
	loaded  bool
	last    int64 // the latest message that the Pacer was given
	leaving bool  // Yield was called: nothing is begun any more
	users   int   // attempts in flight and changes by people that are under way
	idle    chan struct{}

	ctx    context.Context // of what is done for the lane; ends when the node loses it
	cancel context.CancelFunc
}

// Adopt begins with the lane of an account that this node holds from now on: what
// is stored of it (its queue, clock, pause, what was put first) is what holds. What
// WhatsApp limits is looked at anew, message by message. Adopting twice is fine; the
// caller does not adopt and yield one account at the same time. Only for a shared
// queue.
func (s *Service) Adopt(ctx context.Context, accountID int64) error {
	l := &held{ready: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	if s.held[accountID] != nil {
		s.mu.Unlock()
		l.cancel()
		return nil
	}
	s.held[accountID] = l
	s.mu.Unlock()
	defer close(l.ready)
	start, err := s.deps.Shared.Store.LaneStart(ctx, accountID)

	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		l.cancel()
		delete(s.held, accountID)
		return fmt.Errorf("adopt a lane: %w", err)
	}
	s.pacer.Forget(accountID)
	if !start.At.IsZero() {
		s.pacer.SetClock(accountID, start.At)
	}
	s.pacer.Pause(accountID) // nothing goes before the order is what people made it
	s.pacer.Enqueue(start.Queued)
	s.pacer.PutFirst(accountID, start.First...)
	if !start.Paused {
		s.pacer.Resume(accountID)
	}
	if n := len(start.Queued); n > 0 {
		l.last = start.Queued[n-1].MessageID
	}
	l.loaded = true
	s.hint(accountID) // accepted while it was read
	return nil
}

// Yield gives a lane up. From the call on nothing of it is begun. With orderly, what
// is in flight may end and is settled, for at most Config.Drain or until ctx ends;
// otherwise it is broken off at once, and what may have gone out goes again under
// its id elsewhere. When it returns, nothing of the lane is in flight and its memory
// is given back. Yielding what is not held is fine.
func (s *Service) Yield(ctx context.Context, accountID int64, orderly bool) error {
	s.mu.Lock()
	l := s.held[accountID]
	if l == nil {
		s.mu.Unlock()
		return nil
	}
	l.leaving = true
	if l.idle == nil {
		l.idle = make(chan struct{})
		if l.users == 0 {
			close(l.idle)
		}
	}
	s.mu.Unlock()
	if orderly {
		limit := time.NewTimer(s.cfg.Drain)
		defer limit.Stop()
		select {
		case <-l.idle:
		case <-limit.C:
		case <-ctx.Done():
		}
	}
	l.cancel()
	<-l.idle
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, accountID)
	delete(s.troubles, accountID)
	delete(s.awaited, accountID)
	if r, planned := s.recalls[accountID]; planned {
		r.timer.Stop()
		delete(s.recalls, accountID)
	}
	s.pacer.Forget(accountID)
	return nil
}

// use keeps a lane from being given up until release is called, and gives the context
// that ends when the node loses it. With a queue of one's own it does nothing.
// Errors: tideline.ErrElsewhere.
func (s *Service) use(ctx context.Context, accountID int64) (lane context.Context, release func(), err error) {
	if s.deps.Shared == nil {
		return context.WithoutCancel(ctx), func() {}, nil
	}
	for {
		s.mu.Lock()
		l := s.held[accountID]
		switch {
		case l == nil || l.leaving:
			s.mu.Unlock()
			return nil, nil, tideline.ErrElsewhere
		case l.loaded:
			l.users++
			s.mu.Unlock()
			return l.ctx, func() { s.release(l) }, nil
		}
		s.mu.Unlock()
		select {
		case <-l.ready:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (s *Service) release(l *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.users--; l.users == 0 && l.idle != nil {
		close(l.idle)
	}
}

// begin starts an attempt of a lane that this node holds. The Pacer may have handed
// out its head just before the lane was given up, or before it was adopted anew.
func (s *Service) begin(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.held[a.account]
	if l == nil || l.leaving || !s.pacer.busyWith(a.account, a.message) {
		return
	}
	l.users++
	s.attempts.Go(func() {
		defer s.release(l)
		ctx, cancel := context.WithCancel(s.attemptCx)
		defer cancel()
		defer context.AfterFunc(l.ctx, cancel)()
		a.run(ctx)
	})
}

// holds reports whether the lane of an account is this Service's.
func (s *Service) holds(accountID int64) bool {
	if s.deps.Shared == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.held[accountID]
	return l != nil && l.loaded
}

// alive reports whether this node may send now.
func (s *Service) alive() bool {
	return s.deps.Shared == nil || s.deps.Shared.Alive == nil || s.deps.Shared.Alive()
}
