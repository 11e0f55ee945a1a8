package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Balance implements store.Ledger.
func (s *Store) Balance(ctx context.Context, workspaceID int64, now time.Time) (tideline.Balance, error) {
	var b *tideline.Balance
	err := s.reader().each(ctx, `SELECT `+balanceColumns+` FROM balances b WHERE b.workspace_id = $1`,
		[]any{workspaceID}, func(r *sql.Rows) (err error) {
			_, b, err = scanBalance(r)
			return err
		})
	switch {
	case err != nil:
		return tideline.Balance{}, failed("balance", err)
	case b == nil:
		return tideline.Balance{}, notFound("workspace")
	case now.Before(b.PeriodEnd):
		return *b, nil
	}
	err = s.write(ctx, "balance", func(ctx context.Context, t *tx) error {
		bs, err := t.currentBalances(ctx, []int64{workspaceID}, now)
		if err != nil {
			return err
		}
		if b = bs.of[workspaceID]; b == nil {
			return notFound("workspace")
		}
		t.tellQueue(workspaceID, 0)
		return t.save(ctx, bs)
	})
	if err != nil {
		return tideline.Balance{}, err
	}
	return *b, nil
}

// LedgerEntries implements store.Ledger. There is no index by workspace, which
// would cost every acceptance a page of its own; so it reads past the entries
// of other workspaces.
func (s *Store) LedgerEntries(ctx context.Context, workspaceID, after int64, limit int) ([]tideline.Entry, error) {
	var entries []tideline.Entry
	err := s.reader().each(ctx, `SELECT id, workspace_id, at, kind, message_id, period_credits, extra_credits, unmetered,
		after_period, after_extra, after_unmetered, note
		FROM ledger WHERE workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3`, []any{workspaceID, after, limit},
		func(r *sql.Rows) error {
			var e tideline.Entry
			err := r.Scan(&e.ID, &e.WorkspaceID, millis{&e.At}, &e.Kind, orZero{&e.MessageID}, &e.Period, &e.Extra, &e.Unmetered,
				&e.After.Period, &e.After.Extra, &e.After.Unmetered, &e.Note)
			entries = append(entries, e)
			return err
		})
	return entries, failed("ledger entries", err)
}

// AddAPICalls implements store.Ledger.
func (s *Store) AddAPICalls(ctx context.Context, usage []store.APIUsage) error {
	return s.write(ctx, "add api calls", func(ctx context.Context, t *tx) error {
		for _, u := range usage {
			if _, err := t.exec(ctx, `INSERT INTO api_calls (workspace_id, period_start, calls) VALUES ($1, $2, $3)
				ON CONFLICT (workspace_id, period_start) DO UPDATE SET calls = api_calls.calls + excluded.calls`,
				u.WorkspaceID, u.PeriodStart.UnixMilli(), u.Calls); err != nil {
				return err
			}
		}
		return nil
	})
}

// APICalls implements store.Ledger.
func (s *Store) APICalls(ctx context.Context, workspaceID int64, periodStart time.Time) (int64, error) {
	var calls int64
	err := s.reader().one(ctx, `SELECT calls FROM api_calls WHERE workspace_id = $1 AND period_start = $2`,
		[]any{workspaceID, periodStart.UnixMilli()}, &calls)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return calls, failed("api calls", err)
}
