package sqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// AllFiles implements store.FileRecords. It serves the server itself, not a
// workspace.
func (s *Store) AllFiles(ctx context.Context, after int64, limit int) ([]tideline.File, error) {
	return s.listFiles(ctx, `f.id > $1 ORDER BY f.id LIMIT $2`, after, limit)
}

// LatestFiles implements store.FileRecords. It serves the server itself, not a
// workspace.
func (s *Store) LatestFiles(ctx context.Context, limit int) ([]tideline.File, error) {
	return s.listFiles(ctx, `f.id > 0 ORDER BY f.id DESC LIMIT $1`, limit)
}

// listFiles lists the files that the condition finds, of all workspaces.
func (s *Store) listFiles(ctx context.Context, where string, args ...any) ([]tideline.File, error) {
	var files []tideline.File
	err := s.reader().each(ctx, `SELECT `+fileColumns+` FROM files f WHERE `+where, args, func(r *sql.Rows) error {
		var f scannedFile
		if err := r.Scan(f.fields()...); err != nil {
			return err
		}
		files = append(files, *f.orNil())
		return nil
	})
	return files, failed("list file records", err)
}

// RecordedFiles implements store.FileRecords. It serves the server itself, not a
// workspace.
func (s *Store) RecordedFiles(ctx context.Context, uids []string) ([]string, error) {
	if len(uids) == 0 {
		return nil, nil
	}
	c := &conditions{}
	places := make([]string, len(uids))
	for i, uid := range uids {
		places[i] = c.param(uid)
	}
	var found []string
	err := s.reader().each(ctx, `SELECT f.uid FROM files f WHERE f.uid IN (`+strings.Join(places, ", ")+`)`, c.args, func(r *sql.Rows) error {
		var uid string
		err := r.Scan(&uid)
		found = append(found, uid)
		return err
	})
	return found, failed("recorded files", err)
}
