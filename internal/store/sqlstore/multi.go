package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/bits"
	"regexp"
	"strings"
)

// maxRows is the largest number of rows in one statement.
const maxRows = 256

// multi is a statement over many rows of parameters:
//
//	head ($1, $2), ($3, $4), … tail
//
// It exists in the sizes 1, 2, 4 … maxRows, so that any number of rows takes a
// few statements that stay prepared.
//
// On SQLite the parameters are written as plain question marks: there "$1" is a
// name, and the driver asks for the name of every parameter it binds, which
// SQLite answers by walking through all of them. In a statement of 4,000
// parameters that took half of all processor time.
type multi struct {
	cols  int
	texts [2][]string // by dialect, then by the logarithm of the number of rows
}

// newMulti makes the texts. types are the SQL types of the columns; they are
// needed where the statement does not say what the parameters are (VALUES as a
// table), and "" where it does (INSERT).
func newMulti(head, tail string, types ...string) *multi {
	m := &multi{cols: len(types)}
	for rows := 1; rows <= maxRows; rows *= 2 {
		numbered := m.text(head, tail, types, rows)
		m.texts[dialectPostgres] = append(m.texts[dialectPostgres], numbered)
		m.texts[dialectSQLite] = append(m.texts[dialectSQLite], parameter.ReplaceAllString(numbered, "?"))
	}
	return m
}

var parameter = regexp.MustCompile(`\$[0-9]+`)

// text is the statement for a number of rows.
func (m *multi) text(head, tail string, types []string, rows int) string {
	var b strings.Builder
	b.WriteString(head)
	for row := range rows {
		if row > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for col, typ := range types {
			if col > 0 {
				b.WriteString(", ")
			}
			n := row*len(types) + col + 1
			if typ != "" && row == 0 {
				fmt.Fprintf(&b, "CAST($%d AS %s)", n, typ)
			} else {
				fmt.Fprintf(&b, "$%d", n)
			}
		}
		b.WriteByte(')')
	}
	b.WriteString(tail)
	return b.String()
}

// newInsert is newMulti for INSERT INTO into, a table with its columns.
func newInsert(into, tail string) *multi {
	cols := strings.Count(into, ",") + 1
	return newMulti("INSERT INTO "+into+" VALUES ", tail, make([]string, cols)...)
}

// chunks cuts args, the parameters of all rows one after the other, into
// statements and calls fn for each.
func (m *multi) chunks(d dialect, args []any, fn func(query string, args []any) error) error {
	for rows := len(args) / m.cols; rows > 0; rows = len(args) / m.cols {
		log := min(bits.Len(uint(rows)), len(m.texts[d])) - 1
		n := m.cols << log
		if err := fn(m.texts[d][log], args[:n]); err != nil {
			return err
		}
		args = args[n:]
	}
	return nil
}

// execAll runs m over all rows of args.
func (t *tx) execAll(ctx context.Context, m *multi, args []any) error {
	return m.chunks(t.d, args, func(query string, args []any) error {
		_, err := t.exec(ctx, query, args...)
		return err
	})
}

// eachAll runs the query m over all rows of args and calls scan for every row found.
func (t *tx) eachAll(ctx context.Context, m *multi, args []any, scan func(*sql.Rows) error) error {
	return m.chunks(t.d, args, func(query string, args []any) error {
		return t.each(ctx, query, args, scan)
	})
}
