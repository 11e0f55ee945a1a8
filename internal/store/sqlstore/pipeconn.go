package sqlstore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
)

// pipeConnector makes connections that can send several statements at once.
type pipeConnector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c pipeConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	std, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, fmt.Errorf("a connection to PostgreSQL is %T", conn)
	}
	return &pipeConn{Conn: std, known: make(map[string]*prepared), multis: make(map[*multi]*prepared), buf: make([]byte, 0, 4096)}, nil
}

// pipeConn is a connection of pgx that also takes flights. For these it works on
// the protocol itself (pgconn) and keeps its own prepared statements: values go
// from the arguments to the message without being boxed or looked up by type again.
type pipeConn struct {
	*stdlib.Conn
	known  map[string]*prepared
	multis map[*multi]*prepared
	serial int

	buf     []byte // of the parameters of one statement; never nil
	spans   []span
	params  [][]byte
	formats []int16
}

// prepared is a statement as the server knows it on this connection.
type prepared struct {
	*pgconn.StatementDescription
	elements []uint32 // of a statement over arrays: the types of their elements
}

// maxPrepared is how many statements a connection keeps, far above what there are.
const maxPrepared = 1000

var binaryFormat = []int16{pgx.BinaryFormatCode}

// QueryContext implements driver.QueryerContext.
func (c *pipeConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 1 {
		if f, ok := args[0].Value.(*flight); ok {
			return c.fly(ctx, f)
		}
	}
	return c.Conn.QueryContext(ctx, query, args)
}

// fly sends a flight and reads all answers.
func (c *pipeConn) fly(ctx context.Context, f *flight) (driver.Rows, error) {
	pg := c.Conn.Conn().PgConn()
	if pg.IsClosed() {
		return nil, driver.ErrBadConn
	}
	if len(c.known)+len(c.multis) > maxPrepared {
		if err := c.unprepare(ctx, pg); err != nil {
			return nil, err
		}
	}
	var b pgconn.Batch
	for i := range f.statements {
		if err := c.add(ctx, pg, &b, &f.statements[i]); err != nil {
			return nil, err
		}
	}
	results := pg.ExecBatch(ctx, &b)
	found := &flightRows{}
	types := c.Conn.Conn().TypeMap()
	for i := 0; results.NextResult(); i++ {
		if err := found.read(types, results.ResultReader(), &f.statements[i]); err != nil {
			_ = results.Close() // err came first
			return nil, err
		}
	}
	if err := results.Close(); err != nil {
		if e, ok := err.(*pgconn.PgError); ok && outdated(e) { //nolint:errorlint // it comes as it is
			_ = pg.Close(ctx) // and with it all that was prepared
		}
		return nil, err
	}
	return found, nil
}

// outdated reports whether a prepared statement does not fit the tables any
// more, which another process changed, or is gone.
func outdated(e *pgconn.PgError) bool {
	return e.Code == "26000" || e.Code == "0A000" && e.Routine == "RevalidateCachedQuery"
}

// unprepare forgets all prepared statements.
func (c *pipeConn) unprepare(ctx context.Context, pg *pgconn.PgConn) error {
	for _, p := range c.known {
		if err := pg.Deallocate(ctx, p.Name); err != nil {
			return err
		}
	}
	for _, p := range c.multis {
		if err := pg.Deallocate(ctx, p.Name); err != nil {
			return err
		}
	}
	clear(c.known)
	clear(c.multis)
	return nil
}

func (c *pipeConn) prepare(ctx context.Context, pg *pgconn.PgConn, text string) (*prepared, error) {
	c.serial++
	s, err := pg.Prepare(ctx, "tideline_"+strconv.Itoa(c.serial), text, nil)
	if err != nil {
		return nil, err
	}
	return &prepared{StatementDescription: s}, nil
}

// single gives the prepared form of a statement.
func (c *pipeConn) single(ctx context.Context, pg *pgconn.PgConn, text string) (*prepared, error) {
	if p := c.known[text]; p != nil {
		return p, nil
	}
	p, err := c.prepare(ctx, pg, text)
	if err == nil {
		c.known[text] = p
	}
	return p, err
}

// array gives the prepared form of a statement over arrays. What their elements
// are is asked of the server: it knows the types of the parameters of one row.
func (c *pipeConn) array(ctx context.Context, pg *pgconn.PgConn, m *multi) (*prepared, error) {
	if p := c.multis[m]; p != nil {
		return p, nil
	}
	one, err := c.single(ctx, pg, m.texts[dialectPostgres][0])
	if err != nil {
		return nil, err
	}
	names := make([]string, len(one.ParamOIDs))
	for i, oid := range one.ParamOIDs {
		t, ok := c.Conn.Conn().TypeMap().TypeForOID(oid)
		if !ok {
			return nil, fmt.Errorf("parameter %d of %q has the type %d, which can't be in an array", i+1, one.SQL, oid)
		}
		names[i] = t.Name
	}
	p, err := c.prepare(ctx, pg, m.arrays(names))
	if err != nil {
		return nil, err
	}
	p.elements = one.ParamOIDs
	c.multis[m] = p
	return p, nil
}

// add appends a statement with its parameters to a batch.
func (c *pipeConn) add(ctx context.Context, pg *pgconn.PgConn, b *pgconn.Batch, s *statement) (err error) {
	var p *prepared
	switch {
	case s.multi == nil:
		p, err = c.single(ctx, pg, s.text)
	case len(s.args) == s.multi.cols:
		p, err = c.single(ctx, pg, s.multi.texts[dialectPostgres][0])
	default:
		p, err = c.array(ctx, pg, s.multi)
	}
	if err != nil {
		return err
	}
	if p.elements == nil {
		err = c.encode(p, s.args)
	} else {
		err = c.encodeArrays(p, s.args)
	}
	if err != nil {
		return err
	}
	b.ExecStatement(p.StatementDescription, c.params, c.formats, binaryFormat)
	return nil
}

// flightRows are the result sets of a flight, all of them read.
type flightRows struct {
	sets []resultSet
	next int // row of the first set
}

type resultSet struct {
	columns []string
	values  []driver.Value // row by row
}

// read takes in the answer to a statement.
func (r *flightRows) read(types *pgtype.Map, from *pgconn.ResultReader, s *statement) error {
	var set resultSet
	var decoders []decoder
	if s.scan != nil {
		fields := from.FieldDescriptions()
		set.columns = make([]string, len(fields))
		decoders = make([]decoder, len(fields))
		for i := range fields {
			set.columns[i] = fields[i].Name
			decoders[i] = decoderOf(types, fields[i].DataTypeOID)
		}
	}
	for from.NextRow() {
		for i, raw := range from.Values() {
			if s.scan == nil {
				break
			}
			v, err := decoders[i](raw)
			if err != nil {
				return err
			}
			set.values = append(set.values, v)
		}
	}
	tag, err := from.Close()
	if err != nil {
		return nil //nolint:nilerr // the results give it when they are closed
	}
	s.n = tag.RowsAffected()
	if s.scan != nil {
		r.sets = append(r.sets, set)
	}
	if s.text == commit && tag.String() == "ROLLBACK" {
		return pgx.ErrTxCommitRollback
	}
	return nil
}

// Columns implements driver.Rows.
func (r *flightRows) Columns() []string {
	if len(r.sets) == 0 {
		return nil
	}
	return r.sets[0].columns
}

// Close implements driver.Rows.
func (r *flightRows) Close() error { return nil }

// Next implements driver.Rows.
func (r *flightRows) Next(dest []driver.Value) error {
	if len(r.sets) == 0 || len(dest) == 0 || r.next*len(dest) >= len(r.sets[0].values) {
		return io.EOF
	}
	copy(dest, r.sets[0].values[r.next*len(dest):])
	r.next++
	return nil
}

// HasNextResultSet implements driver.RowsNextResultSet.
func (r *flightRows) HasNextResultSet() bool { return len(r.sets) > 1 }

// NextResultSet implements driver.RowsNextResultSet.
func (r *flightRows) NextResultSet() error {
	if len(r.sets) < 2 {
		return io.EOF
	}
	r.sets, r.next = r.sets[1:], 0
	return nil
}
