package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const workspaceColumns = `w.id, w.slug, w.display_name, w.time_zone, w.credits, w.gap_min_ms, w.gap_max_ms, w.created_at,
	p.name, p.credits, p.api_calls, p.seats, p.webhooks, p.max_file_bytes, p.api, p.attachments, p.gap_adjustable`

// scannedWorkspace is a workspace with the fields that are stored otherwise.
type scannedWorkspace struct {
	tideline.Workspace
	credits        sql.NullInt64
	gapMin, gapMax int64
}

func (w *scannedWorkspace) fields() []any {
	return append([]any{&w.ID, &w.Slug, &w.DisplayName, &w.TimeZone, &w.credits, &w.gapMin, &w.gapMax, millis{&w.CreatedAt}},
		planFields(&w.Plan)...)
}

func (w *scannedWorkspace) workspace() tideline.Workspace {
	if w.credits.Valid {
		c := tideline.Credits(w.credits.Int64)
		w.Credits = &c
	}
	w.Gap = tideline.Gap{Min: time.Duration(w.gapMin) * time.Millisecond, Max: time.Duration(w.gapMax) * time.Millisecond}
	return w.Workspace
}

func planFields(p *tideline.Plan) []any {
	return []any{&p.Name, &p.Credits, &p.APICalls, &p.Seats, &p.Webhooks, &p.MaxFileBytes, &p.API, &p.Attachments, &p.GapAdjustable}
}

// workspace reads the workspace that the condition finds.
func (t *tx) workspace(ctx context.Context, where string, args ...any) (tideline.Workspace, error) {
	var w scannedWorkspace
	err := t.one(ctx, `SELECT `+workspaceColumns+` FROM workspaces w JOIN plans p ON p.name = w.plan WHERE `+where, args, w.fields()...)
	if err != nil {
		return tideline.Workspace{}, missing(err, "workspace")
	}
	return w.workspace(), nil
}

// CreateWorkspace implements store.Workspaces.
func (s *Store) CreateWorkspace(ctx context.Context, w tideline.Workspace, owner tideline.Member) (tideline.Workspace, tideline.Member, error) {
	if err := checkWorkspace(w.Slug, w.TimeZone, w.Gap, w.Credits); err != nil {
		return tideline.Workspace{}, tideline.Member{}, err
	}
	var made tideline.Workspace
	var member tideline.Member
	err := s.write(ctx, "create workspace", func(ctx context.Context, t *tx) error {
		if err := t.checkPlan(ctx, w.Plan.Name); err != nil {
			return err
		}
		var credits any
		if w.Credits != nil {
			credits = int64(*w.Credits)
		}
		var id int64
		err := t.one(ctx, `INSERT INTO workspaces (slug, display_name, time_zone, plan, credits, gap_min_ms, gap_max_ms, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			[]any{w.Slug, w.DisplayName, w.TimeZone, w.Plan.Name, credits, w.Gap.Min.Milliseconds(), w.Gap.Max.Milliseconds(),
				w.CreatedAt.UnixMilli()}, &id)
		if isUnique(err) {
			return tideline.Errorf(tideline.CodeConflict, "a workspace %q exists already", w.Slug)
		}
		if err != nil {
			return err
		}
		if made, err = t.workspace(ctx, `w.id = $1`, id); err != nil {
			return err
		}
		bs := &balances{of: map[int64]*tideline.Balance{id: {}}, changed: make(map[int64]bool)}
		bs.openPeriod(id, w.CreatedAt, made.Location(), made.Grant())
		if err := t.save(ctx, bs); err != nil {
			return err
		}
		owner.WorkspaceID, owner.Role = id, tideline.RoleOwner
		if member, err = t.addMember(ctx, owner); err != nil {
			return err
		}
		t.tellSettings(id)
		if err := t.audit(ctx, aboutWorkspace(made, tideline.AuditWorkspaceCreated, w.CreatedAt, set("owner", member.Email)...)); err != nil {
			return err
		}
		return t.bump(ctx)
	})
	if err != nil {
		return tideline.Workspace{}, tideline.Member{}, err
	}
	return made, member, nil
}

// checkWorkspace keeps out what the tables would refuse with a worse message.
func checkWorkspace(slug, zone string, gap tideline.Gap, credits *tideline.Credits) error {
	if err := tideline.CheckSlug(slug); err != nil {
		return err
	}
	if err := tideline.CheckTimeZone(zone); err != nil {
		return err
	}
	if err := gap.Check(); err != nil {
		return err
	}
	if credits == nil {
		return nil
	}
	return tideline.CheckGrant(*credits)
}

// checkPlan gives a not_found when there is no plan of that name.
func (t *tx) checkPlan(ctx context.Context, name string) error {
	var found string
	return missing(t.one(ctx, `SELECT name FROM plans WHERE name = $1`, []any{name}, &found), "plan")
}

// WorkspaceBySlug implements store.Workspaces.
func (s *Store) WorkspaceBySlug(ctx context.Context, slug string) (tideline.Workspace, error) {
	w, err := s.reader().workspace(ctx, `w.slug = $1`, slug)
	return w, failed("workspace by slug", err)
}

// ListWorkspaces implements store.Workspaces.
func (s *Store) ListWorkspaces(ctx context.Context) ([]tideline.Workspace, error) {
	var all []tideline.Workspace
	err := s.reader().each(ctx, `SELECT `+workspaceColumns+` FROM workspaces w JOIN plans p ON p.name = w.plan`, nil,
		func(r *sql.Rows) error {
			var w scannedWorkspace
			err := r.Scan(w.fields()...)
			all = append(all, w.workspace())
			return err
		})
	slices.SortFunc(all, func(a, b tideline.Workspace) int { return strings.Compare(a.Slug, b.Slug) })
	return all, failed("list workspaces", err)
}

// UpdateWorkspace implements store.Workspaces.
func (s *Store) UpdateWorkspace(ctx context.Context, workspaceID int64, u store.WorkspaceUpdate) (tideline.Workspace, error) {
	var updated tideline.Workspace
	err := s.write(ctx, "update workspace", func(ctx context.Context, t *tx) error {
		// The balance is the workspace's lock, so it comes first.
		bs, err := t.currentBalances(ctx, []int64{workspaceID}, u.At)
		if err != nil {
			return err
		}
		before, err := t.workspace(ctx, `w.id = $1`, workspaceID)
		if err != nil {
			return err
		}
		after, err := t.changedWorkspace(ctx, before, u)
		if err != nil {
			return err
		}
		var credits any
		if after.Credits != nil {
			credits = int64(*after.Credits)
		}
		if _, err := t.exec(ctx, `UPDATE workspaces SET display_name = $1, time_zone = $2, plan = $3, credits = $4,
			gap_min_ms = $5, gap_max_ms = $6 WHERE id = $7`, after.DisplayName, after.TimeZone, after.Plan.Name, credits,
			after.Gap.Min.Milliseconds(), after.Gap.Max.Milliseconds(), workspaceID); err != nil {
			return err
		}
		if updated, err = t.workspace(ctx, `w.id = $1`, workspaceID); err != nil {
			return err
		}
		b := bs.of[workspaceID]
		if updated.Grant() != b.Granted && (u.Credits != nil || u.Plan != nil) {
			bs.note(workspaceID, b.SetGrant(updated.Grant(), u.At, u.Note))
		}
		if u.AddExtra != nil && *u.AddExtra != 0 {
			bs.note(workspaceID, b.AddExtra(*u.AddExtra, u.At, u.Note))
		}
		if err := t.save(ctx, bs); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		if before.Gap != updated.Gap {
			t.tellQueue(workspaceID, 0)
			if err := t.rescaleGaps(ctx, workspaceID, before.Gap, updated.Gap); err != nil {
				return err
			}
		}
		if err := t.audited(ctx, aboutWorkspace(updated, tideline.AuditWorkspaceChanged, u.At, workspaceDiff(before, updated, u)...)); err != nil {
			return err
		}
		return t.bump(ctx)
	})
	if err != nil {
		return tideline.Workspace{}, err
	}
	return updated, nil
}

// changedWorkspace applies u to w.
func (t *tx) changedWorkspace(ctx context.Context, w tideline.Workspace, u store.WorkspaceUpdate) (tideline.Workspace, error) {
	if u.DisplayName != nil {
		w.DisplayName = *u.DisplayName
	}
	if u.TimeZone != nil {
		w.TimeZone = *u.TimeZone
	}
	if u.Plan != nil {
		if err := t.checkPlan(ctx, *u.Plan); err != nil {
			return w, err
		}
		w.Plan.Name, w.Credits = *u.Plan, nil
	}
	if u.Credits != nil {
		w.Credits = u.Credits
	}
	if u.Gap != nil {
		w.Gap = *u.Gap
	}
	return w, checkWorkspace(w.Slug, w.TimeZone, w.Gap, w.Credits)
}

// rescaleGaps moves the gaps of the queued messages to the place in the new
// range that they had in the old one, so that they stay uniformly drawn.
func (t *tx) rescaleGaps(ctx context.Context, workspaceID int64, from, to tideline.Gap) error {
	// Locks in the order of the settlements.
	var ids []any
	err := t.each(ctx, `SELECT o.message_id FROM outbox o JOIN accounts a ON a.id = o.account_id
		WHERE a.workspace_id = $1 ORDER BY o.message_id`+t.forUpdate("o"), []any{workspaceID}, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	// A fixed old gap has no place in its range; the middle of the new one is
	// the best there is.
	fromMin, span := from.Min.Milliseconds(), (from.Max - from.Min).Milliseconds()
	toMin, width := to.Min.Milliseconds(), (to.Max - to.Min).Milliseconds()
	if span == 0 {
		_, err = t.exec(ctx, `UPDATE outbox SET gap_ms = $1 WHERE account_id IN
			(SELECT id FROM accounts WHERE workspace_id = $2)`, toMin+width/2, workspaceID)
		return err
	}
	_, err = t.exec(ctx, `UPDATE outbox SET gap_ms = CAST($1 AS BIGINT)
		+ (CASE WHEN gap_ms < $2 THEN 0 WHEN gap_ms > $3 THEN CAST($4 AS BIGINT) ELSE gap_ms - CAST($2 AS BIGINT) END) * CAST($5 AS BIGINT) / CAST($4 AS BIGINT)
		WHERE account_id IN (SELECT id FROM accounts WHERE workspace_id = $6)`,
		toMin, fromMin, fromMin+span, span, width, workspaceID)
	return err
}

// PutPlan implements store.Workspaces.
func (s *Store) PutPlan(ctx context.Context, p tideline.Plan) error {
	return s.write(ctx, "put plan", func(ctx context.Context, t *tx) error {
		if err := t.auditPlan(ctx, p); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO plans (name, credits, api_calls, seats, webhooks, max_file_bytes, api, attachments, gap_adjustable)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (name) DO UPDATE SET credits = excluded.credits, api_calls = excluded.api_calls, seats = excluded.seats,
			webhooks = excluded.webhooks, max_file_bytes = excluded.max_file_bytes, api = excluded.api,
			attachments = excluded.attachments, gap_adjustable = excluded.gap_adjustable`,
			p.Name, int64(p.Credits), p.APICalls, p.Seats, p.Webhooks, p.MaxFileBytes, p.API, p.Attachments, p.GapAdjustable)
		if err != nil {
			return err
		}
		err = t.each(ctx, `SELECT id FROM workspaces WHERE plan = $1`, []any{p.Name}, func(r *sql.Rows) error {
			var id int64
			err := r.Scan(&id)
			t.tellSettings(id)
			return err
		})
		if err != nil {
			return err
		}
		return t.bump(ctx)
	})
}

// ListPlans implements store.Workspaces.
func (s *Store) ListPlans(ctx context.Context) ([]tideline.Plan, error) {
	var plans []tideline.Plan
	err := s.reader().each(ctx, `SELECT p.name, p.credits, p.api_calls, p.seats, p.webhooks, p.max_file_bytes,
		p.api, p.attachments, p.gap_adjustable FROM plans p`, nil, func(r *sql.Rows) error {
		var p tideline.Plan
		err := r.Scan(planFields(&p)...)
		plans = append(plans, p)
		return err
	})
	slices.SortFunc(plans, func(a, b tideline.Plan) int { return strings.Compare(a.Name, b.Name) })
	return plans, failed("list plans", err)
}
