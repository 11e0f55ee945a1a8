package sqlstore

import (
	"context"
	"database/sql"

	"github.com/tidelinehq/tideline/internal/store"
)

// unusedFiles walks along the index of a workspace's files by age. Of a file that
// messages use it looks at the last of them only.
const unusedFiles = `SELECT f.id, f.uploaded_at, f.size,
	EXISTS (SELECT 1 FROM messages m WHERE m.file_id = f.id AND m.file_id IS NOT NULL AND m.at IS NOT NULL AND m.at >= $2)
	OR EXISTS (SELECT 1 FROM attachment_templates tp WHERE tp.workspace_id = f.workspace_id AND tp.file_id = f.id)
	OR EXISTS (SELECT 1 FROM profiles p WHERE p.file_id = f.id AND p.file_id IS NOT NULL)
	FROM files f WHERE f.workspace_id = $1 AND f.uploaded_at < $2 AND (f.uploaded_at, f.id) > ($3, $4)
	ORDER BY f.uploaded_at, f.id LIMIT $5`

// InQueue implements store.Keeper. Every message of the workspace up to the id
// that it gives was either seen or is not in the queue any more: ids are drawn under
// the lock of the balance, so none below one that is there while it is held comes
// later.
func (s *Store) InQueue(ctx context.Context, workspaceID int64) (q store.QueuedFiles, err error) {
	const last = `SELECT coalesce(max(message_id), 0) FROM outbox`
	if s.d == dialectSQLite { // commits come one after the other
		err = s.reader().one(ctx, last, nil, &q.UpTo)
	} else {
		err = s.write(ctx, "in queue", func(ctx context.Context, t *tx) error {
			if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
				return err
			}
			return t.one(ctx, last, nil, &q.UpTo)
		})
	}
	if err != nil {
		return q, failed("in queue", err)
	}
	q.Files, err = s.reader().queuedFiles(ctx, workspaceID, 0)
	return q, failed("in queue", err)
}

// queuedFiles gives the files that messages in the queue with an id above after send.
func (t *tx) queuedFiles(ctx context.Context, workspaceID, after int64) (map[int64]bool, error) {
	files := make(map[int64]bool)
	err := t.each(ctx, `SELECT DISTINCT m.file_id FROM outbox o CROSS JOIN messages m WHERE o.message_id > $1 AND m.id = o.message_id
		AND m.workspace_id = $2 AND m.file_id IS NOT NULL`, []any{after, workspaceID}, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		files[id] = true
		return err
	})
	return files, err
}

// DropFiles implements store.Keeper. What can't be deleted is found without the
// writer, and looked at once more with it: a template or a message may have come to
// a file in between.
func (s *Store) DropFiles(ctx context.Context, workspaceID int64, q store.OldFiles) (page store.FilesPage, err error) {
	page.Next = q.From
	var unused []int64
	looked := 0
	err = s.reader().each(ctx, unusedFiles, filesFrom(workspaceID, q, q.From, q.Limit), func(r *sql.Rows) error {
		var size int64
		var used bool
		looked++
		if err := r.Scan(&page.Next.ID, millis{&page.Next.At}, &size, &used); err != nil {
			return err
		}
		if !used && !q.Queued.Files[page.Next.ID] {
			unused = append(unused, page.Next.ID)
		}
		return nil
	})
	if err != nil {
		return page, failed("drop files", err)
	}
	page.Done = looked < q.Limit
	if len(unused) == 0 {
		return page, nil
	}
	err = s.write(ctx, "drop files", func(ctx context.Context, t *tx) error {
		page.Files, page.Bytes = 0, 0
		// Acceptances look for their files under this lock.
		if _, err := t.lockBalances(ctx, []int64{workspaceID}); err != nil {
			return err
		}
		queued, err := t.queuedFiles(ctx, workspaceID, q.Queued.UpTo)
		if err != nil {
			return err
		}
		for _, id := range unused {
			if queued[id] {
				continue
			}
			size, err := t.dropFile(ctx, workspaceID, id, q)
			if err != nil {
				return err
			}
			if size >= 0 {
				page.Files++
				page.Bytes += size
			}
		}
		return nil
	})
	return page, err
}

func filesFrom(workspaceID int64, q store.OldFiles, from store.FileCursor, limit int) []any {
	at := int64(-1 << 62)
	if !from.At.IsZero() {
		at = from.At.UnixMilli()
	}
	return []any{workspaceID, q.Before.UnixMilli(), at, from.ID, limit}
}

// dropFile deletes a file that is still unused, and gives its size; -1 when it is used
// or gone. First the record, then its bytes, by whoever removes lost ones.
func (t *tx) dropFile(ctx context.Context, workspaceID, fileID int64, q store.OldFiles) (size int64, err error) {
	size = -1
	var blob string
	err = t.each(ctx, `SELECT f.size, f.blob FROM files f WHERE f.id = $1 AND f.workspace_id = $2
		AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.file_id = f.id AND m.file_id IS NOT NULL AND m.at IS NOT NULL AND m.at >= $3)
		AND NOT EXISTS (SELECT 1 FROM attachment_templates tp WHERE tp.workspace_id = f.workspace_id AND tp.file_id = f.id)
		AND NOT EXISTS (SELECT 1 FROM profiles p WHERE p.file_id = f.id AND p.file_id IS NOT NULL)`+t.forUpdate("f"),
		[]any{fileID, workspaceID, q.Before.UnixMilli()}, func(r *sql.Rows) error { return r.Scan(&size, &blob) })
	if err != nil || size < 0 {
		return -1, err
	}
	if _, err := t.exec(ctx, `INSERT INTO lost_blobs (blob) VALUES ($1) ON CONFLICT (blob) DO NOTHING`, blob); err != nil {
		return -1, err
	}
	_, err = t.exec(ctx, `DELETE FROM files WHERE id = $1 AND workspace_id = $2`, fileID, workspaceID)
	return size, err
}
