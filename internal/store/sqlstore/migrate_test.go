package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// onBoth runs a test on an empty database of each kind.
func onBoth(t *testing.T, test func(t *testing.T, o sqlstore.Options)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, sqlstore.Options{Database: filepath.Join(t.TempDir(), "new folder?", "100%.db")})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, sqlstore.Options{Database: testenv.PostgreSQL(t), Conns: 2})
	})
}

// raw opens the database without the store.
func raw(t *testing.T, o sqlstore.Options) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", "file:"+strings.NewReplacer("%", "%25", "?", "%3f").Replace(o.Database)
	if strings.HasPrefix(o.Database, "postgres") {
		driver, dsn = "pgx", o.Database
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestSeveralFirstStartsAtOnceMigrateOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o sqlstore.Options) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				s, err := sqlstore.Open(t.Context(), o)
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		m, err := sqlstore.Migrate(t.Context(), o)
		if err != nil || m.From != m.To {
			t.Errorf("a migrated database was migrated again: %+v, %v", m, err)
		}
		current, known, err := sqlstore.SchemaVersion(t.Context(), o)
		if err != nil || current != known || known == 0 {
			t.Errorf("version %d of %d, %v", current, known, err)
		}
	})
}

func TestADatabaseOfANewerProgramIsRefused(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o sqlstore.Options) {
		if _, err := sqlstore.Migrate(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if _, err := raw(t, o).ExecContext(t.Context(), `INSERT INTO schema_version (version_id, is_applied) VALUES (999, TRUE)`); err != nil {
			t.Fatal(err)
		}
		_, err := sqlstore.Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "use a newer tideline") {
			t.Errorf("opened with %v", err)
		}
	})
}

func TestTheLedgerIsAppendOnly(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o sqlstore.Options) {
		if _, err := sqlstore.Migrate(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		db := raw(t, o)
		if _, err := db.ExecContext(t.Context(), `INSERT INTO ledger (workspace_id, at, kind, period_credits, extra_credits, unmetered,
			after_period, after_extra, after_unmetered, note) VALUES (1, 1, 'grant', 5, 0, 0, 5, 0, 0, '')`); err != nil {
			t.Fatal(err)
		}
		for _, change := range []string{`UPDATE ledger SET period_credits = 6`, `DELETE FROM ledger`} {
			if _, err := db.ExecContext(t.Context(), change); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", change, err)
			}
		}
	})
}

func TestABadDatabaseIsAnError(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"", "/dev/null/tideline.db", "postgres://nobody@127.0.0.1:1/none", "postgres://%zz"} {
		if s, err := sqlstore.Open(context.Background(), sqlstore.Options{Database: database}); err == nil {
			t.Errorf("%q was opened", database)
			_ = s.Close()
		}
	}
}
