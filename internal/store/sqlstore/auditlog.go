package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// change is one action in the making. The zero At is now; the actor is the
// context's.
type change struct {
	workspaceID int64
	at          time.Time
	action      tideline.AuditAction
	kind        string // of the target, one of tideline's Target words
	id          int64
	name        string
	chatID      int64
	fields      []tideline.AuditChange
}

// audit writes the entry of a change into the transaction of the change.
func (t *tx) audit(ctx context.Context, c change) error {
	if c.at.IsZero() {
		c.at = time.Now()
	}
	fields, err := encodeChanges(c.fields)
	if err != nil {
		return err
	}
	a := tideline.ActorOf(ctx)
	_, err = t.exec(ctx, `INSERT INTO audit (workspace_id, at, member_id, token_id, via, action, target_kind, target_id, target_name, chat_id, changes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		c.workspaceID, c.at.UnixMilli(), orNull(a.MemberID), orNull(a.TokenID), string(a.Via), string(c.action),
		c.kind, c.id, c.name, orNull(c.chatID), fields)
	return err
}

// audited writes the entry if any of the fields changed.
func (t *tx) audited(ctx context.Context, c change) error {
	if len(c.fields) == 0 {
		return nil
	}
	return t.audit(ctx, c)
}

// diff adds a field to the list if its value changed.
func diff(fields []tideline.AuditChange, field string, before, after any) []tideline.AuditChange {
	a, b := fmt.Sprint(before), fmt.Sprint(after)
	if a == b {
		return fields
	}
	return append(fields, tideline.AuditChange{Field: field, Old: a, New: b})
}

// set is the list of one field with a value that was not there before; nil for
// none.
func set(field, value string) []tideline.AuditChange {
	if value == "" {
		return nil
	}
	return []tideline.AuditChange{{Field: field, New: value}}
}

// encodeChanges gives the stored form; "" for none.
func encodeChanges(fields []tideline.AuditChange) (string, error) {
	if len(fields) == 0 {
		return "", nil
	}
	text, err := json.Marshal(fields)
	return string(text), err
}

// changesText reads what encodeChanges wrote.
type changesText struct{ fields *[]tideline.AuditChange }

// Scan implements sql.Scanner.
func (c changesText) Scan(src any) error {
	*c.fields = nil
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("the changes of an audit entry are stored as %T", src)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), c.fields)
}

// Audit implements store.AuditLog.
func (s *Store) Audit(ctx context.Context, workspaceID int64, f store.AuditFilter, limit int) ([]tideline.AuditEntry, bool, error) {
	c := &conditions{}
	c.add(`e.workspace_id = ?`, workspaceID)
	if f.MemberID != 0 {
		c.add(`e.member_id = ?`, f.MemberID)
	}
	if f.Via != "" {
		c.add(`e.via = ?`, string(f.Via))
	}
	if f.Group != "" {
		c.add(`substr(e.action, 1, ?) = ?`, len(f.Group)+1, f.Group+".")
	}
	if f.Kind != "" {
		c.add(`e.target_kind = ?`, f.Kind)
		if f.TargetID != 0 {
			c.add(`e.target_id = ?`, f.TargetID)
		}
	}
	if !f.After.IsZero() {
		c.add(`e.at >= ?`, f.After.UnixMilli())
	}
	if !f.Before.IsZero() {
		c.add(`e.at < ?`, f.Before.UnixMilli())
	}
	if f.PastID != 0 {
		c.add(`e.id < ?`, f.PastID)
	}
	var entries []tideline.AuditEntry
	err := s.read(ctx, func(t *tx) error {
		if f.ChatID != 0 {
			ids, err := t.chatAndTakenOver(ctx, workspaceID, f.ChatID)
			if err != nil {
				return err
			}
			c.add(`e.chat_id IN (`+strings.Repeat("?, ", len(ids)-1)+`?)`, ids...)
		}
		return t.each(ctx, `SELECT e.id, e.workspace_id, e.at, e.member_id, e.token_id, e.via, e.action, e.target_kind, e.target_id,
			e.target_name, e.chat_id, e.changes, coalesce(mb.display_name, ''), coalesce(tk.name, '')
			FROM audit e
			LEFT JOIN members mb ON mb.id = e.member_id AND mb.workspace_id = e.workspace_id
			LEFT JOIN tokens tk ON tk.id = e.token_id AND tk.workspace_id = e.workspace_id
			WHERE `+c.String()+` ORDER BY e.id DESC LIMIT `+c.param(limit+1), c.args, func(r *sql.Rows) error {
			var e tideline.AuditEntry
			err := r.Scan(&e.ID, &e.WorkspaceID, millis{&e.At}, orZero{&e.Actor.MemberID}, orZero{&e.Actor.TokenID}, &e.Actor.Via, &e.Action,
				&e.Target.Kind, &e.Target.ID, &e.Target.Name, orZero{&e.ChatID}, changesText{&e.Changes}, &e.ActorName, &e.TokenName)
			entries = append(entries, e)
			return err
		})
	})
	if err != nil {
		return nil, false, failed("audit", err)
	}
	more := len(entries) > limit
	return entries[:min(limit, len(entries))], more, nil
}

// chatAndTakenOver gives the id that a chat has now, and those of the chats that
// it took over.
func (t *tx) chatAndTakenOver(ctx context.Context, workspaceID, chatID int64) ([]any, error) {
	c, err := t.chat(ctx, workspaceID, chatID)
	if err != nil {
		return nil, err
	}
	ids := []any{c.ID}
	err = t.each(ctx, `SELECT a.chat_id FROM chat_aliases a WHERE a.workspace_id = $1 AND a.now_id = $2`, []any{workspaceID, c.ID},
		func(r *sql.Rows) error {
			var id int64
			err := r.Scan(&id)
			ids = append(ids, id)
			return err
		})
	return ids, err
}

// pruneAudit deletes entries that are older than they are kept, from the left
// edge in small transactions. It serves the server and spans workspaces.
func (s *Store) pruneAudit(ctx context.Context, now time.Time) error {
	cutoff := now.Add(-tideline.AuditLife).UnixMilli()
	for n := int64(1); n > 0; {
		err := s.write(ctx, "prune", func(ctx context.Context, t *tx) (err error) {
			n, err = t.exec(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM (SELECT id, at FROM audit ORDER BY id LIMIT 500) AS oldest
				WHERE at <= $1)`, cutoff)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
