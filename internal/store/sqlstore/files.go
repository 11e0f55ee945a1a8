package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

const fileColumns = `f.id, f.uid, f.workspace_id, f.member_id, f.name, f.mime_type, f.size, f.blob, f.uploaded_by, f.uploaded_at`

// scannedFile is a file that may be missing, as after a LEFT JOIN.
type scannedFile struct {
	id, workspaceID, memberID, size sql.NullInt64
	uid, name, mime, blob, by       sql.NullString
	at                              time.Time
}

func (f *scannedFile) fields() []any {
	return []any{&f.id, &f.uid, &f.workspaceID, &f.memberID, &f.name, &f.mime, &f.size, &f.blob, &f.by, millis{&f.at}}
}

func (f *scannedFile) orNil() *tideline.File {
	if !f.id.Valid {
		return nil
	}
	return &tideline.File{ID: f.id.Int64, UID: f.uid.String, WorkspaceID: f.workspaceID.Int64, MemberID: f.memberID.Int64,
		Name: f.name.String, MIMEType: f.mime.String, Size: f.size.Int64, Blob: f.blob.String,
		UploadedBy: f.by.String, UploadedAt: f.at}
}

// file reads the file that the condition finds.
func (t *tx) file(ctx context.Context, where string, args ...any) (tideline.File, error) {
	var f scannedFile
	if err := t.one(ctx, `SELECT `+fileColumns+` FROM files f WHERE `+where, args, f.fields()...); err != nil {
		return tideline.File{}, missing(err, "file")
	}
	return *f.orNil(), nil
}

// CreateFile implements store.Files.
func (s *Store) CreateFile(ctx context.Context, f tideline.File) (tideline.File, error) {
	f.UploadedAt = f.UploadedAt.UTC().Truncate(time.Millisecond)
	err := s.write(ctx, "create file", func(ctx context.Context, t *tx) error {
		id, err := t.insertFile(ctx, f.WorkspaceID, f)
		f.ID = id
		return err
	})
	if err != nil {
		return tideline.File{}, err
	}
	return f, nil
}

func (t *tx) insertFile(ctx context.Context, workspaceID int64, f tideline.File) (id int64, err error) {
	err = t.one(ctx, `INSERT INTO files (uid, workspace_id, member_id, name, mime_type, size, blob, uploaded_by, uploaded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
		[]any{f.UID, workspaceID, orNull(f.MemberID), f.Name, f.MIMEType, f.Size, f.Blob, f.UploadedBy, f.UploadedAt.UnixMilli()}, &id)
	return id, err
}

// FileByUID implements store.Files. The pictures of contacts and groups are not
// for sending: they go when WhatsApp has another one.
func (s *Store) FileByUID(ctx context.Context, workspaceID int64, uid string) (tideline.File, error) {
	f, err := s.reader().file(ctx, `f.uid = $1 AND f.workspace_id = $2
		AND NOT EXISTS (SELECT 1 FROM profiles p WHERE p.file_id = f.id)`, uid, workspaceID)
	return f, failed("file by uid", err)
}

// FileForLink implements store.Files.
func (s *Store) FileForLink(ctx context.Context, uid string) (tideline.File, error) {
	f, err := s.reader().file(ctx, `f.uid = $1`, uid)
	return f, failed("file for link", err)
}

// WithdrawFile implements store.Files.
func (s *Store) WithdrawFile(ctx context.Context, workspaceID, fileID int64) error {
	return s.write(ctx, "withdraw file", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM files WHERE id = $1 AND workspace_id = $2`, fileID, workspaceID)
		return err
	})
}

const templateColumns = `tp.id, tp.workspace_id, tp.name, tp.file_id, tp.created_at, tp.uses`

func templateFields(t *tideline.AttachmentTemplate) []any {
	return []any{&t.ID, &t.WorkspaceID, &t.Name, &t.FileID, millis{&t.CreatedAt}, &t.Uses}
}

// CreateTemplate implements store.Files.
func (s *Store) CreateTemplate(ctx context.Context, tmpl tideline.AttachmentTemplate) (tideline.AttachmentTemplate, error) {
	tmpl.CreatedAt = tmpl.CreatedAt.UTC().Truncate(time.Millisecond)
	err := s.write(ctx, "create template", func(ctx context.Context, t *tx) error {
		if _, err := t.file(ctx, `f.id = $1 AND f.workspace_id = $2`, tmpl.FileID, tmpl.WorkspaceID); err != nil {
			return err
		}
		t.tellSettings(tmpl.WorkspaceID)
		err := t.one(ctx, `INSERT INTO attachment_templates (workspace_id, name, file_id, created_at)
			VALUES ($1, $2, $3, $4) RETURNING id`,
			[]any{tmpl.WorkspaceID, tmpl.Name, tmpl.FileID, tmpl.CreatedAt.UnixMilli()}, &tmpl.ID)
		if err != nil {
			return err
		}
		return t.audit(ctx, change{workspaceID: tmpl.WorkspaceID, at: tmpl.CreatedAt, action: tideline.AuditTemplateCreated,
			kind: tideline.TargetAttachmentTemplate, id: tmpl.ID, name: tmpl.Name})
	})
	if err != nil {
		return tideline.AttachmentTemplate{}, err
	}
	return tmpl, nil
}

// Template implements store.Files.
func (s *Store) Template(ctx context.Context, workspaceID, templateID int64) (tideline.AttachmentTemplate, tideline.File, error) {
	var tmpl tideline.AttachmentTemplate
	var f scannedFile
	err := s.reader().one(ctx, `SELECT `+templateColumns+`, `+fileColumns+` FROM attachment_templates tp
		JOIN files f ON f.id = tp.file_id AND f.workspace_id = tp.workspace_id
		WHERE tp.workspace_id = $1 AND tp.id = $2`, []any{workspaceID, templateID}, append(templateFields(&tmpl), f.fields()...)...)
	if err != nil {
		return tideline.AttachmentTemplate{}, tideline.File{}, failed("template", missing(err, "attachment template"))
	}
	return tmpl, *f.orNil(), nil
}

// ListTemplates implements store.Files.
func (s *Store) ListTemplates(ctx context.Context, workspaceID int64) ([]tideline.AttachmentTemplate, error) {
	var templates []tideline.AttachmentTemplate
	err := s.reader().each(ctx, `SELECT `+templateColumns+` FROM attachment_templates tp
		WHERE tp.workspace_id = $1 ORDER BY tp.id`, []any{workspaceID}, func(r *sql.Rows) error {
		var tmpl tideline.AttachmentTemplate
		err := r.Scan(templateFields(&tmpl)...)
		templates = append(templates, tmpl)
		return err
	})
	return templates, failed("list templates", err)
}
