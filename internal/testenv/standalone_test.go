package testenv

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A program has a server with settings of its own, beside the tests' one, and
// leaves nothing.
func TestAClusterIsThereUntilItIsStopped(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, dir := range []string{filepath.Dir(root), root} { // the server may run as another user
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	ctx := deadline(t)
	c, err := startCluster(ctx, root, "shared_buffers=48MB")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := setting(ctx, c.server.url, "shared_buffers"); err != nil || got != "48MB" {
		t.Errorf("shared_buffers %q, error %v", got, err)
	}
	if v, err := c.Version(ctx); err != nil || v == "" {
		t.Errorf("version %q, error %v", v, err)
	}
	database, drop, err := c.Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := drop(); err != nil {
		t.Error(err)
	}
	if conn, err := pgx.Connect(ctx, database); err == nil {
		t.Error("a dropped database can be opened")
		_ = conn.Close(ctx)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("left: %v, error %v", left, err)
	}
}
