package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// LaneStart implements store.SharedQueue. The queue, with what was put first, is one
// statement, so it is whole; clock and pause change only by who holds the account,
// which is who asks.
func (s *Store) LaneStart(ctx context.Context, accountID int64) (store.LaneStart, error) {
	var l store.LaneStart
	var pausedAt sql.NullInt64
	err := s.reader().one(ctx, `SELECT l.at, a.paused_at FROM accounts a LEFT JOIN lanes l ON l.account_id = a.id WHERE a.id = $1`,
		[]any{accountID}, millis{&l.At}, &pausedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return store.LaneStart{}, nil
	}
	if err != nil {
		return store.LaneStart{}, failed("lane start", err)
	}
	l.Paused = pausedAt.Valid
	type placed struct{ place, message int64 }
	var first []placed
	err = s.reader().each(ctx, `SELECT message_id, gap_ms, place FROM outbox WHERE account_id = $1 ORDER BY message_id`,
		[]any{accountID}, func(r *sql.Rows) error {
			q := store.Queued{AccountID: accountID}
			var gap, place int64
			if err := r.Scan(&q.MessageID, &gap, &place); err != nil {
				return err
			}
			q.Gap = time.Duration(gap) * time.Millisecond
			l.Queued = append(l.Queued, q)
			if place < 0 {
				first = append(first, placed{place, q.MessageID})
			}
			return nil
		})
	if err != nil {
		return store.LaneStart{}, failed("lane start", err)
	}
	slices.SortFunc(first, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.message, b.message))
	})
	for _, p := range first {
		l.First = append(l.First, p.message)
	}
	return l, nil
}

var selectQueuedAfter = newMulti(`SELECT o.account_id, o.message_id, o.gap_ms FROM (VALUES `,
	`) AS v CROSS JOIN outbox o WHERE o.account_id = v.column1 AND o.message_id > v.column2`, "BIGINT", "BIGINT")

// QueuedAfter implements store.SharedQueue.
func (s *Store) QueuedAfter(ctx context.Context, marks []store.LaneMark) ([]store.Queued, error) {
	args := make([]any, 0, 2*len(marks))
	for _, m := range marks {
		args = append(args, m.AccountID, m.MessageID)
	}
	var all []store.Queued
	err := s.reader().eachAll(ctx, selectQueuedAfter, args, func(r *sql.Rows) error {
		var q store.Queued
		var gap int64
		err := r.Scan(&q.AccountID, &q.MessageID, &gap)
		q.Gap = time.Duration(gap) * time.Millisecond
		all = append(all, q)
		return err
	})
	if err != nil {
		return nil, failed("queued after", err)
	}
	slices.SortFunc(all, func(a, b store.Queued) int { return cmp.Compare(a.MessageID, b.MessageID) })
	return all, nil
}

// NewestQueued implements store.SharedQueue. It reads the queue's end by its key,
// and gives one row per lane however many messages those have.
func (s *Store) NewestQueued(ctx context.Context, after int64) (marks []store.LaneMark, err error) {
	err = s.reader().each(ctx, `SELECT account_id, max(message_id) FROM outbox WHERE message_id > $1
		GROUP BY account_id ORDER BY account_id`, []any{after}, func(r *sql.Rows) error {
		var m store.LaneMark
		err := r.Scan(&m.AccountID, &m.MessageID)
		marks = append(marks, m)
		return err
	})
	return marks, failed("newest queued", err)
}

var selectAccountsByID = newMulti(`SELECT `+accountColumns+` FROM (VALUES `,
	`) AS v CROSS JOIN accounts a WHERE a.id = v.column1 AND a.removed_at IS NULL`, "BIGINT")

// AccountsByID implements store.SharedAccounts.
func (s *Store) AccountsByID(ctx context.Context, ids []int64) (accounts []tideline.Account, err error) {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	err = s.reader().eachAll(ctx, selectAccountsByID, args, func(r *sql.Rows) error {
		var a tideline.Account
		err := r.Scan(accountFields(&a)...)
		accounts = append(accounts, a)
		return err
	})
	slices.SortFunc(accounts, func(a, b tideline.Account) int { return cmp.Compare(a.ID, b.ID) })
	return accounts, failed("accounts by id", err)
}
