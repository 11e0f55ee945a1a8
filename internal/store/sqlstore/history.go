package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ChatMessages implements store.Messages. Messages in the queue are not in the
// index of a chat's messages, so they are found by way of the outbox. The two are
// CROSS JOINed in that order: SQLite takes a comparison with 1, such as the first
// account's id, for one that nearly everything fits, and would read all messages.
func (s *Store) ChatMessages(ctx context.Context, workspaceID, chatID int64, f store.MessageFilter, p store.Page) ([]store.MessageView, bool, error) {
	var views []store.MessageView
	more := false
	err := s.read(ctx, func(t *tx) error {
		chat, err := t.chat(ctx, workspaceID, chatID)
		if err != nil {
			return err
		}
		accounts, err := t.accounts(ctx, `a.workspace_id = $1 AND a.id = $2`, workspaceID, chat.AccountID)
		if err != nil {
			return err
		}
		if len(accounts) == 0 {
			return notFound("WhatsApp account")
		}
		ids, err := t.chatMessageIDs(ctx, &chat, f, store.Page{Offset: p.Offset, Limit: p.Limit + 1})
		if err != nil {
			return err
		}
		if len(ids) > p.Limit {
			ids, more = ids[:p.Limit], true
		}
		if views, err = t.messageViews(ctx, ids); err != nil {
			return err
		}
		pointers := make([]*store.MessageView, len(views))
		for i := range views {
			views[i].Chat, views[i].Account = chat, accounts[0]
			pointers[i] = &views[i]
		}
		return t.decorate(ctx, workspaceID, chat.AccountID, chat.ID, pointers)
	})
	if err != nil {
		return nil, false, failed("chat messages", err)
	}
	return views, more, nil
}

// conditions collects the conditions of a query and their parameters.
type conditions struct {
	texts []string
	args  []any
}

// add appends a condition in which each ? is one of args.
func (c *conditions) add(text string, args ...any) {
	for _, a := range args {
		c.args = append(c.args, a)
		text = strings.Replace(text, "?", fmt.Sprintf("$%d", len(c.args)), 1)
	}
	c.texts = append(c.texts, text)
}

// param appends a parameter and gives its name.
func (c *conditions) param(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

func (c *conditions) String() string { return strings.Join(c.texts, " AND ") }

// chatMessageIDs gives the ids of a page of a chat's messages, in order.
func (t *tx) chatMessageIDs(ctx context.Context, chat *tideline.Chat, f store.MessageFilter, p store.Page) ([]int64, error) {
	c := &conditions{}
	c.add(`m.chat_id = ?`, chat.ID)
	c.add(`m.workspace_id = ?`, chat.WorkspaceID)
	// The same for both parts, whose times are in different columns.
	timed := func(column string) (string, error) {
		part := &conditions{args: c.args}
		if f.FromMe != nil {
			part.add(`m.from_me = ?`, *f.FromMe)
		}
		if !f.After.IsZero() {
			part.add(column+` >= ?`, f.After.UnixMilli())
		}
		if !f.Before.IsZero() {
			part.add(column+` <= ?`, f.Before.UnixMilli())
		}
		for _, border := range []struct{ uid, than string }{{f.AfterMessage, ">"}, {f.BeforeMessage, "<"}} {
			if border.uid == "" {
				continue
			}
			var id, at int64
			err := t.one(ctx, `SELECT m.id, coalesce(m.at, m.accepted_at) FROM messages m
				WHERE m.uid = $1 AND m.workspace_id = $2 AND m.chat_id = $3`, []any{border.uid, chat.WorkspaceID, chat.ID}, &id, &at)
			if err != nil {
				return "", missing(err, "message")
			}
			part.add(`(`+column+`, m.id) `+border.than+` (CAST(? AS BIGINT), CAST(? AS BIGINT))`, at, id)
		}
		c.args = part.args
		if len(part.texts) == 0 {
			return "", nil
		}
		return " AND " + part.String(), nil
	}
	settled, err := timed("m.at")
	if err != nil {
		return nil, err
	}
	queued, err := timed("m.accepted_at")
	if err != nil {
		return nil, err
	}
	order := "DESC"
	if f.OldestFirst {
		order = "ASC"
	}
	query := `SELECT m.id, m.at AS at FROM messages m WHERE ` + c.String() + ` AND m.at IS NOT NULL` + settled + `
		UNION ALL SELECT m.id, m.accepted_at FROM outbox o CROSS JOIN messages m
		WHERE m.id = o.message_id AND o.account_id = ` + c.param(chat.AccountID) + ` AND ` + c.String() + queued + `
		ORDER BY 2 ` + order + `, 1 ` + order + ` LIMIT ` + c.param(p.Limit) + ` OFFSET ` + c.param(p.Offset)
	var ids []int64
	err = t.each(ctx, query, c.args, func(r *sql.Rows) error {
		var id, at int64
		err := r.Scan(&id, &at)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

var (
	selectMessageViews = newMulti(`SELECT `+messageColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN messages m WHERE m.id = v.column1`, "BIGINT")
	selectMessageFiles = newMulti(`SELECT `+fileColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN files f WHERE f.id = v.column1 AND f.workspace_id = v.column2`, "BIGINT", "BIGINT")
	selectMessageMembers = newMulti(`SELECT mb.id, mb.display_name FROM (VALUES `,
		`) AS v CROSS JOIN members mb WHERE mb.id = v.column1 AND mb.workspace_id = v.column2`, "BIGINT", "BIGINT")
)

// messageViews reads messages in the order of their ids. Most have neither a file
// nor a member; a column that is read costs time even when it is NULL, so those of
// files and members are read apart.
func (t *tx) messageViews(ctx context.Context, ids []int64) ([]store.MessageView, error) {
	views := make([]store.MessageView, len(ids))
	place := make(map[int64]int, len(ids))
	args := make([]any, len(ids))
	for i, id := range ids {
		place[id], args[i] = i, id
	}
	files, members := make(map[int64][]*store.MessageView), make(map[int64][]*store.MessageView)
	var fileArgs, memberArgs []any
	err := t.eachAll(ctx, selectMessageViews, args, func(r *sql.Rows) error {
		var is tideline.Message
		if err := r.Scan(messageFields(&is)...); err != nil {
			return err
		}
		v := &views[place[is.ID]]
		v.Message = is
		if is.FileID != 0 {
			if files[is.FileID] == nil {
				fileArgs = append(fileArgs, is.FileID, is.WorkspaceID)
			}
			files[is.FileID] = append(files[is.FileID], v)
		}
		if is.MemberID != 0 {
			if members[is.MemberID] == nil {
				memberArgs = append(memberArgs, is.MemberID, is.WorkspaceID)
			}
			members[is.MemberID] = append(members[is.MemberID], v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = t.eachAll(ctx, selectMessageFiles, fileArgs, func(r *sql.Rows) error {
		var f scannedFile
		if err := r.Scan(f.fields()...); err != nil {
			return err
		}
		for _, v := range files[f.id.Int64] {
			if f.workspaceID.Int64 == v.Message.WorkspaceID {
				v.File = f.orNil()
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return views, t.eachAll(ctx, selectMessageMembers, memberArgs, func(r *sql.Rows) error {
		var id int64
		var name string
		err := r.Scan(&id, &name)
		for _, v := range members[id] {
			v.MemberName = name
		}
		return err
	})
}

var selectReactions = newMulti(`SELECT r.whatsapp_id, r.sender, r.sender_lid, r.name, r.emoji FROM (VALUES `,
	`) AS v CROSS JOIN reactions r WHERE r.chat_id = v.column1 AND r.whatsapp_id = v.column2
	AND r.workspace_id = v.column3 AND r.emoji <> '' ORDER BY r.whatsapp_id, r.at, r.sender`, "BIGINT", "TEXT", "BIGINT")

// decorate adds to the messages of a chat who reacted and what they answer.
func (t *tx) decorate(ctx context.Context, workspaceID, accountID, chatID int64, views []*store.MessageView) error {
	byID := make(map[string][]*store.MessageView, len(views))
	var reactions []any
	var answered []targetKey
	for _, v := range views {
		id := v.Message.WhatsAppID
		if len(byID[id]) == 0 {
			reactions = append(reactions, chatID, id, workspaceID)
		}
		byID[id] = append(byID[id], v)
		if v.Message.ReplyTo != "" {
			answered = append(answered, targetKey{accountID, chatID, v.Message.ReplyTo})
		}
	}
	err := t.eachAll(ctx, selectReactions, reactions, func(r *sql.Rows) error {
		var id string
		var sender tideline.JID
		var is tideline.Reaction
		if err := r.Scan(&id, &sender, &is.Peer.LID, &is.Peer.Name, &is.Emoji); err != nil {
			return err
		}
		is.Own = sender == ""
		if !sender.IsLID() {
			is.Peer.JID = sender
		}
		for _, v := range byID[id] {
			v.Reactions = append(v.Reactions, is)
		}
		return nil
	})
	if err != nil || len(answered) == 0 {
		return err
	}
	targets, err := t.findTargets(ctx, answered)
	if err != nil {
		return err
	}
	for _, v := range views {
		if m := targets[targetKey{accountID, chatID, v.Message.ReplyTo}]; m != nil {
			v.ReplyToUID = m.uid
		}
	}
	return nil
}

// PutReaction implements store.Messages.
func (s *Store) PutReaction(ctx context.Context, workspaceID, messageID int64, emoji string, at time.Time) error {
	return s.write(ctx, "put reaction", func(ctx context.Context, t *tx) error {
		var chatID int64
		var whatsAppID string
		err := t.one(ctx, `SELECT chat_id, whatsapp_id FROM messages WHERE id = $1 AND workspace_id = $2`,
			[]any{messageID, workspaceID}, &chatID, &whatsAppID)
		if err != nil {
			return missing(err, "message")
		}
		if err := t.announceOwnReaction(ctx, workspaceID, messageID, emoji, at); err != nil {
			return err
		}
		return t.execAll(ctx, upsertReactions, []any{chatID, whatsAppID, "", "", "", emoji, at.UnixMilli(), workspaceID})
	})
}
