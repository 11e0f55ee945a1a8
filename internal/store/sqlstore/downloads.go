package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// DueDownloads implements store.Downloads.
func (s *Store) DueDownloads(ctx context.Context, now time.Time, limit int) ([]store.Download, error) {
	return s.DueDownloadsFrom(ctx, now, 0, limit)
}

// DueDownloadsFrom implements store.SharedWork.
func (s *Store) DueDownloadsFrom(ctx context.Context, now time.Time, offset, limit int) ([]store.Download, error) {
	var due []store.Download
	err := s.reader().each(ctx, `SELECT d.message_id, d.workspace_id, d.account_id,
		CASE WHEN a.removed_at IS NULL THEN a.device_jid ELSE '' END, m.kind, d.name, d.mime_type, d.size, d.ref, d.attempts, m.sent_at
		FROM downloads d JOIN messages m ON m.id = d.message_id
		JOIN accounts a ON a.id = d.account_id AND a.workspace_id = d.workspace_id WHERE d.due_at <= $1 ORDER BY d.due_at, d.message_id LIMIT $2 OFFSET $3`,
		[]any{now.UnixMilli(), limit, offset}, func(r *sql.Rows) error {
			var d store.Download
			err := r.Scan(&d.MessageID, &d.WorkspaceID, &d.AccountID, &d.DeviceJID, &d.Kind, &d.Name, &d.MIMEType, &d.Size, &d.Ref, &d.Attempts, millis{&d.SentAt})
			due = append(due, d)
			return err
		})
	return due, failed("due downloads", err)
}

// NextDownload implements store.Downloads.
func (s *Store) NextDownload(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := s.reader().one(ctx, `SELECT min(due_at) FROM downloads`, nil, millis{&at})
	return at, failed("next download", err)
}

// NextDownloadAfter implements store.SharedWork.
func (s *Store) NextDownloadAfter(ctx context.Context, now time.Time) (time.Time, error) {
	var at time.Time
	err := s.reader().one(ctx, `SELECT min(due_at) FROM downloads WHERE due_at > $1`, []any{now.UnixMilli()}, millis{&at})
	return at, failed("next download", err)
}

// FinishDownload implements store.Downloads.
func (s *Store) FinishDownload(ctx context.Context, workspaceID, messageID int64, f tideline.File) error {
	return s.write(ctx, "finish download", s.fenced(func(ctx context.Context, t *tx) error {
		if err := t.endDownload(ctx, workspaceID, messageID, ""); err != nil {
			return err
		}
		id, err := t.insertFile(ctx, workspaceID, f)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE messages SET file_id = $1 WHERE id = $2 AND workspace_id = $3`, id, messageID, workspaceID)
		return err
	}))
}

// PostponeDownload implements store.Downloads.
func (s *Store) PostponeDownload(ctx context.Context, workspaceID, messageID int64, due time.Time, note string) error {
	return s.write(ctx, "postpone download", s.fenced(func(ctx context.Context, t *tx) error {
		if err := t.announceDownloads(ctx, `d.message_id = $1 AND d.workspace_id = $2`, messageID, workspaceID); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE downloads SET attempts = attempts + 1, due_at = $1, note = $2
			WHERE message_id = $3 AND workspace_id = $4`, due.UnixMilli(), note, messageID, workspaceID)
		return mustChange(n, err, "download")
	}))
}

// AbandonDownload implements store.Downloads.
func (s *Store) AbandonDownload(ctx context.Context, workspaceID, messageID int64, why tideline.AttachmentState) error {
	return s.write(ctx, "abandon download", s.fenced(func(ctx context.Context, t *tx) error {
		return t.endDownload(ctx, workspaceID, messageID, why)
	}))
}

// endDownload removes a download and notes in the message what became of its
// attachment; "" = it is there.
func (t *tx) endDownload(ctx context.Context, workspaceID, messageID int64, state tideline.AttachmentState) error {
	if err := t.announceDownloads(ctx, `d.message_id = $1 AND d.workspace_id = $2`, messageID, workspaceID); err != nil {
		return err
	}
	n, err := t.exec(ctx, `DELETE FROM downloads WHERE message_id = $1 AND workspace_id = $2`, messageID, workspaceID)
	if err := mustChange(n, err, "download"); err != nil {
		return err
	}
	var data map[string]string
	var accountID, chatID int64
	err = t.one(ctx, `SELECT data, account_id, chat_id FROM messages WHERE id = $1 AND workspace_id = $2`, []any{messageID, workspaceID},
		dataText{&data}, &accountID, &chatID)
	if err != nil {
		return missing(err, "message")
	}
	t.tellMessage(workspaceID, accountID, chatID, messageID)
	delete(data, tideline.DataAttachment)
	if state != "" {
		data = withData(data, tideline.DataAttachment, string(state))
	}
	text, err := encodeData(data)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE messages SET data = $1 WHERE id = $2 AND workspace_id = $3`, text, messageID, workspaceID)
	return err
}
