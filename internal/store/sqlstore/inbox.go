package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Receive implements store.Receiver.
func (s *Store) Receive(ctx context.Context, in store.Reception) (store.Received, error) {
	if err := checkReception(&in); err != nil {
		return store.Received{}, failed("receive", err)
	}
	j := &job{receive: &in}
	if err := s.settleJob(ctx, "receive", in.AccountID, j); err != nil {
		return store.Received{}, err
	}
	return j.received, nil
}

// reception is a set of receptions on its way into the database.
type reception struct {
	t        *tx
	jobs     []*job // of accounts that are there
	peers    *peerIndex
	chats    map[*job]*knownChat
	messages []*job               // the new ones among jobs, in order
	ids      []int64              // drawn for them
	twins    map[*job]*job        // jobs with a message that another one of the batch has
	latest   latestMessages       // of their chats
	unread   map[int64]unreadStep // of their chats
}

// unreadStep is how a chat's count of unread messages changes.
type unreadStep struct {
	reset bool // somebody answered on the phone
	add   int  // since then
}

// takeIn stores what came in, in the order of jobs: first messages, then what
// changes messages.
func (s *Store) takeIn(ctx context.Context, t *tx, jobs []*job) error {
	r := &reception{t: t, latest: make(latestMessages), unread: make(map[int64]unreadStep)}
	if err := r.admit(ctx, s, jobs); err != nil {
		return err
	}
	if err := r.findChats(ctx); err != nil {
		return err
	}
	if err := r.recognise(ctx); err != nil {
		return err
	}
	if err := r.insert(ctx); err != nil {
		return err
	}
	if err := r.announceMessages(ctx); err != nil {
		return err
	}
	return r.amend(ctx)
}

// admit leaves out the jobs whose account is not there.
func (r *reception) admit(ctx context.Context, s *Store, jobs []*job) error {
	ids := make([]int64, len(jobs))
	for i, j := range jobs {
		j.err, j.received = nil, store.Received{}
		ids[i] = j.receive.AccountID
	}
	version, err := r.t.configVersion(ctx)
	if err != nil {
		return err
	}
	workspaces, err := s.accounts.lookUp(ctx, r.t, version, ids)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if workspaces[j.receive.AccountID] != j.receive.WorkspaceID {
			j.err = notFound("WhatsApp account")
			continue
		}
		r.jobs = append(r.jobs, j)
	}
	return nil
}

// findChats finds or makes the chats of the jobs. Chats are made, renamed and
// taken over under the lock of their workspace's balance, as by acceptances, so
// that neither makes what the other is making nor writes to what is removed.
func (r *reception) findChats(ctx context.Context) (err error) {
	if r.peers, err = r.t.indexPeers(ctx, r.jobs); err != nil {
		return err
	}
	var changing []int64
	for _, j := range r.jobs {
		if !r.peers.settled(j) {
			changing = append(changing, j.receive.WorkspaceID)
		}
	}
	if len(changing) > 0 {
		if _, err := r.t.lockBalances(ctx, changing); err != nil {
			return err
		}
		if r.peers, err = r.t.indexPeers(ctx, r.jobs); err != nil {
			return err
		}
	}
	r.chats = make(map[*job]*knownChat, len(r.jobs))
	for _, j := range r.jobs {
		c, err := r.peers.chatOf(ctx, j)
		if err != nil {
			return err
		}
		r.chats[j] = c
		j.received = store.Received{ChatID: c.id, NewChat: c.fresh, Unnamed: c.jid.IsGroup() && !c.named()}
		if c.fresh {
			r.announce(j, tideline.Event{Kind: tideline.ChatEvent(c.jid, j.receive.FromMe)})
		}
		c.fresh = false
	}
	return nil
}

// recognise leaves in r.messages the messages that are not there yet.
func (r *reception) recognise(ctx context.Context) error {
	var keys []targetKey
	var own []any
	for _, j := range r.jobs {
		if m := j.receive.Message; m != nil {
			keys = append(keys, targetKey{j.receive.AccountID, r.chats[j].id, m.WhatsAppID})
			if j.receive.FromMe {
				own = append(own, j.receive.AccountID, m.WhatsAppID)
			}
		}
	}
	there := make(map[targetKey]*target, len(keys))
	if err := r.t.askTargets(ctx, selectReceivedTargets, keys, there); err != nil {
		return err
	}
	// Ids for all of them, not all used.
	if err := r.t.askIDs(ctx, "messages", len(keys), &r.ids); err != nil {
		return err
	}
	sent, err := r.t.findOwn(ctx, own)
	if err != nil {
		return err
	}
	r.twins = make(map[*job]*job)
	type batchKey struct {
		targetKey
		fromMe bool
	}
	in := make(map[batchKey]*job) // those of this batch
	for _, j := range r.jobs {
		m := j.receive.Message
		if m == nil {
			continue
		}
		k := targetKey{j.receive.AccountID, r.chats[j].id, m.WhatsAppID}
		old := there[k]
		if j.receive.FromMe {
			// Whatever chat it is in: the echo of a send by number may name the hidden id.
			old = sent[receiptKey{k.accountID, k.whatsAppID}]
		}
		switch first := in[batchKey{k, j.receive.FromMe}]; {
		case old != nil:
			j.received.MessageID, j.received.UID, j.received.Duplicate = old.id, old.uid, true
			if err := r.again(ctx, j); err != nil {
				return err
			}
		case first != nil:
			r.twins[j] = first
		default:
			in[batchKey{k, j.receive.FromMe}] = j
			r.messages = append(r.messages, j)
		}
	}
	return nil
}

var (
	insertReceived = newInsert(`messages (id, uid, workspace_id, account_id, chat_id, whatsapp_id, from_me, text, kind,
		sender_jid, sender_lid, sender_name, reply_to, data, origin, status, reason, credits, accepted_at, sent_at, at)`,
		`(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '`+string(tideline.OriginWhatsApp)+`', ?, '', 0, ?, ?, ?)`, "")
	insertDownloads = newInsert(`downloads (message_id, workspace_id, account_id, name, mime_type, size, ref, attempts, due_at, note, announce)`,
		`(?, ?, ?, ?, ?, ?, ?, 0, ?, '', ?)`, "")
)

// insert stores the new messages with their chats' last messages and counts.
func (r *reception) insert(ctx context.Context) error {
	if len(r.messages) == 0 {
		return r.count(ctx)
	}
	t := r.t
	var own []any
	for _, j := range r.messages {
		if j.receive.FromMe {
			own = append(own, j.receive.AccountID, j.receive.Message.WhatsAppID)
		}
	}
	early, err := t.findEarly(ctx, own)
	if err != nil {
		return err
	}
	var rows, history, downloads []any
	for i, j := range r.messages {
		in, m := j.receive, j.receive.Message
		id, chatID := r.ids[i], r.chats[j].id
		j.received.MessageID, j.received.UID = id, m.UID
		status := m.Status
		if m.Kind != tideline.KindCall {
			status = tideline.StatusDelivered
			if in.FromMe {
				changes := sentOnPhone(in, early[receiptKey{in.AccountID, m.WhatsAppID}])
				for _, c := range changes {
					history = append(history, id, string(c.Status), c.At.UnixMilli(), "")
				}
				status = changes[len(changes)-1].Status
				if in.History && m.Status.MayFollow(status) {
					status = m.Status
					history = append(history, id, string(status), in.ReceivedAt.UnixMilli(), "")
				}
			}
		}
		data := m.Data
		if in.History {
			data = withData(data, tideline.DataHistory, "true")
		}
		if m.Media != nil {
			data = withData(data, tideline.DataAttachment, string(tideline.AttachmentPending))
			downloads = append(downloads, id, in.WorkspaceID, in.AccountID, m.Media.Name, m.Media.MIMEType, m.Media.Size,
				m.Media.Ref, in.ReceivedAt.UnixMilli(), announced(in))
		}
		text, err := encodeData(data)
		if err != nil {
			return err
		}
		at := in.At.UnixMilli()
		rows = append(rows, id, m.UID, in.WorkspaceID, in.AccountID, chatID, m.WhatsAppID, in.FromMe, m.Text, string(m.Kind),
			string(in.Sender.JID), string(in.Sender.LID), in.Sender.Name, m.ReplyTo, text, string(status),
			in.ReceivedAt.UnixMilli(), at, at)
		r.latest.note(chatID, id, at)
		r.step(j)
		r.tell(j, id)
	}
	for j, first := range r.twins {
		j.received.MessageID, j.received.UID, j.received.Duplicate = first.received.MessageID, first.received.UID, true
	}
	if err := t.execAll(ctx, insertReceived, rows); err != nil {
		return err
	}
	if err := t.execAll(ctx, insertStatus, history); err != nil {
		return err
	}
	if err := t.execAll(ctx, deleteEarly, own); err != nil {
		return err
	}
	if err := t.execAll(ctx, insertDownloads, downloads); err != nil {
		return err
	}
	if err := r.count(ctx); err != nil {
		return err
	}
	if err := r.enrol(ctx); err != nil {
		return err
	}
	return t.saveLatest(ctx, r.latest)
}

// tell notes that a message in the chat of a reception changed.
func (r *reception) tell(j *job, messageID int64) {
	r.t.tellMessage(j.receive.WorkspaceID, j.receive.AccountID, r.chats[j].id, messageID)
}

// sentOnPhone is the history of a message that the owner typed on the phone. Its
// receipts may have come before it.
func sentOnPhone(in *store.Reception, early *earlyReceipt) []tideline.StatusChange {
	if early == nil {
		return []tideline.StatusChange{{Status: tideline.StatusSent, At: in.At}}
	}
	return early.changes(ending{at: in.At})
}

var updateUnread = newMulti(`UPDATE chats SET unread = CASE WHEN v.column2 THEN 0 ELSE unread END + v.column3,
	closed = closed AND v.column2 FROM (VALUES `, `) AS v WHERE chats.id = v.column1`, "BIGINT", "BOOLEAN", "BIGINT")

// count changes the chats' counts of unread messages, in the order of their ids.
// A closed chat in which a contact writes is open again.
func (r *reception) count(ctx context.Context) error {
	args := make([]any, 0, len(r.unread)*updateUnread.cols)
	for _, id := range sortedKeys(r.unread) {
		args = append(args, id, r.unread[id].reset, r.unread[id].add)
	}
	return r.t.execAll(ctx, updateUnread, args)
}

// withData gives data with one more value.
func withData(data map[string]string, key, value string) map[string]string {
	more := map[string]string{key: value}
	for k, v := range data {
		more[k] = v
	}
	return more
}

// targetKey names a message as others refer to it.
type targetKey struct {
	accountID, chatID int64
	whatsAppID        string
}

// target is a message that others refer to.
type target struct {
	id      int64
	uid     string
	fromMe  bool
	sender  tideline.Peer
	text    string
	edited  time.Time
	deleted time.Time
}

const targetColumns = `m.account_id, m.chat_id, m.whatsapp_id, m.id, m.uid, m.from_me, m.sender_jid, m.sender_lid, m.text, m.edited_at, m.deleted_at`

var (
	selectReceivedTargets = newMulti(`SELECT `+targetColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN messages m WHERE m.account_id = v.column1 AND m.chat_id = v.column2
		AND m.whatsapp_id = v.column3 AND NOT m.from_me`, "BIGINT", "BIGINT", "TEXT")
	selectSentTargets = newMulti(`SELECT `+targetColumns+` FROM (VALUES `,
		`) AS v CROSS JOIN messages m WHERE m.account_id = v.column1 AND m.chat_id = v.column2
		AND m.whatsapp_id = v.column3 AND m.from_me AND m.sent_at IS NOT NULL`, "BIGINT", "BIGINT", "TEXT")
	selectOwn = newMulti(`SELECT m.account_id, m.whatsapp_id, m.id, m.uid FROM (VALUES `,
		`) AS v CROSS JOIN messages m WHERE m.account_id = v.column1 AND m.whatsapp_id = v.column2
		AND m.from_me AND m.sent_at IS NOT NULL`, "BIGINT", "TEXT")
	selectSending = newMulti(`SELECT o.account_id, m.whatsapp_id, m.id, m.uid FROM (VALUES `,
		`) AS v CROSS JOIN outbox o CROSS JOIN messages m
		WHERE o.account_id = v.column1 AND m.id = o.message_id AND m.whatsapp_id = v.column2`, "BIGINT", "TEXT")
)

// findTargets finds received and sent messages. Of two with one id in a chat,
// the account's own counts: nobody else can know its id before it is sent.
func (t *tx) findTargets(ctx context.Context, keys []targetKey) (map[targetKey]*target, error) {
	found := make(map[targetKey]*target, len(keys))
	if err := t.askTargets(ctx, selectReceivedTargets, keys, found); err != nil {
		return nil, err
	}
	if err := t.askTargets(ctx, selectSentTargets, keys, found); err != nil {
		return nil, err
	}
	err := t.await(ctx)
	return found, err
}

// askTargets adds what the query finds to found, see ask.
func (t *tx) askTargets(ctx context.Context, query *multi, keys []targetKey, found map[targetKey]*target) error {
	args := make([]any, 0, 3*len(keys))
	for _, k := range keys {
		args = append(args, k.accountID, k.chatID, k.whatsAppID)
	}
	return t.askAll(ctx, query, args, func(r *sql.Rows) error {
		var k targetKey
		m := &target{}
		err := r.Scan(&k.accountID, &k.chatID, &k.whatsAppID, &m.id, &m.uid, &m.fromMe, &m.sender.JID, &m.sender.LID,
			&m.text, millis{&m.edited}, millis{&m.deleted})
		found[k] = m
		return err
	})
}

// findOwn finds the account's own messages: those that were sent, and in the
// outbox, where the one that is being sent may be. keys are pairs of account id
// and WhatsApp id.
func (t *tx) findOwn(ctx context.Context, keys []any) (map[receiptKey]*target, error) {
	found := make(map[receiptKey]*target)
	for _, query := range []*multi{selectSending, selectOwn} {
		err := t.askAll(ctx, query, keys, func(r *sql.Rows) error {
			var k receiptKey
			m := &target{fromMe: true}
			err := r.Scan(&k.accountID, &k.whatsAppID, &m.id, &m.uid)
			found[k] = m
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	err := t.await(ctx)
	return found, err
}
