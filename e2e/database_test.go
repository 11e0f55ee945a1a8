package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// outages is how often the database goes away under a server at work.
const outages = 5

// TestARestartOfPostgreSQLLosesNothing stops PostgreSQL at once, in the middle of
// commits, and starts it again, again and again. Whoever was told that a message is
// accepted finds it on the phone, whoever was not asks again with the same key, and
// no message is there twice.
func TestARestartOfPostgreSQLLosesNothing(t *testing.T) {
	t.Parallel()
	database := testenv.NewPostgresServer(t)
	database.NewDatabase(t, "tideline")
	throughOutages(t, database.URL("tideline"), outages, func() {
		database.Crash(t)
		database.Start(t)
	})
}

// TestAFailoverOfPostgreSQLLosesNothing stops a primary at once, in the middle of
// commits, and promotes the standby that it waited for. The server finds the new
// primary among the hosts of its URL.
func TestAFailoverOfPostgreSQLLosesNothing(t *testing.T) {
	t.Parallel()
	primary := testenv.NewPostgresServer(t)
	primary.NewDatabase(t, "tideline")
	standby := primary.NewStandby(t)
	throughOutages(t, primary.URL("tideline", standby), 1, func() {
		primary.Crash(t)
		standby.Promote(t)
	})
}

// throughOutages runs a server under load on a database that goes away, and compares
// what the clients were told with what the phones show.
func throughOutages(t *testing.T, database string, times int, outage func()) {
	t.Helper()
	s := newSandbox(t)
	s.database = database
	crowd := prepare(t, s)
	srv := s.start(t)
	crowd.switchTo(srv)
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	crowd.ailing.Store(true)
	crowd.begin(ctx, t)
	for range times {
		crowd.progress(ctx, t)
		crowd.rush.Store(true) // let it go away with its hands full
		crowd.progress(ctx, t)
		outage()
		crowd.rush.Store(false)
		s.recovered(t, srv)
		crowd.progress(ctx, t)
	}
	crowd.settled(t, srv)
	srv.stop(t)
	s.healthy(t)
	t.Logf("%d messages accepted, %d requests refused", crowd.accepted.Load(), crowd.refused.Load())
}

// recovered waits until the server works again after an outage, by itself.
func (s site) recovered(t *testing.T, srv *server) {
	t.Helper()
	if n := strings.Count(srv.Stderr(), `msg="nothing can be stored`); n > outages {
		t.Errorf("the log says %d times that nothing can be stored", n)
	}
	srv.well(t)
}
