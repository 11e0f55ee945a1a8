package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// aboutWorkspace is the change of a workspace, for its audit log.
func aboutWorkspace(w tideline.Workspace, a tideline.AuditAction, at time.Time, fields ...tideline.AuditChange) change {
	return change{workspaceID: w.ID, at: at, action: a, kind: tideline.TargetWorkspace, id: w.ID, name: w.DisplayName, fields: fields}
}

// workspaceDiff says what is different of a workspace after u.
func workspaceDiff(before, after tideline.Workspace, u store.WorkspaceUpdate) []tideline.AuditChange {
	fields := diff(nil, "name", before.DisplayName, after.DisplayName)
	fields = diff(fields, "time_zone", before.TimeZone, after.TimeZone)
	fields = diff(fields, "plan", before.Plan.Name, after.Plan.Name)
	fields = diff(fields, "credits", shownCredits(before.Grant()), shownCredits(after.Grant()))
	fields = diff(fields, "gap", before.Gap, after.Gap)
	if u.AddExtra != nil && *u.AddExtra != 0 {
		fields = append(fields, tideline.AuditChange{Field: "extra_credits", New: fmt.Sprintf("%+d", *u.AddExtra)})
	}
	return fields
}

func shownCredits(c tideline.Credits) string {
	if c == tideline.Unlimited {
		return "unlimited"
	}
	return fmt.Sprint(int64(c))
}

// auditPlan writes, before the plan p is stored, what will be different to each
// workspace that has it. It serves the operator and spans workspaces.
func (t *tx) auditPlan(ctx context.Context, p tideline.Plan) error {
	var old tideline.Plan
	err := t.one(ctx, `SELECT p.name, p.credits, p.api_calls, p.seats, p.webhooks, p.max_file_bytes, p.api, p.attachments, p.gap_adjustable
		FROM plans p WHERE p.name = $1`, []any{p.Name}, planFields(&old)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // nobody has it yet
	}
	if err != nil {
		return err
	}
	fields := diff(nil, "credits", shownCredits(old.Credits), shownCredits(p.Credits))
	fields = diff(fields, "api_calls", old.APICalls, p.APICalls)
	fields = diff(fields, "seats", old.Seats, p.Seats)
	fields = diff(fields, "webhooks", old.Webhooks, p.Webhooks)
	fields = diff(fields, "max_file_bytes", old.MaxFileBytes, p.MaxFileBytes)
	fields = diff(fields, "api", old.API, p.API)
	fields = diff(fields, "attachments", old.Attachments, p.Attachments)
	fields = diff(fields, "gap_adjustable", old.GapAdjustable, p.GapAdjustable)
	if len(fields) == 0 {
		return nil
	}
	var ids []int64
	err = t.each(ctx, `SELECT id FROM workspaces WHERE plan = $1 ORDER BY id`, []any{p.Name}, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	for _, id := range ids {
		c := change{workspaceID: id, action: tideline.AuditPlanChanged, kind: tideline.TargetWorkspace, id: id, name: p.Name, fields: fields}
		err = errors.Join(err, t.audit(ctx, c))
	}
	return err
}
