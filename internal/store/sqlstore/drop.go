package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// dropping is a set of messages of one account on its way out of the database.
type dropping struct {
	workspaceID, accountID int64
	ids, charges           []any
	reacted                []any                    // pairs of chat id and WhatsApp id
	chats                  map[int64]*droppedInChat // by id
	rows                   int64
}

// droppedInChat is what a chat loses.
type droppedInChat struct {
	ids []int64
	met bool // something was received in it, or sent to it
}

// DropMessages implements store.Keeper.
func (s *Store) DropMessages(ctx context.Context, workspaceID, accountID int64, ids []int64, now time.Time) (gone store.DroppedMessages, err error) {
	if len(ids) == 0 {
		return gone, nil
	}
	drop := func() error {
		return s.writeBesideSettlements(ctx, "drop messages", accountID, func(ctx context.Context, t *tx) (err error) {
			gone, err = t.dropMessages(ctx, workspaceID, accountID, ids, now)
			return err
		})
	}
	err = drop()
	if errors.Is(err, errNotSummed) {
		if err = s.sumUp(ctx, workspaceID); err == nil {
			err = drop()
		}
	}
	return gone, failed("drop messages", err)
}

var (
	selectDropped = newMulti(`SELECT m.id, m.chat_id, m.whatsapp_id, m.from_me, m.sent_at, m.charge_id FROM (VALUES `,
		`) AS v CROSS JOIN messages m WHERE m.id = v.column1 AND m.workspace_id = v.column2 AND m.account_id = v.column3
		AND m.at IS NOT NULL`, "BIGINT", "BIGINT", "BIGINT")
	deleteStatuses  = newMulti(`DELETE FROM message_status WHERE message_id IN (VALUES `, `)`, "BIGINT")
	deleteDownloads = newMulti(`DELETE FROM downloads WHERE message_id IN (VALUES `, `)`, "BIGINT")
	deleteKeys      = newMulti(`DELETE FROM idempotency WHERE message_id IN (VALUES `, `)`, "BIGINT")
	deleteMessages  = newMulti(`DELETE FROM messages WHERE id IN (VALUES `, `)`, "BIGINT")
	deleteReactions = newMulti(`DELETE FROM reactions WHERE (chat_id, whatsapp_id) IN (VALUES `, `)`, "BIGINT", "TEXT")
)

// dropMessages deletes those of the messages that are the account's and ended.
func (t *tx) dropMessages(ctx context.Context, workspaceID, accountID int64, ids []int64, now time.Time) (gone store.DroppedMessages, err error) {
	// First in the order of locks; and the period that the ledger is in is known.
	bs, err := t.currentBalances(ctx, []int64{workspaceID}, now)
	if err != nil {
		return gone, err
	}
	if bs.of[workspaceID] == nil {
		return gone, notFound("workspace")
	}
	if bs.changed[workspaceID] {
		t.tellQueue(workspaceID, 0) // a new period began
	}
	if err := t.save(ctx, bs); err != nil {
		return gone, err
	}
	d := &dropping{workspaceID: workspaceID, accountID: accountID, chats: make(map[int64]*droppedInChat)}
	if err := d.load(ctx, t, ids); err != nil || len(d.ids) == 0 {
		return gone, err
	}
	carried, err := t.carryForward(ctx, bs.of[workspaceID], workspaceID, d.ids, d.charges)
	if err != nil {
		return gone, err
	}
	d.rows += carried
	for _, step := range []struct {
		query *multi
		args  []any
	}{
		{deleteStatuses, d.ids}, {deleteDownloads, d.ids}, {deleteKeys, d.ids}, {deleteReactions, d.reacted}, {deleteMessages, d.ids},
	} {
		err := step.query.chunks(t.d, maxRows, step.args, func(query string, args []any) error {
			n, err := t.exec(ctx, query, args...)
			d.rows += n
			return err
		})
		if err != nil {
			return gone, err
		}
	}
	for _, id := range sortedKeys(d.chats) {
		if err := t.afterDrop(ctx, workspaceID, id, d.chats[id]); err != nil {
			return gone, err
		}
		t.tellChat(workspaceID, accountID, id)
	}
	return store.DroppedMessages{Messages: int64(len(d.ids)), Rows: d.rows}, nil
}

// load reads what there is of the messages.
func (d *dropping) load(ctx context.Context, t *tx, ids []int64) error {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	var args []any
	for _, id := range slices.Compact(ids) {
		args = append(args, id, d.workspaceID, d.accountID)
	}
	return t.eachAll(ctx, selectDropped, args, func(r *sql.Rows) error {
		var id, chatID, charge int64
		var whatsAppID string
		var fromMe bool
		var sentAt time.Time
		if err := r.Scan(&id, &chatID, &whatsAppID, &fromMe, millis{&sentAt}, orZero{&charge}); err != nil {
			return err
		}
		d.ids = append(d.ids, id)
		d.reacted = append(d.reacted, chatID, whatsAppID)
		if charge != 0 {
			d.charges = append(d.charges, charge)
		}
		c := d.chats[chatID]
		if c == nil {
			c = &droppedInChat{}
			d.chats[chatID] = c
		}
		c.ids = append(c.ids, id)
		c.met = c.met || !fromMe || !sentAt.IsZero()
		return nil
	})
}

// afterDrop makes a chat fit to what is left in it. The time of its last message
// stays when there is none any more: lists go by it, and it was then that somebody
// wrote.
func (t *tx) afterDrop(ctx context.Context, workspaceID, chatID int64, gone *droppedInChat) error {
	var last int64
	var unread int
	err := t.one(ctx, `SELECT last_message_id, unread FROM chats WHERE id = $1 AND workspace_id = $2`+t.forUpdate("chats"),
		[]any{chatID, workspaceID}, orZero{&last}, &unread)
	if err != nil {
		return err
	}
	if slices.Contains(gone.ids, last) {
		if _, err := t.exec(ctx, `UPDATE chats SET last_message_id = NULL WHERE id = $1 AND workspace_id = $2`, chatID, workspaceID); err != nil {
			return err
		}
		if err := t.findLatest(ctx, chatID); err != nil {
			return err
		}
	}
	if gone.met {
		if _, err := t.exec(ctx, `UPDATE chats SET met = TRUE WHERE id = $1 AND workspace_id = $2 AND NOT met`, chatID, workspaceID); err != nil {
			return err
		}
	}
	if unread == 0 {
		return nil
	}
	// Unread are the last ones that were received.
	var left int
	err = t.one(ctx, `SELECT count(*) FROM (SELECT 1 FROM messages m WHERE m.chat_id = $1 AND m.at IS NOT NULL AND NOT m.from_me
		AND m.kind <> '`+string(tideline.KindNote)+`' LIMIT $2) AS received`, []any{chatID, unread}, &left)
	if err != nil || left >= unread {
		return err
	}
	_, err = t.exec(ctx, `UPDATE chats SET unread = $1 WHERE id = $2 AND workspace_id = $3`, left, chatID, workspaceID)
	return err
}
