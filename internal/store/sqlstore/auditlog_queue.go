package sqlstore

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// auditPause writes, before it is stored, that an account is paused or goes on,
// unless it is so already: not_found.
func (t *tx) auditPause(ctx context.Context, workspaceID, accountID int64, pause bool, at time.Time) error {
	a, err := t.account(ctx, workspaceID, accountID)
	if err != nil || a.Pause.Paused() == pause {
		return err
	}
	action := tideline.AuditAccountResumed
	if pause {
		action = tideline.AuditAccountPaused
	}
	return t.audit(ctx, aboutAccount(a, action, at))
}

// auditQueue writes what was done with the queue of an account.
func (t *tx) auditQueue(ctx context.Context, workspaceID, accountID int64, action tideline.AuditAction, at time.Time, fields ...tideline.AuditChange) error {
	a, err := t.account(ctx, workspaceID, accountID)
	if err != nil {
		return err
	}
	return t.audit(ctx, aboutAccount(a, action, at, fields...))
}

// asThemselves is a context in which a member who comes in, and is nobody until
// then, acts.
func asThemselves(ctx context.Context, m *tideline.Member) context.Context {
	return tideline.WithActor(ctx, tideline.Actor{MemberID: m.ID, Via: tideline.ViaInbox})
}
