package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var (
	selectChatIDs = newMulti(`SELECT c.id, c.account_id, c.jid FROM (VALUES `,
		`) AS v CROSS JOIN chats c WHERE c.account_id = v.column1 AND c.jid = v.column2`, "BIGINT", "TEXT")
	// A chat that is named by a hidden id, also one whose number is known.
	selectHiddenChatIDs = newMulti(`SELECT c.id, c.account_id, c.lid FROM (VALUES `,
		`) AS v CROSS JOIN chats c WHERE c.account_id = v.column1 AND c.lid = v.column2 AND c.lid <> ''`, "BIGINT", "TEXT")
)

// askChats gives the chats that exist of those that jobs need, see ask.
func (t *tx) askChats(ctx context.Context, cache *chatCache, jobs []*job) (map[chatKey]*chat, error) {
	chats := make(map[chatKey]*chat, len(jobs))
	var args, hidden []any
	for _, j := range jobs {
		k := chatKey{j.accept.AccountID, j.accept.Chat.JID}
		if _, ok := chats[k]; ok {
			continue
		}
		if id, ok := cache.get(k); ok {
			chats[k] = &chat{id: id, cached: true}
			continue
		}
		if k.jid.IsLID() {
			hidden = append(hidden, k.accountID, string(k.jid))
			continue
		}
		args = append(args, k.accountID, string(k.jid))
	}
	scan := func(r *sql.Rows) error {
		var k chatKey
		c := &chat{}
		if err := r.Scan(&c.id, &k.accountID, &k.jid); err != nil {
			return err
		}
		chats[k] = c
		return nil
	}
	if err := t.askAll(ctx, selectHiddenChatIDs, hidden, scan); err != nil {
		return nil, err
	}
	return chats, t.askAll(ctx, selectChatIDs, args, scan)
}

var insertChats = newInsert(`chats (id, workspace_id, account_id, jid, lid, phone, name, created_at)`, "(?, ?, ?, ?, ?, ?, ?, ?)", "")

// makeChats inserts the chats that are missing and tells the jobs their ids.
func (a *acceptance) makeChats(ctx context.Context) error {
	var made []*chat
	for _, j := range a.queued {
		if c := a.chats[chatKey{j.accept.AccountID, j.accept.Chat.JID}]; c.made && c.wanted == j {
			made = append(made, c)
		}
	}
	if len(made) == 0 {
		return nil
	}
	ids, err := a.t.draw(ctx, "chats", len(made))
	if err != nil {
		return err
	}
	names := make([]*chatName, len(made))
	for i, c := range made {
		names[i] = &chatName{c.wanted.accept.WorkspaceID, wishedName(c.wanted.accept.Chat)}
	}
	if err := a.t.nameChats(ctx, names); err != nil {
		return err
	}
	args := make([]any, 0, len(made)*insertChats.cols)
	found := make([]searched, len(made))
	for i, c := range made {
		in := c.wanted.accept
		c.id = ids[i]
		lid := ""
		if in.Chat.JID.IsLID() {
			lid = string(in.Chat.JID)
		}
		args = append(args, c.id, in.WorkspaceID, in.AccountID, string(in.Chat.JID), lid, string(in.Chat.Phone),
			names[i].name, in.Message.At.UnixMilli())
		found[i] = searched{in.WorkspaceID, c.id, names[i].name, in.Chat.JID}
		a.t.emit(tideline.Event{WorkspaceID: in.WorkspaceID, Kind: tideline.ChatEvent(in.Chat.JID, true), At: in.Message.At,
			AccountID: in.AccountID, ChatID: c.id, MemberID: in.MemberID})
		a.t.tellChat(in.WorkspaceID, in.AccountID, c.id)
	}
	if err := a.t.execAll(ctx, insertChats, args); err != nil {
		return err
	}
	if err := a.t.findable(ctx, found...); err != nil {
		return err
	}
	for _, j := range a.queued {
		j.accepted.ChatID = a.chats[chatKey{j.accept.AccountID, j.accept.Chat.JID}].id
	}
	return nil
}

// chatName is a name in a workspace.
type chatName struct {
	workspaceID int64
	name        string
}

var selectChatNames = newMulti(`SELECT c.workspace_id, c.name FROM (VALUES `,
	`) AS v CROSS JOIN chats c WHERE c.workspace_id = v.column1 AND c.name = v.column2`, "BIGINT", "TEXT")

// nameChats changes each wish for a new chat's name into one that no other chat
// of its workspace has.
func (t *tx) nameChats(ctx context.Context, wishes []*chatName) error {
	args := make([]any, 0, 2*len(wishes))
	for _, w := range wishes {
		args = append(args, w.workspaceID, w.name)
	}
	taken := make(map[chatName]bool, len(wishes))
	err := t.eachAll(ctx, selectChatNames, args, func(r *sql.Rows) error {
		var n chatName
		err := r.Scan(&n.workspaceID, &n.name)
		taken[n] = true
		return err
	})
	if err != nil {
		return err
	}
	for _, w := range wishes {
		if taken[*w] {
			if *w, err = t.numberedName(ctx, *w, taken); err != nil {
				return err
			}
		}
		taken[*w] = true
	}
	return nil
}

// wishedName is what a new chat should be called.
func wishedName(ref store.ChatRef) string {
	switch {
	case ref.Name != "":
		return ref.Name
	case ref.Phone != "":
		return string(ref.Phone)
	default:
		return string(ref.JID)
	}
}

// numberedName finds the first free name of "n (2)", "n (3)", … It doubles its
// steps until a name is free and then halves the interval, so that the
// thousandth chat called "Customer" does not take a thousand questions.
func (t *tx) numberedName(ctx context.Context, n chatName, taken map[chatName]bool) (chatName, error) {
	isTaken := func(i int) (bool, error) {
		c := chatName{n.workspaceID, numbered(n.name, i)}
		if taken[c] {
			return true, nil
		}
		var one int
		err := t.one(ctx, `SELECT 1 FROM chats WHERE workspace_id = $1 AND name = $2`, []any{c.workspaceID, c.name}, &one)
		if errors.Is(err, sql.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	}
	last, free := 1, 2 // n itself is taken
	for {
		used, err := isTaken(free)
		if err != nil {
			return n, err
		}
		if !used {
			break
		}
		last, free = free, free*2
	}
	for free-last > 1 {
		mid := (last + free) / 2
		used, err := isTaken(mid)
		if err != nil {
			return n, err
		}
		if used {
			last = mid
		} else {
			free = mid
		}
	}
	return chatName{n.workspaceID, numbered(n.name, free)}, nil
}

// numbered appends " (i)" to name and shortens name so that the result is no
// longer than a chat's name may be.
func numbered(name string, i int) string {
	suffix := fmt.Sprintf(" (%d)", i)
	if r := []rune(name); len(r)+len(suffix) > tideline.MaxChatName {
		name = string(r[:tideline.MaxChatName-len(suffix)])
	}
	return name + suffix
}

const chatColumns = `c.id, c.workspace_id, c.account_id, c.jid, c.lid, c.phone, c.name, c.closed, c.unread, c.created_at,
	c.last_message_id, c.last_at, c.bar, c.responsible_id, c.auto_reply`

func chatFields(c *tideline.Chat) []any {
	return []any{&c.ID, &c.WorkspaceID, &c.AccountID, &c.JID, &c.LID, &c.Phone, &c.Name, &c.Closed, &c.Unread, millis{&c.CreatedAt},
		orZero{&c.LastMessageID}, laterMillis{&c.LastMessageAt}, &c.Bar, orZero{&c.Responsible}, &c.AutoReply}
}

// Chat implements store.Chats.
func (s *Store) Chat(ctx context.Context, workspaceID, chatID int64) (tideline.Chat, error) {
	c, err := s.reader().chat(ctx, workspaceID, chatID)
	return c, failed("chat", err)
}

// chat reads a chat, under its own id or one that it took over.
func (t *tx) chat(ctx context.Context, workspaceID, chatID int64) (c tideline.Chat, err error) {
	err = t.one(ctx, `SELECT `+chatColumns+` FROM chats c WHERE c.workspace_id = $1 AND c.id =
		coalesce((SELECT a.now_id FROM chat_aliases a WHERE a.workspace_id = $1 AND a.chat_id = $2), $2)`,
		[]any{workspaceID, chatID}, chatFields(&c)...)
	return c, missing(err, "chat")
}

// ChatWith implements store.Chats.
func (s *Store) ChatWith(ctx context.Context, workspaceID, accountID int64, peer tideline.Peer) (c tideline.Chat, err error) {
	err = sql.ErrNoRows
	if peer.JID != "" {
		err = s.reader().one(ctx, `SELECT `+chatColumns+` FROM chats c WHERE c.account_id = $1 AND c.jid = $2 AND c.workspace_id = $3`,
			[]any{accountID, string(peer.JID), workspaceID}, chatFields(&c)...)
	}
	if errors.Is(err, sql.ErrNoRows) && peer.LID != "" {
		err = s.reader().one(ctx, `SELECT `+chatColumns+` FROM chats c WHERE c.account_id = $1 AND c.lid = $2 AND c.lid <> '' AND c.workspace_id = $3`,
			[]any{accountID, string(peer.LID), workspaceID}, chatFields(&c)...)
	}
	return c, failed("chat with", missing(err, "chat"))
}

// ChatByName implements store.Chats.
func (s *Store) ChatByName(ctx context.Context, workspaceID int64, name string) (c tideline.Chat, err error) {
	err = s.reader().one(ctx, `SELECT `+chatColumns+` FROM chats c WHERE c.workspace_id = $1 AND c.name = $2`,
		[]any{workspaceID, name}, chatFields(&c)...)
	return c, failed("chat by name", missing(err, "chat"))
}

// ChatLabels implements store.Chats.
func (s *Store) ChatLabels(ctx context.Context, workspaceID, chatID int64) ([]string, error) {
	c, err := s.Chat(ctx, workspaceID, chatID)
	if err != nil {
		return nil, err
	}
	names, err := s.reader().chatLabels(ctx, workspaceID, c.ID)
	return names, failed("chat labels", err)
}

// label is a label of a workspace, by name.
type label struct {
	workspaceID int64
	name        string
}

var (
	selectLabels = newMulti(`SELECT l.id, l.workspace_id, l.name FROM (VALUES `,
		`) AS v CROSS JOIN labels l WHERE l.workspace_id = v.column1 AND l.name = v.column2`, "BIGINT", "TEXT")
	insertLabels     = newInsert(`labels (id, workspace_id, name)`, "(?, ?, ?)", "")
	insertChatLabels = newInsert(`chat_labels (chat_id, label_id)`, "(?, ?)", ` ON CONFLICT (chat_id, label_id) DO NOTHING`)
)

// attachLabels attaches the labels of accepted jobs to their chats and makes
// the labels that are missing.
func (t *tx) attachLabels(ctx context.Context, jobs []*job) error {
	ids := make(map[label]int64)
	var wanted []any
	for _, j := range jobs {
		l := label{j.accept.WorkspaceID, j.accept.Label}
		if _, ok := ids[l]; ok || l.name == "" {
			continue
		}
		ids[l] = 0
		wanted = append(wanted, l.workspaceID, l.name)
	}
	if len(wanted) == 0 {
		return nil
	}
	err := t.eachAll(ctx, selectLabels, wanted, func(r *sql.Rows) error {
		var l label
		var id int64
		err := r.Scan(&id, &l.workspaceID, &l.name)
		ids[l] = id
		return err
	})
	if err != nil {
		return err
	}
	if err := t.makeLabels(ctx, wanted, ids); err != nil {
		return err
	}
	var args []any
	for _, j := range jobs {
		if j.accept.Label != "" {
			args = append(args, j.accepted.ChatID, ids[label{j.accept.WorkspaceID, j.accept.Label}])
			t.tellChat(j.accept.WorkspaceID, j.accept.AccountID, j.accepted.ChatID)
		}
	}
	return t.execAll(ctx, insertChatLabels, args)
}

// makeLabels inserts the labels among wanted that have no id yet.
func (t *tx) makeLabels(ctx context.Context, wanted []any, ids map[label]int64) error {
	var missing []label
	for i := 0; i < len(wanted); i += 2 {
		l := label{wanted[i].(int64), wanted[i+1].(string)}
		if ids[l] == 0 {
			missing = append(missing, l)
		}
	}
	drawn, err := t.draw(ctx, "labels", len(missing))
	if err != nil {
		return err
	}
	args := make([]any, 0, 3*len(missing))
	for i, l := range missing {
		ids[l] = drawn[i]
		args = append(args, drawn[i], l.workspaceID, l.name)
		t.tellSettings(l.workspaceID)
	}
	return t.execAll(ctx, insertLabels, args)
}
