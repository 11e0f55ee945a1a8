package testenv

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestACrashedServerComesBackWithWhatWasCommitted(t *testing.T) {
	t.Parallel()
	s := NewPostgresServer(t)
	s.NewDatabase(t, "kept")
	if err := onConnection(t, s.URL("kept"), "CREATE TABLE t AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	s.Crash(t)
	if err := onConnection(t, s.URL("kept"), "SELECT n FROM t"); err == nil {
		t.Fatal("a server that was stopped answers")
	}
	s.Start(t)
	if err := onConnection(t, s.URL("kept"), "SELECT n FROM t"); err != nil {
		t.Error(err)
	}
}

func TestAPromotedStandbyHasWhatItsPrimaryCommitted(t *testing.T) {
	t.Parallel()
	primary := NewPostgresServer(t)
	primary.NewDatabase(t, "kept")
	standby := primary.NewStandby(t)
	both := primary.URL("kept", standby)
	if err := onConnection(t, both, "CREATE TABLE t AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	primary.Crash(t)
	conn, err := pgx.Connect(t.Context(), both)
	if err == nil {
		t.Error(errors.Join(errors.New("a standby was taken for one that takes changes"), conn.Close(t.Context())))
	}
	standby.Promote(t)
	if err := onConnection(t, both, "INSERT INTO t VALUES (2)"); err != nil {
		t.Error(err)
	}
}
