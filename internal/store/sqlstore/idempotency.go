package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// idemKey is an Idempotency-Key of a workspace.
type idemKey struct {
	workspaceID int64
	key         string
}

// usedKey says what a key was used for.
type usedKey struct {
	hash  [32]byte
	at    time.Time
	first store.Accepted
	job   *job // the user is in this batch; nil = it is stored already
	old   bool // a row of the key is stored
}

// replay gives the answer to a request that comes at the time now with the key
// again; found is false when k is nil or forgotten by then.
func (k *usedKey) replay(again store.Idempotency, now time.Time) (first store.Accepted, found bool, err error) {
	if k == nil || now.Sub(k.at) >= store.IdempotencyWindow {
		return store.Accepted{}, false, nil
	}
	if k.hash != again.BodyHash {
		return store.Accepted{}, false, tideline.Errorf(tideline.CodeConflict,
			"this Idempotency-Key was used with another request body: use a new key for a new message")
	}
	first = k.first
	first.Replayed = true
	return first, true, nil
}

// Replay implements store.Replayer.
func (s *Store) Replay(ctx context.Context, workspaceID int64, again store.Idempotency, at time.Time) (store.Accepted, bool, error) {
	k := idemKey{workspaceID, again.Key}
	used, err := s.reader().askUsedKeys(ctx, []idemKey{k})
	if err != nil {
		return store.Accepted{}, false, failed("replay", err)
	}
	return used[k].replay(again, at)
}

var selectUsedKeys = newMulti(`SELECT i.workspace_id, i.key, i.body_hash, i.at, m.id, m.uid, m.chat_id FROM (VALUES `,
	`) AS v CROSS JOIN idempotency i JOIN messages m ON m.id = i.message_id
	WHERE i.workspace_id = v.column1 AND i.key = v.column2`, "BIGINT", "TEXT")

// keysOf gives the keys that jobs come with.
func keysOf(jobs []*job) (keys []idemKey) {
	for _, j := range jobs {
		if j.accept.Idem != nil {
			keys = append(keys, idemKey{j.accept.WorkspaceID, j.accept.Idem.Key})
		}
	}
	return keys
}

// askUsedKeys finds the stored uses of keys, see ask.
func (t *tx) askUsedKeys(ctx context.Context, keys []idemKey) (map[idemKey]*usedKey, error) {
	args := make([]any, 0, 2*len(keys))
	for _, k := range keys {
		args = append(args, k.workspaceID, k.key)
	}
	used := make(map[idemKey]*usedKey, len(keys))
	err := t.askAll(ctx, selectUsedKeys, args, func(r *sql.Rows) error {
		var k idemKey
		u := &usedKey{old: true}
		var hash []byte
		if err := r.Scan(&k.workspaceID, &k.key, &hash, millis{&u.at}, &u.first.MessageID, &u.first.UID, &u.first.ChatID); err != nil {
			return err
		}
		if copy(u.hash[:], hash) != len(u.hash) {
			return fmt.Errorf("the body hash of message %d has %d bytes", u.first.MessageID, len(hash))
		}
		used[k] = u
		return nil
	})
	return used, err
}

var upsertKeys = newInsert(`idempotency (message_id, workspace_id, key, body_hash, at)`,
	"(?, ?, ?, ?, ?)", ` ON CONFLICT (workspace_id, key) DO UPDATE SET message_id = excluded.message_id,
	body_hash = excluded.body_hash, at = excluded.at`)

// keepKeys stores the keys that jobs of this batch used. A key that was
// forgotten is overwritten.
func (t *tx) keepKeys(ctx context.Context, keys map[idemKey]*usedKey) error {
	var args []any
	for k, u := range keys {
		if u.job != nil {
			args = append(args, u.first.MessageID, k.workspaceID, k.key, u.hash[:], u.at.UnixMilli())
		}
	}
	return t.execAll(ctx, upsertKeys, args)
}

// Prune implements store.Settings. It deletes in small transactions, the oldest
// first, so that acceptances hardly wait.
func (s *Store) Prune(ctx context.Context, now time.Time) error {
	cutoff := now.Add(-store.IdempotencyWindow).UnixMilli()
	for {
		var n int64
		err := s.write(ctx, "prune", func(ctx context.Context, t *tx) (err error) {
			n, err = t.exec(ctx, `DELETE FROM idempotency WHERE message_id IN (
				SELECT message_id FROM (SELECT message_id, at FROM idempotency ORDER BY message_id LIMIT 500) AS oldest
				WHERE at <= $1)`, cutoff)
			return err
		})
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	if err := s.pruneDeliveries(ctx, now); err != nil {
		return err
	}
	if err := s.pruneAudit(ctx, now); err != nil {
		return err
	}
	return s.write(ctx, "prune", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM early_receipts WHERE coalesce(delivered_at, read_at) < $1`,
			now.Add(-earlyReceiptWindow).UnixMilli())
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM amendments WHERE at < $1`, now.Add(-amendmentWindow).UnixMilli())
		if err != nil {
			return err
		}
		if err := t.pruneEntry(ctx, now); err != nil {
			return err
		}
		return t.pruneHistory(ctx, now)
	})
}
