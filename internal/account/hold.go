package account

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// ReachOut implements whatsapp.Handler. The end of the limit is stored, so that
// it is honoured over a restart, before the outbox is told.
func (s *Service) ReachOut(ctx context.Context, device string, l whatsapp.ReachOutLimit) {
	s.mu.Lock()
	e := s.byDevice[device]
	if e == nil && len(s.pairing) > 0 {
		s.limits[device] = l // its account is stored after its first login
	}
	s.mu.Unlock()
	if e == nil {
		return
	}
	now := time.Now()
	until := l.Until
	switch {
	case !l.Active, !until.IsZero() && !until.After(now):
		until = time.Time{}
	case until.IsZero():
		until = now.Add(s.cfg.ReachOutPause)
	}
	e.mu.Lock()
	if e.gone || s.stopped.Load() {
		e.mu.Unlock()
		return
	}
	if l.Active && l.Until.IsZero() && e.hold.ReachOutUntil.After(until) {
		until = e.hold.ReachOutUntil // a known end is better than a guess
	}
	changed := !e.hold.ReachOutUntil.Equal(until)
	if changed {
		e.hold.ReachOutUntil, e.held = until, true
		s.write(ctx, e)
		e.unread = e.held
	}
	e.mu.Unlock()
	if !changed {
		return
	}
	if until.IsZero() {
		s.log.InfoContext(ctx, "whatsapp lets the account write to new contacts again", "account", e.id)
	} else {
		s.log.WarnContext(ctx, "whatsapp lets the account write to nobody new; conversations go on", "account", e.id, "until", until)
	}
	if s.deps.Waker != nil {
		s.deps.Waker.Limited(e.id)
	}
}

// resumeSpread is the range from which the pause between the end of a ban and the
// login is drawn, so that accounts don't come back together.
const resumeSpread = time.Minute

// wait plans the connect of an account that was banned in an earlier run. Its
// state stays as it is.
func (e *entry) wait() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resume = e.hold.BannedUntil.Add(rand.N(resumeSpread))
}

// release lets go what waited for a time that has passed: it forgets limits that
// are over, and gives the accounts that are to be connected now.
func (s *Service) release(ctx context.Context) (connect []*entry) {
	now := time.Now()
	for _, e := range s.entries() {
		e.mu.Lock()
		over := !e.hold.ReachOutUntil.IsZero() && !e.hold.ReachOutLimited(now) && !e.gone
		if over {
			// The outbox looks at the clock by itself.
			e.hold.ReachOutUntil, e.held = time.Time{}, true
			s.write(ctx, e)
		}
		resume := !e.resume.IsZero() && !now.Before(e.resume) && !e.gone
		e.mu.Unlock()
		if resume {
			s.apply(ctx, e, tideline.AccountConnecting, "", now)
			connect = append(connect, e)
		}
	}
	return connect
}

// heard begins to measure how news is handled; call what it gives at the end.
func (s *Service) heard(e *entry, kind Event) func() {
	if s.deps.Observer == nil {
		return func() {}
	}
	began := time.Now()
	return func() { s.deps.Observer.Heard(e.id, kind, time.Since(began)) }
}
