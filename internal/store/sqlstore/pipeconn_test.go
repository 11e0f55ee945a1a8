package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// wire is the way of one pool to PostgreSQL. It counts what is sent, and can cut
// a connection.
type wire struct {
	sent     atomic.Int64
	cut      atomic.Int64 // the number of what is not sent any more, or not answered; 0 = none
	answered bool         // the server gets it, and only the answer is lost
}

type wiredConn struct {
	net.Conn
	w    *wire
	deaf atomic.Bool
}

func (c *wiredConn) Write(b []byte) (int, error) {
	if n := c.w.sent.Add(1); n == c.w.cut.Load() {
		if !c.w.answered {
			_ = c.Close()
		}
		c.deaf.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *wiredConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b) // the server has done its work when it begins to answer
	if err == nil && c.deaf.Load() {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// overWire has s use one connection at a time, by way of w.
func overWire(t *testing.T, s *Store, database string, w *wire) {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &wiredConn{Conn: conn, w: w}, nil
	}
	old := s.pool
	s.pool = sql.OpenDB(pipeConnector{stdlib.GetConnector(*config, stdlib.OptionShouldPing(
		func(context.Context, stdlib.ShouldPingParams) bool { return false }))})
	s.pool.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = old.Close() })
}

func TestBatchesTakeFewRoundTrips(t *testing.T) {
	t.Parallel()
	database := testenv.PostgreSQL(t)
	s, acceptance := newWorld(t, database)
	var w wire
	overWire(t, s, database, &w)
	const size = 100
	serial, now := 0, time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)
	var accepted []*job
	commit := func(name string, want int64, jobs []*job) {
		t.Helper()
		before := w.sent.Load()
		s.commitJobs(t.Context(), jobs, func(run func(*tx) error) (bool, error) { return s.transact(t.Context(), run) })
		for _, j := range jobs {
			if j.err != nil || j.accepted.Err != nil {
				t.Fatalf("%s: %v, %v", name, j.err, j.accepted.Err)
			}
		}
		if got := w.sent.Load() - before; want > 0 && got != want {
			t.Errorf("%s: %d round trips, want %d", name, got, want)
		}
	}
	accept := func() []*job {
		jobs := make([]*job, size)
		for i := range jobs {
			serial++
			jobs[i] = &job{accept: acceptance(fmt.Sprintf("%d", serial))}
		}
		accepted = append(accepted, jobs...)
		return jobs
	}
	of := func(jobOf func(a *store.Acceptance, id int64) *job) []*job {
		jobs := make([]*job, size)
		for i, j := range accepted[len(accepted)-size:] {
			jobs[i] = jobOf(j.accept, j.accepted.MessageID)
		}
		return jobs
	}
	hook, _, err := s.PutWebhook(t.Context(), tideline.Webhook{WorkspaceID: acceptance("").WorkspaceID, EventType: tideline.EventMessageNew,
		URL: "https://example.com", Enabled: true}, -1)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := func(page int64) []*job {
		put := store.Deliveries{Bodies: [][]byte{[]byte("{}")}}
		for i := range size {
			put.Rows = append(put.Rows, store.NewDelivery{WorkspaceID: hook.WorkspaceID, WebhookID: hook.ID, EventID: int64(i), EventUID: fmt.Sprint(i), EventAt: now})
		}
		deliveries, err := s.PutDeliveries(t.Context(), store.EventPage{From: page, To: page + 1}, put, now)
		if err != nil {
			t.Fatal(err)
		}
		jobs := make([]*job, size)
		for i, d := range deliveries {
			jobs[i] = &job{outcome: &store.Outcome{WorkspaceID: d.WorkspaceID, WebhookID: d.WebhookID, DeliveryID: d.ID, State: tideline.DeliveryDelivered,
				At: now, Attempt: &store.Attempt{At: now, StatusCode: 200}}}
		}
		return jobs
	}
	for try := range int64(2) {
		warm := int64(0) // the first time, statements are prepared
		if try > 0 {
			warm = 1
		}
		commit("accept", 2*warm, accept())
		commit("accept one", 2*warm, accept()[:1])
		commit("accept", 2*warm, accept())
		commit("receipts that come early", 2*warm, of(func(a *store.Acceptance, _ int64) *job {
			return &job{receipt: &store.Receipts{AccountID: a.AccountID, WhatsAppIDs: []string{a.Message.WhatsAppID}, Status: tideline.StatusDelivered, At: now}}
		}))
		commit("settle", 3*warm, of(func(a *store.Acceptance, id int64) *job {
			return &job{settle: &store.Settlement{WorkspaceID: a.WorkspaceID, AccountID: a.AccountID, MessageID: id, Status: tideline.StatusSent, At: now, LaneAt: now}}
		}))
		commit("receipts", 2*warm, of(func(a *store.Acceptance, _ int64) *job {
			return &job{receipt: &store.Receipts{AccountID: a.AccountID, WhatsAppIDs: []string{a.Message.WhatsAppID}, Status: tideline.StatusRead, At: now}}
		}))
		commit("outcomes", 2*warm, outcomes(try))
		commit("receive", 6*warm, of(func(a *store.Acceptance, _ int64) *job {
			return &job{receive: &store.Reception{WorkspaceID: a.WorkspaceID, AccountID: a.AccountID, Chat: tideline.Peer{JID: a.Chat.JID},
				Sender: tideline.Peer{JID: a.Chat.JID}, At: now, ReceivedAt: now,
				Message: &store.NewInbound{UID: "in" + a.Message.UID, WhatsAppID: "in" + a.Message.WhatsAppID, Text: "hello"}}}
		}))
	}
}

// TestALostConnectionLosesAndDoublesNothing cuts the connection at everything
// that is sent for a batch, before it gets to the server and after. Messages that
// were stored are stored once and reported to the outbox once.
func TestALostConnectionLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	database := testenv.PostgreSQL(t)
	s, acceptance := newWorld(t, database)
	w := &wire{}
	overWire(t, s, database, w)
	told := make(map[int64]int)
	s.OnAccepted(func(batch []store.Queued) {
		for _, q := range batch {
			told[q.MessageID]++
		}
	})
	serial := 0
	for cut := range int64(4) { // none, the questions, the writes with the commit, what comes after
		for _, w.answered = range []bool{false, true} {
			jobs := make([]*job, 3)
			for i := range jobs {
				serial++
				jobs[i] = &job{accept: acceptance(fmt.Sprintf("%d", serial))}
			}
			if cut > 0 {
				w.cut.Store(w.sent.Load() + cut)
			}
			s.accepts[0].commit(jobs)
			for _, j := range jobs {
				if j.err != nil || j.accepted.Err != nil {
					t.Errorf("cut %d, answered %v: %v, %v", cut, w.answered, j.err, j.accepted.Err)
				}
				if told[j.accepted.MessageID] != 1 {
					t.Errorf("cut %d, answered %v: the outbox was told %d times of a message", cut, w.answered, told[j.accepted.MessageID])
				}
			}
		}
	}
	w.cut.Store(0)
	assertQueue(t, s, serial)
}

// TestWhatWaitsIsBlamedOnItsItem has the tables refuse what is sent with the
// commit.
func TestWhatWaitsIsBlamedOnItsItem(t *testing.T) {
	t.Parallel()
	s, acceptance := newWorld(t, testenv.PostgreSQL(t))
	jobs := make([]*job, 9)
	for i := range jobs {
		jobs[i] = &job{accept: acceptance(fmt.Sprintf("%d", i))}
	}
	jobs[6].accept.Message.UID = jobs[2].accept.Message.UID
	jobs[4].accept.Message.Text = "a \x00 that PostgreSQL doesn't take"
	s.accepts[0].commit(jobs)
	for i, j := range jobs {
		if refused := j.err != nil || j.accepted.Err != nil; refused != (i == 4 || i == 6) {
			t.Errorf("item %d: %+v, %v", i, j.accepted, j.err)
		}
	}
	assertQueue(t, s, len(jobs)-2)
}

// TestASwallowedErrorIsNotCommitted is about a transaction that goes on after an
// error: PostgreSQL answers its COMMIT with ROLLBACK, and without an error.
func TestASwallowedErrorIsNotCommitted(t *testing.T) {
	t.Parallel()
	s, _ := newWorld(t, testenv.PostgreSQL(t))
	inDoubt, err := s.transact(t.Context(), func(t *tx) error {
		_, _ = t.exec(context.Background(), `SELECT 1 / 0`)
		return nil
	})
	if !errors.Is(err, pgx.ErrTxCommitRollback) || inDoubt {
		t.Errorf("the commit ended with %v, in doubt: %v", err, inDoubt)
	}
}

// TestFlightsCarryEveryKindOfValue compares what comes back with what went out, by
// a single row and by arrays, which write values themselves.
func TestFlightsCarryEveryKindOfValue(t *testing.T) {
	t.Parallel()
	s, _ := newWorld(t, testenv.PostgreSQL(t))
	m := newMulti(`SELECT v.column1, v.column2, v.column3, v.column4, v.column5, v.column6 FROM (VALUES `, `) AS v`,
		"BIGINT", "TEXT", "BYTEA", "BOOLEAN", "INTEGER", "DOUBLE PRECISION")
	at := int64(-1 << 40)
	rows := [][]any{
		{at, "a\n\"b\" {c,d} ü", []byte{0, 255, 1}, true, 7, 0.5},
		{nil, nil, nil, nil, nil, nil},
		{int64(1), "", []byte{}, false, -7, -1e300},
		{2, strings.Repeat("x", 70_000), []byte("y"), true, int64(1), 3.0},
	}
	want := [][]any{
		{at, "a\n\"b\" {c,d} ü", []byte{0, 255, 1}, true, int64(7), 0.5},
		{nil, nil, nil, nil, nil, nil},
		{int64(1), "", []byte{}, false, int64(-7), -1e300},
		{int64(2), strings.Repeat("x", 70_000), []byte("y"), true, int64(1), 3.0},
	}
	for _, size := range []int{1, len(rows)} {
		var got [][]any
		_, err := s.transact(t.Context(), func(t *tx) error {
			for from := 0; from < len(rows); from += size {
				var args []any
				for _, row := range rows[from : from+size] {
					args = append(args, row...)
				}
				err := t.askAll(context.Background(), m, args, func(r *sql.Rows) error {
					row := make([]any, m.cols)
					to := make([]any, m.cols)
					for i := range row {
						to[i] = &row[i]
					}
					err := r.Scan(to...)
					got = append(got, row)
					return err
				})
				if err != nil {
					return err
				}
			}
			err := t.await(context.Background())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d rows at a time (-want +got):\n%s", size, diff)
		}
	}
}

func TestAConnectionForgetsStatementsBeforeTheyAreTooMany(t *testing.T) {
	t.Parallel()
	s, _ := newWorld(t, testenv.PostgreSQL(t))
	s.pool.SetMaxOpenConns(1)
	_, err := s.transact(t.Context(), func(t *tx) error {
		for i := range maxPrepared + 50 {
			var n int
			if err := t.one(context.Background(), fmt.Sprintf(`SELECT %d`, i), nil, &n); err != nil {
				return err
			}
			if n != i {
				return fmt.Errorf("statement %d gave %d", i, n)
			}
		}
		var kept int
		err := t.one(context.Background(), `SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'tideline%'`, nil, &kept)
		if err == nil && kept > 100 {
			err = fmt.Errorf("%d statements are kept", kept)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
