package meow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/whatsmeow/store"
)

// verdict is an event buffer whose transactions end as they are told to.
type verdict struct {
	store.EventBuffer
	err error
}

func (v verdict) DoDecryptionTxn(context.Context, func(context.Context) error) error { return v.err }
func (v verdict) GetBufferedEvent(context.Context, [32]byte) (*store.BufferedEvent, error) {
	return nil, v.err
}

// sqliteError provokes an error of the driver.
func sqliteError(t *testing.T, statements ...string) error {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err = db.ExecContext(t.Context(), s); err != nil {
			return err
		}
	}
	t.Fatal("no error came")
	return nil
}

func TestOnlyTheDatabasesTroublePostponesAMessage(t *testing.T) {
	t.Parallel()
	broken := errors.New("can't write")
	for name, c := range map[string]struct {
		err, probe error
		postponed  bool
	}{
		"no session":           {err: signalerror.ErrNoSessionForUser},
		"bad MAC":              {err: fmt.Errorf("decrypt: %w", signalerror.ErrBadMAC)},
		"no session, no disk":  {err: signalerror.ErrNoSessionForUser, probe: broken, postponed: true},
		"table gone":           {err: sqliteError(t, "SELECT * FROM nothing"), postponed: true},
		"SQLite refuses data":  {err: sqliteError(t, "CREATE TABLE a (b UNIQUE)", "INSERT INTO a VALUES (1), (1)")},
		"PostgreSQL restarts":  {err: fmt.Errorf("load: %w", &pgconn.PgError{Code: "57P01"}), postponed: true},
		"PostgreSQL full":      {err: &pgconn.PgError{Code: "53100"}, postponed: true},
		"PostgreSQL refuses":   {err: &pgconn.PgError{Code: "23505"}},
		"connection lost":      {err: fmt.Errorf("store: %w", sql.ErrConnDone), postponed: true},
		"all is well":          {},
		"all is well, no disk": {probe: broken},
	} {
		repeats := 0
		g := &keyGuard{EventBuffer: verdict{err: c.err}, probe: func(context.Context) error { return c.probe }, repeat: func(error) { repeats++ }}
		err := g.DoDecryptionTxn(t.Context(), nil)
		if !errors.Is(err, c.err) || errors.Is(err, context.Canceled) != c.postponed || (repeats == 1) != c.postponed {
			t.Errorf("%s: got %v and %d repetitions, want it postponed: %v", name, err, repeats, c.postponed)
		}
	}
	g := &keyGuard{EventBuffer: verdict{err: broken}, repeat: func(error) {}}
	if _, err := g.GetBufferedEvent(t.Context(), [32]byte{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a lookup that failed: %v, want it postponed", err)
	}
}
