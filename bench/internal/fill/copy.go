package fill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver of the database that is read

	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

// schemaTable says which migrations were made; each database has its own.
const schemaTable = "schema_version"

// Through fills database by way of fill. PostgreSQL takes a message at a time, with
// its round trips, at a tenth of SQLite's speed: there fill gets an SQLite database
// in a temporary folder below dir, and its rows are copied. Both databases then
// hold the very same. A role that is no superuser may not copy, and is served as
// SQLite is.
func Through(ctx context.Context, database, dir string, fill func(ctx context.Context, database string) error) (err error) {
	if !strings.HasPrefix(database, "postgres://") && !strings.HasPrefix(database, "postgresql://") {
		return fill(ctx, database)
	}
	db, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(context.WithoutCancel(ctx))) }()
	var super bool
	if err := db.QueryRow(ctx, `SELECT usesuper FROM pg_user WHERE usename = current_user`).Scan(&super); err != nil {
		return err
	}
	if !super {
		return fill(ctx, database)
	}
	temporary, err := os.MkdirTemp(dir, "fill-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	from := filepath.Join(temporary, "tideline.db")
	if err := fill(ctx, from); err != nil {
		return err
	}
	if err := copyAll(ctx, from, database, db); err != nil {
		return fmt.Errorf("copy to PostgreSQL: %w", err)
	}
	return nil
}

// copyAll copies every row of the SQLite database from to db, whose rows are
// replaced.
func copyAll(ctx context.Context, from, database string, db *pgx.Conn) (err error) {
	if _, err := sqlstore.Migrate(ctx, sqlstore.Options{Database: database}); err != nil {
		return err
	}
	source, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: from, RawQuery: "mode=ro"}).String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	tables, err := tablesOf(ctx, db)
	if err != nil {
		return err
	}
	var names []string
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	// Neither references nor triggers are looked at: the rows come from where they
	// held.
	if _, err := db.Exec(ctx, `SET session_replication_role = replica`); err != nil {
		return err
	}
	if _, err := db.Exec(ctx, `TRUNCATE `+strings.Join(names, ", ")); err != nil {
		return err
	}
	for _, name := range names {
		if err := copyTable(ctx, source, db, name, tables[name]); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	// Ids go on after those that are there.
	for _, name := range names {
		for _, c := range tables[name] {
			if !c.numbered {
				continue
			}
			if _, err := db.Exec(ctx, fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('%[1]s', '%[2]s'), max(%[2]s)) FROM %[1]s HAVING max(%[2]s) IS NOT NULL`, name, c.name)); err != nil {
				return fmt.Errorf("ids of %s: %w", name, err)
			}
		}
	}
	// What the server would do in the next minutes is done before anything is
	// measured.
	for _, statement := range []string{`VACUUM ANALYZE`, `CHECKPOINT`} {
		if _, err := db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// column is one of a table in PostgreSQL.
type column struct {
	name, kind string
	numbered   bool // by a sequence
}

// tablesOf gives the tables with their columns.
func tablesOf(ctx context.Context, db *pgx.Conn) (map[string][]column, error) {
	rows, err := db.Query(ctx, `
		SELECT c.table_name, c.column_name, c.data_type, pg_get_serial_sequence(c.table_name, c.column_name) IS NOT NULL
		FROM information_schema.columns AS c
		JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
		WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name <> $1
		ORDER BY c.table_name, c.ordinal_position`, schemaTable)
	if err != nil {
		return nil, err
	}
	tables := map[string][]column{}
	var table string
	var c column
	_, err = pgx.ForEachRow(rows, []any{&table, &c.name, &c.kind, &c.numbered}, func() error {
		tables[table] = append(tables[table], c)
		return nil
	})
	return tables, err
}

// copyTable copies the rows of one table.
func copyTable(ctx context.Context, source *sql.DB, db *pgx.Conn, table string, columns []column) (err error) {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	rows, err := source.QueryContext(ctx, `SELECT `+strings.Join(names, ", ")+` FROM `+table)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	_, err = db.CopyFrom(ctx, pgx.Identifier{table}, names, pgx.CopyFromFunc(func() ([]any, error) {
		if !rows.Next() {
			return nil, rows.Err()
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for i, c := range columns {
			values[i] = convert(values[i], c.kind)
		}
		return values, nil
	}))
	return err
}

// convert makes a value of SQLite, which knows numbers, texts and bytes, one of a
// type of PostgreSQL.
func convert(v any, kind string) any {
	switch v := v.(type) {
	case int64:
		if kind == "boolean" {
			return v != 0
		}
	case []byte:
		if kind == "text" {
			return string(v)
		}
	case string:
		if kind == "bytea" {
			return []byte(v)
		}
	}
	return v
}
