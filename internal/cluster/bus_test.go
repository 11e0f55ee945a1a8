package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/cluster"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// bus is one node's bus on a database that others use too.
type bus struct {
	*cluster.Bus
	id     int64
	heard  chan string
	resync chan struct{}
	stop   func()
}

// openBus starts the bus of a node. prepare registers more before it runs.
func openBus(t *testing.T, database string, id int64, c cluster.BusConfig, prepare func(*bus)) *bus {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: database, Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	return runBus(t, s, id, c, prepare)
}

func runBus(t *testing.T, s store.Store, id int64, c cluster.BusConfig, prepare func(*bus)) *bus {
	t.Helper()
	c.Self = func() int64 { return id }
	b := &bus{Bus: cluster.NewBus(s, c), id: id, heard: make(chan string, 10000), resync: make(chan struct{}, 1000)}
	b.OnSignal("news", func(p []byte) { b.heard <- string(p) })
	b.OnResync(func() { b.resync <- struct{}{} })
	if prepare != nil {
		prepare(b)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(b.stop)
	<-b.resync // it listens
	return b
}

func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case v = <-c:
	case <-ctx.Done():
		t.Fatal("nothing came")
	}
	return v
}

func TestASignalReachesAllOthersAndNotOneself(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	a, b, c := openBus(t, db, 1, cluster.BusConfig{}, nil), openBus(t, db, 2, cluster.BusConfig{}, nil), openBus(t, db, 3, cluster.BusConfig{}, nil)
	for i := range 50 { // more than fit into a notification
		a.Signal("news", fmt.Appendf(nil, `"%d %s"`, i, strings.Repeat("x", 500)))
	}
	a.Signal("unheard", []byte(`1`))
	for i := range 50 {
		want := fmt.Sprintf(`"%d %s"`, i, strings.Repeat("x", 500))
		if x, y := await(t, b.heard), await(t, c.heard); x != want || y != want {
			t.Fatalf("heard %.9s and %.9s, want %.9s", x, y, want)
		}
	}
	if len(a.heard) > 0 {
		t.Error("a node hears itself")
	}
}

func TestTheSameSignalIsSentOnce(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	a, b := openBus(t, db, 1, cluster.BusConfig{}, nil), openBus(t, db, 2, cluster.BusConfig{}, nil)
	for range 1000 {
		a.Signal("news", []byte(`[7]`))
	}
	a.Signal("news", []byte(`"last"`))
	n := 0
	for await(t, b.heard) != `"last"` {
		n++
	}
	if n == 0 || n > 500 {
		t.Errorf("heard %d times", n)
	}
}

func TestTooManySignalsBecomeAResync(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	a, b := openBus(t, db, 1, cluster.BusConfig{}, nil), openBus(t, db, 2, cluster.BusConfig{}, nil)
	for i := range 100 {
		a.Signal("news", fmt.Appendf(nil, `"%d %s"`, i, strings.Repeat("x", 5000)))
	}
	await(t, b.resync)
}

func TestASignalThatIsTooLongIsLostAndNoOther(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	a, b := openBus(t, db, 1, cluster.BusConfig{}, nil), openBus(t, db, 2, cluster.BusConfig{}, nil)
	a.Signal("news", []byte(`"`+strings.Repeat("x", 8000)+`"`))
	a.Signal("news", []byte(`"short"`))
	if got := await(t, b.heard); got != `"short"` {
		t.Errorf("heard %.20s", got)
	}
}

func TestNothingIsSentToNobody(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	var others atomic.Bool
	a := openBus(t, db, 1, cluster.BusConfig{Others: others.Load}, nil)
	b := openBus(t, db, 2, cluster.BusConfig{}, nil)
	a.Signal("news", []byte(`"unsent"`))
	others.Store(true)
	a.Signal("news", []byte(`"sent"`))
	if got := await(t, b.heard); got != `"sent"` {
		t.Errorf("heard %s", got)
	}
}

// Connections that break are opened again, and everybody is told that something may
// have been missed.
func TestABrokenConnectionIsOpenedAgainAndTold(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	a, b := openBus(t, db, 1, cluster.BusConfig{}, nil), openBus(t, db, 2, cluster.BusConfig{}, nil)
	testenv.Disconnect(t, db)
	await(t, a.resync)
	await(t, b.resync)
	for heard := ""; heard == ""; { // the pool may have a dead connection or two yet
		a.Signal("news", []byte(`"back"`))
		select {
		case heard = <-b.heard:
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func echo(b *bus) {
	b.Handle("echo", func(_ context.Context, args []byte) ([]byte, error) {
		return fmt.Appendf(nil, "%d: %s", b.id, args), nil
	})
}

func TestACallIsAnsweredByTheNodeThatIsAsked(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	a, b := openBus(t, db, 1, cluster.BusConfig{}, echo), openBus(t, db, 2, cluster.BusConfig{}, echo)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			from, to := a, b
			if i%2 == 1 {
				from, to = b, a
			}
			got, err := from.Ask(t.Context(), to.id, "echo", fmt.Append(nil, i))
			if want := fmt.Sprintf("%d: %d", to.id, i); err != nil || string(got) != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
	all.Wait()
}

func TestErrorsOfACallComeBack(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	a := openBus(t, db, 1, cluster.BusConfig{}, nil)
	openBus(t, db, 2, cluster.BusConfig{}, func(b *bus) {
		b.Handle("refuse", func(context.Context, []byte) ([]byte, error) {
			return nil, fmt.Errorf("cancel: %w", &tideline.Error{Code: tideline.CodeConflict, Message: "it is being sent", Fields: []tideline.FieldError{{Path: []string{"uid"}, Msg: "no"}}})
		})
		b.Handle("break", func(context.Context, []byte) ([]byte, error) { return nil, errors.New("disk on fire") })
	})
	_, err := a.Ask(t.Context(), 2, "refuse", nil)
	if e, ok := errors.AsType[*tideline.Error](err); !ok || e.Code != tideline.CodeConflict || e.Message != "it is being sent" || len(e.Fields) != 1 {
		t.Errorf("refuse: %v", err)
	}
	if _, err := a.Ask(t.Context(), 2, "break", nil); !tideline.IsCode(err, tideline.CodeInternal) || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("break: %v", err)
	}
	if _, err := a.Ask(t.Context(), 2, "fly", nil); err == nil || !strings.Contains(err.Error(), "fly") {
		t.Errorf("fly: %v", err)
	}
}

func TestWhoeverAsksANodeThatGoesAwayIsTold(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	var gone atomic.Bool
	a := openBus(t, db, 1, cluster.BusConfig{Present: func(id int64) bool { return !gone.Load() }}, nil)
	asked := make(chan error, 1)
	go func() {
		_, err := a.Ask(t.Context(), 9, "echo", nil) // nobody is 9
		asked <- err
	}()
	gone.Store(true)
	if err := await(t, asked); !tideline.IsCode(err, tideline.CodeConflict) || !strings.Contains(err.Error(), "went away") {
		t.Errorf("Ask: %v", err)
	}
}

func TestWhoeverDoesNotWaitLeavesNoCallBehind(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: db})
	if err != nil {
		t.Fatal(err)
	}
	a := runBus(t, s, 1, cluster.BusConfig{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Ask(ctx, 9, "echo", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Ask: %v", err)
	}
	if calls, err := s.TakeCalls(t.Context(), 9); len(calls) > 0 || err != nil {
		t.Errorf("calls %v, %v", calls, err)
	}
}

// deaf is a database whose notifications never come.
type deaf struct{ store.Store }

func (deaf) Notify(context.Context, string) error { return nil }

func TestCallsNeedNoSignals(t *testing.T) {
	t.Parallel()
	db := testenv.PostgreSQL(t)
	open := func() store.Store {
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: db, Conns: 4})
		if err != nil {
			t.Fatal(err)
		}
		return deaf{s}
	}
	a := runBus(t, open(), 1, cluster.BusConfig{}, nil)
	runBus(t, open(), 2, cluster.BusConfig{}, echo)
	if got, err := a.Ask(t.Context(), 2, "echo", []byte("hi")); err != nil || string(got) != "2: hi" {
		t.Errorf("got %q, %v", got, err)
	}
}
