package store

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// FileRecords reads the records of files of all workspaces. It serves those who
// look after the place where their bytes are.
type FileRecords interface {
	// AllFiles lists files with an id above after, by id, at most limit.
	AllFiles(ctx context.Context, after int64, limit int) ([]tideline.File, error)
	// LatestFiles lists the files that were recorded last, the latest first.
	LatestFiles(ctx context.Context, limit int) ([]tideline.File, error)
	// RecordedFiles gives those of uids, at most 500, that a file has, in no order.
	RecordedFiles(ctx context.Context, uids []string) ([]string, error)
}
