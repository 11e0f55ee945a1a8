package store

import (
	"context"
	"iter"
)

// ColumnKind says what the values of a column are, whatever the database calls it.
type ColumnKind string

// The kinds. A truth value is an Integer, 0 or 1.
const (
	Integer ColumnKind = "int"   // int64
	Text    ColumnKind = "text"  // string, of any bytes
	Bytes   ColumnKind = "bytes" // []byte
)

// Column is a column that rows are copied with.
type Column struct {
	Name string     `json:"name"`
	Kind ColumnKind `json:"kind"`
}

// Table is a table whose rows are copied: by a backup, a restore, or a move to
// another database.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
	Key     []string `json:"key"` // the columns that rows are ordered by
	// Serial is the column whose values the database draws; "" when it draws none.
	Serial string `json:"serial,omitempty"`
	// LastID is the last value that was drawn, also when its row is gone: it is
	// never drawn again. 0 when none was.
	LastID int64 `json:"last_id,omitempty"`
}

// Row has a value for each column of its table: nil, int64, string or []byte. It
// counts until the next one is asked for.
type Row []any

// RowReader reads whole tables as they were at one instant.
type RowReader interface {
	// Tables gives the tables that a copy has to have, each after those that it
	// refers to.
	Tables() []Table
	// Rows gives the rows of a table in the order of its key: integers by value,
	// texts and bytes by their bytes. It ends with the first error.
	Rows(ctx context.Context, table string) iter.Seq2[Row, error]
}

// Snapshot is a database at one instant: of workspaces and messages, and of the
// sessions with WhatsApp. What is written meanwhile is not held up.
type Snapshot interface {
	RowReader
	// Schema is the version of the tables that are ours.
	Schema() int64
	// Sessions is the version of the tables with sessions; 0 when there are none.
	Sessions() int64
	Close() error
}

// Loader fills a database whose tables are made, and which no server works with.
// It reads back what it wrote.
type Loader interface {
	RowReader
	// Empty reports whether the database holds no more than a new one.
	Empty(ctx context.Context) (bool, error)
	// Clear removes the rows that a new database has from the start.
	Clear(ctx context.Context) error
	// Fit makes values such that the database can keep them, and reports whether
	// it had to change one: PostgreSQL keeps neither NUL nor what is no UTF-8 in a
	// text.
	Fit(t Table, row Row) bool
	// Load writes the rows of a table in their order, gives how many there were,
	// and goes on drawing ids after t.LastID.
	Load(ctx context.Context, t Table, rows iter.Seq2[Row, error]) (int64, error)
	// Commit makes what was loaded durable. Without it a PostgreSQL database is as it
	// was, and SQLite files are of no use.
	Commit(ctx context.Context) error
	Close() error
}
