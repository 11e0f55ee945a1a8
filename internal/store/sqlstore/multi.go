package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/bits"
	"strings"
)

// maxRows is the largest number of rows in one statement.
const maxRows = 256

// multi is a statement over many rows of parameters:
//
//	head (?, ?), (?, ?), … tail
//
// It exists in the sizes 1, 2, 4 … maxRows, so that any number of rows takes a
// few statements that stay prepared.
//
// On SQLite the parameters stay plain question marks: there "$1" is a name, and
// the driver asks for the name of every parameter it binds, which SQLite answers
// by walking through all of them. In a statement of 4,000 parameters that took
// half of all processor time.
type multi struct {
	cols            int
	texts           [2][]string // by dialect, then by the logarithm of the number of rows
	head, row, tail string      // of which they are made
}

// newMulti makes the texts for VALUES as a table, where the statement does not
// say what the parameters are: types are the SQL types of the columns.
func newMulti(head, tail string, types ...string) *multi {
	first := "(CAST(? AS " + strings.Join(types, "), CAST(? AS ") + "))"
	return repeatRows(head, first, "("+strings.Repeat("?, ", len(types)-1)+"?)", tail)
}

// newInsert makes the texts for INSERT INTO into, a table with its columns. In
// row, the values of one row, each ? is a parameter; what is the same in every
// row is better written there, because a parameter costs time.
func newInsert(into, row, tail string) *multi {
	return repeatRows("INSERT INTO "+into+" VALUES ", row, row, tail)
}

// repeatRows writes the first row and, in each size, as many others as it needs.
func repeatRows(head, first, other, tail string) *multi {
	m := &multi{cols: strings.Count(first, "?"), head: head, row: other, tail: tail}
	for rows := 1; rows <= maxRows; rows *= 2 {
		text := head + first + strings.Repeat(", "+other, rows-1) + tail
		m.texts[dialectSQLite] = append(m.texts[dialectSQLite], text)
		m.texts[dialectPostgres] = append(m.texts[dialectPostgres], numberParameters(text))
	}
	return m
}

// arrays gives the form for PostgreSQL that takes one array for each column and any
// number of rows: a tenth of the parameters' costs, and one statement instead of
// one for each power of two. types are those of the columns.
func (m *multi) arrays(types []string) string {
	var row, params, columns strings.Builder
	for i, part := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(m.row, "("), ")"), "?") {
		if i > 0 {
			fmt.Fprintf(&row, "column%d", i)
			if i > 1 {
				params.WriteString(", ")
				columns.WriteString(", ")
			}
			fmt.Fprintf(&params, "CAST($%d AS %s[])", i, types[i-1])
			fmt.Fprintf(&columns, "column%d", i)
		}
		row.WriteString(part)
	}
	return strings.TrimSuffix(m.head, "VALUES ") + "SELECT " + row.String() +
		" FROM unnest(" + params.String() + ") AS given(" + columns.String() + ")" + m.tail
}

// numberParameters turns each ? into $1, $2, …
func numberParameters(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			fmt.Fprintf(&b, "$%d", i)
		}
		b.WriteString(part)
	}
	return b.String()
}

// chunks cuts args, the parameters of all rows one after the other, into
// statements of at most most rows and calls fn for each.
func (m *multi) chunks(d dialect, most int, args []any, fn func(query string, args []any) error) error {
	for rows := len(args) / m.cols; rows > 0; rows = len(args) / m.cols {
		log := bits.Len(uint(min(rows, most))) - 1
		n := m.cols << log
		if err := fn(m.texts[d][log], args[:n]); err != nil {
			return err
		}
		args = args[n:]
	}
	return nil
}

// execAll runs m over all rows of args, which belong to the transaction then, see
// later.
func (t *tx) execAll(ctx context.Context, m *multi, args []any) error {
	if t.piped {
		t.pipeAll(m, args, nil)
		return nil
	}
	return m.chunks(t.d, maxRows, args, func(query string, args []any) error {
		_, err := t.exec(ctx, query, args...)
		return err
	})
}

// eachAll runs the query m over all rows of args and calls scan for every row found.
func (t *tx) eachAll(ctx context.Context, m *multi, args []any, scan func(*sql.Rows) error) error {
	if t.piped {
		if len(args) == 0 {
			return nil
		}
		t.pipeAll(m, args, scan)
		return t.await(ctx)
	}
	most := maxRows
	if t.reads != nil {
		most = readRows // of the sizes that are prepared
	}
	return m.chunks(t.d, most, args, func(query string, args []any) error {
		return t.each(ctx, query, args, scan)
	})
}
