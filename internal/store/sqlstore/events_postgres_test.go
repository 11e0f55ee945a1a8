package sqlstore

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// A transaction that drew a smaller event id may commit after one with a larger.
func TestReadersOfTheEventLogWaitForSmallerIDs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, w, a := eventStore(t, ctx)

	// The slow one: as flush does it, but its commit is yet to come.
	slow, err := s.pool.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Rollback() }()
	st := &tx{d: s.d, q: slow}
	st.emit(tideline.Event{WorkspaceID: w.ID, Kind: tideline.EventAccountConnected, At: time.UnixMilli(1), AccountID: a.ID})
	if err := st.flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.SetAccountState(ctx, a.ID, tideline.AccountActive, "", time.UnixMilli(2)); err != nil {
		t.Fatal(err) // writers don't wait for each other
	}

	type answer struct {
		page store.EventPage
		list []store.EventView
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		var got answer
		got.list, _, got.err = s.ListEvents(ctx, w.ID, 0, 10)
		if got.err == nil {
			got.page, got.err = s.UnsentEvents(ctx, 10)
		}
		answers <- got
	}()
	waitForLock(t, ctx, s.pool, "ExclusiveLock")
	select {
	case got := <-answers:
		t.Fatalf("the reader did not wait: %+v", got)
	default:
	}
	if err := slow.Commit(); err != nil {
		t.Fatal(err)
	}
	got := <-answers
	if got.err != nil {
		t.Fatal(got.err)
	}
	if len(got.list) != 2 || got.list[0].Event.ID >= got.list[1].Event.ID || got.page.To != got.list[1].Event.ID {
		t.Errorf("the reader saw %d events up to %d, want both", len(got.list), got.page.To)
	}
}

// Whoever writes events holds the lock that readers wait for.
func TestWritersOfTheEventLogWaitForItsReader(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, w, a := eventStore(t, ctx)
	reader, err := s.pool.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Rollback() }()
	if _, err := reader.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(eventLock)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Receive(ctx, store.Reception{WorkspaceID: w.ID, AccountID: a.ID, Chat: tideline.Peer{JID: "2@s.whatsapp.net"},
			Sender: tideline.Peer{JID: "2@s.whatsapp.net"}, At: time.UnixMilli(1), ReceivedAt: time.UnixMilli(1),
			Message: &store.NewInbound{UID: "u1", WhatsAppID: "A", Kind: tideline.KindText, Text: "hello"}})
		done <- err
	}()
	waitForLock(t, ctx, s.pool, "ShareLock")
	if err := reader.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// eventStore opens an empty PostgreSQL database with a workspace and an account.
func eventStore(t *testing.T, ctx context.Context) (*Store, tideline.Workspace, tideline.Account) {
	t.Helper()
	s, err := Open(ctx, Options{Database: testenv.PostgreSQL(t), Conns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w, _, err := s.CreateWorkspace(ctx, tideline.Workspace{Slug: "a", DisplayName: "A", TimeZone: "UTC",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, CreatedAt: time.UnixMilli(1)}, tideline.Member{Email: "a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.PutAccount(ctx, tideline.Account{WorkspaceID: w.ID, JID: "1@s.whatsapp.net", Phone: "+1", State: tideline.AccountConnecting,
		CreatedAt: time.UnixMilli(1)})
	if err != nil {
		t.Fatal(err)
	}
	return s, w, a
}

// waitForLock returns when a transaction waits for an advisory lock in mode.
func waitForLock(t *testing.T, ctx context.Context, db *sql.DB, mode string) {
	t.Helper()
	for n := 0; n == 0; {
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE l.locktype = 'advisory' AND NOT l.granted AND l.mode = $1 AND d.datname = current_database()`, mode).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
	}
}
