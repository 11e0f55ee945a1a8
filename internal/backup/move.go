package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"iter"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
)

// Moved is what a table was on both sides of a move, which were the same.
type Moved struct {
	Table  string
	Rows   int64
	LastID int64            // the last id that was drawn; 0 when none was
	Sums   map[string]int64 // of the columns that count credits
	SHA256 string           // of all rows, as a backup has them
	// Changed counts the rows with a text that the database can't keep as it was, see
	// store.Loader.
	Changed int64
}

// Move copies all rows to a database that is empty, reads them back, compares, and
// commits when there is no difference. The error is ErrNotEmpty or ErrOtherTables
// when it can't begin.
func Move(ctx context.Context, from store.Snapshot, to store.Loader, progress func(what string, done int64)) ([]Moved, error) {
	if err := prepare(ctx, from.Tables(), to); err != nil {
		return nil, err
	}
	var all []Moved
	for _, t := range from.Tables() {
		there := newDigest(t)
		var changed int64
		if _, err := to.Load(ctx, t, there.through(from.Rows(ctx, t.Name), func(row store.Row) {
			if to.Fit(t, row) {
				changed++
			}
		})); err != nil {
			return nil, err
		}
		all = append(all, there.moved(changed))
		progress("copied rows of "+t.Name, there.rows)
	}
	for i, t := range from.Tables() {
		here := newDigest(t)
		for _, err := range here.through(inColumns(ctx, to, t), nil) {
			if err != nil {
				return nil, err
			}
		}
		if there, here := all[i], here.moved(0); here.SHA256 != there.SHA256 || here.Rows != there.Rows {
			return nil, fmt.Errorf("table %s has %d rows (%.12s) where it comes from and %d (%.12s) where it goes to: nothing is moved; keep both databases and report this",
				t.Name, there.Rows, there.SHA256, here.Rows, here.SHA256)
		}
		progress("compared rows of "+t.Name, here.rows)
	}
	return all, to.Commit(ctx)
}

// inColumns reads a table with its columns in the order in which t has them.
func inColumns(ctx context.Context, from store.RowReader, t store.Table) iter.Seq2[store.Row, error] {
	place := make([]int, len(t.Columns))
	for _, own := range from.Tables() {
		if own.Name != t.Name {
			continue
		}
		for i, c := range t.Columns {
			for j, o := range own.Columns {
				if o.Name == c.Name {
					place[i] = j
				}
			}
		}
	}
	return func(yield func(store.Row, error) bool) {
		sorted := make(store.Row, len(place))
		for row, err := range from.Rows(ctx, t.Name) {
			if err == nil {
				for i, j := range place {
					sorted[i] = row[j]
				}
			}
			if !yield(sorted, err) {
				return
			}
		}
	}
}

// digest sums up the rows of a table.
type digest struct {
	table store.Table
	rows  int64
	sums  map[string]int64
	hash  hash.Hash
	line  []byte
}

func newDigest(t store.Table) *digest {
	d := &digest{table: t, sums: map[string]int64{}, hash: sha256.New()}
	for _, c := range t.Columns {
		if c.Kind == store.Integer && strings.Contains(c.Name, "credits") {
			d.sums[c.Name] = 0
		}
	}
	return d
}

// through passes rows on, after fit, and sums them up.
func (d *digest) through(rows iter.Seq2[store.Row, error], fit func(store.Row)) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		for row, err := range rows {
			if err == nil {
				if fit != nil {
					fit(row)
				}
				err = d.add(row)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

func (d *digest) add(row store.Row) (err error) {
	if d.line, err = appendRow(d.line[:0], row); err != nil {
		return err
	}
	d.rows++
	_, _ = io.Writer(d.hash).Write(d.line) // never fails
	for i, c := range d.table.Columns {
		if n, ok := row[i].(int64); ok && len(d.sums) > 0 {
			if sum, counts := d.sums[c.Name]; counts {
				d.sums[c.Name] = sum + n
			}
		}
	}
	return nil
}

func (d *digest) moved(changed int64) Moved {
	return Moved{
		Table: d.table.Name, Rows: d.rows, LastID: d.table.LastID, Sums: d.sums,
		SHA256: hex.EncodeToString(d.hash.Sum(nil)), Changed: changed,
	}
}
