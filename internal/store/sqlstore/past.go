package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ReceiveHistory implements store.Histories. A part must be small: acceptances of
// the workspace wait for it, and so do settlements, whichever their account.
func (s *Store) ReceiveHistory(ctx context.Context, h store.History) (store.HistoryReceived, error) {
	for _, c := range h.Chats {
		for i := range c.Receptions {
			r := &c.Receptions[i]
			r.WorkspaceID, r.AccountID, r.History = h.WorkspaceID, h.AccountID, true
			if err := checkReception(r); err != nil {
				return store.HistoryReceived{}, failed("receive history", err)
			}
		}
	}
	var got store.HistoryReceived
	err := s.writeBesideSettlements(ctx, "receive history", h.AccountID, s.fenced(func(ctx context.Context, t *tx) error {
		got = store.HistoryReceived{}
		if err := s.meet(ctx, t, h); err != nil {
			return err
		}
		chats := make([][]*job, len(h.Chats))
		var jobs []*job
		for i, c := range h.Chats {
			for k := range c.Receptions {
				j := &job{receive: &c.Receptions[k]}
				chats[i] = append(chats[i], j)
				jobs = append(jobs, j)
			}
		}
		if len(jobs) == 0 {
			return nil
		}
		if err := s.takeIn(ctx, t, jobs); err != nil {
			return err
		}
		for i, c := range h.Chats {
			if err := t.settleHistory(ctx, c, chats[i], &got); err != nil {
				return err
			}
		}
		return nil
	}, h.AccountID))
	if err != nil {
		return store.HistoryReceived{}, err
	}
	return got, nil
}

// meet lets the chats that are there know the contacts of a history.
func (s *Store) meet(ctx context.Context, t *tx, h store.History) error {
	r := &reception{t: t}
	jobs := make([]*job, 0, len(h.Contacts))
	for _, p := range h.Contacts {
		if p.Address() != "" {
			jobs = append(jobs, &job{receive: &store.Reception{WorkspaceID: h.WorkspaceID, AccountID: h.AccountID, Chat: p, History: true}})
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	if err := r.admit(ctx, s, jobs); err != nil {
		return err
	}
	if len(r.jobs) == 0 {
		return notFound("WhatsApp account")
	}
	// As in findChats: chats change under the lock of the balance.
	if _, err := t.lockBalances(ctx, []int64{h.WorkspaceID}); err != nil {
		return err
	}
	x, err := t.indexPeers(ctx, jobs)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		p := j.receive.Chat
		known := p.JID != "" && x.byJID[chatKey{h.AccountID, p.JID}] != nil || p.LID != "" && x.byLID[chatKey{h.AccountID, p.LID}] != nil
		if !known || x.settled(j) {
			continue
		}
		if _, err := x.chatOf(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// settleHistory gives the chat of jobs what a history says about it, and counts
// what was new.
func (t *tx) settleHistory(ctx context.Context, c store.HistoryChat, jobs []*job, got *store.HistoryReceived) error {
	var oldest time.Time
	fresh := false
	var chatID, accountID, workspaceID int64
	for _, j := range jobs {
		if j.err != nil {
			return j.err
		}
		in := j.receive
		chatID, accountID, workspaceID = j.received.ChatID, in.AccountID, in.WorkspaceID
		fresh = fresh || j.received.NewChat
		if in.Message != nil && !j.received.Duplicate {
			got.Messages++
		}
		if in.Message != nil && (oldest.IsZero() || in.At.Before(oldest)) {
			oldest = in.At
		}
		if j.received.NewChat {
			got.NewChats++
		}
	}
	if !oldest.IsZero() {
		n, err := t.exec(ctx, `UPDATE chats SET created_at = $1 WHERE id = $2 AND created_at > $1`, oldest.UnixMilli(), chatID)
		if err != nil {
			return err
		}
		if n > 0 {
			t.tellChat(workspaceID, accountID, chatID)
		}
	}
	if fresh && c.Unread > 0 {
		_, err := t.exec(ctx, `UPDATE chats SET unread = $1 WHERE id = $2`, c.Unread, chatID)
		return err
	}
	return nil
}

// again notes what a message that is there already learns from its repetition: a
// message from the history that it has come live, and one of the account's own
// from the history how far it has come.
func (r *reception) again(ctx context.Context, j *job) error {
	in := j.receive
	if in.History {
		moved, err := r.t.forward(ctx, j.received.MessageID, in.Message.Status, in.ReceivedAt)
		if moved {
			r.tell(j, j.received.MessageID)
		}
		return err
	}
	var stored string
	err := r.t.one(ctx, `SELECT data FROM messages WHERE id = $1 AND workspace_id = $2`, []any{j.received.MessageID, in.WorkspaceID}, &stored)
	if err != nil {
		return err
	}
	var data map[string]string
	if err := (dataText{&data}).Scan(stored); err != nil {
		return err
	}
	if data[tideline.DataHistory] == "" {
		return nil
	}
	delete(data, tideline.DataHistory)
	text, err := encodeData(data)
	if err != nil {
		return err
	}
	// It may come from two connections at the same time; one of them is news.
	n, err := r.t.exec(ctx, `UPDATE messages SET data = $1 WHERE id = $2 AND workspace_id = $3 AND data = $4`,
		text, j.received.MessageID, in.WorkspaceID, stored)
	if err != nil || n == 0 {
		return err
	}
	j.received.Duplicate = false
	r.step(j)
	r.tell(j, j.received.MessageID)
	return r.announceAfterAll(ctx, j)
}

// before are the statuses from which a message of the account may move forward.
func before(status tideline.Status) string {
	switch status {
	case tideline.StatusDelivered:
		return `'` + string(tideline.StatusSent) + `'`
	case tideline.StatusRead:
		return `'` + string(tideline.StatusSent) + `', '` + string(tideline.StatusDelivered) + `'`
	}
	return ""
}

// forward moves a sent message on, whatever receipts do at the same time, and
// reports whether it did.
func (t *tx) forward(ctx context.Context, messageID int64, status tideline.Status, learned time.Time) (moved bool, err error) {
	from := before(status)
	if from == "" {
		return false, nil
	}
	n, err := t.exec(ctx, `UPDATE messages SET status = $1 WHERE id = $2 AND from_me AND status IN (`+from+`)`, string(status), messageID)
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.execAll(ctx, insertStatus, []any{messageID, string(status), learned.UnixMilli(), ""})
}

// step notes how a received message changes its chat's count of unread ones.
func (r *reception) step(j *job) {
	chatID := r.chats[j].id
	step := r.unread[chatID]
	switch {
	case j.receive.History:
		return
	case j.receive.FromMe:
		step = unreadStep{reset: true}
	default:
		step.add++
	}
	r.unread[chatID] = step
}

// unmarked is the SQL for a message's data without the mark of history. Data is
// JSON as encodeData writes it: without spaces, quotes in values escaped.
const unmarked = `replace(replace(replace(data, '{"` + tideline.DataHistory + `":"true"}', ''), ',"` + tideline.DataHistory +
	`":"true"', ''), '"` + tideline.DataHistory + `":"true",', '')`

// markedSQL is the SQL that tells data with the mark.
const markedSQL = ` LIKE '%"` + tideline.DataHistory + `":"true"%'`

// checkReception refuses what no caller may ask for.
func checkReception(in *store.Reception) error {
	set := 0
	for _, is := range []bool{in.Message != nil, in.Reaction != nil, in.Edit != nil, in.Delete != nil} {
		if is {
			set++
		}
	}
	if set != 1 || in.Chat.Address() == "" {
		return fmt.Errorf("a reception has one content and a chat, this one has %d and the chat %q", set, in.Chat.Address().Server())
	}
	return nil
}
