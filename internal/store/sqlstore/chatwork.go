package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// UpdateChat implements store.ChatWork.
func (s *Store) UpdateChat(ctx context.Context, workspaceID, chatID int64, u store.ChatUpdate) error {
	return s.write(ctx, "update chat", func(ctx context.Context, t *tx) error {
		if u.Name != nil {
			// Names are given under the lock of the balance, see findChats.
			if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
				return err
			}
		}
		c, err := t.chat(ctx, workspaceID, chatID)
		if err != nil {
			return err
		}
		changed := tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeChat, AccountID: c.AccountID, ChatID: c.ID}
		var news int64 // how much of it is
		if u.Name != nil {
			if err := t.chooseName(ctx, &c, *u.Name); err != nil {
				return err
			}
			news++
			if err := t.audited(ctx, aboutChat(&c, tideline.AuditChatRenamed, u.At, diff(nil, "name", c.Name, *u.Name)...)); err != nil {
				return err
			}
		}
		if u.Responsible != nil && *u.Responsible != c.Responsible {
			if err := t.assign(ctx, &c, *u.Responsible, u); err != nil {
				return err
			}
			changed.Formerly = c.Responsible
			news++
		}
		if u.Read != nil {
			unread := `unread = 1 WHERE unread = 0`
			if *u.Read {
				unread = `unread = 0 WHERE unread <> 0`
			}
			n, err := t.exec(ctx, `UPDATE chats SET `+unread+` AND id = $1 AND workspace_id = $2`, c.ID, workspaceID)
			if err != nil {
				return err
			}
			news += n
		}
		for _, flag := range []struct {
			column string
			value  *bool
		}{{"closed", u.Closed}, {"auto_reply", u.AutoReply}} {
			if flag.value == nil {
				continue
			}
			n, err := t.exec(ctx, `UPDATE chats SET `+flag.column+` = $1 WHERE id = $2 AND workspace_id = $3 AND `+flag.column+` <> $1`,
				*flag.value, c.ID, workspaceID)
			if err != nil {
				return err
			}
			news += n
		}
		if news > 0 {
			t.tell(changed)
		}
		return t.auditFlags(ctx, &c, u)
	})
}

// chooseName gives a chat the name that a person wants; it must be free.
func (t *tx) chooseName(ctx context.Context, c *tideline.Chat, name string) error {
	var other int64
	err := t.one(ctx, `SELECT id FROM chats WHERE workspace_id = $1 AND name = $2 AND id <> $3`, []any{c.WorkspaceID, name, c.ID}, &other)
	if err == nil {
		return tideline.Errorf(tideline.CodeConflict, "another chat of the workspace has this name")
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	// Also when it is WhatsApp's: from now on it is chosen.
	_, err = t.exec(ctx, `UPDATE chats SET name = $1, auto_name = '' WHERE id = $2 AND workspace_id = $3`, name, c.ID, c.WorkspaceID)
	if err != nil {
		return err
	}
	return t.refindable(ctx, searched{c.WorkspaceID, c.ID, c.Name, c.JID}, searched{c.WorkspaceID, c.ID, name, c.JID})
}

// assign makes a present member responsible for a chat, or nobody with 0, and
// says so; u tells who did it and when.
func (t *tx) assign(ctx context.Context, c *tideline.Chat, memberID int64, u store.ChatUpdate) error {
	e := tideline.Event{WorkspaceID: c.WorkspaceID, Kind: tideline.EventChatUnassigned, At: u.At, AccountID: c.AccountID, ChatID: c.ID, MemberID: u.By}
	const who = `SELECT display_name, email FROM members WHERE workspace_id = $1 AND id = $2`
	if memberID != 0 {
		e.Kind = tideline.EventChatAssigned
		err := t.one(ctx, who+` AND removed_at IS NULL`, []any{c.WorkspaceID, memberID}, &e.Detail.ResponsibleName, &e.Detail.ResponsibleEmail)
		if err != nil {
			return missing(err, "member")
		}
	}
	if c.Responsible != 0 {
		err := t.one(ctx, who, []any{c.WorkspaceID, c.Responsible}, &e.Detail.PreviousName, &e.Detail.PreviousEmail)
		if err != nil {
			return err
		}
	}
	_, err := t.exec(ctx, `UPDATE chats SET responsible_id = $1 WHERE id = $2 AND workspace_id = $3`,
		orNull(memberID), c.ID, c.WorkspaceID)
	if err != nil {
		return err
	}
	t.emit(e)
	action := tideline.AuditChatAssigned
	if memberID == 0 {
		action = tideline.AuditChatUnassigned
	}
	return t.audit(ctx, aboutChat(c, action, u.At, tideline.AuditChange{Field: "responsible", Old: e.Detail.PreviousName, New: e.Detail.ResponsibleName}))
}

// unassignAll takes the chats of a member who leaves from them, and says so.
func (t *tx) unassignAll(ctx context.Context, workspaceID, memberID int64, at time.Time) error {
	var detail tideline.EventDetail
	err := t.one(ctx, `SELECT display_name, email FROM members WHERE workspace_id = $1 AND id = $2`, []any{workspaceID, memberID},
		&detail.PreviousName, &detail.PreviousEmail)
	if err != nil {
		return err
	}
	if err := t.auditUnassigned(ctx, workspaceID, memberID, detail.PreviousName, at); err != nil {
		return err
	}
	var events []tideline.Event
	err = t.each(ctx, `UPDATE chats SET responsible_id = NULL WHERE workspace_id = $1 AND responsible_id = $2 RETURNING id, account_id`,
		[]any{workspaceID, memberID}, func(r *sql.Rows) error {
			e := tideline.Event{WorkspaceID: workspaceID, Kind: tideline.EventChatUnassigned, At: at, Detail: detail}
			err := r.Scan(&e.ChatID, &e.AccountID)
			events = append(events, e)
			return err
		})
	if err != nil {
		return err
	}
	slices.SortFunc(events, func(a, b tideline.Event) int { return cmp.Compare(a.ChatID, b.ChatID) })
	for _, e := range events {
		t.emit(e)
		t.tell(tideline.Change{WorkspaceID: workspaceID, Kind: tideline.ChangeChat, AccountID: e.AccountID, ChatID: e.ChatID, Formerly: memberID})
	}
	return nil
}

// PutLabels implements store.ChatWork. Labels are made under the lock of the
// balance, as by acceptances, so that nobody makes the same one.
func (s *Store) PutLabels(ctx context.Context, workspaceID, chatID int64, labels []string, replace bool) ([]string, error) {
	var names []string
	err := s.write(ctx, "put labels", func(ctx context.Context, t *tx) error {
		if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
			return err
		}
		c, err := t.chat(ctx, workspaceID, chatID)
		if err != nil {
			return err
		}
		ids, err := t.labelIDs(ctx, workspaceID, labels)
		if err != nil {
			return err
		}
		before, err := t.chatLabels(ctx, workspaceID, c.ID)
		if err != nil {
			return err
		}
		if replace {
			if _, err := t.exec(ctx, `DELETE FROM chat_labels WHERE chat_id = $1`, c.ID); err != nil {
				return err
			}
		}
		args := make([]any, 0, 2*len(ids))
		for _, id := range ids {
			args = append(args, c.ID, id)
		}
		if err := t.execAll(ctx, insertChatLabels, args); err != nil {
			return err
		}
		t.tellChat(workspaceID, c.AccountID, c.ID)
		if names, err = t.chatLabels(ctx, workspaceID, c.ID); err != nil {
			return err
		}
		return t.audited(ctx, aboutChat(&c, tideline.AuditChatLabelled, time.Time{},
			diff(nil, "labels", strings.Join(before, ", "), strings.Join(names, ", "))...))
	})
	return names, err
}

// labelIDs gives the ids of labels, of which it makes those that are missing.
func (t *tx) labelIDs(ctx context.Context, workspaceID int64, names []string) ([]int64, error) {
	ids := make(map[label]int64, len(names))
	var wanted []any
	for _, name := range names {
		if !slices.Contains(wanted, any(name)) {
			wanted = append(wanted, workspaceID, name)
		}
	}
	err := t.eachAll(ctx, selectLabels, wanted, func(r *sql.Rows) error {
		var l label
		var id int64
		err := r.Scan(&id, &l.workspaceID, &l.name)
		ids[l] = id
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := t.makeLabels(ctx, wanted, ids); err != nil {
		return nil, err
	}
	list := make([]int64, 0, len(ids))
	for _, id := range ids {
		list = append(list, id)
	}
	slices.Sort(list)
	return list, nil
}

// chatLabels gives the names of a chat's labels in alphabetical order.
func (t *tx) chatLabels(ctx context.Context, workspaceID, chatID int64) ([]string, error) {
	var names []string
	err := t.each(ctx, `SELECT l.name FROM chat_labels cl JOIN labels l ON l.id = cl.label_id
		WHERE cl.chat_id = $1 AND l.workspace_id = $2`, []any{chatID, workspaceID}, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		names = append(names, name)
		return err
	})
	slices.Sort(names) // the databases collate differently
	return names, err
}

// AddNote implements store.ChatWork. A note has no WhatsApp id and was never
// sent, so nothing that comes from WhatsApp can refer to it.
func (s *Store) AddNote(ctx context.Context, n store.Note) error {
	return s.write(ctx, "add note", func(ctx context.Context, t *tx) error {
		c, err := t.chat(ctx, n.WorkspaceID, n.ChatID)
		if err != nil {
			return err
		}
		private := "false"
		if n.Private {
			private = "true"
		}
		data, err := encodeData(map[string]string{tideline.DataPrivate: private})
		if err != nil {
			return err
		}
		at := n.At.UnixMilli()
		var id int64
		err = t.one(ctx, `INSERT INTO messages (uid, workspace_id, account_id, chat_id, member_id, whatsapp_id, from_me, text, kind,
			data, origin, status, reason, credits, accepted_at, at)
			VALUES ($1, $2, $3, $4, $5, '', TRUE, $6, $7, $8, $9, $10, '', 0, $11, $11) RETURNING id`,
			[]any{n.UID, n.WorkspaceID, c.AccountID, c.ID, orNull(n.MemberID), n.Text, string(tideline.KindNote), data,
				string(tideline.OriginPublicAPI), string(tideline.StatusSent), at}, &id)
		t.tellMessage(n.WorkspaceID, c.AccountID, c.ID, id)
		return err
	})
}
