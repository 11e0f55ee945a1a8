package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const eventsOfWorkspace = `e.workspace_id = $1 AND e.id > $2 AND e.id <= $3 ORDER BY e.id LIMIT $4`

// ListEvents implements store.Events.
func (s *Store) ListEvents(ctx context.Context, workspaceID, after int64, limit int) ([]store.EventView, bool, error) {
	settled, err := s.settledEvents(ctx, after)
	if err != nil {
		return nil, false, failed("list events", err)
	}
	var views []store.EventView
	more := false
	err = s.read(ctx, func(t *tx) error {
		events, err := t.listEvents(ctx, eventsOfWorkspace,
			workspaceID, after, settled, limit+1)
		if err != nil {
			return err
		}
		if len(events) > limit {
			events, more = events[:limit], true
		}
		views, err = t.eventViews(ctx, events)
		return err
	})
	return views, more, failed("list events", err)
}

// eventWorld is what events of several workspaces name, by id.
type eventWorld struct {
	workspaces map[int64]tideline.Workspace
	chats      map[int64]*store.ChatView // also under the ids of chats that were taken over
	accounts   map[int64]*store.AccountView
	messages   map[int64]*store.MessageView
}

// eventViews adds to events what is needed to render them: a few queries,
// however many events there are.
func (t *tx) eventViews(ctx context.Context, events []tideline.Event) ([]store.EventView, error) {
	if len(events) == 0 {
		return nil, nil
	}
	w := &eventWorld{
		workspaces: make(map[int64]tideline.Workspace), chats: make(map[int64]*store.ChatView),
		accounts: make(map[int64]*store.AccountView), messages: make(map[int64]*store.MessageView),
	}
	for _, read := range []func(context.Context, *tx, []tideline.Event) error{w.readWorkspaces, w.readAccounts, w.readChats, w.readMessages} {
		if err := read(ctx, t, events); err != nil {
			return nil, err
		}
	}
	views := make([]store.EventView, len(events))
	for i, e := range events {
		v := store.EventView{Event: e, Workspace: w.workspaces[e.WorkspaceID], Chat: w.chats[e.ChatID],
			Account: w.accounts[e.AccountID], Message: w.messages[e.MessageID]}
		if v.Chat != nil {
			v.Event.ChatID = v.Chat.Chat.ID
		}
		views[i] = v
	}
	return views, nil
}

// idPairs gives the distinct ids with their events' workspaces, as parameters.
func idPairs(events []tideline.Event, id func(*tideline.Event) int64) []any {
	seen := make(map[int64]bool, len(events))
	var args []any
	for i := range events {
		if n := id(&events[i]); n != 0 && !seen[n] {
			seen[n] = true
			args = append(args, n, events[i].WorkspaceID)
		}
	}
	return args
}

var selectEventWorkspaces = newMulti(`SELECT w.id, w.slug, w.time_zone FROM (VALUES `,
	`) AS v CROSS JOIN workspaces w WHERE w.id = v.column1 AND w.id = v.column2`, "BIGINT", "BIGINT")

func (w *eventWorld) readWorkspaces(ctx context.Context, t *tx, events []tideline.Event) error {
	args := idPairs(events, func(e *tideline.Event) int64 { return e.WorkspaceID })
	return t.eachAll(ctx, selectEventWorkspaces, args, func(r *sql.Rows) error {
		var is tideline.Workspace
		err := r.Scan(&is.ID, &is.Slug, &is.TimeZone)
		w.workspaces[is.ID] = is
		return err
	})
}

var selectEventAccounts = newMulti(`SELECT `+accountColumns+`, a.removed_at FROM (VALUES `,
	`) AS v CROSS JOIN accounts a WHERE a.id = v.column1 AND a.workspace_id = v.column2`, "BIGINT", "BIGINT")

func (w *eventWorld) readAccounts(ctx context.Context, t *tx, events []tideline.Event) error {
	args := idPairs(events, func(e *tideline.Event) int64 { return e.AccountID })
	return t.eachAll(ctx, selectEventAccounts, args, func(r *sql.Rows) error {
		v := &store.AccountView{}
		var removed sql.NullInt64
		err := r.Scan(append(accountFields(&v.Account), &removed)...)
		v.Removed = removed.Valid
		w.accounts[v.Account.ID] = v
		return err
	})
}

var selectChatAliases = newMulti(`SELECT a.chat_id, a.now_id FROM (VALUES `,
	`) AS v CROSS JOIN chat_aliases a WHERE a.chat_id = v.column1 AND a.workspace_id = v.column2`, "BIGINT", "BIGINT")

func (w *eventWorld) readChats(ctx context.Context, t *tx, events []tideline.Event) error {
	args := idPairs(events, func(e *tideline.Event) int64 { return e.ChatID })
	now := make(map[int64]int64)
	err := t.eachAll(ctx, selectChatAliases, args, func(r *sql.Rows) error {
		var was, is int64
		err := r.Scan(&was, &is)
		now[was] = is
		return err
	})
	if err != nil {
		return err
	}
	byWorkspace := make(map[int64][]int64)
	for i := 0; i < len(args); i += 2 {
		id, workspaceID := args[i].(int64), args[i+1].(int64)
		if is, ok := now[id]; ok {
			id = is
		}
		if ids := byWorkspace[workspaceID]; !slices.Contains(ids, id) {
			byWorkspace[workspaceID] = append(ids, id)
		}
	}
	for _, workspaceID := range sortedKeys(byWorkspace) {
		views, err := t.chatViews(ctx, workspaceID, byWorkspace[workspaceID])
		if err != nil {
			return err
		}
		for i := range views {
			if views[i].Chat.ID != 0 {
				w.chats[views[i].Chat.ID] = &views[i]
			}
		}
	}
	for was, is := range now {
		w.chats[was] = w.chats[is]
	}
	return nil
}

func (w *eventWorld) readMessages(ctx context.Context, t *tx, events []tideline.Event) error {
	args := idPairs(events, func(e *tideline.Event) int64 { return e.MessageID })
	ids := make([]int64, 0, len(args)/2)
	workspaces := make(map[int64]int64, len(args)/2)
	for i := 0; i < len(args); i += 2 {
		id := args[i].(int64)
		ids = append(ids, id)
		workspaces[id] = args[i+1].(int64)
	}
	views, err := t.messageViews(ctx, ids)
	if err != nil {
		return err
	}
	byID := make(map[reactionTarget][]*store.MessageView, len(views))
	var reacted []any
	var answered []targetKey
	for i := range views {
		v := &views[i]
		m := &v.Message
		if m.ID == 0 || m.WorkspaceID != workspaces[m.ID] {
			continue
		}
		w.messages[m.ID] = v
		k := reactionTarget{m.ChatID, m.WhatsAppID}
		if len(byID[k]) == 0 {
			reacted = append(reacted, m.ChatID, m.WhatsAppID, m.WorkspaceID)
		}
		byID[k] = append(byID[k], v)
		if m.ReplyTo != "" {
			answered = append(answered, targetKey{m.AccountID, m.ChatID, m.ReplyTo})
		}
	}
	err = t.eachAll(ctx, selectEventReactions, reacted, func(r *sql.Rows) error {
		var k reactionTarget
		is := keptReaction{}
		if err := r.Scan(&k.chatID, &k.whatsAppID, &is.sender, &is.lid, &is.name, &is.emoji); err != nil {
			return err
		}
		for _, v := range byID[k] {
			shown := tideline.Reaction{Own: is.sender == "", Emoji: is.emoji}
			if !shown.Own {
				shown.Peer = *is.reactor()
			}
			v.Reactions = append(v.Reactions, shown)
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
	for _, v := range w.messages {
		if m := targets[targetKey{v.Message.AccountID, v.Message.ChatID, v.Message.ReplyTo}]; m != nil {
			v.ReplyToUID = m.uid
		}
	}
	return nil
}

var selectEventReactions = newMulti(`SELECT r.chat_id, r.whatsapp_id, r.sender, r.sender_lid, r.name, r.emoji FROM (VALUES `,
	`) AS v CROSS JOIN reactions r WHERE r.chat_id = v.column1 AND r.whatsapp_id = v.column2
	AND r.workspace_id = v.column3 AND r.emoji <> '' ORDER BY r.chat_id, r.whatsapp_id, r.at, r.sender`, "BIGINT", "TEXT", "BIGINT")
