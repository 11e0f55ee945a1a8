package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// amendmentWindow is how long an edit or a deletion waits for its message. A
// phone repeats a message that could not be decrypted for days; most of the kept
// ones belong to messages from before the account was paired.
const amendmentWindow = 30 * 24 * time.Hour

// amend applies the reactions, edits and deletions among the jobs, and those
// that were kept for the new messages.
func (r *reception) amend(ctx context.Context) error {
	if err := r.applyKept(ctx); err != nil {
		return err
	}
	keys := make([]targetKey, 0, len(r.jobs))
	for _, j := range r.jobs {
		if id := targetOf(j.receive); id != "" {
			keys = append(keys, targetKey{j.receive.AccountID, r.chats[j].id, id})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	targets, err := r.t.findTargets(ctx, keys)
	if err != nil {
		return err
	}
	if err := r.announceReactions(ctx, targets); err != nil {
		return err
	}
	var reactions []any
	last := make(map[reactionKey]int) // index in reactions of a key's row
	for _, j := range r.jobs {
		in := j.receive
		id := targetOf(in)
		if id == "" {
			continue
		}
		m := targets[targetKey{in.AccountID, r.chats[j].id, id}]
		if m != nil {
			j.received.MessageID, j.received.UID = m.id, m.uid
		}
		if in.Reaction == nil {
			if err := r.change(ctx, j, m); err != nil {
				return err
			}
			continue
		}
		// One statement must not have two rows for the same key.
		k := reactionKey{r.chats[j].id, id, senderKey(in, r.chats[j])}
		row := []any{k.chatID, id, k.sender, string(in.Sender.LID), in.Sender.Name, in.Reaction.Emoji, in.Reaction.At.UnixMilli(), in.WorkspaceID}
		switch at, twice := last[k]; {
		case !twice:
			last[k] = len(reactions)
			reactions = append(reactions, row...)
		case row[6].(int64) >= reactions[at+6].(int64):
			copy(reactions[at:], row)
		}
	}
	return r.t.execAll(ctx, upsertReactions, reactions)
}

// targetOf is the WhatsApp id of the message that a reception is about.
func targetOf(in *store.Reception) string {
	switch {
	case in.Reaction != nil:
		return in.Reaction.Target
	case in.Edit != nil:
		return in.Edit.Target
	case in.Delete != nil:
		return in.Delete.Target
	}
	return ""
}

type reactionKey struct {
	chatID     int64
	whatsAppID string
	sender     string
}

// senderKey is who did something in a chat, as it is stored: "" for the account
// itself. In a direct chat the other one has the chat's address, by whatever
// address they are named this time.
func senderKey(in *store.Reception, c *knownChat) string {
	switch {
	case in.FromMe:
		return ""
	case c.jid.IsGroup():
		return string(in.Sender.Address())
	}
	return string(c.jid)
}

var upsertReactions = newInsert(`reactions (chat_id, whatsapp_id, sender, sender_lid, name, emoji, at, workspace_id)`,
	`(?, ?, ?, ?, ?, ?, ?, ?)`, ` ON CONFLICT (chat_id, whatsapp_id, sender) DO UPDATE SET
	emoji = excluded.emoji, at = excluded.at, name = excluded.name WHERE excluded.at >= reactions.at`)

// nameReactors puts the number in the place of a hidden id in a chat.
func (t *tx) nameReactors(ctx context.Context, chatID int64, lid, number tideline.JID) error {
	for _, query := range []string{
		`DELETE FROM reactions WHERE chat_id = $1 AND sender = $2 AND EXISTS (SELECT 1 FROM reactions o
			WHERE o.chat_id = $1 AND o.whatsapp_id = reactions.whatsapp_id AND o.sender = $3 AND o.at > reactions.at)`,
		`DELETE FROM reactions WHERE chat_id = $1 AND sender = $3 AND EXISTS (SELECT 1 FROM reactions o
			WHERE o.chat_id = $1 AND o.whatsapp_id = reactions.whatsapp_id AND o.sender = $2)`,
		`UPDATE reactions SET sender = $3 WHERE chat_id = $1 AND sender = $2`,
	} {
		if _, err := t.exec(ctx, query, chatID, string(lid), string(number)); err != nil {
			return err
		}
	}
	return nil
}

var insertAmendments = newInsert(`amendments (chat_id, whatsapp_id, sender, sender_lid, from_me, deletes, text, at, workspace_id)`,
	`(?, ?, ?, ?, ?, ?, ?, ?, ?)`, ` ON CONFLICT (chat_id, whatsapp_id, sender, deletes) DO UPDATE SET
	text = excluded.text, at = excluded.at WHERE excluded.at >= amendments.at`)

// change applies an edit or a deletion to m, or keeps it when m is not there.
func (r *reception) change(ctx context.Context, j *job, m *target) error {
	in := j.receive
	if m == nil {
		text := ""
		if in.Edit != nil {
			text = in.Edit.Text
		}
		return r.t.execAll(ctx, insertAmendments, []any{r.chats[j].id, targetOf(in), senderKey(in, r.chats[j]), string(in.Sender.LID),
			in.FromMe, in.Delete != nil, text, in.At.UnixMilli(), in.WorkspaceID})
	}
	a := amendment{fromMe: in.FromMe, sender: in.Sender, deletes: in.Delete != nil, at: in.At}
	if in.Edit != nil {
		a.text = in.Edit.Text
	}
	a.inGroup = r.chats[j].jid.IsGroup()
	if !a.mayChange(m) {
		j.received.Duplicate = true
		return nil
	}
	r.tell(j, m.id)
	return r.t.applyAmendment(ctx, a, m)
}

// amendment is an edit or a deletion.
type amendment struct {
	fromMe  bool
	sender  tideline.Peer
	inGroup bool
	deletes bool
	text    string
	at      time.Time
}

// mayChange reports whether the amendment has an effect on m: only who wrote a
// message may change it, except that admins delete what others wrote in a group,
// and what was deleted or edited later stays so.
func (a amendment) mayChange(m *target) bool {
	own := a.fromMe && m.fromMe || !a.fromMe && !m.fromMe && (!a.inGroup || a.sender.Is(m.sender))
	if a.deletes {
		return m.deleted.IsZero() && (own || a.inGroup)
	}
	return own && m.deleted.IsZero() && !a.at.Before(m.edited)
}

// applyAmendment changes m. With a deletion its text and file go, and whatever
// was to be fetched.
func (t *tx) applyAmendment(ctx context.Context, a amendment, m *target) error {
	if !a.deletes {
		m.text, m.edited = a.text, a.at
		_, err := t.exec(ctx, `UPDATE messages SET text = $1, edited_at = $2 WHERE id = $3`, a.text, a.at.UnixMilli(), m.id)
		return err
	}
	m.text, m.deleted = "", a.at
	if err := t.announceDownloads(ctx, `d.message_id = $1`, m.id); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE messages SET text = '', file_id = NULL, data = '', deleted_at = $1 WHERE id = $2`,
		a.at.UnixMilli(), m.id); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM downloads WHERE message_id = $1`, m.id)
	return err
}

const amendmentColumns = `a.whatsapp_id, a.sender, a.sender_lid, a.from_me, a.deletes, a.text, a.at`

// scan reads the columns of amendmentColumns.
func (a *amendment) scan(rows *sql.Rows, whatsAppID *string, more ...any) error {
	var sender tideline.JID
	err := rows.Scan(append([]any{whatsAppID, &sender, &a.sender.LID, &a.fromMe, &a.deletes, &a.text, millis{&a.at}}, more...)...)
	if !sender.IsLID() {
		a.sender.JID = sender
	}
	return err
}

var selectAmendments = newMulti(`SELECT `+amendmentColumns+`, a.chat_id FROM (VALUES `,
	`) AS v CROSS JOIN amendments a WHERE a.chat_id = v.column1 AND a.whatsapp_id = v.column2`, "BIGINT", "TEXT")

// applyKept applies to the new messages what came before them.
func (r *reception) applyKept(ctx context.Context) error {
	type key struct {
		chatID     int64
		whatsAppID string
	}
	args := make([]any, 0, 2*len(r.messages))
	fresh := make(map[key]*job, len(r.messages))
	for _, j := range r.messages {
		k := key{r.chats[j].id, j.receive.Message.WhatsAppID}
		fresh[k] = j
		args = append(args, k.chatID, k.whatsAppID)
	}
	kept := make(map[key][]amendment)
	err := r.t.eachAll(ctx, selectAmendments, args, func(rows *sql.Rows) error {
		var k key
		var a amendment
		err := a.scan(rows, &k.whatsAppID, &k.chatID)
		kept[k] = append(kept[k], a)
		return err
	})
	if err != nil {
		return err
	}
	for k, amendments := range kept {
		j := fresh[k]
		m := &target{id: j.received.MessageID, fromMe: j.receive.FromMe, sender: j.receive.Sender}
		if err := r.t.applyAll(ctx, amendments, r.chats[j], k.whatsAppID, m); err != nil {
			return err
		}
	}
	return nil
}

// applyAll applies kept amendments to their message, which is there now.
func (t *tx) applyAll(ctx context.Context, amendments []amendment, c *knownChat, whatsAppID string, m *target) error {
	for _, a := range amendments {
		a.inGroup = c.jid.IsGroup()
		if a.mayChange(m) {
			if err := t.applyAmendment(ctx, a, m); err != nil {
				return err
			}
		}
	}
	_, err := t.exec(ctx, `DELETE FROM amendments WHERE chat_id = $1 AND whatsapp_id = $2`, c.id, whatsAppID)
	return err
}

// applyMoved applies the amendments of a chat that took over another one, where
// one of them had a message and the other what changes it.
func (t *tx) applyMoved(ctx context.Context, c *knownChat) error {
	kept := make(map[string][]amendment)
	var keys []targetKey
	err := t.each(ctx, `SELECT `+amendmentColumns+` FROM amendments a WHERE a.chat_id = $1`, []any{c.id}, func(rows *sql.Rows) error {
		var id string
		var a amendment
		err := a.scan(rows, &id)
		if len(kept[id]) == 0 {
			keys = append(keys, targetKey{c.accountID, c.id, id})
		}
		kept[id] = append(kept[id], a)
		return err
	})
	if err != nil {
		return err
	}
	targets, err := t.findTargets(ctx, keys)
	if err != nil {
		return err
	}
	for k, m := range targets {
		if err := t.applyAll(ctx, kept[k.whatsAppID], c, k.whatsAppID, m); err != nil {
			return err
		}
	}
	return nil
}
