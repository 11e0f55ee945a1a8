package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Migration says what Migrate did.
type Migration struct {
	From, To int64 // schema versions; equal when there was nothing to do
}

// Migrate brings the tables of a database up to the version that this program
// knows, and makes the SQLite file when it is missing. It is safe when several
// processes do it at the same time: one does the work, the others wait for it.
// A database that a newer program has migrated further is an error.
func Migrate(ctx context.Context, o Options) (Migration, error) {
	return MigrateTo(ctx, o, 0)
}

// MigrateTo is Migrate up to a version, for rows of a database that has that
// version; 0 is the newest that this program knows.
func MigrateTo(ctx context.Context, o Options, version int64) (Migration, error) {
	m, err := migrate(ctx, o, version)
	if err != nil {
		return Migration{}, fmt.Errorf("sqlstore: migrate: %w", err)
	}
	return m, nil
}

func migrate(ctx context.Context, o Options, version int64) (m Migration, err error) {
	if o.Database == "" {
		return m, errors.New("no database is named: give the path of an SQLite file or a postgres:// URL")
	}
	db, provider, err := openProvider(o)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	if dialectOf(o.Database) == dialectSQLite {
		unlock, err := lockFile(ctx, o.Database+".lock")
		if err != nil {
			return m, err
		}
		defer unlock()
	}
	known, err := newestMigration(provider)
	if err != nil {
		return m, err
	}
	// Without a table of versions yet, two processes could both want to make it;
	// only Up makes it under the lock. So look, and call Up unless all is done.
	m.From = currentVersion(ctx, db)
	if version > known {
		return m, fmt.Errorf("version %d is wanted, but this program knows versions up to %d only: use a newer tideline", version, known)
	}
	if m.From > known {
		return m, fmt.Errorf("the database has version %d, but this program knows versions up to %d only: use a newer tideline", m.From, known)
	}
	if version > 0 {
		known = version
	}
	if m.From >= known {
		m.To = m.From
		return m, nil
	}
	results, err := provider.UpTo(ctx, known)
	if err != nil {
		return m, err
	}
	m.To = known
	if len(results) > 0 && o.Logger != nil {
		o.Logger.LogAttrs(ctx, slog.LevelInfo, "database migrated",
			slog.Int64("from", m.From), slog.Int64("to", m.To))
	}
	return m, nil
}

// SchemaVersion gives the version of the database's tables, 0 for an empty
// one, and the version that this program knows. It changes nothing.
func SchemaVersion(ctx context.Context, o Options) (current, known int64, err error) {
	db, provider, err := openProvider(o)
	if err != nil {
		return 0, 0, fmt.Errorf("sqlstore: schema version: %w", err)
	}
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return 0, 0, fmt.Errorf("sqlstore: schema version: %w", err)
	}
	if known, err = newestMigration(provider); err != nil {
		return 0, 0, fmt.Errorf("sqlstore: schema version: %w", err)
	}
	return currentVersion(ctx, db), known, nil
}

// openProvider opens the database once more, for migrations alone.
func openProvider(o Options) (*sql.DB, *goose.Provider, error) {
	d := dialectOf(o.Database)
	files, err := fs.Sub(migrations, "migrations/"+d.String())
	if err != nil {
		return nil, nil, err
	}
	var db *sql.DB
	gooseDialect := goose.DialectSQLite3
	options := []goose.ProviderOption{goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(migrateGrams(d))}
	if d == dialectPostgres {
		gooseDialect = goose.DialectPostgres
		// The lock is tried once a second, for five minutes.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
		if db, err = openPostgres(o.Database, 2); err != nil {
			return nil, nil, err
		}
	} else {
		if err := ensureFolder(o.Database); err != nil {
			return nil, nil, err
		}
		if db, err = openSQLite(o.Database, false, 1); err != nil {
			return nil, nil, err
		}
	}
	provider, err := goose.NewProvider(gooseDialect, db, files, options...)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, provider, nil
}

const (
	versionTable = "schema_version"
	// migrationLock names the advisory lock, so that other programs that use
	// goose on the same server don't wait for ours.
	migrationLock = 7_145_270_001
)

func newestMigration(p *goose.Provider) (int64, error) {
	sources := p.ListSources()
	if len(sources) == 0 {
		return 0, errors.New("no migrations are built in")
	}
	return sources[len(sources)-1].Version, nil
}

// currentVersion reads the version; 0 when the table of versions is not there
// (or can't be read, which migrating then says).
func currentVersion(ctx context.Context, db *sql.DB) int64 {
	var v int64
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable).Scan(&v); err != nil {
		return 0
	}
	return v
}

// lockFile takes the lock on path, waiting for it until ctx ends.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	l := flock.New(path, flock.SetPermissions(0o600))
	if _, err := l.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = l.Unlock() }, nil
}

// KnownVersion gives the newest version of the tables that this program knows.
func KnownVersion() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/sqlite/*.sql")
	if err != nil {
		return 0, fmt.Errorf("sqlstore: known version: %w", err)
	}
	newest := int64(gramsMigration)
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("sqlstore: known version: %w", err)
		}
		newest = max(newest, v)
	}
	return newest, nil
}
