package testenv

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Disconnect breaks all connections to a database of PostgreSQL, as a failover does.
func Disconnect(t testing.TB, database string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		if e := conn.Close(ctx); err == nil {
			err = e
		}
	}
	if err != nil {
		t.Fatalf("break the connections: %v", err)
	}
}
