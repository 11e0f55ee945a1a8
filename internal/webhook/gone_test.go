package webhook_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// TestTheFeedGoesOnWhereMessagesAreGone deletes messages whose events are still there:
// a reader that takes two at a time comes past them to those that have theirs.
func TestTheFeedGoesOnWhereMessagesAreGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "tideline.db"))
	var gone []int64
	for _, id := range []string{"A1", "A2", "A3", "A4", "A5"} {
		gone = append(gone, w.receive(0, ana, id).MessageID)
	}
	kept := w.receive(0, ana, "A6").MessageID
	_, err := w.store.DropMessages(t.Context(), w.owner.Workspace.ID, w.accounts[0].ID, gone, time.Now())
	w.must(err)
	var told []int64
	after := ""
	for more := true; more; {
		events, rest, err := w.service.Events(t.Context(), w.owner, after, 2)
		w.must(err)
		if len(events) == 0 && rest {
			t.Fatal("nothing to go on from, and there is more")
		}
		more = rest
		for _, e := range events {
			after = e.UID
			if e.Kind == tideline.EventMessageNew || e.MessageID != 0 {
				told = append(told, e.MessageID)
			}
		}
	}
	for _, id := range told {
		if id != kept {
			t.Errorf("told of message %d, which is gone", id)
		}
	}
	if len(told) == 0 {
		t.Error("the message that is there is not told of")
	}
}
