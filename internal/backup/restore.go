package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
)

// Target is where a backup is restored to.
type Target struct {
	// Rows is an empty database with the backup's tables.
	Rows  store.Loader
	Blobs interface {
		Put(ctx context.Context, key string, r io.Reader) (blob.Written, error)
	}
	// Put writes a file of the data folder; its name is one below the folder.
	Put func(name string, r io.Reader) error
	// Progress is told after each table and now and then between files; it may be nil.
	Progress func(what string, done int64)
}

// ErrNotEmpty says that a database has rows already.
var ErrNotEmpty = errors.New("the database is not empty")

// ErrOtherTables says that a database has not the tables that rows are of.
var ErrOtherTables = errors.New("the tables are others")

// Restore reads a backup into a target, whole or, after an error, in part: then the
// target is of no use. It commits what it loaded.
func Restore(ctx context.Context, from io.Reader, t Target) (Summary, error) {
	r, err := openReader(ctx, from)
	if err != nil {
		return Summary{}, err
	}
	if t.Progress == nil {
		t.Progress = func(string, int64) {}
	}
	if err := prepare(ctx, r.header.Tables, t.Rows); err != nil {
		return Summary{}, err
	}
	if err := r.restore(ctx, t); err != nil {
		return Summary{}, err
	}
	return r.summary, t.Rows.Commit(ctx)
}

// prepare looks whether the tables are the same on both sides, and makes the
// target's as empty as they were before a migration put something in.
func prepare(ctx context.Context, tables []store.Table, to store.Loader) error {
	own := map[string]bool{}
	for _, t := range to.Tables() {
		own[t.Name] = true
	}
	for _, t := range tables {
		if !own[t.Name] {
			return fmt.Errorf("%w: there is none to put the rows of %s in", ErrOtherTables, t.Name)
		}
		delete(own, t.Name)
	}
	for name := range own {
		return fmt.Errorf("%w: there are no rows for %s", ErrOtherTables, name)
	}
	empty, err := to.Empty(ctx)
	if err != nil {
		return err
	}
	if !empty {
		return ErrNotEmpty
	}
	return to.Clear(ctx)
}

// restore goes through the parts. A table whose rows are none has no part, but the
// ids that it drew.
func (r *reader) restore(ctx context.Context, t Target) error {
	err := r.next()
	for _, table := range r.header.Tables {
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, failed := t.Rows.Load(ctx, table, r.tableRows(table.Name, t.Rows, &err)); failed != nil {
			return failed
		}
		t.Progress("rows of "+table.Name, r.summary.Tables[table.Name])
	}
	for ; err == nil; err = r.next() {
		switch name := r.part.Name; {
		case strings.HasPrefix(name, filesPrefix):
			if _, err := t.Blobs.Put(ctx, strings.TrimPrefix(name, filesPrefix), r.body); err != nil {
				return err
			}
			if r.summary.Files%1000 == 999 {
				t.Progress("files", r.summary.Files+1)
			}
		case strings.HasPrefix(name, folderPrefix):
			if err := t.Put(strings.TrimPrefix(name, folderPrefix), r.body); err != nil {
				return err
			}
		default:
			return damaged("%s is not where it belongs", name)
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// tableRows gives the rows of a table from the parts that begin where r is. It
// leaves r at the first part of something else, and in at how r got there.
func (r *reader) tableRows(table string, to store.Loader, at *error) iter.Seq2[store.Row, error] {
	place, _ := r.header.table(table)
	return func(yield func(store.Row, error) bool) {
		for *at == nil && r.rowsOf() == table {
			stopped, err := r.eachRow(func(row store.Row) bool {
				to.Fit(r.header.Tables[place], row)
				return yield(row, nil)
			})
			if stopped {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			*at = r.next()
		}
		if *at != nil && !errors.Is(*at, io.EOF) {
			yield(nil, *at)
		}
	}
}
