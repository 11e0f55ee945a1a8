package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/tidelinehq/tideline/internal/store"
)

// loadCommit is how many rows SQLite takes in one transaction.
const loadCommit = 50_000

// Loader implements store.Loader.
type Loader struct {
	rowReader
	files  []string // SQLite: to be synced at the end
	closed bool
}

var _ store.Loader = (*Loader)(nil)

// OpenLoader opens a database for rows of another one. Its tables are there
// already (Migrate, and the protocol library's own way), and no server works with
// it: hold the claim.
//
// On PostgreSQL everything happens in one transaction. On SQLite nothing is synced
// before Commit, so that a file without it is of no use.
func OpenLoader(ctx context.Context, o RowOptions) (*Loader, error) {
	l := &Loader{}
	if err := l.open(ctx, o, false); err != nil {
		return nil, fmt.Errorf("sqlstore: open for loading: %w", err)
	}
	if err := l.begin(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: open for loading: %w", err), l.close())
	}
	return l, nil
}

func (l *Loader) begin(ctx context.Context, o RowOptions) (err error) {
	statements := []string{"BEGIN"}
	if l.d == dialectSQLite {
		// Rows come after those that they refer to; checked at the end.
		statements = []string{"PRAGMA foreign_keys = 0", "PRAGMA synchronous = OFF"}
		l.files = []string{o.Database}
		if o.Sessions != "" {
			statements = append(statements, "PRAGMA "+sessionsSchema+".synchronous = OFF")
			l.files = append(l.files, o.Sessions)
		}
	}
	for _, s := range statements {
		if _, err := l.conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	l.tables, err = rowTables(ctx, l.d, l.conn)
	return err
}

// Empty implements store.Loader: everything hangs on a workspace, or on a session.
func (l *Loader) Empty(ctx context.Context) (bool, error) {
	t := &tx{d: l.d, q: l.conn}
	for _, name := range []string{"workspaces", "messages", libraryTables + "device"} {
		table, err := l.table(name)
		if err != nil {
			continue // no sessions are kept
		}
		var some bool
		if err := t.one(ctx, `SELECT EXISTS (SELECT 1 FROM `+table.place()+`)`, nil, &some); err != nil || some {
			return false, failed("look whether the database is empty", err)
		}
	}
	return true, nil
}

// Clear implements store.Loader.
func (l *Loader) Clear(ctx context.Context) error {
	t := &tx{d: l.d, q: l.conn}
	for _, table := range l.tables {
		// The ledger refuses a DELETE even of nothing.
		var some bool
		if err := t.one(ctx, `SELECT EXISTS (SELECT 1 FROM `+table.place()+`)`, nil, &some); err != nil {
			return failed("clear "+table.Name, err)
		}
		if !some {
			continue
		}
		if _, err := t.exec(ctx, `DELETE FROM `+table.place()); err != nil {
			return failed("clear "+table.Name, err)
		}
	}
	return nil
}

// Fit implements store.Loader.
func (l *Loader) Fit(t store.Table, row store.Row) (changed bool) {
	if l.d != dialectPostgres {
		return false
	}
	for i, c := range t.Columns {
		text, ok := row[i].(string)
		if c.Kind != store.Text || !ok || utf8.ValidString(text) && !strings.Contains(text, "\x00") {
			continue
		}
		row[i] = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
		changed = true
	}
	return changed
}

// Load implements store.Loader.
func (l *Loader) Load(ctx context.Context, t store.Table, rows iter.Seq2[store.Row, error]) (n int64, err error) {
	own, err := l.table(t.Name)
	if err != nil {
		return 0, err
	}
	// The columns may come in another order than the database has them.
	target := &rowTable{Table: t, schema: own.schema}
	for _, c := range t.Columns {
		native, err := own.nativeOf(c)
		if err != nil {
			return 0, err
		}
		target.native = append(target.native, native)
	}
	if len(t.Columns) != len(own.Columns) {
		return 0, fmt.Errorf("sqlstore: table %s has %d columns here and %d where its rows come from", t.Name, len(own.Columns), len(t.Columns))
	}
	load := l.insert
	if l.d == dialectPostgres {
		load = l.copyFrom
	}
	if n, err = load(ctx, target, rows); err != nil {
		return n, failed("load "+t.Name, err)
	}
	return n, failed("load "+t.Name, l.drawAfter(ctx, own, t))
}

// nativeOf gives the type of a column that rows come with.
func (t *rowTable) nativeOf(c store.Column) (string, error) {
	for i, own := range t.Columns {
		if own == c {
			return t.native[i], nil
		}
	}
	return "", fmt.Errorf("sqlstore: table %s has no column %s of kind %s", t.Name, c.Name, c.Kind)
}

// insert writes rows to SQLite, in transactions of many.
func (l *Loader) insert(ctx context.Context, t *rowTable, rows iter.Seq2[store.Row, error]) (n int64, err error) {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ")
	stmt, err := l.conn.PrepareContext(ctx, "INSERT INTO "+t.place()+" ("+t.names()+") VALUES ("+marks+")")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	if _, err := l.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return 0, err
	}
	for row, err := range rows {
		if err == nil {
			_, err = stmt.ExecContext(ctx, row...)
		}
		if err != nil {
			_, undo := l.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			return n, errors.Join(err, undo)
		}
		if n++; n%loadCommit == 0 {
			if _, err := l.conn.ExecContext(ctx, "COMMIT; BEGIN"); err != nil {
				return n, err
			}
		}
	}
	_, err = l.conn.ExecContext(ctx, "COMMIT")
	return n, err
}

// copyFrom writes rows to PostgreSQL by its bulk protocol.
func (l *Loader) copyFrom(ctx context.Context, t *rowTable, rows iter.Seq2[store.Row, error]) (n int64, err error) {
	next, stop := iter.Pull2(rows)
	defer stop()
	source := &copySource{t: t, next: next}
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = c.Name
	}
	err = l.conn.Raw(func(raw any) error {
		conn, ok := raw.(*pipeConn)
		if !ok {
			return fmt.Errorf("a connection to PostgreSQL is %T", raw)
		}
		n, err = conn.Conn.Conn().CopyFrom(ctx, pgx.Identifier{t.Name}, columns, source)
		return err
	})
	return n, err
}

// copySource gives rows to pgx.
type copySource struct {
	t    *rowTable
	next func() (store.Row, error, bool)
	row  store.Row
	err  error
}

func (s *copySource) Next() (more bool) {
	s.row, s.err, more = s.next()
	return more && s.err == nil
}

func (s *copySource) Values() ([]any, error) {
	for i, v := range s.row {
		if n, ok := v.(int64); ok && s.t.native[i] == "boolean" {
			s.row[i] = n != 0
		}
	}
	return s.row, nil
}

func (s *copySource) Err() error { return s.err }

// drawAfter makes the database draw ids that the other one has never drawn.
func (l *Loader) drawAfter(ctx context.Context, own *rowTable, t store.Table) error {
	if own.Serial == "" || t.LastID <= 0 {
		return nil
	}
	q := &tx{d: l.d, q: l.conn}
	if l.d == dialectPostgres {
		_, err := q.exec(ctx, `SELECT setval(pg_get_serial_sequence($1, $2), $3)`, quoted(t.Name), own.Serial, t.LastID)
		return err
	}
	if _, err := q.exec(ctx, `DELETE FROM main.sqlite_sequence WHERE name = $1`, t.Name); err != nil {
		return err
	}
	_, err := q.exec(ctx, `INSERT INTO main.sqlite_sequence (name, seq) VALUES ($1, $2)`, t.Name, t.LastID)
	return err
}

// Commit implements store.Loader.
func (l *Loader) Commit(ctx context.Context) error {
	if l.d == dialectPostgres {
		if _, err := l.conn.ExecContext(ctx, "COMMIT"); err != nil {
			return failed("commit what was loaded", err)
		}
		_, err := l.conn.ExecContext(ctx, "ANALYZE") // it plans for empty tables otherwise
		return failed("analyze what was loaded", err)
	}
	q := &tx{d: l.d, q: l.conn}
	for _, schema := range []string{"main", sessionsSchema}[:len(l.files)] {
		err := q.each(ctx, "PRAGMA "+schema+".foreign_key_check", nil, func(r *sql.Rows) error {
			var table, other string
			var row, key any
			if err := r.Scan(&table, &row, &other, &key); err != nil {
				return err
			}
			return fmt.Errorf("row %v of table %s refers to a row of %s that is not there", row, table, other)
		})
		if err != nil {
			return failed("check what was loaded", err)
		}
		if _, err := l.conn.ExecContext(ctx, "PRAGMA "+schema+".wal_checkpoint(TRUNCATE)"); err != nil {
			return failed("write what was loaded", err)
		}
	}
	for _, path := range l.files {
		if err := syncFile(path); err != nil {
			return failed("sync "+path, err)
		}
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close implements store.Loader. Doing it twice is fine.
func (l *Loader) Close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	// A transaction that was not committed ends with its connection.
	return failed("close what was loaded", l.close())
}
