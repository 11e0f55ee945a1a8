package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// Run is a node until ctx ends. It then yields in order all that it holds, so that
// others can take it at once, and leaves. A node that was expelled yields everything and
// joins anew, under another id. The error is that of the first Join.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Join(ctx); err != nil {
		return err
	}
	for {
		if stopped := s.tenure(ctx); stopped {
			return nil
		}
		for pause := retryMin; ; pause = min(2*pause, retryMax) {
			err := s.Join(ctx)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return nil
			}
			s.log.LogAttrs(ctx, slog.LevelWarn, "join again; trying again", slog.Any("err", err))
			wait(ctx, pause)
		}
	}
}

// tenure is the time from a Join to the end of this node; stopped tells whether that
// is the end of ctx. Nothing of it is left when it returns.
func (s *Service) tenure(ctx context.Context) (stopped bool) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	duties, endDuties := context.WithCancel(work)
	expelled := make(chan struct{})
	var parts sync.WaitGroup
	parts.Go(func() { s.renewing(work, expelled) })
	parts.Go(func() { s.every(work, s.cfg.Expel, nil, s.expel) })
	parts.Go(func() { s.every(work, s.cfg.Balance, s.look, s.balance) })
	for _, d := range s.duties {
		parts.Go(func() { s.perform(duties, d) })
	}
	select {
	case <-expelled:
		s.log.LogAttrs(ctx, slog.LevelWarn, "expelled by other nodes", slog.Int64("node", s.Self()))
	case <-ctx.Done():
		stopped = true
		s.stop(work, endDuties)
	}
	endDuties()
	s.mu.Lock()
	s.gone = true
	s.yieldAll() //nolint:contextcheck // an account comes and goes longer than the call that decides it
	s.mu.Unlock()
	s.await()
	cancel()
	parts.Wait()
	s.leave(ctx, stopped)
	return stopped
}

// stop yields everything in order while the lease is still renewed. The balancer
// frees what is yielded.
func (s *Service) stop(ctx context.Context, endDuties func()) {
	// Whoever decides just now may still adopt; nobody will afterwards.
	s.mu.Lock()
	s.leaving = true
	self := s.joined.ID
	s.mu.Unlock()
	call, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	if err := s.nodes.MarkLeaving(call, self); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "say that the node leaves", slog.Any("err", err))
	}
	cancel()
	endDuties()
	s.mu.Lock()
	for _, h := range s.held {
		s.giveUp(h, inOrder, true) //nolint:contextcheck // an account comes and goes longer than the call that decides it
	}
	s.mu.Unlock()
	s.await()
}

// leave ends being a node.
func (s *Service) leave(ctx context.Context, stopped bool) {
	s.mu.Lock()
	self := s.joined.ID
	s.timer.Stop()
	s.mu.Unlock()
	if stopped {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
		if err := s.nodes.Leave(call, self); err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "leave; the other nodes notice when the lease is over", slog.Any("err", err))
		} else {
			s.tellMoved()
		}
		cancel()
	}
	s.mu.Lock()
	s.joined = store.Node{}
	s.mu.Unlock()
}

// every calls do at once, then every interval and when wake has an element, until ctx
// ends. An error is logged, and do is tried again at the next turn.
func (s *Service) every(ctx context.Context, interval time.Duration, wake <-chan struct{}, do func(context.Context) error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrExpelled) {
			s.log.LogAttrs(ctx, slog.LevelWarn, "share accounts among nodes; trying again", slog.Any("err", err))
		}
		select {
		case <-tick.C:
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// expel looks for nodes whose lease is over.
func (s *Service) expel(ctx context.Context) error {
	s.mu.Lock()
	self, ok := s.joined.ID, s.alive()
	s.mu.Unlock()
	if !ok {
		return nil
	}
	// Ending the connections of a dead node takes a moment, longer than a statement.
	call, cancel := context.WithTimeout(ctx, s.cfg.TTL)
	defer cancel()
	gone, err := s.nodes.ExpelDead(call, self)
	if len(gone) > 0 {
		s.mu.Lock()
		s.stats.Expelled += int64(len(gone))
		s.mu.Unlock()
		s.log.LogAttrs(ctx, slog.LevelWarn, "nodes expelled, their lease was over", slog.Any("nodes", gone))
		s.Poke()
		s.tellMoved()
	}
	return err
}

// tellMoved tells that accounts are free.
func (s *Service) tellMoved() {
	if s.moved != nil {
		s.moved()
	}
}
