package profile

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// Shared is what a Service needs that asks for some of the accounts only. Wake tells
// it of another one, too.
type Shared struct {
	Store store.SharedWork
	// Held reports whether the account is this node's now. It must not block.
	Held func(accountID int64) bool
}

// lookPage is how many chats are looked through at a time for those of the accounts
// that are held.
const lookPage = 512

// dueProfiles gives chats whose time to be asked about has come.
func (s *Service) dueProfiles(ctx context.Context, now time.Time, resting []int64) ([]store.Profile, error) {
	limit := 4 * s.cfg.Workers
	if s.deps.Shared == nil {
		return s.deps.Store.DueProfiles(ctx, now, resting, limit)
	}
	var own []store.Profile
	for offset := 0; ; offset += lookPage {
		page, err := s.deps.Shared.Store.DueProfilesFrom(ctx, now, resting, offset, lookPage)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			if s.deps.Shared.Held(p.AccountID) {
				if own = append(own, p); len(own) == limit {
					return own, nil
				}
			}
		}
		if len(page) < lookPage {
			return own, nil
		}
	}
}
