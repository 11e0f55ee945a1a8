package cluster

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// balance frees what was yielded, adopts what the database says is this node's, and
// brings the number of accounts nearer to the fair share.
func (s *Service) balance(ctx context.Context) error {
	if err := s.decide(ctx); err != nil {
		return err
	}
	defer s.decided()
	if err := s.release(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	self, ok := s.joined.ID, s.alive() && !s.leaving
	s.mu.Unlock()
	if !ok {
		return nil
	}
	if err := s.reconcile(ctx, self); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	nodes, err := s.nodes.ListNodes(call)
	if err != nil {
		return err
	}
	accounts, err := s.nodes.CountAccounts(call)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.seen = nodes
	v := view{self: self, nodes: nodes, accounts: accounts, mine: s.kept(), going: len(s.held) - s.kept() + len(s.yielded)}
	s.mu.Unlock()
	if n := v.claim(); n > 0 {
		return s.claim(ctx, self, n)
	}
	s.giveAway(v) //nolint:contextcheck // an account comes and goes longer than the call that decides it
	return nil
}

// kept counts the accounts that are not about to be given up; s.mu is held.
func (s *Service) kept() (n int) {
	for _, h := range s.held {
		if h.leave == stay {
			n++
		}
	}
	return n
}

// release frees the accounts of which nothing is in flight any more.
func (s *Service) release(ctx context.Context) error {
	s.mu.Lock()
	self, ids := s.joined.ID, slices.Sorted(maps.Keys(s.yielded))
	s.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	if err := s.nodes.Release(call, self, ids); err != nil {
		return err
	}
	s.mu.Lock()
	for _, id := range ids {
		delete(s.yielded, id)
	}
	s.stats.Released += int64(len(ids))
	s.mu.Unlock()
	s.tellMoved()
	return nil
}

// reconcile compares what is held with what the database says. They differ after a
// lease that was over, after a claim whose answer was lost, and when an account was removed.
func (s *Service) reconcile(ctx context.Context, self int64) error {
	call, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	rows, err := s.nodes.HoldsOf(call, self)
	if err != nil {
		return err
	}
	ours := make(map[int64]bool, len(rows))
	for _, h := range rows {
		ours[h.AccountID] = true
		s.mu.Lock()
		e, freeing := s.held[h.AccountID], s.yielded[h.AccountID]
		switch {
		case h.Removed && e != nil:
			s.giveUp(e, inOrder, true) //nolint:contextcheck // an account comes and goes longer than the call that decides it
		case h.Removed:
			s.yielded[h.AccountID] = true // the next look frees it
		}
		s.mu.Unlock()
		if e == nil && !h.Removed && !freeing {
			s.adopt(h) //nolint:contextcheck // an account comes and goes longer than the call that decides it
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, h := range s.held {
		if !ours[id] { // can't be; but then somebody else may have it
			s.log.LogAttrs(ctx, slog.LevelError, "an account is not this node's any more", slog.Int64("account", id))
			s.giveUp(h, leaveNow, false) //nolint:contextcheck // an account comes and goes longer than the call that decides it
		}
	}
	return nil
}

func (s *Service) claim(ctx context.Context, self int64, n int) error {
	call, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	holds, err := s.nodes.Claim(call, self, n)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.stats.Claimed += int64(len(holds))
	s.mu.Unlock()
	for _, h := range holds {
		s.adopt(h) //nolint:contextcheck // an account comes and goes longer than the call that decides it
	}
	return nil
}

// giveAway yields some accounts when this node has more than its share: the youngest
// ones, at most once in each interval, so that a node that joins doesn't make all of
// them connect anew at once.
func (s *Service) giveAway(v view) {
	n := v.giveAway()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 || s.leaving || time.Since(s.shed) < s.cfg.Balance {
		return
	}
	s.shed = time.Now()
	all := slices.Collect(maps.Values(s.held))
	slices.SortFunc(all, func(a, b *holding) int { return cmp.Compare(b.AccountID, a.AccountID) })
	for _, h := range all {
		if n > 0 && h.leave == stay {
			s.giveUp(h, inOrder, true)
			n--
		}
	}
}

// view is what a node knows when it decides how many accounts to have.
type view struct {
	self     int64
	nodes    []store.Node
	accounts int // present ones
	mine     int // that this node has and keeps
	going    int // that this node is about to free
}

// share is the fair share of accounts of each node, rounded up, so that the shares
// of all are enough for all accounts.
func (v view) share() int {
	staying := 0
	for _, n := range v.nodes {
		if !n.Leaving {
			staying++
		}
	}
	if staying == 0 {
		return 0
	}
	return (v.accounts + staying - 1) / staying
}

// free counts the accounts that nobody holds.
func (v view) free() int {
	free := v.accounts
	for _, n := range v.nodes {
		free -= n.Accounts
	}
	return max(0, free)
}

// claim is how many accounts to take now.
func (v view) claim() int { return max(0, min(v.share()-v.mine, v.free())) }

// giveAway is how many accounts to give up now: one, or a twentieth of what is above
// the share, and no more than others lack and don't get from what is free already.
func (v view) giveAway() int {
	share := v.share()
	excess := v.mine - share
	if excess <= 0 {
		return 0
	}
	lack := -v.free() - v.going
	for _, n := range v.nodes {
		if n.ID != v.self && !n.Leaving {
			lack += max(0, share-n.Accounts)
		}
	}
	return max(0, min(max(1, excess/20), lack, excess))
}
