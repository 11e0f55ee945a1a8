package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// announced reports whether a reception makes events: it is told as it happens,
// not taken in with the phone's history.
func announced(in *store.Reception) bool { return !in.History }

// announce notes an event of a reception. Workspace, account and chat, and the
// time unless it is set, are the reception's.
func (r *reception) announce(j *job, e tideline.Event) {
	in := j.receive
	if !announced(in) {
		return
	}
	e.WorkspaceID, e.AccountID, e.ChatID = in.WorkspaceID, in.AccountID, j.received.ChatID
	if e.At.IsZero() {
		e.At = in.ReceivedAt
	}
	r.t.emit(e)
}

// announceMessages notes the events of the new messages, and of the reactions
// that were there before them. One with an attachment is announced when
// something is known of that, see announceDownloads.
func (r *reception) announceMessages(ctx context.Context) error {
	var keys []reactionTarget
	fresh := make(map[reactionTarget]*job, len(r.messages))
	for _, j := range r.messages {
		in, m := j.receive, j.receive.Message
		if m.Media == nil {
			r.announce(j, tideline.Event{Kind: eventOf(in), MessageID: j.received.MessageID})
		}
		k := reactionTarget{r.chats[j].id, m.WhatsAppID}
		keys = append(keys, k)
		fresh[k] = j
	}
	kept, err := r.t.reactionsTo(ctx, keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		shown := make(map[string]int)
		for _, was := range kept[k] {
			if was.emoji == "" {
				continue
			}
			shown[was.emoji]++
			d := tideline.EventDetail{Emoji: was.emoji, Own: was.sender == "", Reactions: maps.Clone(shown)}
			if !d.Own {
				d.Reactor = was.reactor()
			}
			r.announce(fresh[k], tideline.Event{Kind: tideline.EventReaction, MessageID: fresh[k].received.MessageID, Detail: d})
		}
	}
	return nil
}

// eventOf gives the kind of event of a message that came in.
func eventOf(in *store.Reception) tideline.EventType {
	switch {
	case in.Message.Kind == tideline.KindCall:
		return tideline.CallEvent(in.FromMe, in.Message.Status)
	case in.FromMe:
		return tideline.EventMessageSent
	}
	return tideline.EventMessageReceived
}

// announceAfterAll notes the event of a message that was known from the history
// only and now comes live; with an attachment that is yet to be fetched, its
// download notes it.
func (r *reception) announceAfterAll(ctx context.Context, j *job) error {
	waits, err := r.t.exec(ctx, `UPDATE downloads SET announce = TRUE WHERE message_id = $1 AND workspace_id = $2`,
		j.received.MessageID, j.receive.WorkspaceID)
	if err == nil && waits == 0 {
		r.announce(j, tideline.Event{Kind: eventOf(j.receive), MessageID: j.received.MessageID})
	}
	return err
}

// reactionTarget is the message that reactions are for.
type reactionTarget struct {
	chatID     int64
	whatsAppID string
}

// keptReaction is a stored reaction.
type keptReaction struct {
	sender tideline.JID // "" = the account itself
	lid    tideline.JID
	name   string
	emoji  string // "" = taken back
	at     time.Time
}

func (k *keptReaction) reactor() *tideline.Peer {
	p := &tideline.Peer{LID: k.lid, Name: k.name}
	if !k.sender.IsLID() {
		p.JID = k.sender
	}
	return p
}

var selectKeptReactions = newMulti(`SELECT r.chat_id, r.whatsapp_id, r.sender, r.sender_lid, r.name, r.emoji, r.at FROM (VALUES `,
	`) AS v CROSS JOIN reactions r WHERE r.chat_id = v.column1 AND r.whatsapp_id = v.column2 ORDER BY r.at, r.sender`, "BIGINT", "TEXT")

// reactionsTo reads the reactions to messages, those that were taken back too,
// the oldest first.
func (t *tx) reactionsTo(ctx context.Context, keys []reactionTarget) (map[reactionTarget][]*keptReaction, error) {
	args := make([]any, 0, 2*len(keys))
	for _, k := range keys {
		args = append(args, k.chatID, k.whatsAppID)
	}
	found := make(map[reactionTarget][]*keptReaction)
	return found, t.eachAll(ctx, selectKeptReactions, args, func(r *sql.Rows) error {
		var k reactionTarget
		is := &keptReaction{}
		err := r.Scan(&k.chatID, &k.whatsAppID, &is.sender, &is.lid, &is.name, &is.emoji, millis{&is.at})
		found[k] = append(found[k], is)
		return err
	})
}

// react applies one reaction to those of its message and describes the change;
// false when there is none: it was there already, or a later one is.
func react(of []*keptReaction, by keptReaction) (after []*keptReaction, d tideline.EventDetail, changed bool) {
	var mine *keptReaction
	for _, is := range of {
		if is.sender == by.sender {
			mine = is
		}
	}
	if mine == nil {
		mine = &keptReaction{sender: by.sender}
		of = append(of, mine)
	} else if by.at.Before(mine.at) {
		return of, d, false
	}
	d = tideline.EventDetail{Emoji: by.emoji, Previous: mine.emoji, Own: by.sender == "", Reactions: make(map[string]int)}
	*mine = by
	for _, is := range of {
		if is.emoji != "" {
			d.Reactions[is.emoji]++
		}
	}
	if !d.Own {
		d.Reactor = by.reactor()
	}
	return of, d, d.Emoji != d.Previous
}

// announceReactions notes the events of the reactions among the jobs whose
// message is there, before they are stored. In milliseconds, as stored, the
// later of two reactions holds, and of two at once the last.
func (r *reception) announceReactions(ctx context.Context, targets map[targetKey]*target) error {
	var keys []reactionTarget
	asked := make(map[reactionTarget]bool)
	for _, j := range r.jobs {
		if j.receive.Reaction == nil {
			continue
		}
		if k := (reactionTarget{r.chats[j].id, j.receive.Reaction.Target}); !asked[k] {
			asked[k] = true
			keys = append(keys, k)
		}
	}
	kept, err := r.t.reactionsTo(ctx, keys)
	if err != nil {
		return err
	}
	for _, j := range r.jobs {
		in := j.receive
		if in.Reaction == nil {
			continue
		}
		c := r.chats[j]
		k := reactionTarget{c.id, in.Reaction.Target}
		by := keptReaction{sender: tideline.JID(senderKey(in, c)), lid: in.Sender.LID, name: in.Sender.Name, emoji: in.Reaction.Emoji,
			at: in.Reaction.At.Truncate(time.Millisecond)}
		after, detail, changed := react(kept[k], by)
		kept[k] = after
		if m := targets[targetKey{in.AccountID, c.id, in.Reaction.Target}]; m != nil && changed {
			r.tell(j, m.id)
			r.announce(j, tideline.Event{Kind: tideline.EventReaction, MessageID: m.id, Detail: detail})
		}
	}
	return nil
}

// announceOwnReaction notes the event of a reaction that a member gave, before
// it is stored.
func (t *tx) announceOwnReaction(ctx context.Context, workspaceID, messageID int64, emoji string, at time.Time) error {
	var accountID int64
	var k reactionTarget
	err := t.one(ctx, `SELECT account_id, chat_id, whatsapp_id FROM messages WHERE id = $1 AND workspace_id = $2`,
		[]any{messageID, workspaceID}, &accountID, &k.chatID, &k.whatsAppID)
	if err != nil {
		return missing(err, "message")
	}
	kept, err := t.reactionsTo(ctx, []reactionTarget{k})
	if err != nil {
		return err
	}
	if _, detail, changed := react(kept[k], keptReaction{emoji: emoji, at: at.Truncate(time.Millisecond)}); changed {
		t.emit(tideline.Event{WorkspaceID: workspaceID, Kind: tideline.EventReaction, At: at, AccountID: accountID,
			ChatID: k.chatID, MessageID: messageID, Detail: detail})
		t.tellMessage(workspaceID, accountID, k.chatID, messageID)
	}
	return nil
}
