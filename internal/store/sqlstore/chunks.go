package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// PutHistoryChunk implements store.Histories.
func (s *Store) PutHistoryChunk(ctx context.Context, c store.HistoryChunk) error {
	return s.write(ctx, "put history chunk", s.fenced(func(ctx context.Context, t *tx) error {
		var one int
		err := t.one(ctx, `SELECT 1 FROM accounts WHERE id = $1 AND workspace_id = $2 AND removed_at IS NULL`,
			[]any{c.AccountID, c.WorkspaceID}, &one)
		if err != nil {
			return missing(err, "WhatsApp account")
		}
		_, err = t.exec(ctx, `INSERT INTO history_chunks (workspace_id, account_id, chunk, ref, attempts, announced_at, due_at, note)
			VALUES ($1, $2, $3, $4, 0, $5, $5, '') ON CONFLICT (account_id, chunk) DO NOTHING`,
			c.WorkspaceID, c.AccountID, c.Chunk, c.Ref, c.AnnouncedAt.UnixMilli())
		return err
	}, c.AccountID))
}

// DueHistoryChunk implements store.Histories.
func (s *Store) DueHistoryChunk(ctx context.Context, now time.Time) (c store.HistoryChunk, found bool, err error) {
	return s.DueHistoryChunkFrom(ctx, now, 0)
}

// DueHistoryChunkFrom implements store.SharedWork.
func (s *Store) DueHistoryChunkFrom(ctx context.Context, now time.Time, offset int) (c store.HistoryChunk, found bool, err error) {
	err = s.reader().one(ctx, `SELECT h.id, h.workspace_id, h.account_id, a.device_jid, a.removed_at IS NOT NULL, h.chunk, h.ref, h.attempts, h.announced_at
		FROM history_chunks h JOIN accounts a ON a.id = h.account_id AND a.workspace_id = h.workspace_id
		WHERE h.due_at <= $1 ORDER BY h.due_at, h.id LIMIT 1 OFFSET $2`, []any{now.UnixMilli(), offset},
		&c.ID, &c.WorkspaceID, &c.AccountID, &c.DeviceJID, &c.Removed, &c.Chunk, &c.Ref, &c.Attempts, millis{&c.AnnouncedAt})
	if errors.Is(err, sql.ErrNoRows) {
		return store.HistoryChunk{}, false, nil
	}
	return c, err == nil, failed("due history chunk", err)
}

// NextHistoryChunk implements store.Histories.
func (s *Store) NextHistoryChunk(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := s.reader().one(ctx, `SELECT min(due_at) FROM history_chunks`, nil, millis{&at})
	return at, failed("next history chunk", err)
}

// NextHistoryChunkAfter implements store.SharedWork.
func (s *Store) NextHistoryChunkAfter(ctx context.Context, now time.Time) (time.Time, error) {
	var at time.Time
	err := s.reader().one(ctx, `SELECT min(due_at) FROM history_chunks WHERE due_at > $1`, []any{now.UnixMilli()}, millis{&at})
	return at, failed("next history chunk", err)
}

// PostponeHistoryChunk implements store.Histories.
func (s *Store) PostponeHistoryChunk(ctx context.Context, workspaceID, id int64, due time.Time, note string) error {
	return s.write(ctx, "postpone history chunk", s.fenced(func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE history_chunks SET attempts = attempts + 1, due_at = $1, note = $2
			WHERE id = $3 AND workspace_id = $4 AND due_at IS NOT NULL`, due.UnixMilli(), note, id, workspaceID)
		return mustChange(n, err, "chunk of a history")
	}))
}

// FinishHistoryChunk implements store.Histories.
func (s *Store) FinishHistoryChunk(ctx context.Context, workspaceID, id int64, at time.Time, note string) error {
	return s.write(ctx, "finish history chunk", s.fenced(func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE history_chunks SET due_at = NULL, ref = $1, finished_at = $2, note = $3
			WHERE id = $4 AND workspace_id = $5 AND due_at IS NOT NULL`, []byte{}, at.UnixMilli(), note, id, workspaceID)
		return mustChange(n, err, "chunk of a history")
	}))
}

// pruneHistory forgets chunks that were finished long ago.
func (t *tx) pruneHistory(ctx context.Context, now time.Time) error {
	_, err := t.exec(ctx, `DELETE FROM history_chunks WHERE finished_at < $1`, now.Add(-store.HistoryWindow).UnixMilli())
	return err
}
