package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// gapPoll is how often the Service looks whether a workspace's gap was changed,
// by whatever process. A longer gap counts at once all the same: every head's
// stored gap is looked at once more before it is sent.
const gapPoll = time.Second

// watchGaps takes over changed gaps of queued messages until ctx ends.
func (s *Service) watchGaps(ctx context.Context) {
	version, gaps := int64(-1), map[int64]tideline.Gap(nil)
	tick := time.NewTicker(gapPoll)
	defer tick.Stop()
	for {
		if err := s.takeGaps(ctx, &version, &gaps); err != nil && ctx.Err() == nil {
			s.deps.Logger.WarnContext(ctx, "look for changed gaps", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// takeGaps reads the queue's gaps anew when a workspace's gap is another one
// than last time; version and gaps are what was seen then.
func (s *Service) takeGaps(ctx context.Context, version *int64, gaps *map[int64]tideline.Gap) error {
	now, err := s.deps.Store.Version(ctx)
	if err != nil || now == *version {
		return err
	}
	workspaces, err := s.deps.Store.ListWorkspaces(ctx)
	if err != nil {
		return err
	}
	seen, changed := make(map[int64]tideline.Gap, len(workspaces)), false
	for _, w := range workspaces {
		seen[w.ID] = w.Gap
		before, known := (*gaps)[w.ID]
		changed = changed || known && before != w.Gap
	}
	if changed {
		if err := s.regap(ctx); err != nil {
			return err
		}
	}
	*version, *gaps = now, seen
	return nil
}

// regap gives the Pacer the stored gaps of all queued messages.
func (s *Service) regap(ctx context.Context) error {
	const piece = 4096 // messages at a time, so that sends are not held up
	batch := make([]store.Queued, 0, piece)
	err := s.deps.Store.Backlog(ctx, func(q store.Queued) error {
		if !s.holds(q.AccountID) {
			return nil
		}
		if batch = append(batch, q); len(batch) == piece {
			s.pacer.RegapAll(batch)
			batch = batch[:0]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read changed gaps: %w", err)
	}
	s.pacer.RegapAll(batch)
	return nil
}
