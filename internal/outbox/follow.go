package outbox

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

const (
	// followPoll is how often a shared queue is looked at without a hint.
	followPoll = 2 * time.Second
	// followLag is for how long an acceptance may be on its way to its commit and
	// still be found by such a look: it begins behind what was the latest message that
	// long ago.
	followLag = 30 * time.Second
	// followAll is how often such a look begins at the beginning.
	followAll = 5 * time.Minute
)

// Hint tells that messages were accepted for accounts, by whatever node. Those that
// are not held here are passed over. It does not block.
func (s *Service) Hint(accountIDs []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range accountIDs {
		if l := s.held[id]; l != nil && l.loaded {
			s.hint(id)
		}
	}
}

// hint has a lane's new messages fetched. It is called with mu held.
func (s *Service) hint(accountID int64) {
	s.hinted[accountID] = struct{}{}
	select {
	case s.fetches <- struct{}{}:
	default:
	}
}

// accepted is told what was accepted by this process. It does not go to the Pacer
// from here: another node may have accepted something before it.
func (s *Service) accepted(qs []store.Queued) {
	ids := make([]int64, 0, len(qs))
	seen := make(map[int64]struct{}, len(qs))
	for _, q := range qs {
		if _, twice := seen[q.AccountID]; !twice {
			seen[q.AccountID] = struct{}{}
			ids = append(ids, q.AccountID)
		}
	}
	s.Hint(ids)
	if tell := s.deps.Shared.Accepted; tell != nil {
		tell(ids)
	}
}

// follow fetches what is accepted for the lanes that are held, until ctx ends. All
// hints that come during a fetch make the next one.
func (s *Service) follow(ctx context.Context) {
	tick := time.NewTicker(followPoll)
	defer tick.Stop()
	var w watermark
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.fetches:
		case now := <-tick.C:
			if err := s.look(ctx, &w, now); err != nil && ctx.Err() == nil {
				s.deps.Logger.WarnContext(ctx, "look for accepted messages; trying again", "err", err)
			}
		}
		if err := s.fetch(ctx); err != nil && ctx.Err() == nil {
			s.deps.Logger.ErrorContext(ctx, "fetch accepted messages; trying again", "err", err)
		}
	}
}

// fetch gives the Pacer what the lanes with hints have that is new.
func (s *Service) fetch(ctx context.Context) error {
	s.mu.Lock()
	marks := make([]store.LaneMark, 0, len(s.hinted))
	asked := make(map[int64]*held, len(s.hinted))
	for id := range s.hinted {
		if l := s.held[id]; l != nil && l.loaded && !l.leaving {
			marks = append(marks, store.LaneMark{AccountID: id, MessageID: l.last})
			asked[id] = l
		}
	}
	clear(s.hinted)
	s.mu.Unlock()
	if len(marks) == 0 {
		return nil
	}
	qs, err := s.deps.Shared.Store.QueuedAfter(ctx, marks)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		for id := range asked {
			s.hinted[id] = struct{}{} // for the next hint or look
		}
		return err
	}
	fresh := qs[:0]
	for _, q := range qs {
		// A lane that was given up meanwhile, and perhaps adopted anew, read it itself.
		if l := asked[q.AccountID]; s.held[q.AccountID] == l && q.MessageID > l.last {
			l.last = q.MessageID
			fresh = append(fresh, q)
		}
	}
	s.pacer.Enqueue(fresh)
	return nil
}

// look finds lanes with messages of which no hint came.
func (s *Service) look(ctx context.Context, w *watermark, now time.Time) error {
	newest, err := s.deps.Shared.Store.NewestQueued(ctx, w.after(now))
	if err != nil {
		return err
	}
	var latest int64
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range newest {
		latest = max(latest, m.MessageID)
		if l := s.held[m.AccountID]; l != nil && l.loaded && m.MessageID > l.last {
			s.hinted[m.AccountID] = struct{}{}
		}
	}
	w.note(now, latest)
	return nil
}

// watermark remembers which message was the latest one followLag ago. Ids are drawn
// before the commit, so a lower one may still be about to appear behind a later one.
type watermark struct {
	marks []mark // the oldest first
	allAt time.Time
}

type mark struct {
	at     time.Time
	latest int64
}

// after gives the id above which everything new is; 0 now and then, for what took
// longer than anything should.
func (w *watermark) after(now time.Time) int64 {
	for len(w.marks) > 1 && now.Sub(w.marks[1].at) >= followLag {
		w.marks = w.marks[1:]
	}
	if len(w.marks) == 0 || now.Sub(w.marks[0].at) < followLag || now.Sub(w.allAt) >= followAll {
		return 0
	}
	return w.marks[0].latest
}

// note notes what a look at everything above after has seen.
func (w *watermark) note(now time.Time, latest int64) {
	if n := len(w.marks); n > 0 {
		latest = max(latest, w.marks[n-1].latest)
	}
	if now.Sub(w.allAt) >= followAll {
		w.allAt = now
	}
	w.marks = append(w.marks, mark{now, latest})
}
