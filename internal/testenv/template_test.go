package testenv

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestATemplateIsFilledOnceAndItsCopiesAreTheTestsOwn(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		var fills atomic.Int64
		template := NewTemplate(func(_ context.Context, path string) error {
			fills.Add(1)
			return os.WriteFile(path, []byte("filled"), 0o600)
		})
		first, second := template.SQLite(t), template.SQLite(t)
		if err := os.WriteFile(first, []byte("changed"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{second, template.SQLite(t)} {
			if data, err := os.ReadFile(path); err != nil || string(data) != "filled" {
				t.Errorf("%s has %q, %v; want what it was filled with", path, data, err)
			}
		}
		if n := fills.Load(); n != 1 {
			t.Errorf("filled %d times, want once", n)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		var fills atomic.Int64
		template := NewTemplate(func(_ context.Context, url string) error {
			fills.Add(1)
			return onConnection(t, url, "CREATE TABLE t AS SELECT 1 AS n")
		})
		first, second := template.PostgreSQL(t), template.PostgreSQL(t)
		if err := onConnection(t, first, "DROP TABLE t"); err != nil {
			t.Fatal(err)
		}
		for _, url := range []string{second, template.PostgreSQL(t)} {
			if err := onConnection(t, url, "SELECT n FROM t"); err != nil {
				t.Error(err)
			}
		}
		if n := fills.Load(); n != 1 {
			t.Errorf("filled %d times, want once", n)
		}
	})
}

func TestATemplateThatIsStillOpenIsNotCopied(t *testing.T) {
	t.Parallel()
	template := NewTemplate(func(_ context.Context, path string) error {
		return errors.Join(os.WriteFile(path, []byte("old"), 0o600), os.WriteFile(path+"-wal", []byte("new"), 0o600))
	})
	if _, err := template.sqlite(); err == nil || !strings.Contains(err.Error(), "still open") {
		t.Errorf("got %v, want an error that says so", err)
	}
}

func onConnection(t *testing.T, url, statement string) error {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(t.Context(), statement)
	return errors.Join(err, conn.Close(t.Context()))
}
