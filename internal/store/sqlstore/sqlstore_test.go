package sqlstore_test

import (
	"testing"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func TestSQLiteKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Opener {
		return open(t, sqlstore.Options{Database: migrated.SQLite(t)})
	})
}

func TestPostgreSQLKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Opener {
		return open(t, sqlstore.Options{Database: migrated.PostgreSQL(t), Conns: 4})
	})
}

// open gives an opener; the contexts of Open are the tests'.
func open(t testing.TB, o sqlstore.Options) storetest.Opener {
	return func() (store.Store, error) { return sqlstore.Open(t.Context(), o) }
}
