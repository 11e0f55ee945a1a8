package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// PauseAccount implements store.QueueControl. Messages are accepted meanwhile, and
// what the acceptance path remembers of an account does not depend on it, so the
// configuration version stays.
func (s *Store) PauseAccount(ctx context.Context, workspaceID, accountID int64, by string, at time.Time) error {
	return s.write(ctx, "pause account", s.fenced(func(ctx context.Context, t *tx) error {
		if err := t.auditPause(ctx, workspaceID, accountID, true, at); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE accounts SET paused_by = CASE WHEN paused_at IS NULL THEN $1 ELSE paused_by END,
			paused_at = coalesce(paused_at, $2) WHERE workspace_id = $3 AND id = $4 AND removed_at IS NULL`,
			by, at.UnixMilli(), workspaceID, accountID)
		t.tell(tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeAccount, AccountID: accountID})
		return mustChange(n, err, "WhatsApp account")
	}, accountID))
}

// ResumeAccount implements store.QueueControl.
func (s *Store) ResumeAccount(ctx context.Context, workspaceID, accountID int64, at time.Time) error {
	return s.write(ctx, "resume account", s.fenced(func(ctx context.Context, t *tx) error {
		if err := t.auditPause(ctx, workspaceID, accountID, false, at); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE accounts SET resumed_at = CASE WHEN paused_at IS NULL THEN resumed_at ELSE CAST($1 AS BIGINT) END,
			paused_at = NULL, paused_by = '' WHERE workspace_id = $2 AND id = $3 AND removed_at IS NULL`,
			at.UnixMilli(), workspaceID, accountID)
		t.tell(tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeAccount, AccountID: accountID})
		return mustChange(n, err, "WhatsApp account")
	}, accountID))
}

// PausedAccounts implements store.QueueStart.
func (s *Store) PausedAccounts(ctx context.Context) (ids []int64, err error) {
	err = s.reader().each(ctx, `SELECT id FROM accounts WHERE paused_at IS NOT NULL ORDER BY id`, nil, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, failed("paused accounts", err)
}

// CancelQueued implements store.QueueControl.
func (s *Store) CancelQueued(ctx context.Context, workspaceID, accountID int64, messageIDs []int64, note string, at time.Time) (store.Cancelled, error) {
	var c store.Cancelled
	// Beside settlements: a receipt that is just coming in for one of the messages
	// must be seen, or see that it ended.
	err := s.writeBesideSettlements(ctx, "cancel queued", accountID, s.fenced(func(ctx context.Context, t *tx) error {
		c = store.Cancelled{}
		bs, err := t.currentBalances(ctx, []int64{workspaceID}, at)
		if err != nil {
			return err
		}
		found, err := t.queuedMessages(ctx, slices.Clone(messageIDs))
		if err != nil {
			return err
		}
		var own []queuedMessage
		for id, q := range found {
			if q.workspaceID == workspaceID && q.accountID == accountID {
				own = append(own, q)
				c.Gone = append(c.Gone, id)
			}
		}
		slices.SortFunc(own, func(a, b queuedMessage) int { return int(a.id - b.id) })
		slices.Sort(c.Gone)
		if len(own) > 0 {
			t.tellQueue(workspaceID, accountID)
		}
		if c.Sent, err = t.failAll(ctx, bs, own, ending{reason: tideline.ReasonCancelled, at: at, note: note}); err != nil || len(own) == 0 {
			return err
		}
		return t.auditQueue(ctx, workspaceID, accountID, tideline.AuditQueueCancelled, at,
			tideline.AuditChange{Field: "messages", New: strconv.Itoa(len(own))})
	}, accountID))
	return c, err
}

// PutFirst implements store.QueueControl.
func (s *Store) PutFirst(ctx context.Context, workspaceID, messageID int64) error {
	return s.write(ctx, "put first", s.fenced(func(ctx context.Context, t *tx) error {
		var account int64
		err := t.one(ctx, `SELECT o.account_id FROM outbox o JOIN messages m ON m.id = o.message_id
			WHERE o.message_id = $1 AND m.workspace_id = $2`+t.forUpdate("o"), []any{messageID, workspaceID}, &account)
		if err != nil {
			return missing(err, "queued message")
		}
		f, err := s.fence(ctx, t, account)
		if err == nil {
			err = f.notOthers(account)
		}
		if err != nil {
			return err
		}
		t.tellQueue(workspaceID, account)
		_, err = t.exec(ctx, `UPDATE outbox SET place = (SELECT coalesce(min(f.place), 0) - 1 FROM outbox f
			WHERE f.account_id = $1 AND f.place < 0) WHERE message_id = $2`, account, messageID)
		if err != nil {
			return err
		}
		return t.auditQueue(ctx, workspaceID, account, tideline.AuditQueuePromoted, time.Time{})
	}))
}

// Firsts implements store.QueueStart.
func (s *Store) Firsts(ctx context.Context, fn func(store.Queued) error) error {
	var all []store.Queued
	err := s.reader().each(ctx, `SELECT message_id, account_id, gap_ms FROM outbox WHERE place < 0
		ORDER BY account_id, place, message_id`, nil, func(r *sql.Rows) error {
		var q store.Queued
		var gap int64
		err := r.Scan(&q.MessageID, &q.AccountID, &gap)
		q.Gap = time.Duration(gap) * time.Millisecond
		all = append(all, q)
		return err
	})
	if err != nil {
		return failed("firsts", err)
	}
	for _, q := range all {
		if err := fn(q); err != nil {
			return err
		}
	}
	return nil
}

// QueuedOf implements store.QueueControl.
func (s *Store) QueuedOf(ctx context.Context, workspaceID, accountID, after int64, limit int) (ids []int64, err error) {
	err = s.reader().each(ctx, `SELECT o.message_id FROM outbox o CROSS JOIN accounts a
		WHERE o.account_id = $1 AND o.message_id > $2 AND a.id = o.account_id AND a.workspace_id = $3
		ORDER BY o.message_id LIMIT $4`, []any{accountID, after, workspaceID, limit}, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, failed("queued of", err)
}

// QueuedMessage implements store.QueueControl.
func (s *Store) QueuedMessage(ctx context.Context, workspaceID, messageID int64) (store.QueuedMessage, error) {
	q := store.QueuedMessage{ID: messageID}
	err := s.reader().one(ctx, `SELECT o.account_id, m.chat_id, m.member_id FROM outbox o JOIN messages m ON m.id = o.message_id
		WHERE o.message_id = $1 AND m.workspace_id = $2`, []any{messageID, workspaceID}, &q.AccountID, &q.ChatID, orZero{&q.MemberID})
	return q, failed("queued message", missing(err, "queued message"))
}
