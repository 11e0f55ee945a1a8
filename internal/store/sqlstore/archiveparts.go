package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const partColumns = `p.id, p.workspace_id, p.month, p.number, p.blob, p.messages, p.bytes, p.sha256, p.planned, p.written_at`

func scanPart(r *sql.Rows) (p store.ArchivePart, err error) {
	var sum []byte
	var planned string
	err = r.Scan(&p.ID, &p.WorkspaceID, &p.Month, &p.Number, &p.Blob, &p.Messages, &p.Bytes, &sum, &planned, millis{&p.WrittenAt})
	if err != nil {
		return p, err
	}
	if sum != nil && copy(p.SHA256[:], sum) != len(p.SHA256) {
		return p, fmt.Errorf("the hash of archive part %d has %d bytes", p.ID, len(sum))
	}
	if planned != "" {
		err = json.Unmarshal([]byte(planned), &p.Planned)
	}
	return p, err
}

// PlanPart implements store.Keeper.
func (s *Store) PlanPart(ctx context.Context, workspaceID int64, month string, ids []int64) (p store.ArchivePart, err error) {
	if _, err := time.Parse("2006-01", month); err != nil || len(ids) == 0 {
		return p, failed("plan part", fmt.Errorf("%d messages of %q are no part of an archive", len(ids), month))
	}
	planned, err := json.Marshal(ids)
	if err != nil {
		return p, failed("plan part", err)
	}
	err = s.write(ctx, "plan part", func(ctx context.Context, t *tx) error {
		if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil { // the workspace's lock
			return err
		}
		w, err := t.workspace(ctx, `w.id = $1`, workspaceID)
		if err != nil {
			return err
		}
		p = store.ArchivePart{WorkspaceID: workspaceID, Month: month, Messages: len(ids), Planned: ids}
		if err := t.one(ctx, `SELECT coalesce(max(number), 0) + 1 FROM archive_parts WHERE workspace_id = $1 AND month = $2`,
			[]any{workspaceID, month}, &p.Number); err != nil {
			return err
		}
		// With the id, because not every slug can be a part of a blob's key.
		p.Blob = fmt.Sprintf("archive/%d-%s/%s/%06d", workspaceID, w.Slug, month, p.Number)
		return t.one(ctx, `INSERT INTO archive_parts (workspace_id, month, number, blob, messages, bytes, planned) VALUES ($1, $2, $3, $4, $5, 0, $6) RETURNING id`,
			[]any{workspaceID, month, p.Number, p.Blob, p.Messages, string(planned)}, &p.ID)
	})
	return p, err
}

// OpenParts implements store.Keeper.
func (s *Store) OpenParts(ctx context.Context, workspaceID int64) ([]store.ArchivePart, error) {
	return s.parts(ctx, `p.workspace_id = $1 AND p.planned <> '' ORDER BY p.id`, workspaceID)
}

// ListParts implements store.Keeper.
func (s *Store) ListParts(ctx context.Context, workspaceID int64) ([]store.ArchivePart, error) {
	return s.parts(ctx, `p.workspace_id = $1 AND p.written_at IS NOT NULL ORDER BY p.month, p.number`, workspaceID)
}

func (s *Store) parts(ctx context.Context, where string, args ...any) ([]store.ArchivePart, error) {
	var parts []store.ArchivePart
	err := s.reader().each(ctx, `SELECT `+partColumns+` FROM archive_parts p WHERE `+where, args, func(r *sql.Rows) error {
		p, err := scanPart(r)
		parts = append(parts, p)
		return err
	})
	return parts, failed("archive parts", err)
}

// PartWritten implements store.Keeper.
func (s *Store) PartWritten(ctx context.Context, p store.ArchivePart) error {
	return s.write(ctx, "part written", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE archive_parts SET messages = $1, bytes = $2, sha256 = $3, written_at = $4
			WHERE id = $5 AND workspace_id = $6 AND written_at IS NULL`, p.Messages, p.Bytes, p.SHA256[:], p.WrittenAt.UnixMilli(), p.ID, p.WorkspaceID)
		return mustChange(n, err, "archive part")
	})
}

// ClosePart implements store.Keeper.
func (s *Store) ClosePart(ctx context.Context, workspaceID, partID int64) error {
	return s.write(ctx, "close part", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM archive_parts WHERE id = $1 AND workspace_id = $2 AND written_at IS NULL`, partID, workspaceID)
		if err != nil || n > 0 {
			return err
		}
		n, err = t.exec(ctx, `UPDATE archive_parts SET planned = '' WHERE id = $1 AND workspace_id = $2`, partID, workspaceID)
		return mustChange(n, err, "archive part")
	})
}

var (
	selectStatuses = newMulti(`SELECT h.message_id, h.status, h.at, h.reason FROM (VALUES `,
		`) AS v CROSS JOIN message_status h WHERE h.message_id = v.column1`, "BIGINT")
	selectAccountsOf = newMulti(`SELECT `+accountColumns+` FROM (VALUES `, `) AS v CROSS JOIN accounts a WHERE a.id = v.column1`, "BIGINT")
	selectChatsOf    = newMulti(`SELECT `+chatColumns+` FROM (VALUES `, `) AS v CROSS JOIN chats c WHERE c.id = v.column1`, "BIGINT")
)

// PartMessages implements store.Keeper.
func (s *Store) PartMessages(ctx context.Context, workspaceID int64, ids []int64) (views []store.MessageView, err error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	err = s.read(ctx, func(t *tx) error {
		if views, err = t.messageViews(ctx, ids); err != nil {
			return err
		}
		views = slices.DeleteFunc(views, func(v store.MessageView) bool { return v.Message.ID == 0 || v.Message.WorkspaceID != workspaceID })
		byID := make(map[int64]*store.MessageView, len(views))
		chats, accounts := make(map[int64][]*store.MessageView), make(map[int64][]*store.MessageView)
		var args, chatArgs, accountArgs []any
		for i := range views {
			v := &views[i]
			m := &v.Message
			byID[m.ID], args = v, append(args, m.ID)
			if chats[m.ChatID] == nil {
				chatArgs = append(chatArgs, m.ChatID)
			}
			if accounts[m.AccountID] == nil {
				accountArgs = append(accountArgs, m.AccountID)
			}
			chats[m.ChatID], accounts[m.AccountID] = append(chats[m.ChatID], v), append(accounts[m.AccountID], v)
		}
		if err := t.eachAll(ctx, selectStatuses, args, func(r *sql.Rows) error {
			var id int64
			var c tideline.StatusChange
			err := r.Scan(&id, &c.Status, millis{&c.At}, &c.Reason)
			byID[id].History = append(byID[id].History, c)
			return err
		}); err != nil {
			return err
		}
		if err := t.eachAll(ctx, selectAccountsOf, accountArgs, func(r *sql.Rows) error {
			var a tideline.Account
			err := r.Scan(accountFields(&a)...)
			for _, v := range accounts[a.ID] {
				v.Account = a
			}
			return err
		}); err != nil {
			return err
		}
		if err := t.eachAll(ctx, selectChatsOf, chatArgs, func(r *sql.Rows) error {
			var c tideline.Chat
			err := r.Scan(chatFields(&c)...)
			for _, v := range chats[c.ID] {
				v.Chat = c
			}
			return err
		}); err != nil {
			return err
		}
		for chatID, of := range chats {
			slices.SortFunc(of, func(a, b *store.MessageView) int { return int(a.Message.ID - b.Message.ID) })
			if err := t.decorate(ctx, workspaceID, of[0].Message.AccountID, chatID, of); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range views {
		h := views[i].History
		slices.SortFunc(h, func(a, b tideline.StatusChange) int { return a.Status.Rank() - b.Status.Rank() })
	}
	return views, failed("part messages", err)
}
