package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/tidelinehq/tideline/internal/store"
)

// Fence implements store.Nodes. On PostgreSQL the connections of the pool bear the
// node's name from then on, so that others can terminate them; those with another
// name are thrown away when they are asked for next.
func (s *Store) Fence(nodeID int64) { s.node.Store(nodeID) }

// NodeName is the application_name of a node's connections. Whoever expels the
// node finds them by it.
func NodeName(nodeID int64) string { return "tideline node " + strconv.FormatInt(nodeID, 10) }

// AdmitNode gives what refuses new connections of a node that was expelled, for pools
// of other packages on the same database. nodeID gives the node that this process is; 0
// = none, which is admitted.
func AdmitNode(nodeID func() int64) func(ctx context.Context, conn *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		id := nodeID()
		if id == 0 {
			return nil
		}
		var there bool
		if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM nodes WHERE id = $1)`, id).Scan(&there); err != nil {
			return err
		}
		if !there {
			return store.ErrExpelled
		}
		return nil
	}
}

// connectionName is what the connections of the pool are named.
func (s *Store) connectionName() string {
	if id := s.node.Load(); id != 0 {
		return NodeName(id)
	}
	return ""
}

// fence is who holds the accounts that a transaction is about.
type fence struct {
	node    int64 // this one; 0 = there are no nodes
	gone    bool  // it was expelled
	holders map[int64]int64
}

const fenceRows = `) AS v JOIN nodes n ON n.id = v.column2 LEFT JOIN holds h ON h.account_id = v.column1`

var (
	selectFence = newMulti(`SELECT v.column1, h.node_id FROM (VALUES `, fenceRows, "BIGINT", "BIGINT")
	lockFence   = newMulti(`SELECT v.column1, h.node_id FROM (VALUES `, fenceRows+` FOR KEY SHARE OF n`, "BIGINT", "BIGINT")
)

// fence is the first statement of a fenced transaction, and the only one that the
// fence costs a whole batch. accountIDs may be empty.
//
// On PostgreSQL the node's row is locked until the end of the transaction. The lease
// can be renewed meanwhile; expelling the node, which deletes the row, waits. So
// what is committed behind the fence is committed before the expulsion, and who comes
// later finds no row. For the holds a plain read is enough: while the node is there,
// only the node itself gives an account up, and not before it has ended all that it
// wrote for it.
func (s *Store) fence(ctx context.Context, t *tx, accountIDs ...int64) (fence, error) {
	f := fence{node: s.node.Load()}
	if f.node == 0 {
		return f, nil
	}
	slices.Sort(accountIDs)
	accountIDs = slices.Compact(accountIDs)
	if len(accountIDs) == 0 {
		accountIDs = []int64{0} // the id of none: only the node's row counts
	}
	args := make([]any, 0, 2*len(accountIDs))
	for _, id := range accountIDs {
		args = append(args, id, f.node)
	}
	query := selectFence
	if t.d == dialectPostgres {
		query = lockFence
	}
	f.gone, f.holders = true, make(map[int64]int64, len(accountIDs))
	err := t.eachAll(ctx, query, args, func(r *sql.Rows) error {
		var account, holder int64
		err := r.Scan(&account, orZero{&holder})
		f.gone, f.holders[account] = false, holder
		return err
	})
	return f, err
}

// here refuses everything when the node is gone.
func (f fence) here() error {
	if f.gone {
		return store.ErrExpelled
	}
	return nil
}

// own refuses what is for an account that the node doesn't hold.
func (f fence) own(accountID int64) error {
	if f.node == 0 || !f.gone && f.holders[accountID] == f.node {
		return nil
	}
	return f.refusal(accountID)
}

// notOthers refuses what is for an account that another node holds.
func (f fence) notOthers(accountID int64) error {
	if holder := f.holders[accountID]; f.node == 0 || !f.gone && (holder == 0 || holder == f.node) {
		return nil
	}
	return f.refusal(accountID)
}

func (f fence) refusal(accountID int64) error {
	if f.gone {
		return store.ErrExpelled
	}
	return fmt.Errorf("account %d is not held by node %d: %w", accountID, f.node, store.ErrExpelled)
}

// fenced gives fn behind the fence: it runs when the node is there and no other one
// holds an account of those named.
func (s *Store) fenced(fn func(ctx context.Context, t *tx) error, accountIDs ...int64) func(ctx context.Context, t *tx) error {
	return func(ctx context.Context, t *tx) error {
		f, err := s.fence(ctx, t, slices.Clone(accountIDs)...)
		if err != nil {
			return err
		}
		if err := f.here(); err != nil {
			return err
		}
		for _, id := range accountIDs {
			if err := f.notOthers(id); err != nil {
				return err
			}
		}
		return fn(ctx, t)
	}
}

// behindFence gives the batch without the jobs that the fence refuses, whose
// outcomes it sets.
func (b *batch) behindFence(ctx context.Context, t *tx) (*batch, error) {
	ids := make([]int64, 0, len(b.settles)+len(b.receipts)+len(b.receives))
	for _, jobs := range [][]*job{b.settles, b.receipts, b.receives} {
		for _, j := range jobs {
			ids = append(ids, j.account())
		}
	}
	if b.s.node.Load() == 0 || len(ids)+len(b.outcomes) == 0 {
		return b, nil
	}
	f, err := b.s.fence(ctx, t, ids...)
	if err != nil {
		return nil, err
	}
	rest := *b
	pass := func(jobs []*job, check func(*job) error) []*job {
		return slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool {
			j.err = check(j)
			return j.err != nil
		})
	}
	own := func(j *job) error { return f.own(j.account()) }
	rest.settles, rest.receipts, rest.receives = pass(b.settles, own), pass(b.receipts, own), pass(b.receives, own)
	rest.outcomes = pass(b.outcomes, func(*job) error { return f.here() })
	return &rest, nil
}

// account is the one that a settlement, receipt or reception is of.
func (j *job) account() int64 {
	switch {
	case j.settle != nil:
		return j.settle.AccountID
	case j.receipt != nil:
		return j.receipt.AccountID
	default:
		return j.receive.AccountID
	}
}
