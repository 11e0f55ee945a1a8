package sqlstore

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// aboutChat is the change of a chat, for the audit log.
func aboutChat(c *tideline.Chat, a tideline.AuditAction, at time.Time, fields ...tideline.AuditChange) change {
	return change{workspaceID: c.WorkspaceID, at: at, action: a, kind: tideline.TargetChat, id: c.ID, name: c.Name, chatID: c.ID, fields: fields}
}

// auditFlags writes what u changes of c, as it was before, in what is either so
// or not. What was read is no change worth telling.
func (t *tx) auditFlags(ctx context.Context, c *tideline.Chat, u store.ChatUpdate) error {
	if u.Closed != nil && *u.Closed != c.Closed {
		action := tideline.AuditChatReopened
		if *u.Closed {
			action = tideline.AuditChatClosed
		}
		if err := t.audit(ctx, aboutChat(c, action, u.At)); err != nil {
			return err
		}
	}
	if u.AutoReply == nil {
		return nil
	}
	return t.audited(ctx, aboutChat(c, tideline.AuditAutoReply, u.At, diff(nil, "auto_reply", c.AutoReply, *u.AutoReply)...))
}

// auditUnassigned writes for each chat of a member who leaves that it is nobody's
// from now on.
func (t *tx) auditUnassigned(ctx context.Context, workspaceID, memberID int64, name string, at time.Time) error {
	fields, err := encodeChanges([]tideline.AuditChange{{Field: "responsible", Old: name}})
	if err != nil {
		return err
	}
	a := tideline.ActorOf(ctx)
	_, err = t.exec(ctx, `INSERT INTO audit (workspace_id, at, member_id, token_id, via, action, target_kind, target_id, target_name, chat_id, changes)
		SELECT c.workspace_id, CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), $4, $5, $6, c.id, c.name, c.id, $7
		FROM chats c WHERE c.workspace_id = $8 AND c.responsible_id = $9 ORDER BY c.id`,
		at.UnixMilli(), orNull(a.MemberID), orNull(a.TokenID), string(a.Via), string(tideline.AuditChatUnassigned), tideline.TargetChat,
		fields, workspaceID, memberID)
	return err
}
