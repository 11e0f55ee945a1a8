package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Settle implements store.Settler.
func (s *Store) Settle(ctx context.Context, in store.Settlement) error {
	switch in.Status {
	case "", tideline.StatusSent, tideline.StatusFailed:
	default:
		return failed("settle", fmt.Errorf("a settlement can't make a message %q", in.Status))
	}
	return s.settleJob(ctx, "settle", in.AccountID, &job{settle: &in})
}

// settleJob hands j to the committer that serves the account: receipts must
// not pass the settlement of their message unseen.
func (s *Store) settleJob(ctx context.Context, call string, accountID int64, j *job) error {
	if err := s.settler(accountID).do(ctx, j); err != nil {
		return failed(call, err)
	}
	return failed(call, j.err)
}

// settler is the committer that serves an account, or a webhook.
func (s *Store) settler(id int64) *committer {
	return s.settles[int(uint64(id)%uint64(len(s.settles)))]
}

// queuedMessage is a message in the outbox as a settlement needs it.
type queuedMessage struct {
	id          int64
	workspaceID int64
	accountID   int64
	whatsAppID  string
	chargeID    int64
	chatID      int64
	acceptedAt  int64 // Unix milliseconds
}

// queuedColumns are those of messages m and outbox o that fields takes.
const queuedColumns = `o.message_id, m.workspace_id, o.account_id, m.whatsapp_id, m.charge_id, m.chat_id, m.accepted_at`

func (q *queuedMessage) fields() []any {
	return []any{&q.id, &q.workspaceID, &q.accountID, &q.whatsAppID, orZero{&q.chargeID}, &q.chatID, &q.acceptedAt}
}

// ending is how a message leaves the outbox.
type ending struct {
	m      queuedMessage
	status tideline.Status // StatusSent or StatusFailed
	reason tideline.Reason
	at     time.Time
	note   string
	early  *earlyReceipt // receipts that came before
}

// settleAll applies settlements in the order of jobs.
func (s *Store) settleAll(ctx context.Context, t *tx, jobs []*job) error {
	var failing []int64
	var now time.Time // of the latest failure: refunds belong to its period
	ids := make([]int64, len(jobs))
	for i, j := range jobs {
		j.err = nil
		ids[i] = j.settle.MessageID
		if j.settle.Status == tideline.StatusFailed {
			failing = append(failing, j.settle.WorkspaceID)
			if j.settle.At.After(now) {
				now = j.settle.At
			}
		}
	}
	bs, err := t.currentBalances(ctx, failing, now)
	if err != nil {
		return err
	}
	queued, err := t.queuedMessages(ctx, ids)
	if err != nil {
		return err
	}
	early, err := t.earlyReceipts(ctx, jobs, queued)
	if err != nil {
		return err
	}

	lanes := make(map[int64]time.Time)
	var endings []ending
	for _, j := range jobs {
		in := j.settle
		m, ok := queued[in.MessageID]
		switch {
		case !ok || m.workspaceID != in.WorkspaceID || m.accountID != in.AccountID:
			// Settled before, perhaps in this batch; or not there at all.
			if j.err, err = t.checkSettled(ctx, in); err != nil {
				return err
			}
		case in.Status == "":
			if err := t.noteAttempt(ctx, in); err != nil {
				return err
			}
			t.tellQueue(in.WorkspaceID, in.AccountID)
		default:
			delete(queued, in.MessageID)
			e := ending{m: m, status: in.Status, reason: in.Reason, at: in.At, note: in.Note}
			e.early = early[receiptKey{m.accountID, m.whatsAppID}]
			endings = append(endings, e)
		}
		if !in.LaneAt.IsZero() && j.err == nil {
			lanes[in.AccountID] = in.LaneAt
		}
	}
	if err := t.end(ctx, bs, endings); err != nil {
		return err
	}
	return t.setLanes(ctx, lanes)
}

var (
	selectQueued = newMulti(`SELECT `+queuedColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN outbox o JOIN messages m ON m.id = o.message_id
		WHERE o.message_id = v.column1 ORDER BY o.message_id`, "BIGINT")
	lockQueued = newMulti(`SELECT `+queuedColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN outbox o JOIN messages m ON m.id = o.message_id
		WHERE o.message_id = v.column1 ORDER BY o.message_id FOR UPDATE OF o`, "BIGINT")
)

// queuedMessages reads and locks those of the messages that are in the outbox.
func (t *tx) queuedMessages(ctx context.Context, ids []int64) (map[int64]queuedMessage, error) {
	slices.Sort(ids) // the order of locks
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	m := selectQueued
	if t.d == dialectPostgres {
		m = lockQueued
	}
	found := make(map[int64]queuedMessage, len(ids))
	err := t.eachAll(ctx, m, args, func(r *sql.Rows) error {
		var q queuedMessage
		err := r.Scan(q.fields()...)
		found[q.id] = q
		return err
	})
	return found, err
}

// checkSettled tells a message that is settled already, outcome nil, from one
// that the account does not have.
func (t *tx) checkSettled(ctx context.Context, in *store.Settlement) (outcome, err error) {
	var n int64
	err = t.one(ctx, `SELECT count(*) FROM messages WHERE id = $1 AND workspace_id = $2 AND account_id = $3`,
		[]any{in.MessageID, in.WorkspaceID, in.AccountID}, &n)
	if err == nil && n == 0 {
		outcome = notFound("message")
	}
	return outcome, err
}

// noteAttempt counts an attempt after which the message stays in the queue.
func (t *tx) noteAttempt(ctx context.Context, in *store.Settlement) error {
	return t.later(ctx, `UPDATE outbox SET attempts = attempts + 1, note = $1 WHERE message_id = $2 AND account_id = $3`,
		in.Note, in.MessageID, in.AccountID)
}

var upsertLanes = newInsert(`lanes (account_id, at)`, "(?, ?)", ` ON CONFLICT (account_id) DO UPDATE SET at = excluded.at`)

// setLanes keeps the lanes' clocks, rounded up to the milliseconds that are
// stored: rounded down, a restart could send that much too early.
func (t *tx) setLanes(ctx context.Context, lanes map[int64]time.Time) error {
	args := make([]any, 0, 2*len(lanes))
	for id, at := range lanes {
		args = append(args, id, at.Add(time.Millisecond-time.Nanosecond).UnixMilli())
	}
	return t.execAll(ctx, upsertLanes, args)
}

var (
	updateSettled = newMulti(`UPDATE messages SET status = v.column2, reason = v.column3, sent_at = v.column4, at = v.column5 FROM (VALUES `,
		`) AS v WHERE messages.id = v.column1`, "BIGINT", "TEXT", "TEXT", "BIGINT", "BIGINT")
	deleteQueued = newMulti(`DELETE FROM outbox WHERE message_id IN (VALUES `, `)`, "BIGINT")
	insertStatus = newInsert(`message_status (message_id, status, at, reason)`, "(?, ?, ?, ?)", "")
)

// end takes messages out of the outbox, gives them their last status and, when
// they failed, gives back what they cost. bs must hold the balances of the
// workspaces that have failing messages.
func (t *tx) end(ctx context.Context, bs *balances, endings []ending) error {
	if len(endings) == 0 {
		return nil
	}
	var settled, gone, history, keys []any
	var refunds []ending
	latest := make(latestMessages)
	for _, e := range endings {
		gone = append(gone, e.m.id)
		changes := []tideline.StatusChange{{Status: e.status, At: e.at, Reason: e.reason}}
		if e.early != nil {
			changes = e.early.changes(e)
			keys = append(keys, e.m.accountID, e.m.whatsAppID)
		}
		for _, c := range changes {
			history = append(history, e.m.id, string(c.Status), c.At.UnixMilli(), string(c.Reason))
		}
		last := changes[len(changes)-1]
		if last.Status == tideline.StatusFailed {
			refunds = append(refunds, e)
		}
		event := tideline.Event{WorkspaceID: e.m.workspaceID, Kind: tideline.EventMessageFailed, At: e.at,
			AccountID: e.m.accountID, ChatID: e.m.chatID, MessageID: e.m.id}
		var sentAt any
		at := e.m.acceptedAt
		if changes[0].Status == tideline.StatusSent {
			event.Kind, event.At = tideline.EventMessageSent, changes[0].At
			at = changes[0].At.UnixMilli()
			sentAt = at
		}
		t.emit(event)
		t.tellMessage(e.m.workspaceID, e.m.accountID, e.m.chatID, e.m.id)
		settled = append(settled, e.m.id, string(last.Status), string(last.Reason), sentAt, at)
		latest.note(e.m.chatID, e.m.id, at)
	}
	if err := t.execAll(ctx, updateSettled, settled); err != nil {
		return err
	}
	if err := t.execAll(ctx, insertStatus, history); err != nil {
		return err
	}
	if err := t.execAll(ctx, deleteQueued, gone); err != nil {
		return err
	}
	if err := t.execAll(ctx, deleteEarly, keys); err != nil {
		return err
	}
	if err := t.refund(ctx, bs, refunds); err != nil {
		return err
	}
	if err := t.save(ctx, bs); err != nil {
		return err
	}
	return t.saveLatest(ctx, latest)
}

var selectCharges = newMulti(`SELECT l.id, l.at, l.message_id, l.period_credits, l.extra_credits, l.unmetered FROM (VALUES `,
	`) AS v CROSS JOIN ledger l WHERE l.id = v.column1`, "BIGINT")

// refund adds the entries that give back what the messages cost.
func (t *tx) refund(ctx context.Context, bs *balances, endings []ending) error {
	args := make([]any, len(endings))
	for i, e := range endings {
		args[i] = e.m.chargeID
	}
	charges := make(map[int64]tideline.Entry, len(endings))
	err := t.eachAll(ctx, selectCharges, args, func(r *sql.Rows) error {
		var e tideline.Entry
		err := r.Scan(&e.ID, millis{&e.At}, orZero{&e.MessageID}, &e.Period, &e.Extra, &e.Unmetered)
		charges[e.ID] = e
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range endings {
		charge, ok := charges[e.m.chargeID]
		if !ok || charge.MessageID != e.m.id {
			return fmt.Errorf("message %d has no charge in the ledger", e.m.id)
		}
		entry := bs.of[e.m.workspaceID].Refund(charge, e.at)
		entry.Note = string(e.reason)
		if e.note != "" {
			entry.Note += ": " + e.note
		}
		bs.note(e.m.workspaceID, entry)
	}
	return nil
}
