package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const messageColumns = `m.id, m.uid, m.workspace_id, m.account_id, m.chat_id, m.member_id, m.whatsapp_id, m.from_me, m.text,
	m.file_id, m.origin, m.status, m.reason, m.credits, m.accepted_at, m.sent_at,
	m.kind, m.sender_jid, m.sender_lid, m.sender_name, m.reply_to, m.data, m.edited_at, m.deleted_at`

func messageFields(m *tideline.Message) []any {
	return []any{&m.ID, &m.UID, &m.WorkspaceID, &m.AccountID, &m.ChatID, orZero{&m.MemberID}, &m.WhatsAppID, &m.FromMe, &m.Text,
		orZero{&m.FileID}, &m.Origin, &m.Status, &m.Reason, &m.Credits, millis{&m.AcceptedAt}, millis{&m.SentAt},
		&m.Kind, &m.Sender.JID, &m.Sender.LID, &m.Sender.Name, &m.ReplyTo, dataText{&m.Data}, millis{&m.EditedAt}, millis{&m.DeletedAt}}
}

// MessageByUID implements store.Messages. It finds messages of removed
// accounts and files that are there no more: what was said stays.
func (s *Store) MessageByUID(ctx context.Context, workspaceID int64, uid string) (store.MessageView, error) {
	var v store.MessageView
	err := s.read(ctx, func(t *tx) error {
		var file scannedFile
		var member sql.NullString
		fields := append(messageFields(&v.Message), chatFields(&v.Chat)...)
		fields = append(fields, accountFields(&v.Account)...)
		fields = append(fields, file.fields()...)
		err := t.one(ctx, `SELECT `+messageColumns+`, `+chatColumns+`, `+accountColumns+`, `+fileColumns+`, mb.display_name
			FROM messages m
			JOIN chats c ON c.id = m.chat_id
			JOIN accounts a ON a.id = m.account_id
			LEFT JOIN files f ON f.id = m.file_id
			LEFT JOIN members mb ON mb.id = m.member_id
			WHERE m.uid = $1 AND m.workspace_id = $2`, []any{uid, workspaceID}, append(fields, &member)...)
		if err != nil {
			return err
		}
		v.File, v.MemberName = file.orNil(), member.String
		if err := t.decorate(ctx, workspaceID, v.Message.AccountID, v.Message.ChatID, []*store.MessageView{&v}); err != nil {
			return err
		}
		return t.each(ctx, `SELECT status, at, reason FROM message_status WHERE message_id = $1`, []any{v.Message.ID},
			func(r *sql.Rows) error {
				var c tideline.StatusChange
				err := r.Scan(&c.Status, millis{&c.At}, &c.Reason)
				v.History = append(v.History, c)
				return err
			})
	})
	if err != nil {
		return store.MessageView{}, failed("message by uid", missing(err, "message"))
	}
	// A message's status only rises, so the order of ranks is that of time; two
	// clocks (WhatsApp's and the phone's) may disagree about the instants.
	slices.SortFunc(v.History, func(a, b tideline.StatusChange) int { return a.Status.Rank() - b.Status.Rank() })
	return v, nil
}
