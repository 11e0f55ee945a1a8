package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const labelColumns = `l.id, l.workspace_id, l.name, l.colour`

func labelFields(l *tideline.Label) []any {
	return []any{&l.ID, &l.WorkspaceID, &l.Name, &l.Chosen}
}

// ListLabels implements store.Labels.
func (s *Store) ListLabels(ctx context.Context, workspaceID int64) ([]tideline.Label, error) {
	var labels []tideline.Label
	err := s.reader().each(ctx, `SELECT `+labelColumns+` FROM labels l WHERE l.workspace_id = $1`, []any{workspaceID},
		func(r *sql.Rows) error {
			var l tideline.Label
			err := r.Scan(labelFields(&l)...)
			labels = append(labels, l)
			return err
		})
	// The databases collate differently.
	slices.SortFunc(labels, func(a, b tideline.Label) int { return strings.Compare(a.Name, b.Name) })
	return labels, failed("list labels", err)
}

// CountLabels implements store.Labels.
func (s *Store) CountLabels(ctx context.Context, workspaceID int64, v *store.Viewer) (map[int64]store.LabelCount, error) {
	c := &conditions{}
	c.add(`l.workspace_id = ?`, workspaceID)
	if v != nil {
		visible := `c.responsible_id = ` + c.param(v.MemberID)
		if len(v.Accounts) > 0 {
			visible += ` OR c.account_id IN (` + paramList(c, v.Accounts) + `)`
		}
		c.add(`(` + visible + `)`)
	}
	counts := make(map[int64]store.LabelCount)
	err := s.reader().each(ctx, `SELECT l.id, count(*), coalesce(sum(CASE WHEN c.closed THEN 0 ELSE 1 END), 0)
		FROM labels l JOIN chat_labels cl ON cl.label_id = l.id JOIN chats c ON c.id = cl.chat_id AND c.workspace_id = l.workspace_id
		WHERE `+c.String()+` GROUP BY l.id`, c.args, func(r *sql.Rows) error {
		var id int64
		var n store.LabelCount
		err := r.Scan(&id, &n.All, &n.Open)
		counts[id] = n
		return err
	})
	return counts, failed("count labels", err)
}

// changeLabels runs fn under the lock under which labels are made and attached,
// also by acceptances, so that what is looked up in fn stays true.
func (s *Store) changeLabels(ctx context.Context, call string, workspaceID int64, fn func(ctx context.Context, t *tx) error) error {
	return s.write(ctx, call, func(ctx context.Context, t *tx) error {
		if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
			return err
		}
		return fn(ctx, t)
	})
}

// label reads the label that the condition finds.
func (t *tx) label(ctx context.Context, where string, args ...any) (l tideline.Label, err error) {
	err = t.one(ctx, `SELECT `+labelColumns+` FROM labels l WHERE `+where, args, labelFields(&l)...)
	return l, missing(err, "label")
}

func labelTaken(name string) error {
	return tideline.Errorf(tideline.CodeConflict, "the workspace has a label %q already", name)
}

// CreateLabel implements store.Labels.
func (s *Store) CreateLabel(ctx context.Context, l tideline.Label) (tideline.Label, error) {
	err := s.changeLabels(ctx, "create label", l.WorkspaceID, func(ctx context.Context, t *tx) error {
		err := t.one(ctx, `INSERT INTO labels (workspace_id, name, colour)
			SELECT w.id, CAST($2 AS TEXT), CAST($3 AS TEXT) FROM workspaces w WHERE w.id = $1
			ON CONFLICT (workspace_id, name) DO NOTHING RETURNING id`,
			[]any{l.WorkspaceID, l.Name, string(l.Chosen)}, &l.ID)
		if err == nil {
			t.tellSettings(l.WorkspaceID)
			return t.audit(ctx, aboutLabel(l, tideline.AuditLabelCreated))
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := t.label(ctx, `l.workspace_id = $1 AND l.name = $2`, l.WorkspaceID, l.Name); err != nil {
			return notFound("workspace")
		}
		return labelTaken(l.Name)
	})
	if err != nil {
		return tideline.Label{}, err
	}
	return l, nil
}

// UpdateLabel implements store.Labels.
func (s *Store) UpdateLabel(ctx context.Context, workspaceID, labelID int64, u store.LabelUpdate) (tideline.Label, error) {
	var changed tideline.Label
	err := s.changeLabels(ctx, "update label", workspaceID, func(ctx context.Context, t *tx) error {
		l, err := t.label(ctx, `l.workspace_id = $1 AND l.id = $2`, workspaceID, labelID)
		if err != nil {
			return err
		}
		before := l
		if u.Name != nil && *u.Name != l.Name {
			other, err := t.label(ctx, `l.workspace_id = $1 AND l.name = $2`, workspaceID, *u.Name)
			switch {
			case err == nil && !u.Merge:
				return labelTaken(*u.Name)
			case err == nil:
				changed = other
				if err := t.audit(ctx, aboutLabel(l, tideline.AuditLabelMerged, tideline.AuditChange{Field: "into", New: other.Name})); err != nil {
					return err
				}
				return t.mergeLabel(ctx, l, other)
			case !tideline.IsCode(err, tideline.CodeNotFound):
				return err
			}
			l.Name = *u.Name
		}
		if u.Colour != nil {
			l.Chosen = *u.Colour
		}
		changed = l
		t.tellSettings(workspaceID)
		if _, err = t.exec(ctx, `UPDATE labels SET name = $1, colour = $2 WHERE id = $3 AND workspace_id = $4`,
			l.Name, string(l.Chosen), l.ID, workspaceID); err != nil {
			return err
		}
		return t.audited(ctx, aboutLabel(l, tideline.AuditLabelChanged,
			diff(diff(nil, "name", before.Name, l.Name), "colour", before.Chosen, l.Chosen)...))
	})
	if err != nil {
		return tideline.Label{}, err
	}
	return changed, nil
}

// mergeLabel puts into on the chats of l and forgets l.
func (t *tx) mergeLabel(ctx context.Context, l, into tideline.Label) error {
	_, err := t.exec(ctx, `INSERT INTO chat_labels (chat_id, label_id)
		SELECT cl.chat_id, CAST($1 AS BIGINT) FROM chat_labels cl WHERE cl.label_id = $2
		ON CONFLICT (chat_id, label_id) DO NOTHING`, into.ID, l.ID)
	if err != nil {
		return err
	}
	return t.forgetLabel(ctx, l.WorkspaceID, l.ID)
}

// forgetLabel removes a label, from chats too: not_found.
func (t *tx) forgetLabel(ctx context.Context, workspaceID, labelID int64) error {
	n, err := t.exec(ctx, `DELETE FROM labels WHERE id = $1 AND workspace_id = $2`, labelID, workspaceID)
	if err := mustChange(n, err, "label"); err != nil {
		return err
	}
	_, err = t.exec(ctx, `DELETE FROM chat_labels WHERE label_id = $1`, labelID)
	t.tellSettings(workspaceID)
	return err
}

// aboutLabel is the change of a label, for the audit log.
func aboutLabel(l tideline.Label, a tideline.AuditAction, fields ...tideline.AuditChange) change {
	return change{workspaceID: l.WorkspaceID, action: a, kind: tideline.TargetLabel, id: l.ID, name: l.Name, fields: fields}
}

// DeleteLabel implements store.Labels.
func (s *Store) DeleteLabel(ctx context.Context, workspaceID, labelID int64) error {
	return s.changeLabels(ctx, "delete label", workspaceID, func(ctx context.Context, t *tx) error {
		l, err := t.label(ctx, `l.workspace_id = $1 AND l.id = $2`, workspaceID, labelID)
		if err != nil {
			return err
		}
		if err := t.forgetLabel(ctx, workspaceID, labelID); err != nil {
			return err
		}
		return t.audit(ctx, aboutLabel(l, tideline.AuditLabelDeleted))
	})
}
