package meow

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow/store"
)

// countingBuffer counts deletions.
type countingBuffer struct {
	store.EventBuffer
	deletions int
}

func (b *countingBuffer) DeleteOldOutgoingEvents(context.Context) error {
	b.deletions++
	return nil
}

func TestSentMessagesArePrunedTwiceADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		under := &countingBuffer{}
		b := &prunedBuffer{EventBuffer: under}
		for range 24 * 60 {
			if err := b.DeleteOldOutgoingEvents(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if under.deletions != 2 {
			t.Errorf("%d deletions in a day of sending, want 2", under.deletions)
		}
	})
}
