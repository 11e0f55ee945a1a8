package sqlstore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// openNode opens a database as a node does.
func openNode(t *testing.T, o Options) (*Store, int64) {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	n, err := s.Join(t.Context(), store.NodeInfo{Name: "process 7 on box", URL: "https://box.example"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.Fence(n.ID)
	return s, n.ID
}

func TestACommandHasTheDatabaseToItselfOnlyWithoutNodes(t *testing.T) {
	t.Parallel()
	o := Options{Database: testenv.PostgreSQL(t)}
	s, id := openNode(t, o)
	_, err := TakeClaim(t.Context(), o, "a command", 0)
	if !errors.Is(err, ErrClaimed) || !strings.Contains(err.Error(), "process 7 on box at https://box.example") {
		t.Errorf("claim beside a node: %v, want ErrClaimed with the node's name", err)
	}
	if _, err := s.Join(t.Context(), store.NodeInfo{Name: "another"}, time.Hour); err != nil {
		t.Errorf("join after the refusal: %v", err)
	}
	if _, err := s.pool.ExecContext(t.Context(), `UPDATE nodes SET lease_until = 0`); err != nil {
		t.Fatal(err)
	}
	claim, err := TakeClaim(t.Context(), o, "a command", 0)
	if err != nil {
		t.Fatalf("claim beside dead nodes: %v", err)
	}
	if err := s.Renew(t.Context(), id, time.Hour); !errors.Is(err, store.ErrExpelled) {
		t.Errorf("the dead node renews its lease beside the command: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := s.Join(ctx, store.NodeInfo{Name: "another"}, time.Hour); !errors.Is(err, store.ErrBusy) {
		t.Errorf("join beside a command: %v, want ErrBusy", err)
	}
	if err := claim.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Join(t.Context(), store.NodeInfo{Name: "another"}, time.Hour); err != nil {
		t.Errorf("join after the command: %v", err)
	}
}

// A process may be frozen in the middle of a transaction, which then holds its locks.
func TestExpellingEndsTheTransactionOfAFrozenNode(t *testing.T) {
	t.Parallel()
	o := Options{Database: testenv.PostgreSQL(t)}
	frozen, dead := openNode(t, o)
	other, id := openNode(t, o)
	began, goOn := make(chan struct{}), make(chan struct{})
	outcome := make(chan error, 1)
	go func() {
		first := true
		outcome <- frozen.write(t.Context(), "frozen", frozen.fenced(func(ctx context.Context, tx *tx) error {
			if _, err := tx.exec(ctx, `INSERT INTO secrets (name, value) VALUES ('frozen', '')`); err != nil {
				return err
			}
			if first {
				first = false
				close(began)
				<-goOn
			}
			return nil
		}))
	}()
	<-began
	if _, err := other.pool.ExecContext(t.Context(), `UPDATE nodes SET lease_until = 0 WHERE id = $1`, dead); err != nil {
		t.Fatal(err)
	}
	gone, err := other.ExpelDead(t.Context(), id)
	if err != nil || len(gone) != 1 || gone[0] != dead {
		t.Fatalf("expelled %v, %v", gone, err)
	}
	close(goOn)
	if err := <-outcome; err == nil {
		t.Error("the frozen node's transaction was committed after its expulsion")
	}
	var kept int
	if err := other.pool.QueryRowContext(t.Context(), `SELECT count(*) FROM secrets WHERE name = 'frozen'`).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d rows of the expelled node, %v", kept, err)
	}
	// It may still accept, over new connections.
	if err := frozen.pool.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestExpellingWaitsForACommitThatIsUnderWay(t *testing.T) {
	t.Parallel()
	o := Options{Database: testenv.PostgreSQL(t)}
	s, id := openNode(t, o)
	began, goOn := make(chan struct{}), make(chan struct{})
	outcome, left := make(chan error, 1), make(chan error, 1)
	go func() {
		outcome <- s.write(t.Context(), "slow", s.fenced(func(ctx context.Context, tx *tx) error {
			close(began)
			<-goOn
			_, err := tx.exec(ctx, `INSERT INTO secrets (name, value) VALUES ('slow', '')`)
			return err
		}))
	}()
	<-began
	if err := s.Renew(t.Context(), id, time.Hour); err != nil {
		t.Errorf("renewing waits for the transaction: %v", err)
	}
	go func() { left <- s.Leave(t.Context(), id) }()
	// Leave is seen to wait for the row before the transaction may go on.
	for waiting := 0; waiting == 0; {
		select {
		case err := <-left:
			t.Fatalf("the node left in the middle of its transaction: %v", err)
		default:
		}
		err := s.pool.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	close(goOn)
	if err := errors.Join(<-outcome, <-left); err != nil {
		t.Error(err)
	}
}

func TestConnectionsBearTheNodesName(t *testing.T) {
	t.Parallel()
	s, id := openNode(t, Options{Database: testenv.PostgreSQL(t)})
	name := func() (name string) {
		if err := s.pool.QueryRowContext(t.Context(), `SELECT current_setting('application_name')`).Scan(&name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	if got := name(); got != NodeName(id) {
		t.Errorf("a connection is called %q, want %q", got, NodeName(id))
	}
	s.Fence(id + 1)
	if got := name(); got != NodeName(id+1) {
		t.Errorf("after the node joined anew a connection is called %q, want %q", got, NodeName(id+1))
	}
}

func TestTheLeaseIsRenewedAlthoughAllConnectionsAreBusy(t *testing.T) {
	t.Parallel()
	s, id := openNode(t, Options{Database: testenv.PostgreSQL(t), Conns: 1})
	busy, err := s.pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Renew(ctx, id, time.Hour); err != nil {
		t.Error(err)
	}
}
