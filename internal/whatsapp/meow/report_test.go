package meow

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// told is a handler that keeps the states it is told.
type told struct {
	nobody
	states []whatsapp.StateEvent
}

func (h *told) State(_ context.Context, ev whatsapp.StateEvent) { h.states = append(h.states, ev) }

func TestPromise9AnotherEndOfABanIsTold(t *testing.T) {
	t.Parallel()
	h := &told{}
	s := &session{c: &Connector{ctx: t.Context()}, changed: make(chan struct{})}
	s.c.Handle(h)
	const reason = "too many messages"
	first := time.Now().Add(time.Hour)
	second := first.Add(24 * time.Hour) // WhatsApp's answer to the login after the first
	for _, until := range []time.Time{first, first, second} {
		s.reportUntil(tideline.AccountBanned, reason, until)
	}
	s.report(tideline.AccountBanned, "") // what is known better stays
	var ends []time.Time
	for _, ev := range h.states {
		ends = append(ends, ev.Until)
	}
	if diff := cmp.Diff([]time.Time{first, second}, ends); diff != "" {
		t.Errorf("told ends (-want +got):\n%s", diff)
	}
}
