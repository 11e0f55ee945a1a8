package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ListTemplateFiles implements store.AttachmentTemplates.
func (s *Store) ListTemplateFiles(ctx context.Context, workspaceID int64) ([]store.TemplateFile, error) {
	var list []store.TemplateFile
	err := s.reader().each(ctx, `SELECT `+templateColumns+`, `+fileColumns+` FROM attachment_templates tp
		JOIN files f ON f.id = tp.file_id AND f.workspace_id = tp.workspace_id
		WHERE tp.workspace_id = $1 ORDER BY tp.id`, []any{workspaceID}, func(r *sql.Rows) error {
		var t store.TemplateFile
		var f scannedFile
		if err := r.Scan(append(templateFields(&t.AttachmentTemplate), f.fields()...)...); err != nil {
			return err
		}
		t.File = *f.orNil()
		list = append(list, t)
		return nil
	})
	return list, failed("list template files", err)
}

// UpdateTemplate implements store.AttachmentTemplates.
func (s *Store) UpdateTemplate(ctx context.Context, workspaceID, templateID int64, u store.TemplateUpdate) error {
	return s.write(ctx, "update template", func(ctx context.Context, t *tx) error {
		before, err := t.template(ctx, workspaceID, templateID)
		if err != nil {
			return err
		}
		after := before
		if u.Name != nil {
			after.Name = *u.Name
		}
		fields := diff(nil, "name", before.Name, after.Name)
		if u.FileID != nil {
			f, err := t.file(ctx, `f.id = $1 AND f.workspace_id = $2`, *u.FileID, workspaceID)
			if err != nil {
				return err
			}
			after.FileID = f.ID
			fields = append(fields, tideline.AuditChange{Field: "file", New: f.Name})
		}
		t.tellSettings(workspaceID)
		if _, err := t.exec(ctx, `UPDATE attachment_templates SET name = $1, file_id = $2 WHERE id = $3 AND workspace_id = $4`,
			after.Name, after.FileID, templateID, workspaceID); err != nil {
			return err
		}
		return t.audited(ctx, aboutFileTemplate(after, tideline.AuditTemplateChanged, fields...))
	})
}

// DeleteTemplate implements store.AttachmentTemplates.
func (s *Store) DeleteTemplate(ctx context.Context, workspaceID, templateID int64) error {
	return s.write(ctx, "delete template", func(ctx context.Context, t *tx) error {
		tmpl, err := t.template(ctx, workspaceID, templateID)
		if err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		if _, err := t.exec(ctx, `DELETE FROM attachment_templates WHERE id = $1 AND workspace_id = $2`, templateID, workspaceID); err != nil {
			return err
		}
		return t.audit(ctx, aboutFileTemplate(tmpl, tideline.AuditTemplateDeleted))
	})
}

// template reads an attachment template and locks it: not_found.
func (t *tx) template(ctx context.Context, workspaceID, templateID int64) (tmpl tideline.AttachmentTemplate, err error) {
	err = t.one(ctx, `SELECT `+templateColumns+` FROM attachment_templates tp WHERE tp.id = $1 AND tp.workspace_id = $2`+t.forUpdate("tp"),
		[]any{templateID, workspaceID}, templateFields(&tmpl)...)
	return tmpl, missing(err, "attachment template")
}

// aboutFileTemplate is the change of an attachment template, for the audit log.
func aboutFileTemplate(m tideline.AttachmentTemplate, a tideline.AuditAction, fields ...tideline.AuditChange) change {
	return change{workspaceID: m.WorkspaceID, action: a, kind: tideline.TargetAttachmentTemplate, id: m.ID, name: m.Name, fields: fields}
}

// countTemplates counts the uses of attachment templates by accepted jobs: one
// statement for each template of the batch, none when no message has one. That a
// template is gone meanwhile doesn't matter.
func (t *tx) countTemplates(ctx context.Context, jobs []*job) error {
	type template struct{ workspaceID, id int64 }
	var uses map[template]int64
	for _, j := range jobs {
		id := j.accept.Message.TemplateID
		if id == 0 {
			continue
		}
		if uses == nil {
			uses = make(map[template]int64)
		}
		uses[template{j.accept.WorkspaceID, id}]++
	}
	if len(uses) == 0 {
		return nil
	}
	used := make([]template, 0, len(uses))
	for tp := range uses {
		used = append(used, tp)
	}
	slices.SortFunc(used, func(a, b template) int { return cmp.Compare(a.id, b.id) }) // as every batch locks them
	for _, tp := range used {
		if _, err := t.exec(ctx, `UPDATE attachment_templates SET uses = uses + $1 WHERE id = $2 AND workspace_id = $3`,
			uses[tp], tp.id, tp.workspaceID); err != nil {
			return err
		}
	}
	return nil
}
