// Package migrated gives tests databases whose tables are up to date already, so
// that only the tests of the migrations themselves pay for running them. It is
// apart from storetest because it knows the implementation.
package migrated

import (
	"context"
	"testing"

	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/testenv"
)

var template = testenv.NewTemplate(func(ctx context.Context, database string) error {
	_, err := sqlstore.Migrate(ctx, sqlstore.Options{Database: database})
	return err
})

// SQLite returns the path of a new database without rows, a file in a temporary
// folder of the test.
func SQLite(t testing.TB) string {
	t.Helper()
	return template.SQLite(t)
}

// PostgreSQL returns the URL of a new database without rows on the server that
// the tests of a binary share, see [testenv.PostgreSQL].
func PostgreSQL(t testing.TB) string {
	t.Helper()
	return template.PostgreSQL(t)
}
