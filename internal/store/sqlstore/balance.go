package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// balances are the balances of some workspaces, locked, with the ledger
// entries that explain how they differ from what is stored.
type balances struct {
	of      map[int64]*tideline.Balance
	changed map[int64]bool
	entries []tideline.Entry
	ids     []int64 // drawn ahead for entries; when they are too few, all are drawn anew
}

const balanceColumns = `b.workspace_id, b.granted, b.used, b.period_credits, b.extra_credits, b.unmetered, b.period_start, b.period_end`

func scanBalance(r *sql.Rows) (id int64, b *tideline.Balance, err error) {
	b = &tideline.Balance{}
	err = r.Scan(&id, &b.Granted, &b.Used, &b.Period, &b.Extra, &b.Unmetered, millis{&b.PeriodStart}, millis{&b.PeriodEnd})
	return id, b, err
}

var (
	selectBalances = newMulti(`SELECT `+balanceColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN balances b WHERE b.workspace_id = v.column1 ORDER BY b.workspace_id`, "BIGINT")
	lockBalancesSQL = newMulti(`SELECT `+balanceColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN balances b WHERE b.workspace_id = v.column1 ORDER BY b.workspace_id FOR UPDATE OF b`, "BIGINT")
)

// lockBalances reads the balances of the workspaces and keeps others from
// changing them until the end of the transaction. Locks are taken in the order
// of the ids, so that two transactions never wait for each other.
func (t *tx) lockBalances(ctx context.Context, workspaceIDs []int64) (*balances, error) {
	bs, err := t.askBalances(ctx, workspaceIDs)
	if err == nil {
		err = t.await(ctx)
	}
	return bs, err
}

// askBalances is lockBalances whose balances are there after await, see ask.
func (t *tx) askBalances(ctx context.Context, workspaceIDs []int64) (*balances, error) {
	ids := slices.Clone(workspaceIDs)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	m := selectBalances
	if t.d == dialectPostgres {
		m = lockBalancesSQL
	}
	bs := &balances{of: make(map[int64]*tideline.Balance, len(ids)), changed: make(map[int64]bool, len(ids))}
	err := t.askAll(ctx, m, args, func(r *sql.Rows) error {
		id, b, err := scanBalance(r)
		bs.of[id] = b
		return err
	})
	return bs, err
}

// openPeriod makes the workspace's balance current for the time now.
func (bs *balances) openPeriod(workspaceID int64, now time.Time, loc *time.Location, grant tideline.Credits) {
	for _, e := range bs.of[workspaceID].OpenPeriod(now, loc, grant) {
		bs.note(workspaceID, e)
	}
}

// note keeps an entry that changed the workspace's balance.
func (bs *balances) note(workspaceID int64, e tideline.Entry) {
	e.WorkspaceID = workspaceID
	bs.entries = append(bs.entries, e)
	bs.changed[workspaceID] = true
}

var (
	insertLedger = newInsert(`ledger (id, workspace_id, at, kind, message_id, period_credits, extra_credits,
		unmetered, after_period, after_extra, after_unmetered, note)`, "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "")
	upsertBalances = newInsert(`balances (workspace_id, granted, used, period_credits, extra_credits, unmetered,
		period_start, period_end)`, "(?, ?, ?, ?, ?, ?, ?, ?)", ` ON CONFLICT (workspace_id) DO UPDATE SET granted = excluded.granted,
		used = excluded.used, period_credits = excluded.period_credits, extra_credits = excluded.extra_credits,
		unmetered = excluded.unmetered, period_start = excluded.period_start, period_end = excluded.period_end`)
)

// save writes the entries, whose ids it draws, and the changed balances: one
// row per workspace, however many of its messages are in the batch.
func (t *tx) save(ctx context.Context, bs *balances) error {
	if len(bs.ids) < len(bs.entries) {
		var err error
		if bs.ids, err = t.draw(ctx, "ledger", len(bs.entries)); err != nil {
			return err
		}
	}
	args := make([]any, 0, len(bs.entries)*insertLedger.cols)
	for i := range bs.entries {
		e := &bs.entries[i]
		e.ID = bs.ids[i]
		args = append(args, e.ID, e.WorkspaceID, e.At.UnixMilli(), string(e.Kind), orNull(e.MessageID),
			int64(e.Period), int64(e.Extra), int64(e.Unmetered),
			int64(e.After.Period), int64(e.After.Extra), int64(e.After.Unmetered), e.Note)
	}
	if err := t.execAll(ctx, insertLedger, args); err != nil {
		return err
	}
	args = make([]any, 0, len(bs.changed)*upsertBalances.cols) // the others may still wait
	for _, id := range slices.Sorted(maps.Keys(bs.changed)) {
		b := bs.of[id]
		args = append(args, id, int64(b.Granted), int64(b.Used), int64(b.Period), int64(b.Extra), int64(b.Unmetered),
			toMillis(b.PeriodStart), toMillis(b.PeriodEnd))
	}
	return t.execAll(ctx, upsertBalances, args)
}

// currentBalances locks the balances of the workspaces and opens the periods
// that are over at now, with the grants and time zones that are configured.
func (t *tx) currentBalances(ctx context.Context, workspaceIDs []int64, now time.Time) (*balances, error) {
	bs, err := t.lockBalances(ctx, workspaceIDs)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(bs.of)) {
		if b := bs.of[id]; !b.PeriodEnd.IsZero() && now.Before(b.PeriodEnd) {
			continue
		}
		w, err := t.workspace(ctx, `w.id = $1`, id)
		if err != nil {
			return nil, err
		}
		bs.openPeriod(id, now, w.Location(), w.Grant())
	}
	return bs, nil
}
