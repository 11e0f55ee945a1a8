package meow_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/connectortest"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
	"github.com/tidelinehq/tideline/wasim"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// quick are options with which tests need not wait long. The keep-alive is the
// same for all tests of the process.
func quick(net *wasim.Server) meow.Options {
	o := meow.Options{
		Endpoint:       &meow.Endpoint{Addr: net.Addr(), RootKey: net.RootKey()},
		KeepAlive:      meow.KeepAlive{Min: 2 * time.Second, Max: 3 * time.Second, Deadline: 4 * time.Second}, // as testKeepAlive
		SendTimeout:    connectortest.AckWait,
		RetryFirst:     20 * time.Millisecond,
		RetryMax:       200 * time.Millisecond,
		ReplacedRetry:  50 * time.Millisecond,
		RedeliverAfter: 100 * time.Millisecond,
		LogoutWait:     2 * time.Second,
		History:        24 * time.Hour,
	}
	if os.Getenv("MEOW_TEST_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o
}

func open(t testing.TB, o meow.Options) *meow.Connector {
	t.Helper()
	c, err := meow.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformanceOnSQLite(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, func(t testing.TB) connectortest.Open {
		dir := t.TempDir()
		return func(t testing.TB, net *wasim.Server) whatsapp.Connector {
			o := quick(net)
			o.DataDir = dir
			return open(t, o)
		}
	})
}

func TestConformanceOnPostgreSQL(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, func(t testing.TB) connectortest.Open {
		url := testenv.PostgreSQL(t)
		return func(t testing.TB, net *wasim.Server) whatsapp.Connector {
			o := quick(net)
			o.Database = url
			return open(t, o)
		}
	})
}
