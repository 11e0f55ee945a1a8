package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
)

// copiedTables are our tables that a copy has to have: backups, restores and moves
// to another database. A new table is put here, or into uncopiedTables with the
// reason; a test fails until it is.
var copiedTables = []string{
	"accounts", "amendments", "api_calls", "archive_parts", "attachment_templates", "audit", "balances", "chat_aliases", "chat_grams",
	"chat_labels", "chats", "config", "deliveries", "delivery_attempts", "delivery_bodies", "downloads",
	"early_receipts", "events", "fan_out", "files", "group_members", "history_chunks", "idempotency", "labels",
	"lanes", "ledger", "ledger_carried", "ledger_summed", "ledger_sums", "links", "lost_blobs", "members", "message_status", "messages",
	"outbox", "plans", "profiles", "reactions", "retention", "secrets", "seen_chats", "sessions", "settings", "teams",
	"text_templates", "tokens", "webhooks", "workspaces",
}

// uncopiedTables are the others: each database has its own.
var uncopiedTables = []string{
	versionTable,        // what migrations made of this database
	"whatsmeow_version", // the same of the protocol library's
	"ledger_carrying",   // is empty outside of a transaction
	// Servers that share this database, and what they do at this moment. The first
	// one that joins makes the rows of holds that are lacking.
	"nodes", "holds", "duties", "node_calls",
}

// libraryTables begins the names of the tables in which the protocol library keeps
// sessions. All of them are copied, whichever it has.
const libraryTables = "whatsmeow_"

// isCopied reports whether a copy has the table.
func isCopied(table string) bool {
	if slices.Contains(uncopiedTables, table) {
		return false
	}
	return strings.HasPrefix(table, libraryTables) || slices.Contains(copiedTables, table)
}

// rowTable is a table with what the dialect must know of it.
type rowTable struct {
	store.Table
	schema string          // SQLite: which of the attached files has it
	native []string        // the columns' types in the database's own words, in lower case
	after  map[string]bool // tables that it refers to
}

// column notes a column.
func (t *rowTable) column(name, native string) error {
	native = strings.ToLower(native)
	kind, ok := map[string]store.ColumnKind{
		"bigint": store.Integer, "integer": store.Integer, "boolean": store.Integer,
		"text": store.Text, "uuid": store.Text,
		"bytea": store.Bytes, "blob": store.Bytes,
	}[native]
	if !ok {
		return fmt.Errorf("column %s.%s has the type %q, which this program can't copy", t.Name, name, native)
	}
	t.Columns = append(t.Columns, store.Column{Name: name, Kind: kind})
	t.native = append(t.native, native)
	return nil
}

// rowTables reads from the database itself which tables and columns there are, and
// puts each table after those that it refers to. Generated columns are left out.
func rowTables(ctx context.Context, d dialect, q querier) ([]*rowTable, error) {
	read := sqliteTables
	if d == dialectPostgres {
		read = postgresTables
	}
	tables, err := read(ctx, &tx{d: d, q: q})
	if err != nil {
		return nil, fmt.Errorf("read the tables' columns: %w", err)
	}
	for _, t := range tables {
		if len(t.Key) == 0 {
			return nil, fmt.Errorf("table %s has no primary key, so its rows have no order to copy them in", t.Name)
		}
	}
	slices.SortFunc(tables, func(a, b *rowTable) int { return cmp.Compare(a.Name, b.Name) })
	return inOrder(tables)
}

// inOrder puts each table after those that it refers to.
func inOrder(tables []*rowTable) ([]*rowTable, error) {
	ordered := make([]*rowTable, 0, len(tables))
	done := map[string]bool{}
	for len(ordered) < len(tables) {
		before := len(ordered)
		for _, t := range tables {
			waits := false
			for _, other := range tables {
				waits = waits || t.after[other.Name] && other != t && !done[other.Name]
			}
			if !done[t.Name] && !waits {
				ordered, done[t.Name] = append(ordered, t), true
			}
		}
		if len(ordered) == before {
			return nil, errors.New("tables refer to each other in a circle")
		}
	}
	return ordered, nil
}

// sqliteTables reads both files: the database itself and the one with sessions,
// which is attached under sessionsSchema, if it is.
func sqliteTables(ctx context.Context, t *tx) ([]*rowTable, error) {
	var tables []*rowTable
	var schemas []string
	err := t.each(ctx, `SELECT name FROM pragma_database_list WHERE name IN ('main', $1) ORDER BY name`, []any{sessionsSchema}, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		schemas = append(schemas, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, schema := range schemas {
		err := t.each(ctx, `SELECT l.name, l.schema, m.sql LIKE '%AUTOINCREMENT%' FROM pragma_table_list l
			JOIN `+schema+`.sqlite_schema m ON m.name = l.name AND m.type = 'table'
			WHERE l.schema = $1 AND l.type = 'table' ORDER BY l.name`, []any{schema}, func(r *sql.Rows) error {
			n := &rowTable{after: map[string]bool{}}
			var draws bool
			if err := r.Scan(&n.Name, &n.schema, &draws); err != nil {
				return err
			}
			if draws {
				n.Serial = "id"
			}
			if isCopied(n.Name) {
				tables = append(tables, n)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, n := range tables {
		type keyed struct {
			name  string
			place int
		}
		var key []keyed
		err := t.each(ctx, `SELECT name, type, pk, hidden FROM pragma_table_xinfo($1, $2) ORDER BY cid`, []any{n.Name, n.schema}, func(r *sql.Rows) error {
			var name, native string
			var place, hidden int
			if err := r.Scan(&name, &native, &place, &hidden); err != nil || hidden != 0 {
				return err
			}
			if place > 0 {
				key = append(key, keyed{name, place})
			}
			return n.column(name, native)
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(key, func(a, b keyed) int { return a.place - b.place })
		for _, k := range key {
			n.Key = append(n.Key, k.name)
		}
		if err := t.each(ctx, `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1, $2)`, []any{n.Name, n.schema}, n.scanAfter); err != nil {
			return nil, err
		}
		if n.Serial == "" {
			continue
		}
		err = t.one(ctx, `SELECT coalesce((SELECT seq FROM main.sqlite_sequence WHERE name = $1), 0)`, []any{n.Name}, &n.LastID)
		if err != nil {
			return nil, err
		}
	}
	return tables, nil
}

func (t *rowTable) scanAfter(r *sql.Rows) error {
	var other string
	err := r.Scan(&other)
	t.after[other] = true
	return err
}

// postgresTables reads the schema that new tables are made in.
func postgresTables(ctx context.Context, t *tx) ([]*rowTable, error) {
	var tables []*rowTable
	err := t.each(ctx, `SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), a.attidentity <> ''
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
			AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY c.relname, a.attnum`, nil, func(r *sql.Rows) error {
		var table, column, native string
		var draws bool
		if err := r.Scan(&table, &column, &native, &draws); err != nil || !isCopied(table) {
			return err
		}
		if len(tables) == 0 || tables[len(tables)-1].Name != table {
			tables = append(tables, &rowTable{Table: store.Table{Name: table}, after: map[string]bool{}})
		}
		n := tables[len(tables)-1]
		if draws {
			n.Serial = column
		}
		return n.column(column, native)
	})
	if err != nil {
		return nil, err
	}
	for _, n := range tables {
		err := t.each(ctx, `SELECT a.attname::text FROM pg_index i
			CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
			WHERE i.indisprimary AND i.indrelid = to_regclass($1) ORDER BY k.place`, []any{quoted(n.Name)}, func(r *sql.Rows) error {
			var name string
			err := r.Scan(&name)
			n.Key = append(n.Key, name)
			return err
		})
		if err != nil {
			return nil, err
		}
		err = t.each(ctx, `SELECT DISTINCT c.relname::text FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid
			WHERE f.contype = 'f' AND f.conrelid = to_regclass($1)`, []any{quoted(n.Name)}, n.scanAfter)
		if err != nil {
			return nil, err
		}
		if n.Serial == "" {
			continue
		}
		// A sequence is outside of every snapshot. Read after the snapshot has begun,
		// its value is that of a row which the snapshot may not show, never less.
		var sequence string
		if err := t.one(ctx, `SELECT pg_get_serial_sequence($1, $2)`, []any{quoted(n.Name), n.Serial}, &sequence); err != nil {
			return nil, err
		}
		err = t.one(ctx, `SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM `+sequence, nil, &n.LastID)
		if err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// quoted gives a name as SQL has it.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
