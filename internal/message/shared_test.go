package message_test

import (
	"errors"
	"testing"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestAReactionIsGivenWhereTheAccountIsHeld(t *testing.T) {
	t.Parallel()
	w := talking()
	held := false
	s := message.New(message.Deps{
		Store: w, Refresher: w, Reactor: w, NewMessageID: func() string { return "3EB0" }, Held: func(int64) bool { return held },
	})
	if _, err := s.React(t.Context(), w.principal(), askedUID, "👍"); !errors.Is(err, tideline.ErrElsewhere) {
		t.Errorf("where it is not held: %v", err)
	}
	if len(w.reacted) > 0 {
		t.Error("WhatsApp was asked all the same")
	}
	held = true
	if _, err := s.React(t.Context(), w.principal(), askedUID, "👍"); err != nil || len(w.reacted) != 1 {
		t.Errorf("where it is held: %v, asked %d times", err, len(w.reacted))
	}
}
