package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Accept implements store.Acceptor.
func (s *Store) Accept(ctx context.Context, a store.Acceptance) store.Accepted {
	j := &job{accept: &a}
	c := s.accepts[int(uint64(a.WorkspaceID)%uint64(len(s.accepts)))]
	if err := c.do(ctx, j); err != nil {
		return store.Accepted{Err: failed("accept", err)}
	}
	if j.err != nil {
		return store.Accepted{Err: failed("accept", j.err)}
	}
	return j.accepted
}

// OnAccepted implements store.Acceptor. With several committers (see
// Options.Workers), fn is called by all of them; the messages of one account
// always come from the same one.
func (s *Store) OnAccepted(fn func([]store.Queued)) { s.onAccepted = fn }

// acceptance is a set of acceptances on its way into the database.
type acceptance struct {
	t        *tx
	jobs     []*job
	balances *balances
	version  int64
	accounts map[int64]int64 // account id → workspace id
	files    map[int64]int64 // file id → workspace id
	keys     map[idemKey]*usedKey
	chats    map[chatKey]*chat

	ids     []int64 // drawn for the messages, not all used
	charges []int   // per accepted job: index of its charge in balances.entries
	queued  []*job  // the accepted ones, in order
}

// chat is a chat that a job of the batch needs, old or to be made.
type chat struct {
	id     int64
	cached bool // in the chat cache
	made   bool // not in the database yet
	wanted *job // of a made chat: who asked first, whose wish for its name counts
}

// acceptAll decides on jobs in their order and writes the accepted ones, table
// by table. verify: an earlier attempt may have been committed already.
func (s *Store) acceptAll(ctx context.Context, t *tx, jobs []*job, verify bool) error {
	for _, j := range jobs {
		j.accepted, j.err, j.fresh = store.Accepted{}, nil, false
	}
	if verify {
		var err error
		if jobs, err = t.dropAccepted(ctx, jobs); err != nil || len(jobs) == 0 {
			return err
		}
	}
	a := &acceptance{t: t, jobs: jobs}
	if err := a.load(ctx, s); err != nil {
		return err
	}
	for i, j := range jobs {
		if err := a.decide(j, a.ids[i]); err != nil {
			j.accepted = store.Accepted{Err: err}
		}
	}
	return a.write(ctx)
}

// load locks the balances and reads what deciding needs.
func (a *acceptance) load(ctx context.Context, s *Store) (err error) {
	n := len(a.jobs)
	workspaces, accounts := make([]int64, n), make([]int64, n)
	for i, j := range a.jobs {
		workspaces[i], accounts[i] = j.accept.WorkspaceID, j.accept.AccountID
	}
	if a.balances, err = a.t.askBalances(ctx, workspaces); err != nil {
		return err
	}
	// Only now that the balances are locked: a change of the configuration that
	// needs the lock, such as the removal of an account, is either seen here or
	// sees the messages of this batch. And ids are drawn now, so that those of a
	// workspace grow in the order of commits, whichever process draws them.
	if err := a.drawAll(ctx, n); err != nil {
		return err
	}
	if a.files, err = a.t.askFileWorkspaces(ctx, a.jobs); err != nil {
		return err
	}
	if a.keys, err = a.t.askUsedKeys(ctx, keysOf(a.jobs)); err != nil {
		return err
	}
	if a.chats, err = a.t.askChats(ctx, s.chats, a.jobs); err != nil {
		return err
	}
	if err := a.t.await(ctx); err != nil {
		return err
	}
	a.accounts, err = s.accounts.lookUp(ctx, a.t, a.version, accounts)
	return err
}

// drawAll reads the configuration version and draws ids for n messages and their
// charges.
func (a *acceptance) drawAll(ctx context.Context, n int) (err error) {
	if a.t.d == dialectSQLite {
		if a.version, err = a.t.configVersion(ctx); err != nil {
			return err
		}
		a.ids, err = a.t.draw(ctx, "messages", n)
		return err
	}
	a.ids, a.balances.ids = make([]int64, 0, n), make([]int64, 0, n)
	return a.t.ask(ctx, `SELECT (SELECT version FROM config WHERE id = 1), nextval('messages_id_seq'), nextval('ledger_id_seq')
		FROM generate_series(1, CAST($1 AS BIGINT))`, []any{n}, func(r *sql.Rows) error {
		var message, charge int64
		err := r.Scan(&a.version, &message, &charge)
		a.ids, a.balances.ids = append(a.ids, message), append(a.balances.ids, charge)
		return err
	})
}

// decide sets the outcome of j, which gets id when it is accepted. It changes
// only what is in memory, and with an error nothing but the period: a new one
// begins even when its first message is refused.
func (a *acceptance) decide(j *job, id int64) error {
	in := j.accept
	if in.Version != a.version {
		return store.ErrStale // also for a replay: the token may be revoked
	}
	balance := a.balances.of[in.WorkspaceID]
	if balance == nil {
		return notFound("workspace")
	}
	// The key comes before everything else that can refuse: a repeated request
	// gets its first answer although the account, the file or the credits are gone.
	var key idemKey
	if in.Idem != nil {
		key = idemKey{in.WorkspaceID, in.Idem.Key}
		first, found, err := a.keys[key].replay(*in.Idem, in.Message.At)
		if found || err != nil {
			j.accepted = first
			return err
		}
	}
	if a.accounts[in.AccountID] != in.WorkspaceID {
		return notFound("WhatsApp account")
	}
	if in.Message.FileID != 0 && a.files[in.Message.FileID] != in.WorkspaceID {
		return notFound("file")
	}

	a.balances.openPeriod(in.WorkspaceID, in.Message.At, in.Location, in.Grant)
	// A clock that runs behind must not charge for a period that is over.
	at := in.Message.At
	if at.Before(balance.PeriodStart) {
		at = balance.PeriodStart
	}
	entry, ok := balance.Charge(in.Message.Credits, id, at)
	if !ok {
		return tideline.Errorf(tideline.CodeQuotaExceeded,
			"mass sending quota exceeded: this message takes %d credits and %d are left until %s",
			in.Message.Credits, balance.Available(), balance.PeriodEnd.In(in.Location).Format(time.DateOnly))
	}
	a.charges = append(a.charges, len(a.balances.entries))
	a.balances.note(in.WorkspaceID, entry)

	k := chatKey{in.AccountID, in.Chat.JID}
	c := a.chats[k]
	if c == nil {
		c = &chat{made: true, wanted: j}
		a.chats[k] = c
	}
	j.accepted = store.Accepted{MessageID: id, UID: in.Message.UID, ChatID: c.id}
	j.fresh = !c.cached
	a.queued = append(a.queued, j)
	if in.Idem != nil {
		a.keys[key] = &usedKey{hash: in.Idem.BodyHash, at: in.Message.At, first: j.accepted, job: j}
	}
	return nil
}

var (
	insertMessages = newInsert(`messages (id, uid, workspace_id, account_id, chat_id, member_id, whatsapp_id, from_me,
		text, file_id, origin, status, reason, credits, charge_id, accepted_at)`,
		`(?, ?, ?, ?, ?, ?, ?, TRUE, ?, ?, ?, '`+string(tideline.StatusPending)+`', '', ?, ?, ?)`, "")
	insertOutbox = newInsert(`outbox (message_id, account_id, gap_ms, attempts, note)`, `(?, ?, ?, 0, '')`, "")
)

// write stores the accepted messages.
func (a *acceptance) write(ctx context.Context) error {
	t := a.t
	if err := a.makeChats(ctx); err != nil {
		return err
	}
	if err := t.save(ctx, a.balances); err != nil {
		return err
	}
	messages := make([]any, 0, len(a.queued)*insertMessages.cols)
	outbox := make([]any, 0, len(a.queued)*insertOutbox.cols)
	for i, j := range a.queued {
		in, m, id := j.accept, &j.accept.Message, j.accepted.MessageID
		messages = append(messages, id, m.UID, in.WorkspaceID, in.AccountID, j.accepted.ChatID, orNull(in.MemberID),
			m.WhatsAppID, m.Text, orNull(m.FileID), string(m.Origin), int64(m.Credits),
			a.balances.entries[a.charges[i]].ID, m.At.UnixMilli())
		outbox = append(outbox, id, in.AccountID, m.Gap.Milliseconds())
	}
	if err := t.execAll(ctx, insertMessages, messages); err != nil {
		return err
	}
	if err := t.execAll(ctx, insertOutbox, outbox); err != nil {
		return err
	}
	if err := t.attachLabels(ctx, a.queued); err != nil {
		return err
	}
	for _, j := range a.queued {
		if err := t.addRarities(ctx, j); err != nil {
			return err
		}
	}
	if err := t.countTemplates(ctx, a.queued); err != nil {
		return err
	}
	if err := t.keepKeys(ctx, a.keys); err != nil {
		return err
	}
	t.changes = slices.Grow(t.changes, len(a.queued))
	for _, j := range a.queued {
		t.tellMessage(j.accept.WorkspaceID, j.accept.AccountID, j.accepted.ChatID, j.accepted.MessageID)
	}
	// Replays of a message of this batch were decided before its chat had an id.
	for _, j := range a.jobs {
		if j.accepted.Replayed {
			if used := a.keys[idemKey{j.accept.WorkspaceID, j.accept.Idem.Key}]; used != nil && used.job != nil {
				j.accepted.ChatID = used.job.accepted.ChatID
			}
		}
	}
	return nil
}

// addRarities writes what few messages have, so that the columns are not those of
// every row.
func (t *tx) addRarities(ctx context.Context, j *job) error {
	m := &j.accept.Message
	if m.ReplyTo == "" && m.Kind == "" && len(m.Data) == 0 {
		return nil
	}
	data, err := encodeData(m.Data)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE messages SET reply_to = $1, kind = $2, data = $3 WHERE id = $4 AND workspace_id = $5`,
		m.ReplyTo, string(m.Kind), data, j.accepted.MessageID, j.accept.WorkspaceID)
	return err
}

var selectFileWorkspaces = newMulti(`SELECT f.id, f.workspace_id FROM (VALUES `,
	`) AS v CROSS JOIN files f WHERE f.id = v.column1`, "BIGINT")

// askFileWorkspaces finds the workspaces of the files that jobs send, see ask.
func (t *tx) askFileWorkspaces(ctx context.Context, jobs []*job) (map[int64]int64, error) {
	var args []any
	for _, j := range jobs {
		if id := j.accept.Message.FileID; id != 0 {
			args = append(args, id)
		}
	}
	if len(args) == 0 {
		return nil, nil
	}
	found := make(map[int64]int64, len(args))
	err := t.askAll(ctx, selectFileWorkspaces, args, func(r *sql.Rows) error {
		var id, ws int64
		err := r.Scan(&id, &ws)
		found[id] = ws
		return err
	})
	return found, err
}

// dropAccepted gives the jobs whose messages are not stored, and sets the
// outcome of the others. A UID is drawn for one acceptance only, so its
// message is what an earlier attempt of the same batch stored.
func (t *tx) dropAccepted(ctx context.Context, jobs []*job) (rest []*job, err error) {
	for _, j := range jobs {
		uid := j.accept.Message.UID
		var id, chatID int64
		err := t.one(ctx, `SELECT id, chat_id FROM messages WHERE uid = $1 AND workspace_id = $2`,
			[]any{uid, j.accept.WorkspaceID}, &id, &chatID)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			rest = append(rest, j)
		case err != nil:
			return nil, err
		default:
			j.accepted = store.Accepted{MessageID: id, UID: uid, ChatID: chatID}
		}
	}
	return rest, nil
}
