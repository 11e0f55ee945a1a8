package cluster

import (
	"context"
	"log/slog"
)

// duty is work that one node does for all.
type duty struct {
	name string
	run  func(ctx context.Context) error
}

// Duty has run called while this node has the duty: work that is to be done by one
// node, such as sending webhooks. Its context ends with the lease, or when this node
// stops, and the duty is given to another node only after run returned, or this node
// was expelled. When run ends by itself the duty is given back, and whoever comes
// first, perhaps this node, begins anew. Call it before Run.
func (s *Service) Duty(name string, run func(ctx context.Context) error) {
	s.duties = append(s.duties, duty{name, run})
}

// perform tries to get a duty, and does it, until ctx ends.
func (s *Service) perform(ctx context.Context, d duty) {
	for ctx.Err() == nil {
		s.once(ctx, d)
		wait(ctx, s.cfg.Balance)
	}
}

// once does a duty as long as this node has it; not at all when another one does.
func (s *Service) once(ctx context.Context, d duty) {
	s.mu.Lock()
	self, lease, ok := s.joined.ID, s.lease, s.alive() && !s.leaving
	s.mu.Unlock()
	if !ok {
		return
	}
	call, cancelCall := context.WithTimeout(ctx, s.cfg.Timeout)
	taken, err := s.nodes.TakeDuty(call, self, d.name)
	cancelCall()
	if err != nil && ctx.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "take duty; trying again", slog.String("duty", d.name), slog.Any("err", err))
	}
	if err != nil || !taken {
		return
	}
	work, cancel := context.WithCancel(lease)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	s.mu.Lock()
	if s.lapsed { // meanwhile; what runs now is not waited for any more
		s.mu.Unlock()
		return
	}
	s.onDuty++
	s.mu.Unlock()
	s.log.LogAttrs(ctx, slog.LevelInfo, "duty begins", slog.String("duty", d.name))
	err = d.run(work) //nolint:contextcheck // it ends with the lease, and with ctx too
	if err != nil && work.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelError, "duty ended by itself", slog.String("duty", d.name), slog.Any("err", err))
	}
	if lease.Err() == nil { // otherwise it is done again here, or others have it
		call, cancelCall := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
		if err := s.nodes.DropDuty(call, self, d.name); err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "drop duty", slog.String("duty", d.name), slog.Any("err", err))
		}
		cancelCall()
	}
	s.mu.Lock()
	s.onDuty--
	s.signalEnd()
	s.mu.Unlock()
}
