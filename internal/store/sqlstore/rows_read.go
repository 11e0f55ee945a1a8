package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
)

// sessionsSchema is the name under which the SQLite file with sessions is attached.
const sessionsSchema = "sessions"

// RowOptions names a database whose rows are copied.
type RowOptions struct {
	// Database is the path of an SQLite file or a postgres:// URL.
	Database string
	// Sessions is the SQLite file in which the protocol library keeps sessions; ""
	// when there is none. On PostgreSQL its tables are beside ours.
	Sessions string
}

// rowReader reads whole tables on one connection.
type rowReader struct {
	d      dialect
	db     *sql.DB
	conn   *sql.Conn
	tables []*rowTable
}

// open connects; SQLite gets both files on one connection.
func (r *rowReader) open(ctx context.Context, o RowOptions, readOnly bool) (err error) {
	r.d = dialectOf(o.Database)
	if r.d == dialectPostgres {
		r.db, err = openPostgres(o.Database, 1)
	} else {
		r.db, err = openSQLite(o.Database, readOnly, 1)
	}
	if err != nil {
		return err
	}
	if r.conn, err = r.db.Conn(ctx); err != nil {
		return errors.Join(err, r.db.Close())
	}
	if r.d == dialectSQLite && o.Sessions != "" {
		if _, err = r.conn.ExecContext(ctx, `ATTACH DATABASE $1 AS `+sessionsSchema, o.Sessions); err != nil {
			return errors.Join(fmt.Errorf("open %s: %w", o.Sessions, err), r.close())
		}
	}
	return nil
}

// close ends what runs on the connection and gives it up.
func (r *rowReader) close() error { return errors.Join(r.conn.Close(), r.db.Close()) }

// Tables implements store.RowReader.
func (r *rowReader) Tables() []store.Table {
	tables := make([]store.Table, len(r.tables))
	for i, t := range r.tables {
		tables[i] = t.Table
	}
	return tables
}

// table finds a table by its name.
func (r *rowReader) table(name string) (*rowTable, error) {
	for _, t := range r.tables {
		if t.Name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("sqlstore: there is no table %s to copy", name)
}

// place names a table in SQL.
func (t *rowTable) place() string {
	if t.schema == "" {
		return quoted(t.Name)
	}
	return quoted(t.schema) + "." + quoted(t.Name)
}

// names lists the columns in SQL.
func (t *rowTable) names() string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quoted(c.Name)
	}
	return strings.Join(names, ", ")
}

// order is the key in SQL. Texts are compared by their bytes, as SQLite does by
// itself and PostgreSQL in one collation only.
func (t *rowTable) order(d dialect) string {
	names := make([]string, len(t.Key))
	for i, key := range t.Key {
		names[i] = quoted(key)
		for j, c := range t.Columns {
			if c.Name == key && d == dialectPostgres && t.native[j] == "text" {
				names[i] += ` COLLATE "C"`
			}
		}
	}
	return strings.Join(names, ", ")
}

// Rows implements store.RowReader.
func (r *rowReader) Rows(ctx context.Context, table string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		err := r.each(ctx, table, func(row store.Row) bool { return yield(row, nil) })
		if err != nil {
			yield(nil, fmt.Errorf("sqlstore: read %s: %w", table, err))
		}
	}
}

func (r *rowReader) each(ctx context.Context, table string, yield func(store.Row) bool) error {
	t, err := r.table(table)
	if err != nil {
		return err
	}
	rows, err := r.conn.QueryContext(ctx, "SELECT "+t.names()+" FROM "+t.place()+" ORDER BY "+t.order(r.d)) //nolint:gosec // names come from the database's own catalogue
	if err != nil {
		return err
	}
	defer rows.Close()
	row := make(store.Row, len(t.Columns))
	dest := make([]any, len(row))
	for i := range row {
		dest[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		for i, c := range t.Columns {
			if row[i], err = plain(row[i], c.Kind); err != nil {
				return fmt.Errorf("column %s: %w", c.Name, err)
			}
		}
		if !yield(row) {
			return nil
		}
	}
	return rows.Err()
}

// plain brings a value of a driver to its column's kind. SQLite keeps what it is
// given in tables that are not STRICT, as the protocol library's are not.
func plain(v any, kind store.ColumnKind) (any, error) {
	switch kind {
	case store.Integer:
		switch v := v.(type) {
		case nil, int64:
			return v, nil
		case bool:
			if v {
				return int64(1), nil
			}
			return int64(0), nil
		case float64: // what SQLite makes of a number beyond its range
			if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
				return int64(v), nil
			}
		}
	case store.Text:
		switch v := v.(type) {
		case nil, string:
			return v, nil
		case []byte:
			return string(v), nil
		}
	case store.Bytes:
		switch v := v.(type) {
		case nil:
			return nil, nil
		case []byte:
			if v == nil {
				return []byte{}, nil // SQLite's driver gives no bytes this way; NULL is another nil
			}
			return v, nil
		case string:
			return []byte(v), nil
		}
	}
	return nil, fmt.Errorf("a value of type %T is none of kind %s", v, kind)
}

// Snapshot implements store.Snapshot.
type Snapshot struct {
	rowReader
	schema, sessions int64
}

var _ store.Snapshot = (*Snapshot)(nil)

// OpenSnapshot keeps hold of a database as it is now. On SQLite the sessions are
// held right after it: whatever the database knows to be sent, its session has
// moved on for, and it is an older one than the other way round that would have
// to encrypt with keys that were used. Writers are not held up, but SQLite's logs
// grow until Close, since what they hold can't be overwritten.
func OpenSnapshot(ctx context.Context, o RowOptions) (*Snapshot, error) {
	s := &Snapshot{}
	if err := s.open(ctx, o, true); err != nil {
		return nil, fmt.Errorf("sqlstore: open snapshot: %w", err)
	}
	if err := s.hold(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: open snapshot: %w", err), s.Close())
	}
	return s, nil
}

func (s *Snapshot) hold(ctx context.Context, o RowOptions) (err error) {
	begin := "BEGIN DEFERRED"
	if s.d == dialectPostgres {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if _, err := s.conn.ExecContext(ctx, begin); err != nil {
		return err
	}
	// The first read of each file is what holds it.
	t := &tx{d: s.d, q: s.conn}
	if err := t.one(ctx, `SELECT max(version_id) FROM `+versionTable, nil, &s.schema); err != nil {
		return fmt.Errorf("read the version of the tables: %w", err)
	}
	if o.Sessions != "" || s.d == dialectPostgres {
		var names string
		if err := t.one(ctx, s.d.sessionsThere(), nil, &names); err != nil {
			return err
		}
		if names != "" {
			err := t.one(ctx, `SELECT max(version) FROM `+names, nil, &s.sessions)
			if err != nil {
				return fmt.Errorf("read the version of the sessions' tables: %w", err)
			}
		}
	}
	s.tables, err = rowTables(ctx, s.d, s.conn)
	return err
}

// Schema implements store.Snapshot.
func (s *Snapshot) Schema() int64 { return s.schema }

// Sessions implements store.Snapshot.
func (s *Snapshot) Sessions() int64 { return s.sessions }

// sessionsThere asks for the name of the table in which the protocol library notes
// the version of its tables; "" when it has none yet.
func (d dialect) sessionsThere() string {
	if d == dialectPostgres {
		return `SELECT coalesce(to_regclass('whatsmeow_version')::text, '')`
	}
	return `SELECT coalesce(min('` + sessionsSchema + `.' || name), '') FROM ` + sessionsSchema + `.sqlite_schema WHERE name = 'whatsmeow_version'`
}

// Close implements store.Snapshot.
func (s *Snapshot) Close() error {
	// The transaction ends with its connection.
	return failed("close snapshot", s.close())
}

// CopyFile writes an SQLite database as it is now to a file that is not there yet.
// Writers are not held up.
func CopyFile(ctx context.Context, from, to string) (err error) {
	db, err := openSQLite(from, false, 1)
	if err != nil {
		return fmt.Errorf("sqlstore: copy %s: %w", from, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "VACUUM INTO $1", to); err != nil {
		return fmt.Errorf("sqlstore: copy %s: %w", from, err)
	}
	return nil
}
