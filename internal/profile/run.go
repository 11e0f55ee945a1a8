package profile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// maxResting bounds the accounts that rest at the same time, because storage is
// told all of them.
const maxResting = 500

// Run follows WhatsApp until ctx ends. Call it once.
func (s *Service) Run(ctx context.Context) error {
	resting := make(map[int64]time.Time) // accounts, until when they are not asked for
	var removeAgain time.Time            // bytes of pictures that are gone
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
		pause := s.cfg.Poll
		err := errors.Join(s.nameNew(ctx), s.visitDue(ctx, resting))
		if now := time.Now(); !now.Before(removeAgain) {
			if lost := s.removeLost(ctx); lost != nil {
				removeAgain = now.Add(s.cfg.FailurePause) // their place may be away, and nobody waits for them
				err = errors.Join(err, lost)
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "follow contacts and groups; trying again", "err", err)
		}
		for _, until := range resting {
			pause = min(pause, max(time.Until(until), time.Millisecond))
		}
		tick.Reset(pause)
	}
}

// visitDue asks about all that is due of accounts that don't rest. The error is
// storage's.
func (s *Service) visitDue(ctx context.Context, resting map[int64]time.Time) error {
	for ctx.Err() == nil {
		now := time.Now()
		var ids []int64
		for id, until := range resting {
			if !until.After(now) {
				delete(resting, id)
				continue
			}
			ids = append(ids, id)
		}
		if len(ids) >= maxResting {
			return nil
		}
		slices.Sort(ids)
		due, err := s.dueProfiles(ctx, now, ids)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := s.visitAll(ctx, due, resting); err != nil {
			return err
		}
	}
	return nil
}

// visitAll asks about one chat of each account among due, and lets the accounts
// rest.
func (s *Service) visitAll(ctx context.Context, due []store.Profile, resting map[int64]time.Time) error {
	gate := make(chan struct{}, s.cfg.Workers)
	var running sync.WaitGroup
	var mu sync.Mutex
	var failed error
	begun := make(map[int64]bool, len(due))
	for _, p := range due {
		if begun[p.AccountID] {
			continue
		}
		begun[p.AccountID] = true
		gate <- struct{}{}
		running.Go(func() {
			defer func() { <-gate }()
			answered, err := s.visit(ctx, p)
			pause := s.cfg.Pause
			if !answered {
				pause = s.cfg.FailurePause
			}
			mu.Lock()
			defer mu.Unlock()
			resting[p.AccountID] = time.Now().Add(pause)
			failed = errors.Join(failed, err)
		})
	}
	running.Wait()
	return failed
}

// removeLost removes the bytes of pictures that are gone.
func (s *Service) removeLost(ctx context.Context) error {
	for ctx.Err() == nil {
		blobs, err := s.deps.Store.LostBlobs(ctx, 100)
		if err != nil || len(blobs) == 0 {
			return err
		}
		for _, b := range blobs {
			if err := s.deps.Files.RemoveBytes(ctx, b); err != nil {
				return err
			}
			if err := s.deps.Store.ForgetBlob(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}
