package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestTheStackComesDownInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		s := newStack(slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		part := func(name string) {
			s.start(ctx, name, func(ctx context.Context) error {
				<-ctx.Done()
				order = append(order, name)
				return nil
			})
		}
		s.push("store", func() error { order = append(order, "store"); return nil })
		part("accounts")
		part("outbox")
		part("http")
		cancel()
		synctest.Wait()
		if len(order) > 0 {
			t.Errorf("%v ended with the signal", order)
		}
		if err := errors.Join(s.wait(ctx), s.down(), s.down()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"http", "outbox", "accounts", "store"}, order); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAPartThatEndsIsNoticed(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{nil, errors.New("disk on fire")} {
		s := newStack(slog.New(slog.DiscardHandler))
		closed := false
		s.push("store", func() error { closed = true; return errors.New("stuck") })
		s.start(t.Context(), "outbox", func(context.Context) error { return failure })
		err := s.wait(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "outbox: ") || failure != nil && !errors.Is(err, failure) {
			t.Errorf("wait: %v", err)
		}
		if err := s.down(); err == nil || !closed || !strings.Contains(err.Error(), "stop store: stuck") {
			t.Errorf("down: %v, closed %v", err, closed)
		}
	}
}
