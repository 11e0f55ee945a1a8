package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ChatView implements store.Chats.
func (s *Store) ChatView(ctx context.Context, workspaceID, chatID int64) (store.ChatView, error) {
	var view store.ChatView
	err := s.read(ctx, func(t *tx) error {
		c, err := t.chat(ctx, workspaceID, chatID)
		if err != nil {
			return err
		}
		views, err := t.chatViews(ctx, workspaceID, []int64{c.ID})
		if err == nil && len(views) == 1 {
			view = views[0]
		}
		return err
	})
	return view, failed("chat view", err)
}

// ListChats implements store.Chats.
func (s *Store) ListChats(ctx context.Context, workspaceID int64, f store.ChatFilter, p store.Page) ([]store.ChatView, bool, error) {
	var views []store.ChatView
	more := false
	err := s.read(ctx, func(t *tx) error {
		ids, err := t.chatPage(ctx, workspaceID, f, store.Page{Offset: p.Offset, Limit: p.Limit + 1})
		if err != nil {
			return err
		}
		if len(ids) > p.Limit {
			ids, more = ids[:p.Limit], true
		}
		views, err = t.chatViews(ctx, workspaceID, ids)
		if err != nil || !f.WithLastMessage {
			return err
		}
		return t.addLastMessages(ctx, views)
	})
	return views, more, failed("list chats", err)
}

// addLastMessages reads the last messages of chats.
func (t *tx) addLastMessages(ctx context.Context, chats []store.ChatView) error {
	var ids []int64
	var of []*store.ChatView
	for i := range chats {
		if c := &chats[i]; c.Chat.LastMessageID != 0 {
			ids, of = append(ids, c.Chat.LastMessageID), append(of, c)
		}
	}
	messages, err := t.messageViews(ctx, ids)
	if err != nil {
		return err
	}
	for i, c := range of {
		m := &messages[i]
		m.Chat, m.Account = c.Chat, c.Account
		c.LastMessage = m
	}
	return nil
}

var (
	selectChatViews = newMulti(`SELECT `+chatColumns+`, `+accountColumns+`, a.removed_at, lm.uid, rb.email, rb.display_name FROM (VALUES `,
		`) AS v CROSS JOIN chats c JOIN accounts a ON a.id = c.account_id AND a.workspace_id = c.workspace_id
		LEFT JOIN messages lm ON lm.id = c.last_message_id
		LEFT JOIN members rb ON rb.id = c.responsible_id AND rb.workspace_id = c.workspace_id
		WHERE c.id = v.column1 AND c.workspace_id = v.column2`, "BIGINT", "BIGINT")
	selectLabelsOfChats = newMulti(`SELECT cl.chat_id, l.name FROM (VALUES `,
		`) AS v CROSS JOIN chat_labels cl JOIN labels l ON l.id = cl.label_id
		WHERE cl.chat_id = v.column1 AND l.workspace_id = v.column2`, "BIGINT", "BIGINT")
)

// chatViews reads chats in the order of ids.
func (t *tx) chatViews(ctx context.Context, workspaceID int64, ids []int64) ([]store.ChatView, error) {
	views := make([]store.ChatView, len(ids))
	place := make(map[int64]int, len(ids))
	args := make([]any, 0, 2*len(ids))
	for i, id := range ids {
		place[id] = i
		args = append(args, id, workspaceID)
	}
	err := t.eachAll(ctx, selectChatViews, args, func(r *sql.Rows) error {
		var v store.ChatView
		var removed sql.NullInt64
		var last, email, name sql.NullString
		fields := append(chatFields(&v.Chat), accountFields(&v.Account)...)
		if err := r.Scan(append(fields, &removed, &last, &email, &name)...); err != nil {
			return err
		}
		if email.Valid {
			v.Responsible = &tideline.Member{ID: v.Chat.Responsible, WorkspaceID: workspaceID, Email: email.String, DisplayName: name.String}
		}
		v.AccountGone, v.LastMessageUID = removed.Valid, last.String
		views[place[v.Chat.ID]] = v
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = t.eachAll(ctx, selectLabelsOfChats, args, func(r *sql.Rows) error {
		var id int64
		var name string
		err := r.Scan(&id, &name)
		v := &views[place[id]]
		v.Labels = append(v.Labels, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range views {
		slices.Sort(views[i].Labels) // the databases collate differently
	}
	return views, t.addProfiles(ctx, workspaceID, views)
}

// escapeLike keeps s from meaning more than itself in LIKE … ESCAPE '!'.
func escapeLike(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}
