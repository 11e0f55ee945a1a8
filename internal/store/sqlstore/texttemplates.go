package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

const textTemplateColumns = `tt.id, tt.workspace_id, tt.name, tt.text, tt.visibility, tt.team_id, tt.author_id, tt.editor_id,
	tt.created_at, tt.updated_at, tt.uses`

// Every team has an id but the default one: in the table of text templates -1
// stands for it, because NULL is all teams.
const storedDefaultTeam = -1

func storedTeam(id *int64) any {
	switch {
	case id == nil:
		return nil
	case *id == 0:
		return storedDefaultTeam
	}
	return *id
}

func scanTextTemplate(scan func(...any) error) (tideline.TextTemplate, error) {
	var t tideline.TextTemplate
	var team sql.NullInt64
	err := scan(&t.ID, &t.WorkspaceID, &t.Name, &t.Text, &t.Visibility, &team, &t.AuthorID, &t.EditorID,
		millis{&t.CreatedAt}, millis{&t.UpdatedAt}, &t.Uses)
	if team.Valid {
		t.TeamID = &team.Int64
		if team.Int64 == storedDefaultTeam {
			t.TeamID = new(int64)
		}
	}
	return t, err
}

// CreateTextTemplate implements store.TextTemplates.
func (s *Store) CreateTextTemplate(ctx context.Context, tmpl tideline.TextTemplate) (tideline.TextTemplate, error) {
	tmpl.CreatedAt = tmpl.CreatedAt.UTC().Truncate(time.Millisecond)
	tmpl.UpdatedAt, tmpl.EditorID, tmpl.Uses = tmpl.CreatedAt, tmpl.AuthorID, 0
	err := s.write(ctx, "create text template", func(ctx context.Context, t *tx) error {
		t.tellSettings(tmpl.WorkspaceID)
		err := t.one(ctx, `INSERT INTO text_templates (workspace_id, name, text, visibility, team_id, author_id, editor_id,
			created_at, updated_at, uses) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $7, 0) RETURNING id`,
			[]any{tmpl.WorkspaceID, tmpl.Name, tmpl.Text, string(tmpl.Visibility), storedTeam(tmpl.TeamID), tmpl.AuthorID,
				tmpl.CreatedAt.UnixMilli()}, &tmpl.ID)
		if err != nil {
			return err
		}
		return t.audit(ctx, aboutTemplate(tmpl, tideline.AuditTemplateCreated, tmpl.CreatedAt))
	})
	if err != nil {
		return tideline.TextTemplate{}, err
	}
	return tmpl, nil
}

// TextTemplate implements store.TextTemplates.
func (s *Store) TextTemplate(ctx context.Context, workspaceID, id int64) (tideline.TextTemplate, error) {
	tmpl, err := s.reader().textTemplate(ctx, workspaceID, id)
	return tmpl, failed("text template", err)
}

// textTemplate reads a text template: not_found.
func (t *tx) textTemplate(ctx context.Context, workspaceID, id int64) (tmpl tideline.TextTemplate, err error) {
	found := false
	err = t.each(ctx, `SELECT `+textTemplateColumns+` FROM text_templates tt WHERE tt.workspace_id = $1 AND tt.id = $2`,
		[]any{workspaceID, id}, func(r *sql.Rows) (err error) {
			found = true
			tmpl, err = scanTextTemplate(r.Scan)
			return err
		})
	if err == nil && !found {
		err = notFound("text template")
	}
	return tmpl, err
}

// ListTextTemplates implements store.TextTemplates.
func (s *Store) ListTextTemplates(ctx context.Context, workspaceID int64) ([]tideline.TextTemplate, error) {
	var list []tideline.TextTemplate
	err := s.reader().each(ctx, `SELECT `+textTemplateColumns+` FROM text_templates tt WHERE tt.workspace_id = $1
		ORDER BY tt.updated_at DESC, tt.id DESC`, []any{workspaceID}, func(r *sql.Rows) error {
		tmpl, err := scanTextTemplate(r.Scan)
		list = append(list, tmpl)
		return err
	})
	return list, failed("list text templates", err)
}

// UpdateTextTemplate implements store.TextTemplates.
func (s *Store) UpdateTextTemplate(ctx context.Context, tmpl tideline.TextTemplate) error {
	return s.write(ctx, "update text template", func(ctx context.Context, t *tx) error {
		before, err := t.textTemplate(ctx, tmpl.WorkspaceID, tmpl.ID)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE text_templates SET name = $1, text = $2, visibility = $3, team_id = $4, editor_id = $5, updated_at = $6
			WHERE workspace_id = $7 AND id = $8`, tmpl.Name, tmpl.Text, string(tmpl.Visibility), storedTeam(tmpl.TeamID), tmpl.EditorID,
			tmpl.UpdatedAt.UnixMilli(), tmpl.WorkspaceID, tmpl.ID)
		t.tellSettings(tmpl.WorkspaceID)
		if err := mustChange(n, err, "text template"); err != nil {
			return err
		}
		if fields := templateDiff(before, tmpl); len(fields) > 0 {
			return t.audit(ctx, aboutTemplate(tmpl, tideline.AuditTemplateChanged, tmpl.UpdatedAt, fields...))
		}
		return nil
	})
}

// DeleteTextTemplate implements store.TextTemplates.
func (s *Store) DeleteTextTemplate(ctx context.Context, workspaceID, id int64) error {
	return s.write(ctx, "delete text template", func(ctx context.Context, t *tx) error {
		tmpl, err := t.textTemplate(ctx, workspaceID, id)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `DELETE FROM text_templates WHERE workspace_id = $1 AND id = $2`, workspaceID, id)
		t.tellSettings(workspaceID)
		if err := mustChange(n, err, "text template"); err != nil {
			return err
		}
		return t.audit(ctx, aboutTemplate(tmpl, tideline.AuditTemplateDeleted, time.Time{}))
	})
}

// CountTextTemplateUse implements store.TextTemplates.
func (s *Store) CountTextTemplateUse(ctx context.Context, workspaceID, id int64) error {
	return s.write(ctx, "count use of text template", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE text_templates SET uses = uses + 1 WHERE workspace_id = $1 AND id = $2`, workspaceID, id)
		t.tellSettings(workspaceID)
		return mustChange(n, err, "text template")
	})
}
