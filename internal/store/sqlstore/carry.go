package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// carried is the entry that stands for the charges and refunds of a period whose
// messages are gone. It has the id of the latest of them, and what the pools held
// then: so a workspace's entries have the same sum as before, and the last of them
// ends where it ended.
type carried struct {
	entry    tideline.Entry
	messages int64
	was      int64 // id of the entry that stood for some of them before; 0 = none
}

var selectRefunds = newMulti(`SELECT l.id, l.message_id, l.period_credits, l.extra_credits, l.unmetered,
	l.after_period, l.after_extra, l.after_unmetered, l.at FROM (VALUES `,
	`) AS v CROSS JOIN ledger l WHERE l.message_id = v.column1 AND l.kind = 'refund'`, "BIGINT")

var selectCarriedCharges = newMulti(`SELECT l.id, l.message_id, l.period_credits, l.extra_credits, l.unmetered,
	l.after_period, l.after_extra, l.after_unmetered, l.at FROM (VALUES `,
	`) AS v CROSS JOIN ledger l WHERE l.id = v.column1 AND l.kind = 'charge'`, "BIGINT")

var deleteEntries = newMulti(`DELETE FROM ledger WHERE id IN (VALUES `, `)`, "BIGINT")

// carryForward puts one entry for each period in the place of the charges and refunds
// of messages. What a period used stays what it was: an entry carries what was charged
// in one period, with the refunds of it whenever they came, and a refund gives back a
// whole charge. It gives the number of entries that are gone. b must be locked and
// current.
func (t *tx) carryForward(ctx context.Context, b *tideline.Balance, workspaceID int64, messages, charges []any) (rows int64, err error) {
	if len(charges) == 0 {
		return 0, nil
	}
	w, err := t.workspace(ctx, `w.id = $1`, workspaceID)
	if err != nil {
		return 0, err
	}
	periods := make(map[int64]*carried)   // by the period's beginning
	byMessage := make(map[int64]*carried) // the one that has the charge
	var ids []any
	latest := int64(0)
	err = t.eachAll(ctx, selectCarriedCharges, charges, func(r *sql.Rows) error {
		e, err := scanCarried(r)
		if err != nil {
			return err
		}
		start := periodOf(b, e.At, w.Location())
		c := periods[start]
		if c == nil {
			c = &carried{}
			periods[start] = c
		}
		byMessage[e.MessageID] = c
		c.add(e)
		c.messages++
		ids, latest = append(ids, e.ID), max(latest, e.ID)
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(ids) != len(charges) {
		return 0, fmt.Errorf("%d messages have %d charges in the ledger", len(charges), len(ids))
	}
	err = t.eachAll(ctx, selectRefunds, messages, func(r *sql.Rows) error {
		e, err := scanCarried(r)
		if err != nil {
			return err
		}
		c := byMessage[e.MessageID]
		if c == nil {
			return fmt.Errorf("message %d has a refund and no charge in the ledger", e.MessageID)
		}
		at := c.entry.At // it belongs to the period of its charge
		c.add(e)
		c.entry.At = at
		ids, latest = append(ids, e.ID), max(latest, e.ID)
		return nil
	})
	if err != nil {
		return 0, err
	}
	summed := int64(0)
	err = t.one(ctx, `SELECT entry FROM ledger_summed WHERE workspace_id = $1`+t.forUpdate("ledger_summed"), []any{workspaceID}, &summed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if summed < latest {
		return 0, errNotSummed
	}
	return int64(len(ids)), t.replaceEntries(ctx, workspaceID, periods, ids)
}

// periodOf tells the periods of charges apart: the current one by its own beginning,
// older ones by their months.
func periodOf(b *tideline.Balance, at time.Time, loc *time.Location) int64 {
	if !at.Before(b.PeriodStart) {
		return b.PeriodStart.UnixMilli()
	}
	start, _ := tideline.Period(at, loc)
	return start.UnixMilli()
}

func scanCarried(r *sql.Rows) (e tideline.Entry, err error) {
	err = r.Scan(&e.ID, orZero{&e.MessageID}, &e.Period, &e.Extra, &e.Unmetered, &e.After.Period, &e.After.Extra, &e.After.Unmetered, millis{&e.At})
	return e, err
}

// add takes an entry in.
func (c *carried) add(e tideline.Entry) {
	sum := &c.entry
	sum.Period += e.Period
	sum.Extra += e.Extra
	sum.Unmetered += e.Unmetered
	if e.At.After(sum.At) {
		sum.At = e.At
	}
	if e.ID > sum.ID {
		sum.ID, sum.After = e.ID, e.After
	}
}

// replaceEntries deletes entries and puts those that carry them in their place,
// together with what these carried before.
func (t *tx) replaceEntries(ctx context.Context, workspaceID int64, periods map[int64]*carried, ids []any) error {
	for start, c := range periods {
		var messages int64
		err := t.one(ctx, `SELECT entry, messages FROM ledger_carried WHERE workspace_id = $1 AND period = $2`, []any{workspaceID, start}, &c.was, &messages)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		c.messages += messages
		ids = append(ids, c.was)
		err = t.each(ctx, `SELECT l.id, l.message_id, l.period_credits, l.extra_credits, l.unmetered,
			l.after_period, l.after_extra, l.after_unmetered, l.at FROM ledger l WHERE l.id = $1 AND l.workspace_id = $2 AND l.kind = $3`,
			[]any{c.was, workspaceID, string(tideline.EntryCarried)}, func(r *sql.Rows) error {
				e, err := scanCarried(r)
				c.add(e)
				return err
			})
		if err != nil {
			return err
		}
	}
	// The permission to delete is a row that nobody else ever sees.
	if _, err := t.exec(ctx, `INSERT INTO ledger_carrying (workspace_id) VALUES ($1)`, workspaceID); err != nil {
		return err
	}
	if err := t.execAll(ctx, deleteEntries, ids); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM ledger_carrying WHERE workspace_id = $1`, workspaceID); err != nil {
		return err
	}
	var rows []any
	for _, start := range sortedKeys(periods) {
		c := periods[start]
		e := &c.entry
		rows = append(rows, e.ID, workspaceID, e.At.UnixMilli(), string(tideline.EntryCarried), nil, int64(e.Period), int64(e.Extra), int64(e.Unmetered),
			int64(e.After.Period), int64(e.After.Extra), int64(e.After.Unmetered), fmt.Sprintf("%d messages that are not kept any more", c.messages))
		if _, err := t.exec(ctx, `INSERT INTO ledger_carried (workspace_id, period, entry, messages) VALUES ($1, $2, $3, $4)
			ON CONFLICT (workspace_id, period) DO UPDATE SET entry = excluded.entry, messages = excluded.messages`,
			workspaceID, start, e.ID, c.messages); err != nil {
			return err
		}
	}
	return t.execAll(ctx, insertLedger, rows)
}
