package main

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
)

func TestALockedDatabaseIsExplained(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "locked.db")
	hold := func(who string) (*sql.DB, error) {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(who, err)
		}
		t.Cleanup(func() { _ = db.Close() })
		db.SetMaxOpenConns(1)
		_, err = db.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
		return db, err
	}
	if _, err := hold("first"); err != nil {
		t.Fatal(err)
	}
	_, err := hold("second")
	if !sqlstore.Locked(err) || sqlstore.Unreachable(err) {
		t.Fatalf("got %v", err)
	}
	if got := explain(err); !strings.HasPrefix(got, "another program holds the database: end") || !strings.Contains(got, err.Error()) {
		t.Errorf("explained as %q", got)
	}
	if got := explain(errors.New("no idea")); got != "no idea" {
		t.Errorf("another error is explained as %q", got)
	}
}

func TestTheForgottenSandboxIsFound(t *testing.T) {
	t.Chdir(t.TempDir())
	forgot := &app{config: &config.Common{}}
	if _, err := forgot.folder(); err == nil || strings.Contains(err.Error(), "--sandbox") {
		t.Errorf("without a sandbox: %v", err)
	}
	if _, err := datadir.Create(config.DefaultSandbox, datadir.Sandbox); err != nil {
		t.Fatal(err)
	}
	if _, err := forgot.folder(); err == nil || !strings.Contains(err.Error(), "add --sandbox") {
		t.Errorf("with a sandbox: %v", err)
	}
	elsewhere := &app{config: &config.Common{Data: "elsewhere"}}
	if _, err := elsewhere.folder(); err == nil || strings.Contains(err.Error(), "add --sandbox") {
		t.Errorf("with a folder named: %v", err)
	}
}
