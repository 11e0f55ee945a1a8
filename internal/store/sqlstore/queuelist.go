package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// fewLanes is up to how many lanes are read one by one. Finding the first messages
// of a lane can take a walk over the whole queue, where a page in the middle of
// many others is all that is wanted; one walk for all lanes is cheaper then.
const fewLanes = 6

// queuedRow is a queued message as a list orders it.
type queuedRow struct {
	id       int64
	account  int64
	gap      time.Duration
	place    int64
	attempts int
	note     string
	where    store.Place
}

const queuedRowColumns = `message_id, account_id, gap_ms, place, attempts, note`

func scanQueuedRow(r *sql.Rows) (queuedRow, error) {
	var q queuedRow
	var gap int64
	err := r.Scan(&q.id, &q.account, &gap, &q.place, &q.attempts, &q.note)
	q.gap = time.Duration(gap) * time.Millisecond
	return q, err
}

// compare orders the messages of a lane, apart from those that are held back.
func (q queuedRow) compare(o queuedRow) int {
	return cmp.Or(cmp.Compare(q.place, o.place), cmp.Compare(q.id, o.id))
}

// Queue implements store.QueueReader.
func (s *Store) Queue(ctx context.Context, workspaceID int64, f store.QueueFilter, p store.Page) ([]store.QueueItem, bool, error) {
	var items []store.QueueItem
	more := false
	err := s.read(ctx, func(t *tx) error {
		where, args := `a.workspace_id = $1 AND a.removed_at IS NULL`, []any{workspaceID}
		if f.AccountID != 0 {
			where += ` AND a.id = $2`
			args = append(args, f.AccountID)
		}
		found, err := t.accounts(ctx, where, args...)
		if err != nil {
			return err
		}
		accounts := make(map[int64]*tideline.Account, len(found))
		for i := range found {
			accounts[found[i].ID] = &found[i]
		}
		rows, err := t.queuedRows(ctx, accounts, p.Offset+p.Limit+1)
		if err != nil {
			return err
		}
		rows = rows[min(p.Offset, len(rows)):]
		if more = len(rows) > p.Limit; more {
			rows = rows[:p.Limit]
		}
		items, err = t.queueItems(ctx, workspaceID, rows, accounts)
		return err
	})
	return items, more, failed("queue", err)
}

// queuedRows gives the first n messages of the accounts' queues, with their places.
func (t *tx) queuedRows(ctx context.Context, accounts map[int64]*tideline.Account, n int) ([]queuedRow, error) {
	var lanes map[int64][]queuedRow
	var err error
	if len(accounts) <= fewLanes {
		lanes = make(map[int64][]queuedRow, len(accounts))
		for id, a := range accounts {
			if lanes[id], err = t.laneRows(ctx, a, n); err != nil {
				return nil, err
			}
		}
	} else if lanes, err = t.allLaneRows(ctx, accounts, n); err != nil {
		return nil, err
	}
	var all []queuedRow
	for id, rows := range lanes {
		if err := t.placeRows(ctx, accounts[id], rows); err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b queuedRow) int {
		if a.account == b.account {
			return cmp.Compare(a.where.Position, b.where.Position)
		}
		return cmp.Or(a.where.Expected.Compare(b.where.Expected), cmp.Compare(a.id, b.id))
	})
	return all[:min(n, len(all))], nil
}

// laneRows reads the first n messages of one lane: those that were put first, the
// others, and those that are held back, in this order.
func (t *tx) laneRows(ctx context.Context, a *tideline.Account, n int) ([]queuedRow, error) {
	var rows []queuedRow
	read := func(condition string, args ...any) error {
		if n <= len(rows) {
			return nil
		}
		args = append([]any{a.ID, n - len(rows)}, args...)
		return t.each(ctx, `SELECT `+queuedRowColumns+` FROM outbox WHERE account_id = $1 AND `+condition+` LIMIT $2`, args,
			func(r *sql.Rows) error {
				q, err := scanQueuedRow(r)
				rows = append(rows, q)
				return err
			})
	}
	if a.Hold.ReachOutUntil.IsZero() {
		if err := read(`place < 0 ORDER BY place, message_id`); err != nil {
			return nil, err
		}
		return rows, read(`place = 0 ORDER BY message_id`)
	}
	held := store.NoteReachOutLimited
	if err := read(`note <> $3 AND place < 0 ORDER BY place, message_id`, held); err != nil {
		return nil, err
	}
	if err := read(`note <> $3 AND place = 0 ORDER BY message_id`, held); err != nil {
		return nil, err
	}
	return rows, read(`note = $3 ORDER BY place, message_id`, held)
}

// allLaneRows reads the whole queue once and keeps the first n of each lane.
func (t *tx) allLaneRows(ctx context.Context, accounts map[int64]*tideline.Account, n int) (map[int64][]queuedRow, error) {
	firsts, rest, held := make(map[int64][]queuedRow), make(map[int64][]queuedRow), make(map[int64][]queuedRow)
	err := t.each(ctx, `SELECT `+queuedRowColumns+` FROM outbox ORDER BY message_id`, nil, func(r *sql.Rows) error {
		q, err := scanQueuedRow(r)
		a := accounts[q.account]
		if err != nil || a == nil {
			return err
		}
		list := rest
		switch {
		case !a.Hold.ReachOutUntil.IsZero() && q.note == store.NoteReachOutLimited:
			list = held
		case q.place < 0:
			list = firsts
		}
		if q.place < 0 || len(list[q.account]) < n {
			list[q.account] = append(list[q.account], q)
		}
		return nil
	})
	for id := range accounts {
		slices.SortFunc(firsts[id], queuedRow.compare)
		slices.SortFunc(held[id], queuedRow.compare)
		lane := slices.Concat(firsts[id], rest[id], held[id])
		if lane = lane[:min(n, len(lane))]; len(lane) > 0 {
			rest[id] = lane
		}
	}
	return rest, err
}

// placeRows sets the places of a lane's first messages, which are all of rows.
func (t *tx) placeRows(ctx context.Context, a *tideline.Account, rows []queuedRow) error {
	if len(rows) == 0 {
		return nil
	}
	limited := !a.Hold.ReachOutUntil.IsZero()
	var clock, accepted time.Time
	if err := t.one(ctx, `SELECT l.at, m.accepted_at FROM messages m LEFT JOIN lanes l ON l.account_id = $1
		WHERE m.id = $2 AND m.workspace_id = $3`, []any{a.ID, rows[0].id, a.WorkspaceID}, millis{&clock}, millis{&accepted}); err != nil {
		return err
	}
	var gaps time.Duration
	for i := range rows {
		q := &rows[i]
		q.where = store.Place{Position: i, Note: q.note}
		if !limited && q.note == store.NoteReachOutLimited {
			q.where.Note = "" // the limit is over
		}
		if limited && q.note == store.NoteReachOutLimited {
			q.where.HeldUntil = a.Hold.ReachOutUntil
		}
		gaps += q.gap
		switch {
		case !clock.IsZero():
			q.where.Expected = clock.Add(gaps)
		case i > 0:
			q.where.Expected = accepted.Add(gaps - rows[0].gap)
		}
		if q.where.Expected.Before(q.where.HeldUntil) {
			q.where.Expected = q.where.HeldUntil
		}
	}
	return nil
}

// queueItems reads what is shown of queued messages, in their order.
func (t *tx) queueItems(ctx context.Context, workspaceID int64, rows []queuedRow, accounts map[int64]*tideline.Account) ([]store.QueueItem, error) {
	ids := make([]int64, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	views, err := t.messageViews(ctx, ids)
	if err != nil {
		return nil, err
	}
	var chatIDs []int64
	for i := range views {
		if id := views[i].Message.ChatID; !slices.Contains(chatIDs, id) {
			chatIDs = append(chatIDs, id)
		}
	}
	found, err := t.chatViews(ctx, workspaceID, chatIDs)
	if err != nil {
		return nil, err
	}
	items := make([]store.QueueItem, len(rows))
	for i, v := range views {
		v.Chat = found[slices.Index(chatIDs, v.Message.ChatID)].Chat
		v.Account = *accounts[rows[i].account]
		items[i] = store.QueueItem{View: v, Place: rows[i].where, Attempts: rows[i].attempts, First: rows[i].place < 0}
	}
	return items, nil
}

// QueueLengths implements store.QueueReader.
func (s *Store) QueueLengths(ctx context.Context, workspaceID int64) (map[int64]int64, error) {
	lengths := make(map[int64]int64)
	err := s.reader().each(ctx, `SELECT o.account_id, count(*) FROM outbox o
		WHERE o.account_id IN (SELECT id FROM accounts WHERE workspace_id = $1) GROUP BY o.account_id`,
		[]any{workspaceID}, func(r *sql.Rows) error {
			var id, n int64
			err := r.Scan(&id, &n)
			lengths[id] = n
			return err
		})
	return lengths, failed("queue lengths", err)
}
