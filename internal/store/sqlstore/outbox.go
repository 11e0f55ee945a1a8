package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Backlog implements store.Outbox.
func (s *Store) Backlog(ctx context.Context, fn func(store.Queued) error) error {
	// In pieces, so that a slow fn holds no snapshot of the database open.
	const piece = 5000
	var after int64
	for {
		batch := make([]store.Queued, 0, piece)
		err := s.reader().each(ctx, `SELECT message_id, account_id, gap_ms FROM outbox
			WHERE message_id > $1 ORDER BY message_id LIMIT $2`, []any{after, piece}, func(r *sql.Rows) error {
			var q store.Queued
			var gap int64
			err := r.Scan(&q.MessageID, &q.AccountID, &gap)
			q.Gap = time.Duration(gap) * time.Millisecond
			batch = append(batch, q)
			return err
		})
		if err != nil {
			return failed("backlog", err)
		}
		for _, q := range batch {
			if err := fn(q); err != nil {
				return err
			}
			after = q.MessageID
		}
		if len(batch) < piece {
			return nil
		}
	}
}

// Lanes implements store.Outbox.
func (s *Store) Lanes(ctx context.Context, fn func(store.Lane) error) error {
	var lanes []store.Lane
	err := s.reader().each(ctx, `SELECT account_id, at FROM lanes ORDER BY account_id`, nil, func(r *sql.Rows) error {
		var l store.Lane
		err := r.Scan(&l.AccountID, millis{&l.At})
		lanes = append(lanes, l)
		return err
	})
	if err != nil {
		return failed("lanes", err)
	}
	for _, l := range lanes {
		if err := fn(l); err != nil {
			return err
		}
	}
	return nil
}

// Outgoing implements store.Outbox.
func (s *Store) Outgoing(ctx context.Context, messageID int64) (store.Outgoing, error) {
	var out store.Outgoing
	var file scannedFile
	fields := append(messageFields(&out.Message), chatFields(&out.Chat)...)
	fields = append(fields, accountFields(&out.Account)...)
	fields = append(fields, file.fields()...)
	var gap int64
	fields = append(fields, &gap, &out.Note)
	err := s.reader().one(ctx, `SELECT `+messageColumns+`, `+chatColumns+`, `+accountColumns+`, `+fileColumns+`, o.gap_ms, o.note
		FROM outbox o
		JOIN messages m ON m.id = o.message_id
		JOIN chats c ON c.id = m.chat_id
		JOIN accounts a ON a.id = m.account_id
		LEFT JOIN files f ON f.id = m.file_id
		WHERE o.message_id = $1`, []any{messageID}, fields...)
	if err != nil {
		return store.Outgoing{}, failed("outgoing", missing(err, "queued message"))
	}
	out.File = file.orNil()
	out.Gap = time.Duration(gap) * time.Millisecond
	if out.Message.ReplyTo != "" {
		if out.Quote, err = s.reader().quoted(ctx, &out.Message); err != nil {
			return store.Outgoing{}, failed("outgoing", err)
		}
	}
	return out, nil
}

// quoted reads the message that m answers; nil when it is not there.
func (t *tx) quoted(ctx context.Context, m *tideline.Message) (*tideline.Message, error) {
	found, err := t.findTargets(ctx, []targetKey{{m.AccountID, m.ChatID, m.ReplyTo}})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	q := found[targetKey{m.AccountID, m.ChatID, m.ReplyTo}]
	return &tideline.Message{WhatsAppID: m.ReplyTo, FromMe: q.fromMe, Sender: q.sender, Text: q.text}, nil
}

// QueueLength implements store.Messages.
func (s *Store) QueueLength(ctx context.Context, workspaceID int64) (int64, error) {
	var n int64
	err := s.reader().one(ctx, `SELECT count(*) FROM outbox o JOIN accounts a ON a.id = o.account_id
		WHERE a.workspace_id = $1`, []any{workspaceID}, &n)
	return n, failed("queue length", err)
}

// failQueued ends every queued message of an account with reason. Receipts that
// came early turn a message that was sent after all into a sent one.
func (t *tx) failQueued(ctx context.Context, bs *balances, accountID int64, reason tideline.Reason, at time.Time) error {
	var queued []queuedMessage
	err := t.each(ctx, `SELECT `+queuedColumns+`
		FROM outbox o CROSS JOIN messages m
		WHERE o.account_id = $1 AND m.id = o.message_id ORDER BY o.message_id`+t.forUpdate("o"), []any{accountID}, func(r *sql.Rows) error {
		var q queuedMessage
		err := r.Scan(q.fields()...)
		queued = append(queued, q)
		return err
	})
	if err != nil {
		return err
	}
	_, err = t.failAll(ctx, bs, queued, ending{reason: reason, at: at})
	return err
}

// failAll ends queued messages, which are locked, as how says, and gives the ids
// of those that were sent after all.
func (t *tx) failAll(ctx context.Context, bs *balances, queued []queuedMessage, how ending) (sent []int64, err error) {
	keys := make([]any, 0, 2*len(queued))
	for i := range queued {
		keys = append(keys, queued[i].accountID, queued[i].whatsAppID)
	}
	early, err := t.findEarly(ctx, keys)
	if err != nil {
		return nil, err
	}
	endings := make([]ending, len(queued))
	for i, q := range queued {
		endings[i] = ending{m: q, status: tideline.StatusFailed, reason: how.reason, at: how.at, note: how.note,
			early: early[receiptKey{q.accountID, q.whatsAppID}]}
		if endings[i].early != nil {
			sent = append(sent, q.id)
		}
	}
	return sent, t.end(ctx, bs, endings)
}
