package backup

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

// database is one that both kinds of rows can be in.
type database struct {
	url, dir string // the folder has the sessions of an SQLite file
}

func newSQLite(t testing.TB) database {
	t.Helper()
	d := database{url: migrated.SQLite(t), dir: t.TempDir()}
	if err := os.Rename(sessionsTemplate.SQLite(t), filepath.Join(d.dir, meow.SessionsFile)); err != nil {
		t.Fatal(err)
	}
	return d
}

// sessionsTemplate is the file of the sessions without rows.
var sessionsTemplate = testenv.NewTemplate(func(ctx context.Context, database string) error {
	dir := filepath.Dir(database)
	if _, err := meow.PrepareSessions(ctx, meow.Options{DataDir: dir}); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, meow.SessionsFile), database)
})

func newPostgres(t testing.TB) database {
	t.Helper()
	return database{url: testenv.PostgreSQL(t)}
}

func (d database) rows() sqlstore.RowOptions {
	o := sqlstore.RowOptions{Database: d.url}
	if d.dir != "" {
		o.Sessions = filepath.Join(d.dir, meow.SessionsFile)
	}
	return o
}

func (d database) sessions() meow.Options {
	if d.dir != "" {
		return meow.Options{DataDir: d.dir}
	}
	return meow.Options{Database: d.url}
}

// made makes the tables.
func (d database) made(t testing.TB) database {
	t.Helper()
	if _, err := sqlstore.Migrate(t.Context(), sqlstore.Options{Database: d.url}); err != nil {
		t.Fatal(err)
	}
	if _, err := meow.PrepareSessions(t.Context(), d.sessions()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d database) snapshot(t testing.TB) *sqlstore.Snapshot {
	t.Helper()
	s, err := sqlstore.OpenSnapshot(t.Context(), d.rows())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (d database) loader(t testing.TB) *sqlstore.Loader {
	t.Helper()
	l, err := sqlstore.OpenLoader(t.Context(), d.rows())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// store opens the database as a server does.
func (d database) store(t testing.TB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: d.url, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}
