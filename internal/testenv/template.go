package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Template gives tests databases that are filled already. What fills them runs
// once per test binary and kind of database; every test gets a copy, which costs
// milliseconds where running the migrations costs the better part of a second. A
// Template is made once for all tests of a process, see [scratch].
type Template struct {
	fill func(ctx context.Context, database string) error

	sqlite   func() ([]byte, error) // the file
	postgres func() (string, error) // the name on the shared server
}

// NewTemplate names what fills a database: it is given the path of an SQLite file
// that does not exist yet, or the postgres:// URL of an empty database, and has no
// connection to it any more when it returns.
func NewTemplate(fill func(ctx context.Context, database string) error) *Template {
	t := &Template{fill: fill}
	t.sqlite, t.postgres = sync.OnceValues(t.fillSQLite), sync.OnceValues(t.fillPostgreSQL)
	return t
}

// SQLite returns the path of a copy, a file in a temporary folder of the test.
func (p *Template) SQLite(t testing.TB) string {
	t.Helper()
	data, err := p.sqlite()
	if err != nil {
		t.Fatalf("fill an SQLite database for the tests: %v", err)
	}
	path := filepath.Join(t.TempDir(), "tideline.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatalf("copy the SQLite database: %v", err)
	}
	return path
}

// PostgreSQL returns the URL of a copy, which lives as long as a database of
// [PostgreSQL] does.
func (p *Template) PostgreSQL(t testing.TB) string {
	t.Helper()
	name, err := p.postgres()
	if err != nil {
		t.Fatalf("fill a PostgreSQL database for the tests: %v", err)
	}
	return postgreSQLCopy(t, name)
}

// fillSQLite gives the bytes of the file: closing the last connection has moved
// all of the write-ahead log into it.
func (p *Template) fillSQLite() (data []byte, err error) {
	dir, err := scratch.dir()
	if err != nil {
		return nil, err
	}
	if dir, err = os.MkdirTemp(dir, "template-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "template.db")
	if err := p.fill(context.Background(), path); err != nil {
		return nil, err
	}
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		return nil, fmt.Errorf("%s is still open", path)
	}
	return os.ReadFile(path)
}

func (p *Template) fillPostgreSQL() (string, error) {
	server, err := postgres.server(os.Getenv(PostgresURL))
	if err != nil {
		return "", err
	}
	name := newDatabaseName()
	if err := createDatabase(server, name, emptyDatabase); err != nil {
		return "", err
	}
	AtExit(func() error { return dropDatabase(server, name) })
	return name, p.fill(context.Background(), databaseURL(server, name))
}
