package live

import (
	"context"
	"log/slog"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// watchEvery is the time between two looks at what other processes changed.
const watchEvery = 2 * time.Second

// Others counts changes that other processes made, see store.Changes.
type Others interface {
	OtherChanges(ctx context.Context) (int64, error)
}

// Watch publishes what other processes, such as the command line, change of
// workspaces, members, tokens and accounts, until ctx ends. As it can't be told of
// which workspace, each that somebody follows gets a change of its settings and of
// its accounts.
func (h *Hub) Watch(ctx context.Context, others Others, log *slog.Logger) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	seen, known := int64(0), false
	for {
		n, err := others.OtherChanges(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			log.DebugContext(ctx, "changes of others not counted", "err", err)
		case err == nil:
			if known && n > seen {
				h.Publish(h.everywhere(tideline.ChangeSettings, tideline.ChangeAccount))
			}
			seen, known = n, true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// everywhere makes a change of each kind for each workspace that somebody follows.
func (h *Hub) everywhere(kinds ...tideline.ChangeKind) []tideline.Change {
	h.mu.Lock()
	defer h.mu.Unlock()
	var changes []tideline.Change
	for id := range h.subs {
		for _, kind := range kinds {
			changes = append(changes, tideline.Change{WorkspaceID: id, Kind: kind})
		}
	}
	return changes
}
