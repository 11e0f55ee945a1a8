package presence_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/presence"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestAnAccountIsLeftAloneOnceItIsYielded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, state: tideline.AccountActive, hang: map[string]bool{}}
		w.Service = presence.New(presence.Deps{Store: w, Connector: connector{w}, Stage: w, Held: func(id int64) bool { return id == 1 }})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		asked := func() []string {
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.done)
		}
		w.Open(chat(2, 1))
		w.Compose(chat(2, 1), 5, live.Typing)
		if got := asked(); len(got) > 0 {
			t.Errorf("asked %q for an account of another node", got)
		}
		w.Open(chat(1, 1))
		w.Compose(chat(1, 1), 5, live.Typing)
		<-time.After(time.Second)
		before := asked()
		if len(before) == 0 {
			t.Error("nothing was asked for the account that is held")
		}
		w.Composing(3, 1, whatsapp.ComposingEvent{Chat: ana, Sender: ana, Doing: whatsapp.ComposingText})
		w.Yielded(1)
		w.Yielded(7) // nobody looks at it
		w.Compose(chat(1, 1), 5, live.Recording)
		<-time.After(5 * time.Minute)
		if got := asked(); !slices.Equal(got, before) {
			t.Errorf("asked %q after the account was yielded", got[len(before):])
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
