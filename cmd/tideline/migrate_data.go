package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/backup"
	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
)

type migrateDataCmd struct {
	From string `placeholder:"URL" help:"Database to move from: a path or a postgres:// URL. Default: the one that --database or the data folder names."`
	To   string `required:"" placeholder:"URL" help:"Database to move to: a postgres:// URL of an empty database, or the path of tideline.db in the data folder."`
}

// Help implements kong.HelpProvider.
func (migrateDataCmd) Help() string {
	return `Moves everything from SQLite to PostgreSQL, or back: workspaces, messages, the queue, the ledger, webhooks, and the sessions of the paired accounts, which stay paired. Files stay where they are. The server must be stopped. Nothing is in the new database until all of it is, read back and compared row by row; when it ends before that, run it again.

    tideline migrate-data --from tideline-data/tideline.db --to postgres://tideline@localhost/tideline
    tideline serve --database postgres://tideline@localhost/tideline

The SQLite files get names that end in .moved, so that no server starts with the old sessions: two with the same ones throw each other out. Delete them when the new database has a backup.`
}

// Run moves the rows.
func (c *migrateDataCmd) Run(ctx context.Context, a *app) (err error) {
	m, err := c.open(ctx, a)
	if m != nil {
		defer func() { err = errors.Join(err, m.close()) }()
	}
	if err != nil {
		return err
	}
	began := time.Now()
	tables, err := m.move(ctx)
	if err != nil {
		return err
	}
	v := moveJSON{From: hidePassword(m.from), To: hidePassword(m.to), Tables: tables, Seconds: time.Since(began).Seconds()}
	for _, t := range tables {
		v.Rows += t.Rows
		v.Changed += t.Changed
	}
	return a.show(v, v.print)
}

// moveJSON is what migrate-data prints.
type moveJSON struct {
	From    string         `json:"from"`
	To      string         `json:"to"`
	Rows    int64          `json:"rows"`
	Changed int64          `json:"rows_with_replaced_characters"`
	Tables  []backup.Moved `json:"tables"`
	Seconds float64        `json:"seconds"`
}

func (v *moveJSON) print(w io.Writer) {
	rows := make([][]string, 0, len(v.Tables))
	for _, t := range v.Tables {
		sums := ""
		for _, column := range []string{"credits", "period_credits", "extra_credits"} {
			if n, ok := t.Sums[column]; ok {
				sums += fmt.Sprintf("%s %d  ", column, n)
			}
		}
		rows = append(rows, []string{t.Table, fmt.Sprint(t.Rows), fmt.Sprint(t.LastID), t.SHA256[:12], strings.TrimSpace(sums)})
	}
	table(w, []string{"TABLE", "ROWS", "LAST ID", "SHA-256", "SUMS"}, rows)
	fmt.Fprintf(w, "\n%d rows are the same on both sides, and the ledger adds up.\n", v.Rows)
	if v.Changed > 0 {
		fmt.Fprintf(w, "%d of them had characters in texts that PostgreSQL can't keep; they were replaced by U+FFFD.\n", v.Changed)
	}
	fmt.Fprintf(w, "Start the server with --database, and never again on the old database.\n")
}

// hidePassword shows an address without its password.
func hidePassword(database string) string {
	if !config.IsPostgres(database) {
		return database
	}
	u, err := url.Parse(database)
	if err != nil {
		return "postgres://…"
	}
	u.RawQuery = "" // it may have one too
	return u.Redacted()
}

// movement is one move from a database to another.
type movement struct {
	app      *app
	folder   datadir.Folder
	from, to string
	closers  []func() error
}

func (m *movement) close() error {
	var errs []error
	for i := len(m.closers) - 1; i >= 0; i-- {
		errs = append(errs, m.closers[i]())
	}
	return errors.Join(errs...)
}

// open makes sure that no server works with either side.
func (c *migrateDataCmd) open(ctx context.Context, a *app) (*movement, error) {
	if c.From != "" {
		a.config.Database = c.From
		if !a.config.OnPostgres() && a.config.Data == "" {
			a.config.Data = filepath.Dir(c.From) // the sessions are beside it
		}
	}
	if err := errors.Join(a.config.Check(), config.CheckDatabase(c.To)); err != nil {
		return nil, err
	}
	m := &movement{app: a, from: a.config.DatabaseURL(), to: c.To}
	if config.IsPostgres(m.from) == config.IsPostgres(m.to) {
		return nil, tideline.Errorf(tideline.CodeValidation, "--from and --to are databases of the same kind: use tideline backup and tideline restore")
	}
	var err error
	if m.folder, err = a.folder(); err != nil {
		return nil, err
	}
	if !config.IsPostgres(m.to) {
		for _, path := range []string{m.to, m.folder.In(meow.SessionsFile)} {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				return nil, tideline.Errorf(tideline.CodeValidation, "%s is there already: move it away first", path)
			}
		}
	}
	release, err := m.folder.Lock(ctx, claimWait)
	if err != nil {
		return nil, err
	}
	m.closers = append(m.closers, release)
	for _, database := range []string{m.from, m.to} {
		claim, err := takeClaim(ctx, database)
		if err != nil {
			return m, err
		}
		m.closers = append(m.closers, claim.Release)
	}
	return m, nil
}

// move copies, compares and, when all is well, puts the files where they belong.
func (m *movement) move(ctx context.Context) ([]backup.Moved, error) {
	rows, err := m.app.rowsOf(ctx, m.folder)
	if err != nil {
		return nil, err
	}
	current, known, err := sqlstore.SchemaVersion(ctx, sqlstore.Options{Database: m.from})
	if err != nil {
		return nil, err
	}
	if current != known {
		return nil, fmt.Errorf("the database has version %d, this program needs %d: run tideline migrate --database %s first", current, known, hidePassword(m.from))
	}
	// As a server does when it starts: then both sides have the same tables.
	own := meow.Options{DataDir: m.folder.Path}
	if config.IsPostgres(m.from) {
		own = meow.Options{Database: m.from}
	}
	if _, err := meow.PrepareSessions(ctx, own); err != nil {
		return nil, err
	}
	if !config.IsPostgres(m.from) {
		rows.Sessions = m.folder.In(meow.SessionsFile)
	}
	if config.IsPostgres(m.to) {
		target := sqlstore.RowOptions{Database: m.to}
		moved, err := m.copyRows(ctx, rows, target, meow.Options{Database: m.to})
		if err != nil {
			return nil, err
		}
		return moved, m.putAway(m.from, rows.Sessions)
	}
	return m.toFiles(ctx, rows)
}

// copyRows makes the tables, copies the rows and audits the outcome.
func (m *movement) copyRows(ctx context.Context, from, to sqlstore.RowOptions, sessions meow.Options) (moved []backup.Moved, err error) {
	if _, err := sqlstore.Migrate(ctx, sqlstore.Options{Database: to.Database}); err != nil {
		return nil, err
	}
	if _, err := meow.PrepareSessions(ctx, sessions); err != nil {
		return nil, err
	}
	source, err := sqlstore.OpenSnapshot(ctx, from)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := sqlstore.OpenLoader(ctx, to)
	if err != nil {
		return nil, err
	}
	moved, err = backup.Move(ctx, source, target, m.app.progress())
	if err = errors.Join(err, target.Close()); err != nil {
		if errors.Is(err, backup.ErrNotEmpty) {
			err = fmt.Errorf("%w: name one that is with --to", err)
		}
		return nil, err
	}
	return moved, auditLedger(ctx, to.Database)
}

// toFiles moves to SQLite. The files are made in a folder of their own and get
// their places when they are whole.
func (m *movement) toFiles(ctx context.Context, from sqlstore.RowOptions) ([]backup.Moved, error) {
	dir := m.folder.In("moving.tmp")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	to := sqlstore.RowOptions{Database: filepath.Join(dir, config.DatabaseFile), Sessions: filepath.Join(dir, meow.SessionsFile)}
	moved, err := m.copyRows(ctx, from, to, meow.Options{DataDir: dir})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// The sessions first: without the database they are of no use to a server.
	err = errors.Join(os.Rename(to.Sessions, m.folder.In(meow.SessionsFile)), os.Rename(to.Database, m.to),
		datadir.SyncDir(m.folder.Path), datadir.SyncDir(filepath.Dir(m.to)), os.RemoveAll(dir))
	return moved, err
}

// putAway renames the SQLite files that were moved. What is in their logs is in them:
// the last connection closed.
func (m *movement) putAway(paths ...string) error {
	for _, path := range paths {
		if err := os.Rename(path, path+".moved"); err != nil {
			return fmt.Errorf("everything is moved, but %s keeps its name: don't start a server on it: %w", path, err)
		}
		for _, rest := range []string{"-wal", "-shm"} {
			if err := os.Rename(path+rest, path+".moved"+rest); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return datadir.SyncDir(m.folder.Path)
}
