package inbox

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// Shared is what a Service needs that works for some of the accounts only.
type Shared struct {
	Store store.SharedWork
	// Held reports whether the account is this node's now. It must not block.
	Held func(accountID int64) bool
}

// Adopted tells that there is another account to work for: what waits for it is
// begun at once. It does not block.
func (s *Service) Adopted() {
	s.rouse()
	s.rousePast()
}

// lookPage is how many downloads are looked through at a time for those of the
// accounts that are held.
const lookPage = 256

// dueDownloads gives downloads whose time has come. Those of removed accounts are
// everybody's: there is only to give them up.
func (s *Service) dueDownloads(ctx context.Context, now time.Time) ([]store.Download, error) {
	limit := 4 * s.cfg.Workers
	if s.deps.Shared == nil {
		return s.deps.Store.DueDownloads(ctx, now, limit)
	}
	var own []store.Download
	for offset := 0; ; offset += lookPage {
		page, err := s.deps.Shared.Store.DueDownloadsFrom(ctx, now, offset, lookPage)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if d.DeviceJID == "" || s.deps.Shared.Held(d.AccountID) {
				if own = append(own, d); len(own) == limit {
					return own, nil
				}
			}
		}
		if len(page) < lookPage {
			return own, nil
		}
	}
}

// nextDownload says when something is due next; now is when what was due was listed.
func (s *Service) nextDownload(ctx context.Context, now time.Time) (time.Time, error) {
	if s.deps.Shared == nil {
		return s.deps.Store.NextDownload(ctx)
	}
	return s.deps.Shared.Store.NextDownloadAfter(ctx, now)
}

// dueChunk gives the first chunk of a history whose time has come, passing over skip
// chunks and those of others; it says how many it passed over in all.
func (s *Service) dueChunk(ctx context.Context, now time.Time, skip int) (c store.HistoryChunk, skipped int, found bool, err error) {
	if s.deps.Shared == nil {
		c, found, err = s.deps.Store.DueHistoryChunk(ctx, now)
		return c, 0, found, err
	}
	for {
		c, found, err = s.deps.Shared.Store.DueHistoryChunkFrom(ctx, now, skip)
		if err != nil || !found || c.Removed || s.deps.Shared.Held(c.AccountID) {
			return c, skip, found, err
		}
		skip++
	}
}

// nextChunk says when a chunk is due next; now is when what was due was listed.
func (s *Service) nextChunk(ctx context.Context, now time.Time) (time.Time, error) {
	if s.deps.Shared == nil {
		return s.deps.Store.NextHistoryChunk(ctx)
	}
	return s.deps.Shared.Store.NextHistoryChunkAfter(ctx, now)
}
