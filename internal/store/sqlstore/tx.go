package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// querier is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// tx is what the functions that read and write run their SQL in: a running
// transaction, or the pool when a single statement is all there is.
type tx struct {
	d dialect
	q querier
	// prepared keeps statements for as long as their connection; nil where the
	// driver does that by itself (pgx) or the connection changes (readers).
	prepared map[string]*sql.Stmt
	// piped: the transaction is one of PostgreSQL whose statements may wait for
	// each other, see later; waiting are those that do.
	piped   bool
	waiting []statement
	// reads gives the form of a query that the readers keep prepared, or nil. The
	// function is nil where there is none.
	reads   func(ctx context.Context, query string) *sql.Stmt
	events  []tideline.Event  // noted by emit, written by flush
	changes []tideline.Change // noted by tell, announced after the commit
	bumps   int64             // of the configuration version
}

// exec runs a statement and gives the number of rows it changed.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if t.piped {
		t.waiting = append(t.waiting, statement{text: query, args: args})
		return t.send(ctx)
	}
	var res sql.Result
	stmt, err := t.statement(ctx, query) //nolint:sqlclosecheck // kept for as long as the connection
	switch {
	case err != nil:
		return 0, err
	case stmt != nil:
		res, err = stmt.ExecContext(ctx, args...)
	default:
		res, err = t.q.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// each runs a query and calls scan for every row.
func (t *tx) each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	if t.piped {
		t.waiting = append(t.waiting, statement{text: query, args: args, scan: scan})
		return t.await(ctx)
	}
	var rows *sql.Rows
	stmt, err := t.statement(ctx, query) //nolint:sqlclosecheck // kept for as long as the connection
	switch {
	case err != nil:
		return err
	case stmt != nil:
		rows, err = stmt.QueryContext(ctx, args...)
	default:
		rows, err = t.q.QueryContext(ctx, query, args...)
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one reads the first row into dest; sql.ErrNoRows when there is none.
func (t *tx) one(ctx context.Context, query string, args []any, dest ...any) error {
	found := false
	err := t.each(ctx, query, args, func(r *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return r.Scan(dest...)
	})
	if err == nil && !found {
		return sql.ErrNoRows
	}
	return err
}

// statement gives the prepared form of query, or nil when this tx keeps none.
func (t *tx) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if t.reads != nil {
		return t.reads(ctx, query), nil
	}
	if t.prepared == nil {
		return nil, nil
	}
	if stmt, ok := t.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := t.q.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	t.prepared[query] = stmt
	return stmt, nil
}

// forUpdate gives the clause that locks the rows of a query until the end of
// the transaction. SQLite needs none: there is only one writer.
func (t *tx) forUpdate(of string) string {
	if t.d == dialectSQLite {
		return ""
	}
	return " FOR UPDATE OF " + of
}

// draw gives n new, growing ids for a table. On SQLite they are free for this
// transaction only, and the rows must be inserted in it; AUTOINCREMENT then
// keeps them from being used again even after the rows are deleted.
func (t *tx) draw(ctx context.Context, table string, n int) ([]int64, error) {
	var ids []int64
	err := t.askIDs(ctx, table, n, &ids)
	if err == nil {
		err = t.await(ctx)
	}
	return ids, err
}

// askIDs is draw whose ids are there after await, see ask.
func (t *tx) askIDs(ctx context.Context, table string, n int, ids *[]int64) error {
	*ids = make([]int64, 0, n)
	if n == 0 {
		return nil
	}
	if t.d == dialectPostgres {
		// The name stands in the text, so that it is looked up once and not for each id.
		return t.ask(ctx, `SELECT nextval('`+table+`_id_seq') FROM generate_series(1, CAST($1 AS BIGINT))`,
			[]any{n}, func(r *sql.Rows) error {
				var id int64
				err := r.Scan(&id)
				*ids = append(*ids, id)
				return err
			})
	}
	var last int64
	err := t.one(ctx, `SELECT seq FROM sqlite_sequence WHERE name = $1`, []any{table}, &last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for i := range n {
		*ids = append(*ids, last+int64(i)+1)
	}
	return nil
}

// savepoint runs fn so that, when it fails, only what fn did is undone.
func (t *tx) savepoint(ctx context.Context, fn func() error) error {
	if _, err := t.send(ctx); err != nil { // what waits is not fn's
		return err
	}
	if _, err := t.exec(ctx, `SAVEPOINT item`); err != nil {
		return err
	}
	noted, told, bumped := len(t.events), len(t.changes), t.bumps
	err := fn()
	if err == nil {
		_, err = t.send(ctx)
	}
	if err != nil {
		t.forget()
		t.events, t.changes, t.bumps = t.events[:noted], t.changes[:told], bumped
		if _, undo := t.exec(ctx, `ROLLBACK TO SAVEPOINT item`); undo != nil {
			return errors.Join(err, undo)
		}
	}
	if _, release := t.exec(ctx, `RELEASE SAVEPOINT item`); release != nil {
		return errors.Join(err, release)
	}
	return err
}

// configVersion reads the configuration version.
func (t *tx) configVersion(ctx context.Context) (int64, error) {
	var version int64
	err := t.one(ctx, `SELECT version FROM config WHERE id = 1`, nil, &version)
	return version, err
}

// bump notes that workspaces, plans, members, tokens or accounts changed. It
// is the last statement of its transaction, because its row is everybody's.
func (t *tx) bump(ctx context.Context) error {
	_, err := t.exec(ctx, `UPDATE config SET version = version + 1 WHERE id = 1`)
	if err == nil {
		t.bumps++
	}
	return err
}

// missing turns sql.ErrNoRows into a not_found about what.
func missing(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notFound(what)
	}
	return err
}

// mustChange gives a not_found about what when a statement changed no row.
func mustChange(n int64, err error, what string) error {
	if err == nil && n == 0 {
		return notFound(what)
	}
	return err
}

func notFound(what string) error {
	return tideline.Errorf(tideline.CodeNotFound, "%s not found", what)
}

// failed names the call that err came from, unless err is an outcome that the
// caller can show.
func failed(call string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*tideline.Error](err); ok {
		return err
	}
	err = fmt.Errorf("sqlstore: %s: %w", call, err)
	if trouble := troubleOf(err); trouble != "" {
		return &store.UnavailableError{Trouble: trouble, Err: err}
	}
	return err
}

// toMillis gives the stored form of a time: NULL for the zero time.
func toMillis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// millis reads a stored time.
type millis struct{ t *time.Time }

// Scan implements sql.Scanner.
func (m millis) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m.t = time.Time{}
	case int64:
		*m.t = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("a time is stored as %T", src)
	}
	return nil
}

// orNull gives NULL for 0, the id of nothing.
func orNull(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// orZero reads an id that may be NULL.
type orZero struct{ id *int64 }

// Scan implements sql.Scanner.
func (o orZero) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*o.id = 0
	case int64:
		*o.id = v
	default:
		return fmt.Errorf("an id is stored as %T", src)
	}
	return nil
}

// laterMillis reads a stored time where 0 means "never".
type laterMillis struct{ t *time.Time }

// Scan implements sql.Scanner.
func (m laterMillis) Scan(src any) error {
	if src == int64(0) {
		src = nil
	}
	return millis(m).Scan(src)
}

// dataText reads what encodeData wrote.
type dataText struct{ data *map[string]string }

// Scan implements sql.Scanner.
func (d dataText) Scan(src any) error {
	*d.data = nil
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a message's data is stored as %T", src)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), d.data)
}

// encodeData gives the stored form of a message's data; "" for none.
func encodeData(data map[string]string) (string, error) {
	if len(data) == 0 {
		return "", nil
	}
	text, err := json.Marshal(data)
	return string(text), err
}
