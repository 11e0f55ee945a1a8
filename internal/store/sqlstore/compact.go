package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Compact rewrites an SQLite database without the pages that nothing uses, and gives
// its size in bytes before and after. The caller holds the claim on the database.
func Compact(ctx context.Context, o Options) (before, after int64, err error) {
	if dialectOf(o.Database) != dialectSQLite {
		return 0, 0, errors.New("sqlstore: compact: only an SQLite database can be compacted")
	}
	size := func() int64 {
		info, statErr := os.Stat(o.Database)
		err = errors.Join(err, statErr)
		if statErr != nil {
			return 0
		}
		return info.Size()
	}
	db, err := openSQLite(o.Database, false, 1)
	if err != nil {
		return 0, 0, fmt.Errorf("sqlstore: compact: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	before = size()
	// The copy is a temporary file: in memory, as on other connections, a large one
	// would be too much. The log goes into the database first, and what VACUUM wrote to
	// it afterwards.
	for _, query := range []string{`PRAGMA temp_store = FILE`, `PRAGMA wal_checkpoint(TRUNCATE)`, `VACUUM`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			return before, 0, fmt.Errorf("sqlstore: compact: %w", err)
		}
	}
	return before, size(), err
}

// Size is what the database takes, in bytes. It serves the operator.
func (s *Store) Size(ctx context.Context) (n int64, err error) {
	query := `SELECT pg_database_size(current_database())`
	if s.d == dialectSQLite {
		query = `SELECT (SELECT page_count FROM pragma_page_count()) * (SELECT page_size FROM pragma_page_size())`
	}
	err = s.reader().one(ctx, query, nil, &n)
	return n, failed("size", err)
}
