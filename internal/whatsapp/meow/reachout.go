package meow

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// WhatsApp limits accounts that write to many strangers: it says so in a
// notification, with an end, and answers first messages with error 463. That
// error alone may be about one recipient; refusalsOfALimit of them within
// refusalsWindow are taken for a limit whose notification got lost.
const (
	refusalsOfALimit = 3
	refusalsWindow   = time.Hour
)

// timelocked is told that WhatsApp began, changed or ended the limit (whatsmeow
// types/events, NotifyAccountReachoutTimelock).
func (s *session) timelocked(e *events.NotifyAccountReachoutTimelock) {
	l := whatsapp.ReachOutLimit{Active: e.IsActive}
	if e.IsActive && e.TimeEnforcementEnds.Unix() > 0 {
		l.Until = e.TimeEnforcementEnds.Time
	}
	s.mu.Lock()
	s.refusals = nil
	s.mu.Unlock()
	s.limited(s.c.ctx, l)
}

// reachOutRefused is told that a message was refused with error 463.
func (s *session) reachOutRefused(ctx context.Context) {
	now := time.Now()
	s.mu.Lock()
	s.refusals = append(s.refusals, now)
	if n := len(s.refusals); n > refusalsOfALimit {
		s.refusals = s.refusals[n-refusalsOfALimit:]
	}
	limit := len(s.refusals) == refusalsOfALimit && now.Sub(s.refusals[0]) < refusalsWindow
	if limit {
		s.refusals = nil
	}
	s.mu.Unlock()
	if limit {
		s.limited(context.WithoutCancel(ctx), whatsapp.ReachOutLimit{Active: true})
	}
}

func (s *session) limited(ctx context.Context, l whatsapp.ReachOutLimit) {
	_ = s.pass(func() error {
		s.c.handler.ReachOut(ctx, s.device, l)
		return nil
	})
}
