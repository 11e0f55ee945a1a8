package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

const (
	// joinWait is how long a node waits for a command that has the database to itself.
	joinWait = 5 * time.Second
	// terminateWait is how long an expelled node's connections may take to end.
	terminateWait = 5 * time.Second
)

// clock is the database's clock as an SQL expression, in Unix milliseconds. It goes
// on within a transaction: a statement may have waited for a lock.
func (t *tx) clock() string {
	if t.d == dialectPostgres {
		return `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`
	}
	return `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
}

// Join implements store.Nodes. It holds the lock of TakeClaim, shared, until the
// node's row is there: a command that has the lock to itself then either sees the
// row or keeps the node out.
func (s *Store) Join(ctx context.Context, info store.NodeInfo, ttl time.Duration) (store.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	retry := time.NewTicker(claimRetry)
	defer retry.Stop()
	for busy := false; ; {
		n, joined, err := s.join(ctx, info, ttl)
		switch {
		case joined:
			return n, nil
		case err == nil:
			busy = true
		case !busy || !errors.Is(ctx.Err(), context.DeadlineExceeded):
			return store.Node{}, err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return store.Node{}, failed("join", store.ErrBusy)
		}
	}
}

func (s *Store) join(ctx context.Context, info store.NodeInfo, ttl time.Duration) (n store.Node, joined bool, err error) {
	err = s.write(ctx, "join", func(ctx context.Context, t *tx) error {
		n, joined = store.Node{NodeInfo: info}, false
		if t.d == dialectPostgres {
			var free bool
			err := t.one(ctx, `SELECT pg_try_advisory_xact_lock_shared($1)`, []any{int64(serverLock)}, &free)
			if err != nil || !free {
				return err
			}
		}
		if _, err := t.exec(ctx, insertMissingHolds); err != nil {
			return err
		}
		if info.Seat != "" { // whoever had it can be expelled now
			if _, err := t.exec(ctx, `UPDATE nodes SET lease_until = 0 WHERE seat = $1`, info.Seat); err != nil {
				return err
			}
		}
		now := t.clock()
		err := t.one(ctx, `INSERT INTO nodes (name, version, url, seat, started_at, lease_until, leaving)
			VALUES ($1, $2, $3, $4, `+now+`, `+now+` + $5, FALSE) RETURNING id, started_at`,
			[]any{info.Name, info.Version, info.URL, info.Seat, ttl.Milliseconds()}, &n.ID, millis{&n.Started})
		n.Left, joined = ttl, err == nil
		return err
	})
	return n, joined && err == nil, err
}

// insertMissingHolds makes the rows of accounts that have none.
const insertMissingHolds = `INSERT INTO holds (account_id, epoch) SELECT a.id, 0 FROM accounts a
	WHERE NOT EXISTS (SELECT 1 FROM holds h WHERE h.account_id = a.id) ON CONFLICT (account_id) DO NOTHING`

// Renew implements store.Nodes. It doesn't wait for the node's fenced transactions,
// which lock the row's key only, nor on PostgreSQL for a connection: a node whose pool
// is busy is not dead.
func (s *Store) Renew(ctx context.Context, nodeID int64, ttl time.Duration) error {
	if s.vital != nil {
		t := &tx{d: s.d, q: s.vital}
		renew := func() error {
			n, err := t.exec(ctx, `UPDATE nodes SET lease_until = `+t.clock()+` + $1 WHERE id = $2`, ttl.Milliseconds(), nodeID)
			return thisNode(n, err)
		}
		err := renew()
		if err != nil && connectionLost(err) { // it may have been broken for long: a new one tells
			err = renew()
		}
		return failed("renew", err)
	}
	return s.write(ctx, "renew", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE nodes SET lease_until = `+t.clock()+` + $1 WHERE id = $2`, ttl.Milliseconds(), nodeID)
		return thisNode(n, err)
	})
}

// MarkLeaving implements store.Nodes.
func (s *Store) MarkLeaving(ctx context.Context, nodeID int64) error {
	return s.write(ctx, "mark leaving", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE nodes SET leaving = TRUE WHERE id = $1`, nodeID)
		return thisNode(n, err)
	})
}

// thisNode turns a statement that found no row of the node into ErrExpelled.
func thisNode(n int64, err error) error {
	if err == nil && n == 0 {
		return store.ErrExpelled
	}
	return err
}

// Leave implements store.Nodes.
func (s *Store) Leave(ctx context.Context, nodeID int64) error {
	return s.write(ctx, "leave", func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM nodes WHERE id = $1`, nodeID); err != nil {
			return err
		}
		return t.freeAll(ctx, nodeID)
	})
}

// freeAll frees what a node held that is not there any more. Calls to it will never
// be answered, and those that it made nobody waits for.
func (t *tx) freeAll(ctx context.Context, nodeID int64) error {
	for _, query := range []string{
		`UPDATE holds SET node_id = NULL WHERE node_id = $1`,
		`UPDATE duties SET node_id = NULL WHERE node_id = $1`,
		`DELETE FROM node_calls WHERE caller = $1 OR target = $1`,
	} {
		if _, err := t.exec(ctx, query, nodeID); err != nil {
			return err
		}
	}
	return nil
}

// ListNodes implements store.Nodes.
func (s *Store) ListNodes(ctx context.Context) ([]store.Node, error) {
	nodes, err := s.reader().nodes(ctx)
	return nodes, failed("list nodes", err)
}

func (t *tx) nodes(ctx context.Context) ([]store.Node, error) {
	var nodes []store.Node
	err := t.each(ctx, `SELECT n.id, n.name, n.version, n.url, n.started_at, n.lease_until - `+t.clock()+`, n.leaving,
		(SELECT count(*) FROM holds h JOIN accounts a ON a.id = h.account_id WHERE h.node_id = n.id AND a.removed_at IS NULL)
		FROM nodes n ORDER BY n.id`, nil, func(r *sql.Rows) error {
		var n store.Node
		var left int64
		err := r.Scan(&n.ID, &n.Name, &n.Version, &n.URL, millis{&n.Started}, &left, &n.Leaving, &n.Accounts)
		n.Left = time.Duration(left) * time.Millisecond
		nodes = append(nodes, n)
		return err
	})
	return nodes, err
}

// ExpelDead implements store.Nodes. A node whose own lease is over expels nobody: when
// the database's clock jumps, who renews first does not find all others dead before
// they could.
func (s *Store) ExpelDead(ctx context.Context, nodeID int64) ([]int64, error) {
	dead, err := s.reader().deadNodes(ctx, nodeID)
	if err != nil {
		return nil, failed("expel", err)
	}
	var expelled []int64
	for _, id := range dead {
		gone := false
		err := s.write(ctx, "expel", func(ctx context.Context, t *tx) (err error) {
			gone, err = t.expel(ctx, id)
			return err
		})
		if err != nil {
			return expelled, fmt.Errorf("node %d: %w", id, err)
		}
		if gone {
			expelled = append(expelled, id)
		}
	}
	return expelled, nil
}

// deadNodes lists the nodes whose lease is over, for a node whose lease is not, or for
// a process that is no node (0).
func (t *tx) deadNodes(ctx context.Context, nodeID int64) (ids []int64, err error) {
	now := t.clock()
	err = t.each(ctx, `SELECT n.id FROM nodes n WHERE n.lease_until < `+now+` AND n.id <> $1
		AND ($1 = 0 OR EXISTS (SELECT 1 FROM nodes me WHERE me.id = $1 AND me.lease_until >= `+now+`)) ORDER BY n.id`,
		[]any{nodeID}, func(r *sql.Rows) error {
			var id int64
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
	return ids, err
}

// expel removes one node, unless it renewed its lease meanwhile.
//
// Its connections are told to end first, because a transaction of a frozen process
// would keep its locks for as long as the process stays frozen. Once the row is locked,
// no connection of the connector that asks for it is admitted any more; those that were
// before are ended before the accounts are free, so that nobody still writes keys of an account
// that another node works with.
func (t *tx) expel(ctx context.Context, nodeID int64) (gone bool, err error) {
	if err := t.terminate(ctx, nodeID, 0); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `DELETE FROM nodes WHERE id = $1 AND lease_until < `+t.clock(), nodeID)
	if err != nil || n == 0 {
		return false, err
	}
	if err := t.terminate(ctx, nodeID, terminateWait); err != nil {
		return false, err
	}
	return true, t.freeAll(ctx, nodeID)
}

// terminate ends the connections of a node. wait is how long each may take; 0 = don't
// wait. PostgreSQL lets a role end its own connections, and so nodes have to use the same.
func (t *tx) terminate(ctx context.Context, nodeID int64, wait time.Duration) error {
	if t.d != dialectPostgres {
		return nil
	}
	// What a transaction sees of connections it would keep until its end.
	if _, err := t.exec(ctx, `SELECT pg_stat_clear_snapshot()`); err != nil {
		return err
	}
	end := `pg_terminate_backend(pid)`
	if wait > 0 {
		end = fmt.Sprintf(`pg_terminate_backend(pid, %d)`, wait.Milliseconds())
	}
	left := 0
	err := t.each(ctx, `SELECT `+end+` FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()`,
		[]any{NodeName(nodeID)}, func(r *sql.Rows) error {
			var ended bool
			err := r.Scan(&ended)
			if !ended {
				left++
			}
			return err
		})
	if err == nil && left > 0 && wait > 0 {
		err = fmt.Errorf("%d connections of the node did not end within %s", left, wait)
	}
	return err
}
