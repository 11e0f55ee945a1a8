package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// TestAStoreOutlivesItsPostgreSQLServer stops the server under a store, restarts it,
// and stops it again for good, in favour of its standby: the store says what is
// wrong, notices that it is over although nobody calls, and works on.
func TestAStoreOutlivesItsPostgreSQLServer(t *testing.T) {
	t.Parallel()
	primary := testenv.NewPostgresServer(t)
	primary.NewDatabase(t, "tideline")
	standby := primary.NewStandby(t)
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: primary.URL("tideline", standby), Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	write := func() error {
		n++
		now := time.Now()
		_, _, err := s.CreateWorkspace(t.Context(), tideline.Workspace{
			Slug: fmt.Sprintf("n%d", n), DisplayName: "N", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: now,
		}, tideline.Member{Email: "o@example.com", DisplayName: "O", Role: tideline.RoleOwner, CreatedAt: now})
		return err
	}
	outage(t, s, "restart", primary, write, func() { primary.Start(t) })
	outage(t, s, "failover", primary, write, func() { standby.Promote(t) })
}

func outage(t *testing.T, s *sqlstore.Store, name string, server *testenv.PostgresServer, write func() error, back func()) {
	t.Helper()
	if err := write(); err != nil {
		t.Fatalf("before the %s: %v", name, err)
	}
	server.Crash(t)
	unavailable, ok := errors.AsType[*store.UnavailableError](write())
	if !ok || unavailable.Trouble != store.TroubleUnreachable {
		t.Errorf("%s: got %v, want an error that says that the server can't be reached", name, unavailable)
	}
	if got := s.TroubleState(); got.Trouble != store.TroubleUnreachable || got.Since.IsZero() {
		t.Errorf("%s: the store's trouble is %q since %s, want that and since when", name, got.Trouble, got.Since)
	}
	back()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.TroubleState().Trouble != "" {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: the store does not notice that it is over", name)
		}
	}
	if err := write(); err != nil {
		t.Errorf("after the %s: %v", name, err)
	}
}
