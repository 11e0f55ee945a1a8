package sqlstore

import (
	"context"
	"database/sql"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// ListFiles implements store.FileList.
func (s *Store) ListFiles(ctx context.Context, workspaceID int64, part string) ([]tideline.File, error) {
	c := &conditions{}
	c.add(`f.workspace_id = ? AND f.member_id IS NOT NULL`, workspaceID)
	if part != "" {
		c.add(c.contains(s.d, `f.name`, part))
	}
	var files []tideline.File
	err := s.reader().each(ctx, `SELECT `+fileColumns+` FROM files f WHERE `+c.String()+` ORDER BY f.uploaded_at DESC, f.id DESC`, c.args,
		func(r *sql.Rows) error {
			var f scannedFile
			err := r.Scan(f.fields()...)
			if err == nil {
				files = append(files, *f.orNil())
			}
			return err
		})
	return files, failed("list files", err)
}

// DeleteFile implements store.FileList. Messages keep the id of a file that is
// gone: nothing is found under it any more.
func (s *Store) DeleteFile(ctx context.Context, workspaceID int64, uid string) (tideline.File, error) {
	var f tideline.File
	err := s.write(ctx, "delete file", func(ctx context.Context, t *tx) (err error) {
		if f, err = t.file(ctx, `f.uid = $1 AND f.workspace_id = $2`, uid, workspaceID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM attachment_templates WHERE file_id = $1 AND workspace_id = $2`, f.ID, workspaceID); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		n, err := t.exec(ctx, `DELETE FROM files WHERE id = $1 AND workspace_id = $2`, f.ID, workspaceID)
		if err := mustChange(n, err, "file"); err != nil {
			return err
		}
		return t.audit(ctx, change{workspaceID: workspaceID, action: tideline.AuditFileDeleted, kind: tideline.TargetFile, id: f.ID, name: f.Name,
			fields: set("uploaded_by", f.UploadedBy)})
	})
	return f, err
}
