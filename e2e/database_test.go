package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// outages is how often the database goes away under a server at work.
const outages = 5

// endsWithItsClaim says that a server whose connection to PostgreSQL broke ends,
// because PostgreSQL may have given its claim on the database to another one, and is
// to be started again, as service managers do. Where claims outlive connections this
// is false, and the tests here fail if a server ends.
const endsWithItsClaim = true

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
		srv = s.recovered(t, crowd, srv)
		crowd.progress(ctx, t)
	}
	crowd.settled(t, srv)
	srv.stop(t)
	s.healthy(t)
	t.Logf("%d messages accepted, %d requests refused", crowd.accepted.Load(), crowd.refused.Load())
}

// recovered gives the server that works after an outage: the same one, or the one
// that was started after it has ended, see endsWithItsClaim.
func (s site) recovered(t *testing.T, crowd *crowd, srv *server) *server {
	t.Helper()
	if n := strings.Count(srv.Stderr(), `msg="nothing can be stored`); n > outages {
		t.Errorf("the log says %d times that nothing can be stored", n)
	}
	if !endsWithItsClaim {
		srv.well(t)
		return srv
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code, err := srv.Wait(ctx)
	if err != nil || code == 0 || !strings.Contains(srv.Stderr(), "the claim on the database is lost") {
		t.Fatalf("exit code %d, %v; want an end because of the lost claim\n%s", code, err, srv.Stderr())
	}
	if strings.Contains(srv.Stderr(), "DATA RACE") {
		t.Errorf("data race:\n%s", srv.Stderr())
	}
	if n := len(srv.loud()); n > 100 {
		t.Errorf("%d lines of log about an outage of %s are too many", n, 10*time.Second)
	}
	crowd.switchTo(nil)
	srv.http.CloseIdleConnections()
	next := s.start(t)
	crowd.switchTo(next)
	return next
}
