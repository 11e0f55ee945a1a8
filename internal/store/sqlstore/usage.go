package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// quarterMillis is what the sums of the ledger are kept by; sumPiece's statement has
// it too. The day of every time
// zone in use begins at a quarter of an hour in UTC.
const quarterMillis = 15 * 60 * 1000

// sumPiece is how many ids of the ledger are summed up in one transaction, so that
// acceptances don't wait for long.
const sumPiece = 4000

// Spending implements store.Usage.
func (s *Store) Spending(ctx context.Context, workspaceID int64, from, to time.Time, loc *time.Location) ([]store.Spent, error) {
	if err := s.sumUp(ctx, workspaceID); err != nil {
		return nil, failed("spending", err)
	}
	var days []store.Spent
	for day := midnight(from.In(loc), 0); !day.After(to); day = midnight(day, 1) {
		days = append(days, store.Spent{Day: day})
	}
	if len(days) == 0 {
		return nil, nil
	}
	first, end := days[0].Day, midnight(days[len(days)-1].Day, 1)
	at := 0
	err := s.reader().each(ctx, `SELECT quarter, account_id, charged, refunded FROM ledger_sums
		WHERE workspace_id = $1 AND quarter >= $2 AND quarter < $3 ORDER BY quarter, account_id`,
		[]any{workspaceID, first.UnixMilli() / quarterMillis, (end.UnixMilli() + quarterMillis - 1) / quarterMillis},
		func(r *sql.Rows) error {
			var quarter int64
			var a store.AccountSpent
			if err := r.Scan(&quarter, &a.AccountID, &a.Charged, &a.Refunded); err != nil {
				return err
			}
			when := time.UnixMilli(quarter * quarterMillis)
			for at+1 < len(days) && !when.Before(days[at+1].Day) {
				at++
			}
			addSpent(&days[at], a)
			return nil
		})
	return days, failed("spending", err)
}

// addSpent adds an account's part to a day.
func addSpent(day *store.Spent, a store.AccountSpent) {
	day.Charged += a.Charged
	day.Refunded += a.Refunded
	i, found := slices.BinarySearchFunc(day.Accounts, a.AccountID, func(b store.AccountSpent, id int64) int { return int(b.AccountID - id) })
	if !found {
		day.Accounts = slices.Insert(day.Accounts, i, store.AccountSpent{AccountID: a.AccountID})
	}
	day.Accounts[i].Charged += a.Charged
	day.Accounts[i].Refunded += a.Refunded
}

// midnight is the first moment of the day that is some days after t's, in t's zone.
func midnight(t time.Time, days int) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location())
}

// sumUp brings the sums of a workspace up to date with its ledger.
func (s *Store) sumUp(ctx context.Context, workspaceID int64) error {
	last, err := s.lastEntry(ctx, workspaceID)
	if err != nil {
		return err
	}
	for summed := int64(0); summed < last; {
		// Entries of other workspaces are passed over before the writer is asked, for
		// there may be millions of them.
		var next int64
		err := s.reader().one(ctx, `SELECT l.id FROM ledger l WHERE l.workspace_id = $1 AND l.id <= $2 AND l.id >
			coalesce((SELECT entry FROM ledger_summed WHERE workspace_id = $1), 0) ORDER BY l.id LIMIT 1`, []any{workspaceID, last}, &next)
		upTo := min(last, next+sumPiece)
		if errors.Is(err, sql.ErrNoRows) {
			upTo, err = last, nil
		}
		if err != nil {
			return err
		}
		err = s.write(ctx, "sum up the ledger", func(ctx context.Context, t *tx) (err error) {
			summed, err = t.sumPiece(ctx, workspaceID, upTo)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lastEntry gives an id up to which the workspace's part of the ledger is complete:
// its ids grow in the order of commits, so no entry below one that can be read
// while its balance is locked comes later.
func (s *Store) lastEntry(ctx context.Context, workspaceID int64) (last int64, err error) {
	const query = `SELECT coalesce(max(id), 0) FROM ledger`
	if s.d == dialectSQLite { // commits come one after the other
		err = s.reader().one(ctx, query, nil, &last)
		return last, err
	}
	err = s.write(ctx, "last entry", func(ctx context.Context, t *tx) error {
		if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
			return err
		}
		return t.one(ctx, query, nil, &last)
	})
	return last, err
}

// sumPiece adds the entries up to an id to the sums, and gives the id up to which
// they are complete then.
func (t *tx) sumPiece(ctx context.Context, workspaceID, upTo int64) (summed int64, err error) {
	if _, err := t.exec(ctx, `INSERT INTO ledger_summed (workspace_id, entry) VALUES ($1, 0) ON CONFLICT (workspace_id) DO NOTHING`,
		workspaceID); err != nil {
		return 0, err
	}
	err = t.one(ctx, `SELECT entry FROM ledger_summed WHERE workspace_id = $1`+t.forUpdate("ledger_summed"), []any{workspaceID}, &summed)
	if err != nil || summed >= upTo {
		return summed, err // somebody else was faster
	}
	if _, err := t.exec(ctx, `INSERT INTO ledger_sums (workspace_id, quarter, account_id, charged, refunded)
		SELECT l.workspace_id, l.at / 900000, m.account_id,
			CAST(sum(CASE WHEN l.kind = 'charge' THEN -(l.period_credits + l.extra_credits + l.unmetered) ELSE 0 END) AS BIGINT),
			CAST(sum(CASE WHEN l.kind = 'refund' THEN l.period_credits + l.extra_credits + l.unmetered ELSE 0 END) AS BIGINT)
		FROM ledger l JOIN messages m ON m.id = l.message_id
		WHERE l.workspace_id = $1 AND l.id > $2 AND l.id <= $3 AND l.kind IN ('charge', 'refund')
		GROUP BY l.workspace_id, l.at / 900000, m.account_id
		ON CONFLICT (workspace_id, quarter, account_id) DO UPDATE SET
			charged = ledger_sums.charged + excluded.charged, refunded = ledger_sums.refunded + excluded.refunded`,
		workspaceID, summed, upTo); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, `UPDATE ledger_summed SET entry = $1 WHERE workspace_id = $2`, upTo, workspaceID)
	return upTo, err
}

// LedgerPage implements store.Usage. Like LedgerEntries it reads past the entries
// of other workspaces.
func (s *Store) LedgerPage(ctx context.Context, workspaceID, before int64, limit int) ([]store.LedgerView, bool, error) {
	where, args := `l.workspace_id = $1`, []any{workspaceID, limit + 1}
	if before > 0 {
		where += ` AND l.id < $3`
		args = append(args, before)
	}
	var views []store.LedgerView
	err := s.reader().each(ctx, `SELECT l.id, l.workspace_id, l.at, l.kind, l.message_id, l.period_credits, l.extra_credits, l.unmetered,
		l.after_period, l.after_extra, l.after_unmetered, l.note,
		coalesce(m.uid, ''), coalesce(m.status, ''), coalesce(m.reason, ''), coalesce(m.account_id, 0), coalesce(m.chat_id, 0),
		coalesce(c.name, ''), coalesce(m.member_id, 0), coalesce(mb.display_name, '')
		FROM ledger l LEFT JOIN messages m ON m.id = l.message_id AND m.workspace_id = l.workspace_id
		LEFT JOIN chats c ON c.id = m.chat_id LEFT JOIN members mb ON mb.id = m.member_id AND mb.workspace_id = l.workspace_id
		WHERE `+where+` ORDER BY l.id DESC LIMIT $2`, args,
		func(r *sql.Rows) error {
			var v store.LedgerView
			e := &v.Entry
			err := r.Scan(&e.ID, &e.WorkspaceID, millis{&e.At}, &e.Kind, orZero{&e.MessageID}, &e.Period, &e.Extra, &e.Unmetered,
				&e.After.Period, &e.After.Extra, &e.After.Unmetered, &e.Note,
				&v.MessageUID, &v.Status, &v.Reason, &v.AccountID, &v.ChatID, &v.ChatName, &v.MemberID, &v.MemberName)
			views = append(views, v)
			return err
		})
	more := len(views) > limit
	if more {
		views = views[:limit]
	}
	return views, more, failed("ledger page", err)
}
