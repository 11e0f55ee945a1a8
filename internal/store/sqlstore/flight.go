package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
)

// statement is one of several that PostgreSQL gets together, see flight.
type statement struct {
	text  string // with parameters $1, $2, …
	multi *multi // instead of text: run over all rows in args
	args  []any
	scan  func(*sql.Rows) error // called for every row; nil = there is nothing to read
	n     int64                 // rows that it changed or found, once it was run
}

// flight is statements that travel together: they are sent at once and
// answered at once, so that all of them wait for the network and for the server's
// attention as long as one. They run in their order; the first that fails keeps
// those after it from being run. It is given to the connection as the only argument
// of a query without a text (see pipeConn), whose result sets are those of the
// statements that have something to read.
type flight struct {
	statements []statement
}

// Statements that nothing has to be known of before the next one wait in the
// transaction until something is asked; then they go before it, in one flight.
// A transaction without a pipeline, which is SQLite's, runs them at once. What
// fails may therefore be reported by a later call, at the latest by the commit.

// later runs a statement, of which only an error is of interest. args belong to
// the transaction then.
func (t *tx) later(ctx context.Context, query string, args ...any) error {
	if !t.piped {
		_, err := t.exec(ctx, query, args...)
		return err
	}
	t.waiting = append(t.waiting, statement{text: query, args: args})
	return nil
}

// ask runs a query and calls scan for every row, no later than when await
// returns. What scan writes to may not be read before.
func (t *tx) ask(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	if !t.piped {
		return t.each(ctx, query, args, scan)
	}
	t.waiting = append(t.waiting, statement{text: query, args: args, scan: scan})
	return nil
}

// askAll is ask for a query over all rows of args.
func (t *tx) askAll(ctx context.Context, m *multi, args []any, scan func(*sql.Rows) error) error {
	if !t.piped {
		return t.eachAll(ctx, m, args, scan)
	}
	t.pipeAll(m, args, scan)
	return nil
}

// pipeAll queues m over all rows of args.
func (t *tx) pipeAll(m *multi, args []any, scan func(*sql.Rows) error) {
	for len(args) > 0 {
		n := min(len(args), maxPipedRows*m.cols)
		t.waiting = append(t.waiting, statement{multi: m, args: args[:n], scan: scan})
		args = args[n:]
	}
}

// maxPipedRows bounds what one statement of a pipeline takes, and with it what
// the server holds in memory for it.
const maxPipedRows = 4096

// await returns when all that was asked is answered.
func (t *tx) await(ctx context.Context) error {
	if !slices.ContainsFunc(t.waiting, func(s statement) bool { return s.scan != nil }) {
		return nil
	}
	_, err := t.send(ctx)
	return err
}

// send sends what waits, reads all answers and gives what the last statement
// changed.
func (t *tx) send(ctx context.Context) (n int64, err error) {
	if len(t.waiting) == 0 {
		return 0, nil
	}
	f := &flight{statements: t.waiting}
	t.waiting = nil
	rows, err := t.q.QueryContext(ctx, "", f)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for i := range f.statements {
		scan := f.statements[i].scan
		if scan == nil {
			continue
		}
		for rows.Next() {
			if err := scan(rows); err != nil {
				return 0, err
			}
		}
		rows.NextResultSet()
	}
	return f.statements[len(f.statements)-1].n, rows.Err()
}

// forget drops what waits: its transaction is rolled back.
func (t *tx) forget() { t.waiting = nil }

// rollBack rolls a transaction back, unless the server knows nothing of it yet. The
// connection may be gone; one that can't roll back is not used again (stdlib's
// ResetSession looks).
func (t *tx) rollBack(ctx context.Context) {
	begun := len(t.waiting) == 0 || !strings.HasPrefix(t.waiting[0].text, begin)
	t.forget()
	if begun {
		_, _ = t.exec(context.WithoutCancel(ctx), rollback)
	}
}

// The ends of transactions in flights.
const (
	begin     = `BEGIN`
	beginRead = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	commit    = `COMMIT`
	rollback  = `ROLLBACK`
)

// readPiped is read on PostgreSQL: the transaction begins with the first question.
func (s *Store) readPiped(ctx context.Context, fn func(t *tx) error) error {
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back
	t := &tx{d: s.d, q: conn, piped: true}
	if err := t.later(ctx, beginRead); err != nil {
		return err
	}
	err = fn(t)
	t.rollBack(ctx) // nothing was written
	return err
}
