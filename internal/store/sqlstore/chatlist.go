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

// ListChats implements store.Chats. Chats without a last message are not in the
// index of recent ones; by name, after the others, they have one too.
func (s *Store) ListChats(ctx context.Context, workspaceID int64, f store.ChatFilter, p store.Page) ([]store.ChatView, bool, error) {
	c := chatConditions(workspaceID, f)
	where := c.String()
	query := `SELECT c.id, c.last_at, c.name FROM chats c WHERE ` + where + ` AND c.last_at > 0
		UNION ALL SELECT c.id, c.last_at, c.name FROM chats c WHERE ` + where + ` AND c.last_at = 0
		ORDER BY 2 DESC, 3, 1 LIMIT ` + c.param(p.Limit+1) + ` OFFSET ` + c.param(p.Offset)
	var views []store.ChatView
	more := false
	err := s.read(ctx, func(t *tx) error {
		var ids []int64
		err := t.each(ctx, query, c.args, func(r *sql.Rows) error {
			var id, at int64
			var name string
			err := r.Scan(&id, &at, &name)
			ids = append(ids, id)
			return err
		})
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

// chatConditions says what f selects.
func chatConditions(workspaceID int64, f store.ChatFilter) *conditions {
	c := &conditions{}
	c.add(`c.workspace_id = ?`, workspaceID)
	if f.Group != nil {
		not := ""
		if !*f.Group {
			not = "NOT "
		}
		c.add(`c.jid ` + not + `LIKE '%@` + tideline.ServerGroup + `'`)
	}
	if f.Read != nil {
		c.add(map[bool]string{true: `c.unread = 0`, false: `c.unread > 0`}[*f.Read])
	}
	if f.Closed != nil {
		c.add(map[bool]string{true: `c.closed`, false: `NOT c.closed`}[*f.Closed])
	}
	if f.AutoReply != nil {
		c.add(map[bool]string{true: `c.auto_reply`, false: `NOT c.auto_reply`}[*f.AutoReply])
	}
	if v := f.VisibleTo; v != nil {
		visible := `c.responsible_id = ` + c.param(v.MemberID)
		for _, id := range v.Accounts {
			visible += ` OR c.account_id = ` + c.param(id)
		}
		c.add(`(` + visible + `)`)
	}
	if !f.CreatedAfter.IsZero() {
		c.add(`c.created_at >= ?`, f.CreatedAfter.UnixMilli())
	}
	if !f.CreatedBefore.IsZero() {
		c.add(`c.created_at <= ?`, f.CreatedBefore.UnixMilli())
	}
	switch {
	case strings.HasPrefix(f.Phone, "+"):
		c.add(`c.phone = ?`, f.Phone)
	case f.Phone != "":
		c.add(`c.phone LIKE ? ESCAPE '!'`, "%"+escapeLike(f.Phone)+"%")
	}
	addAny(c, f.Names, func(name string) string {
		return `lower(c.name) LIKE ` + c.param("%"+escapeLike(strings.ToLower(name))+"%") + ` ESCAPE '!'`
	})
	addAny(c, f.ContactPhones, func(digits string) string {
		if national := strings.TrimLeft(digits, "0"); national != digits {
			return `c.phone LIKE ` + c.param("%"+escapeLike(national)) + ` ESCAPE '!'`
		}
		return `c.phone = ` + c.param("+"+digits)
	})
	addAny(c, f.Accounts, func(jid tideline.JID) string {
		return `c.account_id IN (SELECT a.id FROM accounts a WHERE a.workspace_id = $1 AND a.jid = ` + c.param(string(jid)) + `)`
	})
	addAny(c, f.Responsible, func(email string) string {
		return `c.responsible_id IN (SELECT mb.id FROM members mb WHERE mb.workspace_id = $1 AND lower(mb.email) = ` +
			c.param(strings.ToLower(email)) + ` AND mb.removed_at IS NULL)`
	})
	addAny(c, f.Labels, func(label string) string {
		return `c.id IN (SELECT cl.chat_id FROM chat_labels cl JOIN labels l ON l.id = cl.label_id
			WHERE l.workspace_id = $1 AND l.name = ` + c.param(label) + `)`
	})
	return c
}

// addAny adds the condition that one of those of the values holds; none when
// there are no values.
func addAny[T any](c *conditions, values []T, condition func(T) string) {
	if len(values) == 0 {
		return
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = condition(v)
	}
	c.texts = append(c.texts, "("+strings.Join(texts, " OR ")+")")
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
	for i := range views {
		slices.Sort(views[i].Labels) // the databases collate differently
	}
	return views, err
}

// RenameChat implements store.Chats.
func (s *Store) RenameChat(ctx context.Context, workspaceID, chatID int64, name string) error {
	return s.write(ctx, "rename chat", func(ctx context.Context, t *tx) error {
		// Names are given under the lock of the balance, see findChats.
		if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
			return err
		}
		c, err := t.chat(ctx, workspaceID, chatID)
		if err != nil {
			return err
		}
		known := &knownChat{id: c.ID, workspaceID: workspaceID, accountID: c.AccountID, jid: c.JID, lid: c.LID, name: c.Name}
		if known.named() {
			return nil
		}
		x := &peerIndex{t: t}
		return x.rename(ctx, known, name)
	})
}

// escapeLike keeps s from meaning more than itself in LIKE … ESCAPE '!'.
func escapeLike(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}
