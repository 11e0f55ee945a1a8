package storetest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidelinehq/tideline/internal/store"
)

var signalTests = map[string]func(*testing.T, *world){
	"ACallIsTakenOnceAndAnswered": func(t *testing.T, w *world) {
		ctx := t.Context()
		id, err := w.store.PutCall(ctx, store.NodeCall{Caller: 1, Target: 2, Method: "m", Args: []byte{0, 1, 255}})
		w.must(err)
		other, err := w.store.PutCall(ctx, store.NodeCall{Caller: 1, Target: 3, Method: "n", Args: []byte{}})
		w.must(err)
		if _, ok, err := w.store.TakeReply(ctx, id); ok || err != nil {
			t.Errorf("a reply before the answer: %v, %v", ok, err)
		}
		var mu sync.Mutex
		var taken []store.NodeCall
		var all sync.WaitGroup
		for range 4 { // of one node, as after a signal and a poll at once
			all.Go(func() {
				calls, err := w.store.TakeCalls(ctx, 2)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				taken = append(taken, calls...)
			})
		}
		all.Wait()
		if len(taken) != 1 || taken[0].ID != id || taken[0].Caller != 1 || taken[0].Method != "m" || !bytes.Equal(taken[0].Args, []byte{0, 1, 255}) {
			t.Fatalf("taken: %+v", taken)
		}
		w.must(w.store.AnswerCall(ctx, id, []byte("yes")))
		reply, ok, err := w.store.TakeReply(ctx, id)
		if string(reply) != "yes" || !ok || err != nil {
			t.Errorf("reply %q, %v, %v", reply, ok, err)
		}
		if _, ok, err := w.store.TakeReply(ctx, id); ok || err != nil {
			t.Errorf("the reply is there twice: %v", err)
		}
		w.must(w.store.DropCall(ctx, other))
		w.must(w.store.DropCall(ctx, other))
		w.must(w.store.AnswerCall(ctx, other, nil))
		if calls, err := w.store.TakeCalls(ctx, 3); len(calls) > 0 || err != nil {
			t.Errorf("a dropped call is taken: %+v, %v", calls, err)
		}
	},

	// Where there are notifications they reach all who listen, in order; where there are
	// none, listening waits and telling does nothing.
	"NotificationsReachAllWhoListenInOrder": func(t *testing.T, w *world) {
		other := w.another()
		type heard struct {
			mu  sync.Mutex
			all []string
		}
		var got [2]heard
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var listening sync.WaitGroup
		arrived := make(chan struct{}, 64)
		for i, s := range []store.Store{w.store, other} {
			up := make(chan struct{})
			listening.Go(func() {
				err := s.Listen(ctx, func() { close(up) }, func(p string) {
					got[i].mu.Lock()
					got[i].all = append(got[i].all, p)
					got[i].mu.Unlock()
					arrived <- struct{}{}
				})
				if err != nil {
					t.Errorf("Listen: %v", err)
				}
			})
			<-up
		}
		want := []string{"one", "two", `{"three": "ü"}`, strings.Repeat("x", store.MaxNotification)}
		for _, p := range want {
			w.must(w.store.Notify(t.Context(), p))
		}
		if w.store.Notifies() {
			for range 2 * len(want) {
				<-arrived
			}
			if err := w.store.Notify(t.Context(), strings.Repeat("x", store.MaxNotification+1)); err == nil {
				t.Error("a notification that is too long is sent")
			}
		} else {
			want = nil
		}
		cancel()
		listening.Wait()
		for i := range got {
			if !slices.Equal(got[i].all, want) {
				t.Errorf("store %d heard %d notifications, want %d", i, len(got[i].all), len(want))
			}
		}
	},
}
