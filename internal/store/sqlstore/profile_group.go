package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// NameContacts implements store.Profiles. Most contacts have no chat and most
// names are known, so the balance is locked only when there is something to do. Any node
// may do it: it reads what is stored, and asks WhatsApp nothing.
func (s *Store) NameContacts(ctx context.Context, workspaceID, accountID int64, contacts []tideline.Peer) error {
	return s.write(ctx, "name contacts", s.fenced(func(ctx context.Context, t *tx) error {
		if _, err := t.account(ctx, workspaceID, accountID); err != nil {
			return err
		}
		locked := false
		for {
			chats, err := t.namedAfter(ctx, workspaceID, accountID, contacts)
			if err != nil || len(chats) == 0 {
				return err
			}
			if !locked {
				if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
					return err
				}
				locked = true
				continue // they may have changed meanwhile
			}
			x := &peerIndex{t: t}
			for _, c := range chats {
				if err := x.rename(ctx, c.chat, c.name, c.name); err != nil {
					return err
				}
			}
			return nil
		}
	}))
}

// renaming is a chat with the name that it is to have.
type renaming struct {
	chat *knownChat
	name string
}

// namedAfter finds the chats that take the names of contacts.
func (t *tx) namedAfter(ctx context.Context, workspaceID, accountID int64, contacts []tideline.Peer) ([]renaming, error) {
	var found []renaming
	seen := make(map[int64]bool)
	for _, by := range []struct {
		query   *multi
		address func(tideline.Peer) tideline.JID
	}{
		{selectChatsByJID, func(p tideline.Peer) tideline.JID { return p.JID }},
		{selectChatsByLID, func(p tideline.Peer) tideline.JID { return p.LID }},
	} {
		names := make(map[tideline.JID]string, len(contacts))
		var args []any
		for _, p := range contacts {
			if a := by.address(p); a != "" && p.Name != "" && names[a] == "" {
				names[a] = p.Name
				args = append(args, accountID, string(a))
			}
		}
		err := t.eachAll(ctx, by.query, args, func(r *sql.Rows) error {
			c := &knownChat{}
			if err := r.Scan(&c.id, &c.workspaceID, &c.accountID, &c.jid, &c.lid, &c.name, &c.auto); err != nil {
				return err
			}
			name := names[c.jid]
			if by.query == selectChatsByLID {
				name = names[c.lid]
			}
			if !seen[c.id] && c.workspaceID == workspaceID && c.follows(name) {
				seen[c.id] = true
				found = append(found, renaming{c, name})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b renaming) int { return int(a.chat.id - b.chat.id) })
	return found, nil
}

// PutGroup implements store.Profiles.
func (s *Store) PutGroup(ctx context.Context, workspaceID, chatID int64, g tideline.Group) error {
	return s.write(ctx, "put group", s.fenced(func(ctx context.Context, t *tx) error {
		// Names are given under the lock of the balance, see findChats.
		if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
			return err
		}
		c := &knownChat{}
		var bar tideline.Bar
		err := t.one(ctx, `SELECT `+knownChatColumns+`, c.bar FROM chats c WHERE c.id = $1 AND c.workspace_id = $2`,
			[]any{chatID, workspaceID}, &c.id, &c.workspaceID, &c.accountID, &c.jid, &c.lid, &c.name, &c.auto, &bar)
		if err != nil {
			return missing(err, "chat")
		}
		if bar != g.Bar {
			t.tellChat(workspaceID, c.accountID, chatID)
			if _, err := t.exec(ctx, `UPDATE chats SET bar = $1 WHERE id = $2 AND workspace_id = $3`, string(g.Bar), chatID, workspaceID); err != nil {
				return err
			}
		}
		if g.Bar == tideline.BarLeft {
			n, err := t.exec(ctx, `DELETE FROM group_members WHERE chat_id = $1 AND workspace_id = $2
				AND jid = (SELECT a.jid FROM accounts a WHERE a.id = $3)`, chatID, workspaceID, c.accountID)
			if n > 0 {
				t.tellChat(workspaceID, c.accountID, chatID)
			}
			return err
		}
		if c.follows(g.Subject) {
			if err := (&peerIndex{t: t}).rename(ctx, c, g.Subject, g.Subject); err != nil {
				return err
			}
		}
		changed, err := t.putMembers(ctx, workspaceID, chatID, g.Members)
		if changed {
			t.tellChat(workspaceID, c.accountID, chatID)
		}
		return err
	}))
}

// BarOf implements store.Chats.
func (s *Store) BarOf(ctx context.Context, workspaceID, accountID int64, group tideline.JID) (tideline.Bar, error) {
	var bar tideline.Bar
	err := s.reader().one(ctx, `SELECT c.bar FROM chats c WHERE c.account_id = $1 AND c.jid = $2 AND c.workspace_id = $3`,
		[]any{accountID, string(group), workspaceID}, &bar)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return bar, failed("bar of a group", err)
}

var (
	selectMembers = newMulti(`SELECT gm.jid, gm.lid, gm.name, gm.role FROM (VALUES `,
		`) AS v CROSS JOIN group_members gm WHERE gm.chat_id = v.column1 AND gm.workspace_id = v.column2 ORDER BY gm.place`, "BIGINT", "BIGINT")
	insertMembers = newInsert(`group_members (chat_id, place, workspace_id, jid, lid, phone, name, role)`, "(?, ?, ?, ?, ?, ?, ?, ?)", "")
)

// putMembers stores the members of a group, if they changed, and reports whether
// they did. One whose name is not told keeps the one that is known.
func (t *tx) putMembers(ctx context.Context, workspaceID, chatID int64, members []tideline.GroupMember) (changed bool, err error) {
	var old []tideline.GroupMember
	names := make(map[tideline.JID]string)
	err = t.eachAll(ctx, selectMembers, []any{chatID, workspaceID}, func(r *sql.Rows) error {
		var m tideline.GroupMember
		err := r.Scan(&m.Peer.JID, &m.Peer.LID, &m.Peer.Name, &m.Role)
		old = append(old, m)
		names[m.Peer.JID], names[m.Peer.LID] = m.Peer.Name, m.Peer.Name
		return err
	})
	if err != nil {
		return false, err
	}
	delete(names, "")
	members = slices.Clone(members)
	for i := range members {
		if p := &members[i].Peer; p.Name == "" {
			p.Name = names[p.JID]
			if p.Name == "" {
				p.Name = names[p.LID]
			}
		}
	}
	if slices.Equal(old, members) {
		return false, nil
	}
	if _, err := t.exec(ctx, `DELETE FROM group_members WHERE chat_id = $1 AND workspace_id = $2`, chatID, workspaceID); err != nil {
		return false, err
	}
	rows := make([]any, 0, len(members)*insertMembers.cols)
	for i, m := range members {
		rows = append(rows, chatID, i, workspaceID, string(m.Peer.JID), string(m.Peer.LID), string(m.Peer.Phone()), m.Peer.Name, string(m.Role))
	}
	return true, t.execAll(ctx, insertMembers, rows)
}

var (
	selectMemberViews = newMulti(`SELECT gm.chat_id, gm.place, gm.name, gm.phone, gm.role, coalesce(byjid.id, bylid.id), coalesce(byjid.name, bylid.name)
		FROM (VALUES `, `) AS v CROSS JOIN group_members gm JOIN chats c ON c.id = gm.chat_id
		LEFT JOIN chats byjid ON byjid.account_id = c.account_id AND byjid.jid = gm.jid
		LEFT JOIN chats bylid ON bylid.account_id = c.account_id AND bylid.lid = gm.lid AND bylid.lid <> ''
		WHERE gm.chat_id = v.column1 AND gm.workspace_id = v.column2 ORDER BY gm.chat_id, gm.place`, "BIGINT", "BIGINT")
	selectPhotos = newMulti(`SELECT p.chat_id, f.uid FROM (VALUES `,
		`) AS v CROSS JOIN profiles p JOIN files f ON f.id = p.file_id AND f.workspace_id = p.workspace_id
		WHERE p.chat_id = v.column1 AND p.workspace_id = v.column2`, "BIGINT", "BIGINT")
)

// addProfiles reads the pictures of chats and the members of groups.
func (t *tx) addProfiles(ctx context.Context, workspaceID int64, views []store.ChatView) error {
	place := make(map[int64]*store.ChatView, len(views))
	var all, groups []any
	for i := range views {
		v := &views[i]
		place[v.Chat.ID] = v
		all = append(all, v.Chat.ID, workspaceID)
		if v.Chat.JID.IsGroup() {
			groups = append(groups, v.Chat.ID, workspaceID)
		}
	}
	err := t.eachAll(ctx, selectPhotos, all, func(r *sql.Rows) error {
		var id int64
		var uid string
		err := r.Scan(&id, &uid)
		place[id].PhotoUID = uid
		return err
	})
	if err != nil {
		return err
	}
	return t.eachAll(ctx, selectMemberViews, groups, func(r *sql.Rows) error {
		var m store.GroupMemberView
		var id, pos int64
		var name sql.NullString
		if err := r.Scan(&id, &pos, &m.Name, &m.Phone, &m.Role, orZero{&m.ChatID}, &name); err != nil {
			return err
		}
		if name.String != "" {
			m.Name = name.String
		}
		place[id].Members = append(place[id].Members, m)
		return nil
	})
}
