package cluster

import (
	"context"
	"log/slog"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// leaving says how an account is given up.
type leaving int

const (
	stay     leaving = iota
	inOrder          // what is in flight may end
	leaveNow         // nothing may be sent any more
	retryMin = 100 * time.Millisecond
	retryMax = 5 * time.Second
)

// holding is an account of this node, from its claim until nothing of it is in
// flight any more. It has a goroutine only while it comes or goes.
type holding struct {
	store.Hold

	// Guarded by Service.mu.
	leave   leaving
	release bool               // free it afterwards; otherwise it is adopted again when it is still ours
	cancel  context.CancelFunc // of what its goroutine does now
	settled bool               // adopted; no goroutine
}

// adopt begins to act for a claimed account, and reports whether it is held then.
func (s *Service) adopt(h store.Hold) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.held[h.AccountID]; old != nil {
		return old.leave == stay
	}
	if s.leaving || !s.alive() {
		return false // it stays claimed, and whoever looks next sees to it
	}
	delete(s.yielded, h.AccountID)
	ctx, cancel := context.WithCancel(s.lease)
	e := &holding{Hold: h, cancel: cancel}
	s.held[h.AccountID] = e
	go s.take(ctx, e)
	return true
}

// take adopts an account, again until that works or it is to be given up.
func (s *Service) take(ctx context.Context, h *holding) {
	pause := retryMin
	for called := false; ; {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil { // given up while it waited
			s.takenBack(h, called) //nolint:contextcheck // an account comes and goes longer than the call that decides it
			return
		}
		err := s.keeper.Adopt(ctx, h.Hold)
		<-s.slots
		called = true
		s.mu.Lock()
		if err == nil && h.leave == stay {
			h.settled = true
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if ctx.Err() != nil {
			s.takenBack(h, true) //nolint:contextcheck // an account comes and goes longer than the call that decides it
			return
		}
		s.log.LogAttrs(ctx, slog.LevelWarn, "adopt account; trying again", slog.Int64("account", h.AccountID), slog.Any("err", err))
		wait(ctx, pause)
		pause = min(2*pause, retryMax)
	}
}

// takenBack ends a holding that was to be given up before it was adopted.
func (s *Service) takenBack(h *holding, called bool) {
	if called {
		s.give(h)
	} else {
		s.end(h)
	}
}

// wait waits for d, or less when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// giveUp lets an account go; s.mu is held. A hurried one overtakes one in order.
func (s *Service) giveUp(h *holding, how leaving, release bool) {
	h.release = h.release || release
	if how <= h.leave {
		return
	}
	h.leave = how
	h.cancel()
	if h.settled {
		h.settled = false
		go s.give(h)
	}
}

// give yields an account until nothing of it is in flight.
func (s *Service) give(h *holding) {
	pause := retryMin
	for {
		// Not the lease's: whoever yields must be let finish, however the lease stands.
		ctx, cancel := context.WithCancel(context.WithoutCancel(s.Lease()))
		s.mu.Lock()
		orderly := h.leave == inOrder
		h.cancel = cancel
		s.mu.Unlock()
		err := s.keeper.Yield(ctx, h.AccountID, orderly)
		cancel()
		if err == nil {
			s.end(h)
			return
		}
		s.mu.Lock()
		hurried := orderly && h.leave == leaveNow // which ended the call, and is no fault
		h.leave = leaveNow
		s.mu.Unlock()
		if hurried {
			continue
		}
		s.log.LogAttrs(ctx, slog.LevelWarn, "yield account; trying again", slog.Int64("account", h.AccountID),
			slog.Bool("orderly", orderly), slog.Any("err", err))
		if !orderly {
			wait(context.WithoutCancel(ctx), pause)
			pause = min(2*pause, retryMax)
		}
	}
}

// end forgets an account of which nothing is in flight.
func (s *Service) end(h *holding) {
	s.mu.Lock()
	delete(s.held, h.AccountID)
	if h.release {
		s.yielded[h.AccountID] = true
	}
	s.signalEnd()
	s.mu.Unlock()
	h.cancel()
	s.Poke()
}

// signalEnd tells those who wait that something ended; s.mu is held.
func (s *Service) signalEnd() {
	close(s.ended)
	s.ended = make(chan struct{})
	s.recover()
}

// await returns when nothing is held or on duty any more.
func (s *Service) await() {
	for {
		s.mu.Lock()
		busy, ended := len(s.held)+s.onDuty > 0, s.ended
		s.mu.Unlock()
		if !busy {
			return
		}
		<-ended
	}
}
