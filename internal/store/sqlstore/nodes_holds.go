package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/tidelinehq/tideline/internal/store"
)

// lockNode keeps a node from being expelled until the end of the transaction, and says
// whether it leaves. ErrExpelled when it is not there.
func (t *tx) lockNode(ctx context.Context, nodeID int64) (leaving bool, err error) {
	query := `SELECT n.leaving FROM nodes n WHERE n.id = $1`
	if t.d == dialectPostgres {
		query += ` FOR KEY SHARE OF n`
	}
	err = t.one(ctx, query, []any{nodeID}, &leaving)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrExpelled
	}
	return leaving, err
}

// asNode runs fn in a transaction during which the node is not expelled; fn is left
// out when the node is leaving and wants more.
func (s *Store) asNode(ctx context.Context, call string, nodeID int64, wantsMore bool, fn func(ctx context.Context, t *tx) error) error {
	return s.write(ctx, call, func(ctx context.Context, t *tx) error {
		leaving, err := t.lockNode(ctx, nodeID)
		if err != nil || leaving && wantsMore {
			return err
		}
		return fn(ctx, t)
	})
}

// HoldsOf implements store.Nodes.
func (s *Store) HoldsOf(ctx context.Context, nodeID int64) ([]store.Hold, error) {
	var holds []store.Hold
	err := s.reader().each(ctx, `SELECT h.account_id, h.epoch, a.removed_at IS NOT NULL FROM holds h JOIN accounts a ON a.id = h.account_id
		WHERE h.node_id = $1 ORDER BY h.account_id`, []any{nodeID}, func(r *sql.Rows) error {
		var h store.Hold
		err := r.Scan(&h.AccountID, &h.Epoch, &h.Removed)
		holds = append(holds, h)
		return err
	})
	return holds, failed("holds of node", err)
}

// Claim implements store.Nodes.
func (s *Store) Claim(ctx context.Context, nodeID int64, limit int) ([]store.Hold, error) {
	var holds []store.Hold
	err := s.asNode(ctx, "claim accounts", nodeID, true, func(ctx context.Context, t *tx) error {
		holds = nil
		if _, err := t.exec(ctx, insertMissingHolds); err != nil {
			return err
		}
		free := `SELECT f.account_id FROM holds f JOIN accounts a ON a.id = f.account_id
			WHERE f.node_id IS NULL AND a.removed_at IS NULL ORDER BY f.account_id LIMIT $2`
		if t.d == dialectPostgres {
			free += ` FOR UPDATE OF f SKIP LOCKED` // somebody claims those just now
		}
		// MATERIALIZED: as a subquery it could be run again for each row and then lock
		// more than its limit.
		return t.each(ctx, `WITH free AS MATERIALIZED (`+free+`) UPDATE holds SET node_id = $1, epoch = epoch + 1
			WHERE account_id IN (SELECT account_id FROM free) RETURNING account_id, epoch`, []any{nodeID, limit},
			func(r *sql.Rows) error {
				var h store.Hold
				err := r.Scan(&h.AccountID, &h.Epoch)
				holds = append(holds, h)
				return err
			})
	})
	return holds, err
}

// ClaimAccount implements store.Nodes.
func (s *Store) ClaimAccount(ctx context.Context, nodeID, accountID int64) (h store.Hold, ok bool, err error) {
	err = s.asNode(ctx, "claim account", nodeID, true, func(ctx context.Context, t *tx) error {
		h, ok = store.Hold{AccountID: accountID}, false
		_, err := t.exec(ctx, `INSERT INTO holds (account_id, epoch) SELECT a.id, 0 FROM accounts a WHERE a.id = $1
			ON CONFLICT (account_id) DO NOTHING`, accountID)
		if err != nil {
			return err
		}
		err = t.one(ctx, `UPDATE holds SET epoch = CASE WHEN node_id IS NULL THEN epoch + 1 ELSE epoch END, node_id = $1
			WHERE account_id = $2 AND (node_id IS NULL OR node_id = $1)
			AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = $2 AND a.removed_at IS NULL) RETURNING epoch`,
			[]any{nodeID, accountID}, &h.Epoch)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil || !ok {
		return store.Hold{}, false, err
	}
	return h, true, nil
}

// Release implements store.Nodes.
func (s *Store) Release(ctx context.Context, nodeID int64, accountIDs []int64) error {
	return s.asNode(ctx, "release accounts", nodeID, false, func(ctx context.Context, t *tx) error {
		for _, id := range accountIDs {
			if _, err := t.exec(ctx, `UPDATE holds SET node_id = NULL WHERE account_id = $1 AND node_id = $2`, id, nodeID); err != nil {
				return err
			}
		}
		return nil
	})
}

// HolderOf implements store.Nodes.
func (s *Store) HolderOf(ctx context.Context, accountID int64) (nodeID int64, err error) {
	err = s.reader().one(ctx, `SELECT node_id FROM holds WHERE account_id = $1`, []any{accountID}, orZero{&nodeID})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return nodeID, failed("holder of account", err)
}

// TakeDuty implements store.Nodes.
func (s *Store) TakeDuty(ctx context.Context, nodeID int64, name string) (taken bool, err error) {
	err = s.asNode(ctx, "take duty", nodeID, true, func(ctx context.Context, t *tx) error {
		taken = false
		n, err := t.exec(ctx, `INSERT INTO duties (name, node_id, epoch) VALUES ($1, $2, 1) ON CONFLICT (name) DO UPDATE
			SET epoch = CASE WHEN duties.node_id IS NULL THEN duties.epoch + 1 ELSE duties.epoch END, node_id = excluded.node_id
			WHERE duties.node_id IS NULL OR duties.node_id = excluded.node_id`, name, nodeID)
		taken = n > 0
		return err
	})
	return taken && err == nil, err
}

// DropDuty implements store.Nodes.
func (s *Store) DropDuty(ctx context.Context, nodeID int64, name string) error {
	return s.write(ctx, "drop duty", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE duties SET node_id = NULL WHERE name = $1 AND node_id = $2`, name, nodeID)
		return err
	})
}

// CountAccounts implements store.Nodes.
func (s *Store) CountAccounts(ctx context.Context) (n int, err error) {
	err = s.reader().one(ctx, `SELECT count(*) FROM accounts WHERE removed_at IS NULL`, nil, &n)
	return n, failed("count accounts", err)
}
