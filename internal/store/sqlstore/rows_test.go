package sqlstore

import (
	"context"
	"database/sql"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// TestEveryTableIsCopiedOrNotOnPurpose fails when a migration makes a table that
// backups and moves know nothing of, or on one database only.
func TestEveryTableIsCopiedOrNotOnPurpose(t *testing.T) {
	t.Parallel()
	described := map[string][]store.Table{}
	for _, database := range []string{filepath.Join(t.TempDir(), "tideline.db"), testenv.PostgreSQL(t)} {
		s, err := Open(t.Context(), Options{Database: database, Conns: 2})
		if err != nil {
			t.Fatal(err)
		}
		all := `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
		if s.d == dialectPostgres {
			all = `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`
		}
		var there []string
		err = s.read(t.Context(), func(q *tx) error {
			return q.each(t.Context(), all, nil, func(r *sql.Rows) error {
				var name string
				err := r.Scan(&name)
				there = append(there, name)
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range there {
			if !slices.Contains(copiedTables, name) && !slices.Contains(uncopiedTables, name) {
				t.Errorf("%s: put table %s into copiedTables or, with a reason, into uncopiedTables", s.d, name)
			}
		}
		for _, name := range copiedTables {
			if !slices.Contains(there, name) {
				t.Errorf("%s: there is no table %s", s.d, name)
			}
		}
		described[s.d.String()] = tablesOf(t, database)
	}
	if len(described["sqlite"]) != len(copiedTables) {
		t.Errorf("%d tables are copied, want %d", len(described["sqlite"]), len(copiedTables))
	}
	if diff := cmp.Diff(described["sqlite"], described["postgres"]); diff != "" {
		t.Errorf("the databases have other tables (-sqlite +postgres):\n%s", diff)
	}
}

// tablesOf describes the tables with their columns in alphabetical order.
func tablesOf(t *testing.T, database string) []store.Table {
	t.Helper()
	s, err := OpenSnapshot(t.Context(), RowOptions{Database: database})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tables := s.Tables()
	for i := range tables {
		slices.SortFunc(tables[i].Columns, func(a, b store.Column) int {
			if a.Name < b.Name {
				return -1
			}
			return 1
		})
	}
	return tables
}

func rowsOf(rows ...store.Row) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		for _, r := range rows {
			if !yield(slices.Clone(r), nil) {
				return
			}
		}
	}
}

// TestALoaderKeepsWhatRowsAndIdsWere writes values at the edges and ids that are gone.
func TestALoaderKeepsWhatRowsAndIdsWere(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "tideline.db"), "postgres": testenv.PostgreSQL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Migrate(t.Context(), Options{Database: database}); err != nil {
				t.Fatal(err)
			}
			l, err := OpenLoader(t.Context(), RowOptions{Database: database})
			if err != nil {
				t.Fatal(err)
			}
			load := func(table string, lastID int64, rows ...store.Row) {
				t.Helper()
				own, err := l.table(table)
				if err != nil {
					t.Fatal(err)
				}
				d := own.Table
				d.LastID = lastID
				if n, err := l.Load(t.Context(), d, rowsOf(rows...)); err != nil || n != int64(len(rows)) {
					t.Fatalf("load %s: %d rows, %v", table, n, err)
				}
			}
			if empty, err := l.Empty(t.Context()); err != nil || !empty {
				t.Errorf("a new database is empty: %t, %v", empty, err)
			}
			if err := l.Clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			secrets := []store.Row{{"a", []byte{}}, {"b", []byte{0, 255}}, {"ä", []byte("x")}}
			load("secrets", 0, secrets...)
			load("plans", 0, store.Row{"p", int64(-1), int64(0), int64(1), int64(2), int64(1 << 40), int64(1), int64(0), int64(1)})
			load("labels", 41, store.Row{int64(7), int64(1), "VIP 🙂", ""})
			var got []store.Row
			for row, err := range l.Rows(t.Context(), "secrets") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, slices.Clone(row))
			}
			if diff := cmp.Diff(secrets, got); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
			if err := l.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), Options{Database: database, Conns: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var id int64
			err = s.write(t.Context(), "draw an id", func(ctx context.Context, q *tx) error {
				return q.one(ctx, `INSERT INTO labels (workspace_id, name) VALUES (1, 'next') RETURNING id`, nil, &id)
			})
			if err != nil || id != 42 {
				t.Errorf("the next id is %d, %v; want 42, whose predecessor was drawn", id, err)
			}
		})
	}
}

// TestPostgreSQLIsAsItWasWithoutACommit loads and gives up.
func TestPostgreSQLIsAsItWasWithoutACommit(t *testing.T) {
	t.Parallel()
	database := testenv.PostgreSQL(t)
	if _, err := Migrate(t.Context(), Options{Database: database}); err != nil {
		t.Fatal(err)
	}
	before := map[string]int64{}
	count := func(into map[string]int64) {
		s, err := OpenSnapshot(t.Context(), RowOptions{Database: database})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, table := range s.Tables() {
			for _, err := range s.Rows(t.Context(), table.Name) {
				if err != nil {
					t.Fatal(err)
				}
				into[table.Name]++
			}
		}
	}
	count(before)
	l, err := OpenLoader(t.Context(), RowOptions{Database: database})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	secrets, err := l.table("secrets")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Load(t.Context(), secrets.Table, rowsOf(store.Row{"a", []byte("x")})); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	after := map[string]int64{}
	count(after)
	if diff := cmp.Diff(before, after); diff != "" || before["plans"] == 0 {
		t.Errorf("rows by table (-before +after):\n%s", diff)
	}
}

func TestTextsThatPostgreSQLCantKeepAreReplaced(t *testing.T) {
	t.Parallel()
	table := store.Table{Name: "t", Columns: []store.Column{{Name: "a", Kind: store.Text}, {Name: "b", Kind: store.Bytes}}}
	l := &Loader{rowReader: rowReader{d: dialectPostgres}}
	row := store.Row{"a\x00b\xff", []byte("\x00\xff")}
	if !l.Fit(table, row) || row[0] != "a\uFFFDb\uFFFD" || string(row[1].([]byte)) != "\x00\xff" {
		t.Errorf("became %q", row)
	}
	if l.Fit(table, row) {
		t.Error("what fits was changed")
	}
}
