package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// knownChat is a chat as finding the chat of a peer needs it.
type knownChat struct {
	id          int64
	workspaceID int64
	accountID   int64
	jid, lid    tideline.JID
	name        string
	auto        string // the name that WhatsApp gave last; "" = none yet
	fresh       bool   // made by this batch
}

// named reports whether the chat has a name. One that is only an address, perhaps
// with a number behind it, gives way to every other.
func (c *knownChat) named() bool {
	for _, address := range []string{string(c.jid), string(c.jid.Phone()), string(c.lid)} {
		if address != "" && isNumbered(c.name, address) {
			return false
		}
	}
	return true
}

// chosen reports whether somebody chose the chat's name, a send or the team. Then
// it doesn't follow WhatsApp.
func (c *knownChat) chosen() bool {
	return c.named() && (c.auto == "" || !isNumbered(c.name, c.auto))
}

// follows reports whether the chat takes a name that WhatsApp tells.
func (c *knownChat) follows(name string) bool {
	return name != "" && !c.chosen() && (c.auto != shortened(name) || !c.named())
}

// peerIndex finds chats by both of a contact's addresses.
type peerIndex struct {
	t     *tx
	byJID map[chatKey]*knownChat
	byLID map[chatKey]*knownChat
}

const knownChatColumns = `c.id, c.workspace_id, c.account_id, c.jid, c.lid, c.name, c.auto_name`

var (
	selectChatsByJID = newMulti(`SELECT `+knownChatColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN chats c WHERE c.account_id = v.column1 AND c.jid = v.column2`, "BIGINT", "TEXT")
	selectChatsByLID = newMulti(`SELECT `+knownChatColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN chats c WHERE c.account_id = v.column1 AND c.lid = v.column2 AND c.lid <> ''`, "BIGINT", "TEXT")
)

// indexPeers reads the chats of the peers that jobs name.
func (t *tx) indexPeers(ctx context.Context, jobs []*job) (*peerIndex, error) {
	x := &peerIndex{t: t, byJID: make(map[chatKey]*knownChat), byLID: make(map[chatKey]*knownChat)}
	seen := make(map[chatKey]bool)
	var jids, lids []any
	for _, j := range jobs {
		in := j.receive
		if k := (chatKey{in.AccountID, in.Chat.JID}); k.jid != "" && !seen[k] {
			seen[k] = true
			jids = append(jids, k.accountID, string(k.jid))
		}
		if k := (chatKey{in.AccountID, in.Chat.LID}); k.jid != "" && !seen[k] {
			seen[k] = true
			lids = append(lids, k.accountID, string(k.jid))
		}
	}
	byID := make(map[int64]*knownChat)
	scan := func(r *sql.Rows) error {
		c := &knownChat{}
		if err := r.Scan(&c.id, &c.workspaceID, &c.accountID, &c.jid, &c.lid, &c.name, &c.auto); err != nil {
			return err
		}
		if byID[c.id] == nil {
			byID[c.id] = c
			x.add(c)
		}
		return nil
	}
	if err := t.askAll(ctx, selectChatsByJID, jids, scan); err != nil {
		return nil, err
	}
	if err := t.askAll(ctx, selectChatsByLID, lids, scan); err != nil {
		return nil, err
	}
	err := t.await(ctx)
	return x, err
}

func (x *peerIndex) add(c *knownChat) {
	x.byJID[chatKey{c.accountID, c.jid}] = c
	if c.lid != "" {
		x.byLID[chatKey{c.accountID, c.lid}] = c
	}
}

// settled reports whether finding the chat of a reception changes nothing.
func (x *peerIndex) settled(j *job) bool {
	in := j.receive
	byJID := x.byJID[chatKey{in.AccountID, in.Chat.JID}]
	byLID := x.byLID[chatKey{in.AccountID, in.Chat.LID}]
	c := byJID
	switch {
	case in.Chat.JID == "":
		c = byLID
	case in.Chat.LID != "" && byLID != byJID:
		return false
	}
	return c != nil && !c.follows(in.Chat.Name)
}

// chatOf gives the chat of a reception. It makes the chat, notes an address
// that is new, or lets the chat with the number take over the one without. The
// balance of the workspace must be locked unless settled reports true.
func (x *peerIndex) chatOf(ctx context.Context, j *job) (*knownChat, error) {
	in := j.receive
	peer := in.Chat
	c := x.byJID[chatKey{in.AccountID, peer.JID}]
	hidden := x.byLID[chatKey{in.AccountID, peer.LID}]
	var err error
	switch {
	case peer.JID == "":
		c = hidden
	case hidden != nil && hidden != c && !hidden.jid.IsLID():
		// The contact has another number now. What was said under the old one stays
		// there; the hidden id goes with the contact.
		err = x.setAddresses(ctx, hidden, hidden.jid, "")
	case hidden != nil && c == nil:
		c = hidden
		err = x.learnNumber(ctx, c, peer.JID)
	case hidden != nil && hidden != c:
		err = x.takeOver(ctx, c, hidden)
	}
	if err != nil {
		return nil, err
	}
	if c == nil {
		return x.make(ctx, j)
	}
	if peer.LID != "" && c.lid != peer.LID {
		if err := x.setAddresses(ctx, c, c.jid, peer.LID); err != nil {
			return nil, err
		}
	}
	// What a history calls somebody may be long out of date.
	if c.follows(peer.Name) && (!in.History || !c.named()) {
		return c, x.rename(ctx, c, peer.Name, peer.Name)
	}
	return c, nil
}

// make inserts a chat.
func (x *peerIndex) make(ctx context.Context, j *job) (*knownChat, error) {
	in := j.receive
	name := &chatName{in.WorkspaceID, shortened(in.Chat.Name)}
	if name.name == "" {
		name.name = automaticName(in.Chat)
	}
	if err := x.t.nameChats(ctx, []*chatName{name}); err != nil {
		return nil, err
	}
	ids, err := x.t.draw(ctx, "chats", 1)
	if err != nil {
		return nil, err
	}
	c := &knownChat{id: ids[0], workspaceID: in.WorkspaceID, accountID: in.AccountID,
		jid: in.Chat.Address(), lid: in.Chat.LID, name: name.name, auto: shortened(in.Chat.Name), fresh: true}
	x.add(c)
	created := in.ReceivedAt
	if in.History {
		created = in.At
	}
	_, err = x.t.exec(ctx, `INSERT INTO chats (id, workspace_id, account_id, jid, lid, phone, name, auto_name, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, c.id, c.workspaceID, c.accountID, string(c.jid), string(c.lid),
		string(in.Chat.Phone()), c.name, c.auto, created.UnixMilli())
	if err != nil {
		return nil, err
	}
	x.tell(c)
	return c, x.t.findable(ctx, c.searched())
}

// automaticName is what a chat is called whose peer has no name.
func automaticName(p tideline.Peer) string {
	if phone := p.Phone(); phone != "" {
		return string(phone)
	}
	return string(p.Address())
}

// shortened cuts a name to the length that a chat's name may have.
func shortened(name string) string {
	if r := []rune(name); len(r) > tideline.MaxChatName {
		return string(r[:tideline.MaxChatName])
	}
	return name
}

// isNumbered reports whether name is base or what numbered makes of it.
func isNumbered(name, base string) bool {
	if name == base {
		return true
	}
	rest, ok := strings.CutPrefix(name, base+" (")
	return ok && len(rest) > 1 && rest[len(rest)-1] == ')' && isDigits(rest[:len(rest)-1])
}

func isDigits(s string) bool {
	return s != "" && !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < '0' || b > '9' })
}

// setAddresses stores a chat's addresses.
func (x *peerIndex) setAddresses(ctx context.Context, c *knownChat, jid, lid tideline.JID) error {
	delete(x.byJID, chatKey{c.accountID, c.jid})
	delete(x.byLID, chatKey{c.accountID, c.lid})
	was := c.searched()
	c.jid, c.lid = jid, lid
	x.add(c)
	x.tell(c)
	_, err := x.t.exec(ctx, `UPDATE chats SET jid = $1, lid = $2, phone = $3 WHERE id = $4 AND workspace_id = $5`,
		string(jid), string(lid), string(jid.Phone()), c.id, c.workspaceID)
	if err != nil {
		return err
	}
	return x.t.refindable(ctx, was, c.searched())
}

// tell notes a change of a chat.
func (x *peerIndex) tell(c *knownChat) { x.t.tellChat(c.workspaceID, c.accountID, c.id) }

// learnNumber gives a chat that was known by hidden id only its number.
func (x *peerIndex) learnNumber(ctx context.Context, c *knownChat, number tideline.JID) error {
	automatic := !c.named()
	if err := x.t.nameReactors(ctx, c.id, c.lid, number); err != nil {
		return err
	}
	if err := x.setAddresses(ctx, c, number, c.lid); err != nil || !automatic {
		return err
	}
	return x.rename(ctx, c, string(number.Phone()), c.auto)
}

// rename gives a chat a name that is free. auto is the one that WhatsApp gave.
func (x *peerIndex) rename(ctx context.Context, c *knownChat, wish, auto string) error {
	name := &chatName{c.workspaceID, shortened(wish)}
	auto = shortened(auto)
	if isNumbered(c.name, name.name) {
		if c.auto == auto {
			return nil
		}
		name.name = c.name
	} else if err := x.t.nameChats(ctx, []*chatName{name}); err != nil {
		return err
	}
	was := c.searched()
	c.name, c.auto = name.name, auto
	x.tell(c)
	_, err := x.t.exec(ctx, `UPDATE chats SET name = $1, auto_name = $2 WHERE id = $3 AND workspace_id = $4`, c.name, c.auto, c.id, c.workspaceID)
	if err != nil {
		return err
	}
	return x.t.refindable(ctx, was, c.searched())
}

// takeOver moves all that is in the chat from, which is known by hidden id
// only, to the chat to of the same contact, and removes from.
func (x *peerIndex) takeOver(ctx context.Context, to, from *knownChat) error {
	t := x.t
	gone := tideline.Change{WorkspaceID: from.workspaceID, Kind: tideline.ChangeChat, AccountID: from.accountID, ChatID: from.id}
	err := t.one(ctx, `SELECT responsible_id FROM chats WHERE id = $1 AND workspace_id = $2`, []any{from.id, from.workspaceID}, orZero{&gone.Formerly})
	if err != nil {
		return err
	}
	t.tell(gone)
	if err := t.nameReactors(ctx, from.id, from.lid, to.jid); err != nil {
		return err
	}
	const there = `SELECT d.id FROM messages d WHERE d.chat_id = $2 AND d.at IS NOT NULL AND NOT d.from_me AND EXISTS (
		SELECT 1 FROM messages k WHERE k.account_id = d.account_id AND k.chat_id = $1 AND k.whatsapp_id = d.whatsapp_id AND NOT k.from_me)`
	// The other copy of a message that came to both chats.
	const twin = ` FROM messages d WHERE d.account_id = messages.account_id AND d.chat_id = $2
		AND d.whatsapp_id = messages.whatsapp_id AND NOT d.from_me AND `
	const kept = ` WHERE chat_id = $1 AND at IS NOT NULL AND NOT from_me AND deleted_at IS NULL AND EXISTS (SELECT 1` + twin
	// What is not fetched any more because its message was deleted.
	if err := t.announceDownloads(ctx, `m.chat_id = $1 AND EXISTS (SELECT 1 FROM messages o WHERE o.account_id = m.account_id
		AND o.chat_id = $2 AND o.whatsapp_id = m.whatsapp_id AND NOT o.from_me AND o.deleted_at IS NOT NULL)`, to.id, from.id); err != nil {
		return err
	}
	for _, query := range []string{
		// What came to both chats stays once, as it was last changed in either.
		`UPDATE messages SET (text, edited_at) = (SELECT d.text, d.edited_at` + twin + `d.edited_at IS NOT NULL)` + kept +
			`d.edited_at IS NOT NULL AND (messages.edited_at IS NULL OR d.edited_at > messages.edited_at))`,
		`DELETE FROM downloads WHERE message_id IN (SELECT messages.id FROM messages` + kept + `d.deleted_at IS NOT NULL))`,
		`UPDATE messages SET text = '', file_id = NULL, data = '', deleted_at = (SELECT d.deleted_at` + twin + `d.deleted_at IS NOT NULL)` + kept +
			`d.deleted_at IS NOT NULL)`,
		// What came to one of them live is no history.
		`UPDATE messages SET data = ` + unmarked + ` WHERE chat_id = $1 AND at IS NOT NULL AND NOT from_me AND data` + markedSQL +
			` AND EXISTS (SELECT 1` + twin + `NOT d.data` + markedSQL + `)`,
		`DELETE FROM downloads WHERE message_id IN (` + there + `)`,
		`DELETE FROM messages WHERE id IN (` + there + `)`,
		`UPDATE messages SET chat_id = $1 WHERE chat_id = $2 AND at IS NOT NULL`,
		`INSERT INTO chat_labels (chat_id, label_id) SELECT CAST($1 AS BIGINT), l.label_id FROM chat_labels l WHERE l.chat_id = $2
			ON CONFLICT (chat_id, label_id) DO NOTHING`,
		`INSERT INTO reactions (chat_id, whatsapp_id, sender, sender_lid, name, emoji, at, workspace_id)
			SELECT CAST($1 AS BIGINT), r.whatsapp_id, r.sender, r.sender_lid, r.name, r.emoji, r.at, r.workspace_id FROM reactions r WHERE r.chat_id = $2
			ON CONFLICT (chat_id, whatsapp_id, sender) DO UPDATE SET emoji = excluded.emoji, at = excluded.at
			WHERE excluded.at > reactions.at`,
		`INSERT INTO amendments (chat_id, whatsapp_id, sender, sender_lid, from_me, deletes, text, at, workspace_id)
			SELECT CAST($1 AS BIGINT), a.whatsapp_id, a.sender, a.sender_lid, a.from_me, a.deletes, a.text, a.at, a.workspace_id
			FROM amendments a WHERE a.chat_id = $2 ON CONFLICT (chat_id, whatsapp_id, sender, deletes) DO NOTHING`,
		`UPDATE chats SET
			unread = unread + (SELECT f.unread FROM chats f WHERE f.id = $2),
			closed = closed AND (SELECT f.closed FROM chats f WHERE f.id = $2),
			responsible_id = coalesce(responsible_id, (SELECT f.responsible_id FROM chats f WHERE f.id = $2)),
			auto_reply = auto_reply OR (SELECT f.auto_reply FROM chats f WHERE f.id = $2),
			met = met OR (SELECT f.met FROM chats f WHERE f.id = $2),
			created_at = CASE WHEN created_at < (SELECT f.created_at FROM chats f WHERE f.id = $2) THEN created_at
				ELSE (SELECT f.created_at FROM chats f WHERE f.id = $2) END
			WHERE id = $1`,
		`UPDATE chat_aliases SET now_id = $1 WHERE now_id = $2`,
		`INSERT INTO chat_aliases (chat_id, workspace_id, now_id) SELECT c.id, c.workspace_id, CAST($1 AS BIGINT) FROM chats c WHERE c.id = $2`,
	} {
		if _, err := t.exec(ctx, query, to.id, from.id); err != nil {
			return err
		}
	}
	// Of a chat without an index for them: those that wait in the queue.
	if _, err := t.exec(ctx, `UPDATE messages SET chat_id = $1 WHERE chat_id = $2 AND id IN
		(SELECT o.message_id FROM outbox o WHERE o.account_id = $3)`, to.id, from.id, to.accountID); err != nil {
		return err
	}
	for _, table := range []string{`chat_labels`, `reactions`, `amendments`} {
		if _, err := t.exec(ctx, `DELETE FROM `+table+` WHERE chat_id = $1`, from.id); err != nil {
			return err
		}
	}
	if err := t.mergeProfiles(ctx, to.workspaceID, to.id, from.id); err != nil {
		return err
	}
	_, err = t.exec(ctx, `DELETE FROM chats WHERE id = $1 AND workspace_id = $2`, from.id, from.workspaceID)
	if err != nil {
		return err
	}
	if err := t.refindable(ctx, from.searched(), searched{workspaceID: from.workspaceID, chatID: from.id}); err != nil {
		return err
	}
	delete(x.byJID, chatKey{from.accountID, from.jid})
	delete(x.byLID, chatKey{from.accountID, from.lid})
	switch {
	case from.chosen() && !to.chosen():
		err = x.rename(ctx, to, from.name, to.auto)
	case from.named() && !to.named():
		err = x.rename(ctx, to, from.auto, from.auto)
	}
	if err != nil {
		return err
	}
	if err := x.setAddresses(ctx, to, to.jid, from.lid); err != nil {
		return err
	}
	if err := t.applyMoved(ctx, to); err != nil {
		return err
	}
	return t.findLatest(ctx, to.id)
}

// latestMessages is the last message of chats, by id.
type latestMessages map[int64]latestMessage

type latestMessage struct{ id, at int64 }

func (l latestMessages) note(chatID, messageID, at int64) {
	if m, ok := l[chatID]; !ok || at > m.at || at == m.at && messageID > m.id {
		l[chatID] = latestMessage{messageID, at}
	}
}

var updateLatest = newMulti(`UPDATE chats SET last_message_id = v.column2, last_at = v.column3 FROM (VALUES `,
	`) AS v WHERE chats.id = v.column1 AND chats.last_at <= v.column3`, "BIGINT", "BIGINT", "BIGINT")

// saveLatest notes last messages, in the order of the chats' ids.
func (t *tx) saveLatest(ctx context.Context, latest latestMessages) error {
	args := make([]any, 0, len(latest)*updateLatest.cols)
	for _, id := range sortedKeys(latest) {
		args = append(args, id, latest[id].id, latest[id].at)
	}
	return t.execAll(ctx, updateLatest, args)
}

// findLatest looks for the last message of a chat.
func (t *tx) findLatest(ctx context.Context, chatID int64) error {
	var m latestMessage
	err := t.one(ctx, `SELECT m.id, m.at FROM messages m WHERE m.chat_id = $1 AND m.at IS NOT NULL
		AND m.kind <> '`+string(tideline.KindNote)+`' ORDER BY m.at DESC, m.id DESC LIMIT 1`, []any{chatID}, &m.id, &m.at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE chats SET last_message_id = $1, last_at = $2 WHERE id = $3`, m.id, m.at, chatID)
	return err
}

func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
