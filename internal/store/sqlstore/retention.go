package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// keepDays reads a stored tideline.Keep, which is NULL for the default.
type keepDays struct{ k *tideline.Keep }

// Scan implements sql.Scanner.
func (d keepDays) Scan(src any) error {
	if src == nil {
		*d.k = tideline.KeepDefault
		return nil
	}
	var n int64
	err := orZero{&n}.Scan(src)
	*d.k = tideline.Keep(n)
	return err
}

func storedDays(k tideline.Keep) any {
	if k == tideline.KeepDefault {
		return nil
	}
	return int64(k)
}

// Retention implements store.Keeper.
func (s *Store) Retention(ctx context.Context, workspaceID int64) (tideline.Retention, error) {
	r, err := s.reader().retention(ctx, workspaceID)
	return r, failed("retention", err)
}

// retention reads the setting of a workspace: not_found.
func (t *tx) retention(ctx context.Context, workspaceID int64) (r tideline.Retention, err error) {
	err = t.one(ctx, `SELECT r.keep_messages, r.keep_files, coalesce(r.archive, '') FROM workspaces w
		LEFT JOIN retention r ON r.workspace_id = w.id WHERE w.id = $1`, []any{workspaceID},
		keepDays{&r.Messages}, keepDays{&r.Files}, &r.Archive)
	return r, missing(err, "workspace")
}

// SetRetention implements store.Keeper.
func (s *Store) SetRetention(ctx context.Context, workspaceID int64, r tideline.Retention, at time.Time) error {
	if err := r.Check(); err != nil {
		return err
	}
	return s.write(ctx, "set retention", func(ctx context.Context, t *tx) error {
		// The balance is the workspace's lock.
		if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
			return err
		}
		before, err := t.retention(ctx, workspaceID)
		if err != nil || before == r {
			return err
		}
		w, err := t.workspace(ctx, `w.id = $1`, workspaceID)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO retention (workspace_id, keep_messages, keep_files, archive) VALUES ($1, $2, $3, $4)
			ON CONFLICT (workspace_id) DO UPDATE SET keep_messages = excluded.keep_messages, keep_files = excluded.keep_files,
			archive = excluded.archive`, workspaceID, storedDays(r.Messages), storedDays(r.Files), string(r.Archive)); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		fields := diff(nil, "keep_messages", before.Messages, r.Messages)
		fields = diff(fields, "keep_files", before.Files, r.Files)
		fields = diff(fields, "archive", before.Archive, r.Archive)
		return t.audit(ctx, aboutWorkspace(w, tideline.AuditWorkspaceChanged, at, fields...))
	})
}

// Retentions implements store.Keeper.
func (s *Store) Retentions(ctx context.Context) ([]store.WorkspaceRetention, error) {
	var all []store.WorkspaceRetention
	err := s.reader().each(ctx, `SELECT w.id, w.slug, r.keep_messages, r.keep_files, coalesce(r.archive, '') FROM workspaces w
		LEFT JOIN retention r ON r.workspace_id = w.id ORDER BY w.id`, nil, func(rows *sql.Rows) error {
		var w store.WorkspaceRetention
		err := rows.Scan(&w.WorkspaceID, &w.Slug, keepDays{&w.Set.Messages}, keepDays{&w.Set.Files}, &w.Set.Archive)
		all = append(all, w)
		return err
	})
	return all, failed("retentions", err)
}

// chatsPerStep is how many chats one step of the walk through a workspace looks at:
// each costs one look at the left edge of its messages.
const chatsPerStep = 200

// oldChats goes through the chats of a workspace by the index of their names, so that
// it passes over nothing of other workspaces, and looks at the first message of each.
const oldChats = `SELECT c.id, c.name, (SELECT m.at FROM messages m WHERE m.chat_id = c.id AND m.at IS NOT NULL
	ORDER BY m.at, m.id LIMIT 1) FROM chats c WHERE c.workspace_id = $1 AND c.name > $2 ORDER BY c.name LIMIT $3`

// oldInChat walks along the index of a chat's messages, which is by WhatsApp's time:
// the id of a message from a phone's history says nothing about its age.
const oldInChat = `SELECT m.id, m.account_id, m.at FROM messages m WHERE m.chat_id = $1 AND m.at IS NOT NULL AND m.at < $2
	AND (m.at, m.id) > ($3, $4) AND m.workspace_id = $5 AND m.accepted_at < $6
	AND NOT EXISTS (SELECT 1 FROM message_status h WHERE h.message_id = m.id AND h.at >= $6)
	ORDER BY m.at, m.id LIMIT $7`

// OldMessages implements store.Keeper.
func (s *Store) OldMessages(ctx context.Context, workspaceID int64, q store.OldMessages) (page store.OldPage, err error) {
	page.Next = q.From
	if q.From.ChatID != 0 { // more of the chat in which the step before ended
		if err := s.oldInChat(ctx, workspaceID, q, &page); err != nil || len(page.Messages) >= q.Limit {
			return page, failed("old messages", err)
		}
	}
	type chat struct {
		id     int64
		name   string
		oldest time.Time
	}
	var chats []chat
	err = s.reader().each(ctx, oldChats, []any{workspaceID, page.Next.Chat, chatsPerStep}, func(r *sql.Rows) error {
		var c chat
		err := r.Scan(&c.id, &c.name, millis{&c.oldest})
		chats = append(chats, c)
		return err
	})
	if err != nil {
		return page, failed("old messages", err)
	}
	for _, c := range chats {
		page.Next = store.OldCursor{Chat: c.name}
		if c.oldest.IsZero() {
			continue
		}
		if page.Oldest.IsZero() || c.oldest.Before(page.Oldest) {
			page.Oldest = c.oldest
		}
		if !c.oldest.Before(q.Before) {
			continue
		}
		page.Next.ChatID = c.id
		if err := s.oldInChat(ctx, workspaceID, q, &page); err != nil {
			return page, failed("old messages", err)
		}
		if len(page.Messages) >= q.Limit {
			return page, nil
		}
	}
	page.Done = len(chats) < chatsPerStep
	return page, nil
}

// oldInChat adds the old messages of the chat that page.Next is in, from there on, as
// far as the page has room for them.
func (s *Store) oldInChat(ctx context.Context, workspaceID int64, q store.OldMessages, page *store.OldPage) error {
	next := &page.Next
	from := int64(-1 << 62)
	if !next.At.IsZero() {
		from = next.At.UnixMilli()
	}
	err := s.reader().each(ctx, oldInChat, []any{next.ChatID, q.Before.UnixMilli(), from, next.MessageID, workspaceID,
		q.Ended.UnixMilli(), q.Limit - len(page.Messages)}, func(r *sql.Rows) error {
		var m store.OldMessage
		err := r.Scan(&m.ID, &m.AccountID, millis{&m.At})
		page.Messages = append(page.Messages, m)
		next.At, next.MessageID = m.At, m.ID
		return err
	})
	if err == nil && len(page.Messages) < q.Limit {
		page.Next = store.OldCursor{Chat: next.Chat}
	}
	return err
}

// errNotSummed says that messages can't be deleted yet because what they cost is not
// in the sums of the ledger, which need their accounts.
var errNotSummed = errors.New("the ledger is not summed up as far as these messages")
