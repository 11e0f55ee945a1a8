package inbox_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/store"
)

// sharedWork is storage whose downloads are those of several nodes.
type sharedWork struct {
	*world
	store.SharedWork // its downloads are the world's, see below
	looks            atomic.Int64
}

func (w *sharedWork) DueDownloadsFrom(ctx context.Context, now time.Time, offset, limit int) ([]store.Download, error) {
	w.looks.Add(1)
	all, err := w.DueDownloads(ctx, now, 1<<30)
	slices.SortFunc(all, func(a, b store.Download) int { return int(a.MessageID - b.MessageID) })
	all = all[min(offset, len(all)):]
	return all[:min(limit, len(all))], err
}

func (w *sharedWork) NextDownloadAfter(_ context.Context, now time.Time) (next time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.due {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, nil
}

func (*sharedWork) DueHistoryChunkFrom(context.Context, time.Time, int) (c store.HistoryChunk, found bool, err error) {
	return c, false, nil
}

func (*sharedWork) NextHistoryChunkAfter(context.Context, time.Time) (time.Time, error) {
	return time.Time{}, nil
}

// Of a thousand attachments that are due all but a few are other nodes'.
func TestANodeFetchesForItsAccountsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &sharedWork{world: newWorld()}
		for id := int64(1); id <= 1000; id++ {
			account := int64(1) // nobody's yet
			if id%100 == 0 {
				account = 2
			}
			w.downloads[id] = store.Download{MessageID: id, WorkspaceID: 1, AccountID: account, DeviceJID: "dev", SentAt: time.Now()}
			w.due[id] = time.Now()
		}
		var held atomic.Int64
		held.Store(2)
		s := inbox.New(inbox.Deps{Store: w, Connector: w, Files: w, Shared: &inbox.Shared{
			Store: w, Held: func(id int64) bool { return id <= 2 && id >= held.Load() },
		}}, inbox.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		fetched := func() int {
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.fetches)
		}
		if n := fetched(); n != 10 {
			t.Errorf("fetched %d, want the 10 of the account that is held", n)
		}
		looks := w.looks.Load()
		<-time.After(10 * time.Minute)
		if n := w.looks.Load() - looks; n > 10*10 {
			t.Errorf("looked %d times in ten minutes for what others have to do", n)
		}
		if n := fetched(); n != 10 {
			t.Errorf("fetched %d, want 10", n)
		}
		held.Store(1)
		s.Adopted()
		if n := fetched(); n != 1000 {
			t.Errorf("fetched %d after the adoption, want all at once", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
