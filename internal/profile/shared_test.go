package profile_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/profile"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// sharedWork is storage whose chats are those of several nodes.
type sharedWork struct {
	*world
	store.SharedWork // its profiles are the world's, see below
}

func (w *sharedWork) DueProfilesFrom(ctx context.Context, now time.Time, resting []int64, offset, limit int) ([]store.Profile, error) {
	all, err := w.DueProfiles(ctx, now, resting, 1<<30)
	slices.SortFunc(all, func(a, b store.Profile) int { return int(a.ChatID - b.ChatID) })
	all = all[min(offset, len(all)):]
	return all[:min(limit, len(all))], err
}

// Others' chats are due before the few of the account that is held.
func TestANodeAsksForItsAccountsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &sharedWork{world: newWorld()}
		for id := range int64(600) {
			w.chat(id+1, 1, tideline.JID(fmt.Sprintf("1484%07d@s.whatsapp.net", id)))
		}
		w.chat(601, 2, "14840000601@s.whatsapp.net")
		s := profile.New(profile.Deps{Store: w, Connector: w, Files: w, Shared: &profile.Shared{
			Store: w, Held: func(id int64) bool { return id == 2 },
		}}, profile.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-time.After(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, still := w.due[601]; still || len(w.due) != 600 {
			t.Errorf("%d chats are due, want the 600 of the other account; asked %v", len(w.due), w.asked)
		}
	})
}
