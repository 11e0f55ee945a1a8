package cluster

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// Join makes this process a node, when it isn't one. Run does it too; a server that
// wants to know its id before it opens the rest calls it first, and Run soon after.
// Errors: store.ErrBusy, or that of storage.
func (s *Service) Join(ctx context.Context) error {
	if s.Self() != 0 {
		return nil
	}
	started := time.Now()
	n, err := s.nodes.Join(ctx, s.info, s.cfg.TTL)
	if err != nil {
		return err
	}
	s.nodes.Fence(n.ID)
	s.mu.Lock()
	s.joined, s.deadline, s.lapsed, s.gone = n, s.lasts(started), false, false
	s.lease, s.endLease = context.WithCancel(context.WithoutCancel(ctx))
	s.seen, s.yielded = []store.Node{n}, make(map[int64]bool)
	s.timer = time.AfterFunc(time.Until(s.deadline), s.lapse)
	s.mu.Unlock()
	s.log.LogAttrs(ctx, slog.LevelInfo, "joined", slog.Int64("node", n.ID))
	return nil
}

// lasts is until when this node trusts a lease that it asked for at the given time.
// The database counts from when it got the statement, which was later.
func (s *Service) lasts(asked time.Time) time.Time { return asked.Add(s.cfg.TTL - s.cfg.Margin) }

// renewing renews the lease until ctx ends. It closes expelled when the node is gone.
func (s *Service) renewing(ctx context.Context, expelled chan<- struct{}) {
	defer close(expelled)
	pause := s.cfg.Renew
	for {
		wait(ctx, pause)
		if ctx.Err() != nil {
			return
		}
		asked := time.Now()
		call, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		err := s.nodes.Renew(call, s.Self(), s.cfg.TTL)
		cancel()
		switch {
		case err == nil:
			s.renewed(asked) //nolint:contextcheck // an account comes and goes longer than the call that decides it
			pause = max(0, s.cfg.Renew-time.Since(asked))
			continue
		case errors.Is(err, store.ErrExpelled):
			return
		case ctx.Err() == nil:
			s.log.LogAttrs(ctx, slog.LevelWarn, "renew the lease; trying again", slog.Any("err", err))
		}
		pause = s.cfg.Renew / 4
	}
}

// renewed notes a lease that was asked for at the given time. One that was over before
// is not mended by it: everything is yielded first.
func (s *Service) renewed(asked time.Time) {
	s.lapse()
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := s.lasts(asked); until.After(s.deadline) {
		s.deadline = until
	}
	s.timer.Reset(max(0, time.Until(s.deadline)))
	s.recover()
}

// lapse yields everything when the lease is over. It is called by the timer, and
// before a new lease is noted, because after a freeze either may be first.
func (s *Service) lapse() {
	s.mu.Lock()
	if s.lapsed || s.joined.ID == 0 {
		s.mu.Unlock()
		return
	}
	if left := time.Until(s.deadline); left > 0 {
		s.timer.Reset(left)
		s.mu.Unlock()
		return
	}
	s.stats.Lapses++
	lease, accounts := s.lease, len(s.held)
	s.yieldAll()
	s.mu.Unlock()
	s.log.LogAttrs(context.WithoutCancel(lease), slog.LevelWarn, "the lease is over: all accounts are given up at once", slog.Int("accounts", accounts))
}

// yieldAll ends the lease and yields everything at once; s.mu is held.
func (s *Service) yieldAll() {
	s.lapsed = true
	s.endLease()
	for _, h := range s.held {
		s.giveUp(h, leaveNow, false)
	}
}

// recover begins a lease anew when the one before was over, nobody expelled the node,
// and nothing from before is left; s.mu is held.
func (s *Service) recover() {
	if !s.lapsed || s.gone || len(s.held)+s.onDuty > 0 || !time.Now().Before(s.deadline) {
		return
	}
	s.lapsed = false
	s.lease, s.endLease = context.WithCancel(context.WithoutCancel(s.lease))
	s.timer.Reset(time.Until(s.deadline))
	s.Poke()
}
