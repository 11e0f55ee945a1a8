package retention

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// turn is a workspace's part of a sweep: what an interrupted one left open, then
// messages, then files, because files go after the messages that used them.
type turn struct {
	*Service
	workspaceID int64
	slug        string
	now         time.Time
	archive     tideline.Archiving

	stage    int
	messages store.OldMessages // zero Before = none
	files    store.OldFiles    // likewise
	oldest   time.Time
	months   map[string][]store.OldMessage // waiting to be archived
}

// step does a bounded piece of the turn; done says that there is no more.
func (t *turn) step(ctx context.Context) (done bool, err error) {
	over := false
	switch t.stage {
	case 0:
		over, err = true, t.finishParts(ctx)
	case 1:
		over, err = t.stepMessages(ctx)
	case 2:
		over, err = t.stepFiles(ctx)
	default:
		return true, nil
	}
	if over && err == nil {
		t.stage++
	}
	return t.stage > 2, err
}

// stepMessages deletes a page of messages, or adds them to what is to be archived.
func (t *turn) stepMessages(ctx context.Context) (over bool, err error) {
	if t.messages.Before.IsZero() {
		return true, nil
	}
	page, err := t.Store.OldMessages(ctx, t.workspaceID, t.messages)
	if err != nil {
		return false, err
	}
	t.messages.From = page.Next
	if !page.Oldest.IsZero() && (t.oldest.IsZero() || page.Oldest.Before(t.oldest)) {
		t.oldest = page.Oldest
	}
	if t.archive == tideline.ArchiveNone {
		err = t.drop(ctx, page.Messages)
	} else {
		err = t.collect(ctx, page.Messages, page.Done)
	}
	if err != nil {
		return false, err
	}
	if page.Done {
		if t.oldest.Before(t.messages.Before) && !t.oldest.IsZero() {
			t.oldest = t.messages.Before // what was older is gone, up to what rests
		}
		t.Observer.Oldest(t.slug, t.oldest)
	}
	return page.Done, nil
}

// collect puts messages with the others of their months, and archives the months that
// have enough for a part; at the end all of them.
func (t *turn) collect(ctx context.Context, messages []store.OldMessage, all bool) error {
	for _, m := range messages {
		month := m.At.UTC().Format("2006-01")
		t.months[month] = append(t.months[month], m)
	}
	for _, month := range slices.Sorted(maps.Keys(t.months)) {
		for len(t.months[month]) >= t.cfg.Part || all && len(t.months[month]) > 0 {
			n := min(t.cfg.Part, len(t.months[month]))
			part := t.months[month][:n]
			t.months[month] = t.months[month][n:]
			ids := make([]int64, n)
			for i, m := range part {
				ids[i] = m.ID
			}
			slices.Sort(ids)
			planned, err := t.Store.PlanPart(ctx, t.workspaceID, month, ids)
			if err != nil {
				return err
			}
			if err := t.finishPart(ctx, planned); err != nil {
				return err
			}
		}
		if len(t.months[month]) == 0 {
			delete(t.months, month)
		}
	}
	return nil
}

// drop deletes messages in small transactions, each of one account, with a rest after
// each.
func (t *turn) drop(ctx context.Context, messages []store.OldMessage) error {
	byAccount := make(map[int64][]int64)
	for _, m := range messages {
		byAccount[m.AccountID] = append(byAccount[m.AccountID], m.ID)
	}
	for _, account := range slices.Sorted(maps.Keys(byAccount)) {
		for ids := range slices.Chunk(byAccount[account], t.cfg.Piece) {
			if err := ctx.Err(); err != nil {
				return err
			}
			began := time.Now()
			gone, err := t.Store.DropMessages(ctx, t.workspaceID, account, ids, t.now)
			if err != nil {
				return err
			}
			t.Observer.Dropped(gone.Messages, gone.Rows)
			t.cfg.Rest(ctx, time.Since(began))
		}
	}
	return nil
}

// stepFiles deletes a page of files.
func (t *turn) stepFiles(ctx context.Context) (over bool, err error) {
	if t.files.Before.IsZero() {
		return true, nil
	}
	if t.files.Queued.Files == nil {
		if t.files.Queued, err = t.Store.InQueue(ctx, t.workspaceID); err != nil {
			return false, err
		}
	}
	began := time.Now()
	page, err := t.Store.DropFiles(ctx, t.workspaceID, t.files)
	if err != nil {
		return false, err
	}
	t.files.From = page.Next
	t.Observer.DroppedFiles(page.Files, page.Bytes)
	t.cfg.Rest(ctx, time.Since(began))
	return page.Done, nil
}
