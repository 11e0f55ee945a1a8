package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// transactor is a way to run a function in one transaction; see Store.transact.
type transactor func(run func(*tx) error) (inDoubt bool, err error)

// doubts commits the acceptances of one committer and remembers those that
// failed although their commit may have succeeded: the connection broke before
// the answer came, and stayed broken for all attempts. Their callers got an
// error. But when a message is stored, it must be sent, so the outbox has to be
// told of it, and before it is told of any later one.
type doubts struct {
	s        *Store
	transact transactor
	open     []*store.Acceptance // in the order of their ids, if they have one
	failures int                 // looks at the database in a row that failed
}

// The pauses between looks at the database while nothing is to be committed.
const (
	minDoubtPause = 100 * time.Millisecond
	maxDoubtPause = 5 * time.Second
)

// commit resolves what is in doubt, then commits jobs; as long as it can't do
// the first, jobs fail. It gives the time after which it wants to be called
// again, also without jobs; 0 = not before there are some.
func (d *doubts) commit(jobs []*job) (again time.Duration) {
	// The batch belongs to many callers, so no caller's context may end it.
	ctx := context.Background()
	if err := d.resolve(ctx); err != nil {
		newBatch(d.s, jobs).fail(ctx, err)
		again = min(minDoubtPause<<min(d.failures, 10), maxDoubtPause)
		d.failures++
		return again
	}
	d.failures = 0
	if len(jobs) > 0 {
		d.open = d.s.commitJobs(ctx, jobs, d.transact)
	}
	if len(d.open) == 0 {
		return 0
	}
	d.s.log.LogAttrs(ctx, slog.LevelWarn, "a commit is in doubt, will look for its messages", slog.Int("messages", len(d.open)))
	return minDoubtPause
}

var selectDoubtful = newMulti(`SELECT o.message_id, o.account_id, o.gap_ms, m.workspace_id, m.chat_id FROM (VALUES `,
	`) AS v CROSS JOIN messages m JOIN outbox o ON o.message_id = m.id
	WHERE m.uid = v.column1 AND m.workspace_id = v.column2`, "TEXT", "BIGINT")

// resolve finds out which of the open acceptances are stored and still queued,
// and tells the outbox of them. After an error all are still open.
func (d *doubts) resolve(ctx context.Context) error {
	if len(d.open) == 0 {
		return nil
	}
	workspaces, args := make([]int64, len(d.open)), make([]any, 0, 2*len(d.open))
	for i, a := range d.open {
		workspaces[i] = a.WorkspaceID
		args = append(args, a.Message.UID, a.WorkspaceID)
	}
	var found []store.Queued
	_, err := d.transact(func(t *tx) error {
		found = found[:0]
		// The server may still be at the lost commit, which holds these locks;
		// what is read after it got them is final.
		if _, err := t.lockBalances(ctx, workspaces); err != nil {
			return err
		}
		return t.eachAll(ctx, selectDoubtful, args, func(r *sql.Rows) error {
			var q store.Queued
			var gap, workspaceID, chatID int64
			err := r.Scan(&q.MessageID, &q.AccountID, &gap, &workspaceID, &chatID)
			q.Gap = time.Duration(gap) * time.Millisecond
			found = append(found, q)
			t.tellMessage(workspaceID, q.AccountID, chatID, q.MessageID) // whoever looked before may not have seen it
			return err
		})
	})
	if err != nil {
		return err
	}
	d.s.log.LogAttrs(ctx, slog.LevelInfo, "a commit in doubt is resolved", slog.Int("messages", len(d.open)), slog.Int("queued", len(found)))
	d.open = nil
	slices.SortFunc(found, func(a, b store.Queued) int { return cmp.Compare(a.MessageID, b.MessageID) })
	d.s.stats.accepted.Add(int64(len(found)))
	if d.s.onAccepted != nil && len(found) > 0 {
		d.s.onAccepted(found)
	}
	return nil
}
