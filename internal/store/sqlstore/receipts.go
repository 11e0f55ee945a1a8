package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// earlyReceiptWindow is how long a receipt waits for the settlement of its
// message. Most of the kept ones belong to messages that were sent from the
// phone itself and never get one here.
const earlyReceiptWindow = 14 * 24 * time.Hour

// ApplyReceipts implements store.Settler.
func (s *Store) ApplyReceipts(ctx context.Context, in store.Receipts) error {
	if in.Status != tideline.StatusDelivered && in.Status != tideline.StatusRead {
		return failed("apply receipts", fmt.Errorf("a receipt can't make a message %q", in.Status))
	}
	if len(in.WhatsAppIDs) == 0 {
		return nil
	}
	return s.settleJob(ctx, "apply receipts", in.AccountID, &job{receipt: &in})
}

// receiptKey names a message the way a receipt does.
type receiptKey struct {
	accountID  int64
	whatsAppID string
}

// sentMessage is a message that can get receipts.
type sentMessage struct {
	id          int64
	workspaceID int64
	chatID      int64
	status      tideline.Status
}

var (
	selectSent = newMulti(`SELECT m.id, m.account_id, m.whatsapp_id, m.status, m.workspace_id, m.chat_id FROM (VALUES `,
		`) AS v CROSS JOIN messages m WHERE m.account_id = v.column1 AND m.whatsapp_id = v.column2
		AND m.from_me AND m.sent_at IS NOT NULL ORDER BY m.id`, "BIGINT", "TEXT")
	lockSent = newMulti(`SELECT m.id, m.account_id, m.whatsapp_id, m.status, m.workspace_id, m.chat_id FROM (VALUES `,
		`) AS v CROSS JOIN messages m WHERE m.account_id = v.column1 AND m.whatsapp_id = v.column2
		AND m.from_me AND m.sent_at IS NOT NULL ORDER BY m.id FOR UPDATE OF m`, "BIGINT", "TEXT")
)

var updateStatus = newMulti(`UPDATE messages SET status = v.column2 FROM (VALUES `,
	`) AS v WHERE messages.id = v.column1`, "BIGINT", "TEXT")

// receiveAll applies receipts in the order of jobs and keeps those that no sent
// message has for the settlement that may follow.
func (s *Store) receiveAll(ctx context.Context, t *tx, jobs []*job) error {
	var keys []any
	for _, j := range jobs {
		j.err = nil
		for _, id := range j.receipt.WhatsAppIDs {
			keys = append(keys, j.receipt.AccountID, id)
		}
	}
	m := selectSent
	if t.d == dialectPostgres {
		m = lockSent
	}
	sent := make(map[receiptKey]*sentMessage)
	err := t.eachAll(ctx, m, keys, func(r *sql.Rows) error {
		var k receiptKey
		m := &sentMessage{}
		err := r.Scan(&m.id, &k.accountID, &k.whatsAppID, &m.status, &m.workspaceID, &m.chatID)
		sent[k] = m
		return err
	})
	if err != nil {
		return err
	}

	var history []any
	moved := make(map[*sentMessage]bool)
	early := make(map[receiptKey]*earlyReceipt)
	for _, j := range jobs {
		in := j.receipt
		for _, id := range in.WhatsAppIDs {
			k := receiptKey{in.AccountID, id}
			switch m := sent[k]; {
			case m == nil:
				if early[k] == nil {
					early[k] = &earlyReceipt{}
				}
				early[k].keep(in.Status, in.At)
			case in.Status.MayFollow(m.status):
				m.status = in.Status
				moved[m] = true
				t.tellMessage(m.workspaceID, in.AccountID, m.chatID, m.id)
				history = append(history, m.id, string(in.Status), in.At.UnixMilli(), "")
			}
		}
	}
	var statuses []any
	for m := range moved {
		statuses = append(statuses, m.id, string(m.status))
	}
	if err := t.execAll(ctx, updateStatus, statuses); err != nil {
		return err
	}
	if err := t.execAll(ctx, insertStatus, history); err != nil {
		return err
	}
	return t.keepEarly(ctx, early)
}

// earlyReceipt is what is known about a message before it is settled. Zero
// times are receipts that did not come.
type earlyReceipt struct {
	delivered, read time.Time
}

// keep notes a receipt; the first of a kind counts.
func (e *earlyReceipt) keep(status tideline.Status, at time.Time) {
	switch {
	case status == tideline.StatusDelivered && e.delivered.IsZero():
		e.delivered = at
	case status == tideline.StatusRead && e.read.IsZero():
		e.read = at
	}
}

// changes gives the history of a message that is settled after its receipts
// came: it was sent, no later than they came, whatever the settlement says.
func (e *earlyReceipt) changes(end ending) []tideline.StatusChange {
	sent := tideline.StatusChange{Status: tideline.StatusSent, At: end.at}
	history := []tideline.StatusChange{sent}
	for _, c := range []tideline.StatusChange{
		{Status: tideline.StatusDelivered, At: e.delivered},
		{Status: tideline.StatusRead, At: e.read},
	} {
		if c.At.IsZero() {
			continue
		}
		if c.At.Before(history[0].At) {
			history[0].At = c.At
		}
		history = append(history, c)
	}
	return history
}

var (
	selectEarly = newMulti(`SELECT e.account_id, e.whatsapp_id, e.delivered_at, e.read_at FROM (VALUES `,
		`) AS v CROSS JOIN early_receipts e WHERE e.account_id = v.column1 AND e.whatsapp_id = v.column2`, "BIGINT", "TEXT")
	deleteEarly = newMulti(`DELETE FROM early_receipts WHERE (account_id, whatsapp_id) IN (VALUES `, `)`, "BIGINT", "TEXT")
	// The condition leaves a row that would not change alone: no write for the
	// receipts of a large group.
	upsertEarly = newInsert(`early_receipts (account_id, whatsapp_id, delivered_at, read_at)`,
		"(?, ?, ?, ?)", ` ON CONFLICT (account_id, whatsapp_id) DO UPDATE SET
		delivered_at = coalesce(early_receipts.delivered_at, excluded.delivered_at),
		read_at = coalesce(early_receipts.read_at, excluded.read_at)
		WHERE (early_receipts.delivered_at IS NULL AND excluded.delivered_at IS NOT NULL)
		OR (early_receipts.read_at IS NULL AND excluded.read_at IS NOT NULL)`)
)

// earlyReceipts finds the kept receipts of the messages that jobs settle.
func (t *tx) earlyReceipts(ctx context.Context, jobs []*job, queued map[int64]queuedMessage) (map[receiptKey]*earlyReceipt, error) {
	var keys []any
	for _, j := range jobs {
		if m, ok := queued[j.settle.MessageID]; ok && j.settle.Status != "" {
			keys = append(keys, m.accountID, m.whatsAppID)
		}
	}
	return t.findEarly(ctx, keys)
}

// findEarly reads kept receipts; keys are pairs of account id and WhatsApp id.
func (t *tx) findEarly(ctx context.Context, keys []any) (map[receiptKey]*earlyReceipt, error) {
	found := make(map[receiptKey]*earlyReceipt)
	err := t.eachAll(ctx, selectEarly, keys, func(r *sql.Rows) error {
		var k receiptKey
		e := &earlyReceipt{}
		err := r.Scan(&k.accountID, &k.whatsAppID, millis{&e.delivered}, millis{&e.read})
		found[k] = e
		return err
	})
	return found, err
}

// keepEarly stores receipts of unknown messages.
func (t *tx) keepEarly(ctx context.Context, early map[receiptKey]*earlyReceipt) error {
	args := make([]any, 0, 4*len(early))
	for k, e := range early {
		args = append(args, k.accountID, k.whatsAppID, toMillis(e.delivered), toMillis(e.read))
	}
	return t.execAll(ctx, upsertEarly, args)
}
