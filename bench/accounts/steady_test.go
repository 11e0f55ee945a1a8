package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/bench/internal/child"
	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/bench/internal/node"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// TestMain lets the test binary be the processes that the benchmark starts.
func TestMain(m *testing.M) {
	roles := child.Roles{network.Role: network.Serve, node.Role: node.Serve}
	if asked, err := roles.Play(); asked {
		exit(err)
	}
	testenv.Main(m)
}

func TestASteadyRunAccountsForEveryMessage(t *testing.T) {
	t.Parallel()
	steadily(t, "")
}

func TestASteadyRunOnPostgreSQLAccountsForEveryMessage(t *testing.T) {
	t.Parallel()
	steadily(t, testenv.PostgreSQL(t))
}

func steadily(t *testing.T, database string) {
	t.Helper()
	o := &options{Accounts: 6, Contacts: 3, Minutes: 0.1, Every: time.Second, Hear: 2 * time.Second, Database: database}
	r, err := steady(t.Context(), o)
	// On a machine that is too busy an acknowledgement may come too late, which the
	// log says and nobody else notices.
	if err != nil && (r.LogLines == 0 || r.Wrong > 1) {
		t.Fatal(err)
	}
	if r.Asked != 36 || r.Shown != 36 || r.Written != 18 || r.Stored != 18 || r.Failed != 0 || r.ShownTwice+r.StoredTwice != 0 {
		t.Errorf("%+v", r)
	}
	if r.ServerCores <= 0 || r.EmulatorCores <= 0 || r.Heap.Last <= 0 || r.Goroutines.Idle <= 0 || len(r.parts) < 3 {
		t.Errorf("nothing was measured: %+v", r)
	}
	// Each account was asked for as many messages and heard as many.
	if s := r.byAccount["messages"]; s.Min != 9 || s.Max != 9 {
		t.Errorf("messages by account: %+v, want 9 of each", s)
	}
	if s := r.byAccount["busy_seconds"]; s.Min <= 0 || s.Median > s.P95 || s.P95 > s.Max {
		t.Errorf("busy seconds by account: %+v", s)
	}
	all, err := r.flat()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"wrong", "lateness_p99_ms", "rss_mib_last_minute", "account_late_ms_p95", "cores_storage"} {
		if _, ok := all[key].(float64); !ok {
			t.Errorf("%s is %v", key, all[key])
		}
	}
}

func TestWhatDidNotArriveOnceIsFound(t *testing.T) {
	t.Parallel()
	asked := network.Written{Messages: 2, Digest: network.Digest(0).With("a", "b", "1").With("a", "b", "2")}
	written := network.Written{Messages: 1, Digest: network.Digest(0).With("b", "a", "3")}
	shown, stored := network.Shown{Messages: 2, Digest: asked.Digest}, network.Shown{Messages: 1, Digest: written.Digest}
	for name, test := range map[string]struct {
		spoil func(r *steadyResult, shown, stored *network.Shown)
		wrong int
	}{
		"all arrived":                  {func(*steadyResult, *network.Shown, *network.Shown) {}, 0},
		"one went over the wire again": {func(_ *steadyResult, shown, _ *network.Shown) { shown.Resent++ }, 0},
		"one is not shown":             {func(_ *steadyResult, shown, _ *network.Shown) { shown.Messages-- }, 1},
		"another one is shown":         {func(_ *steadyResult, shown, _ *network.Shown) { shown.Digest++ }, 1},
		"one is shown twice":           {func(_ *steadyResult, shown, _ *network.Shown) { shown.Twice++ }, 1},
		"one is not stored":            {func(_ *steadyResult, _, stored *network.Shown) { *stored = network.Shown{} }, 1},
		"one is stored twice":          {func(_ *steadyResult, _, stored *network.Shown) { stored.Twice++ }, 1},
		"one failed, and was logged":   {func(r *steadyResult, _, _ *network.Shown) { r.Failed, r.LogLines = 1, 1 }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r steadyResult
			shown, stored := shown, stored
			test.spoil(&r, &shown, &stored)
			if err := r.judge(asked, written, shown, stored); (err != nil) != (test.wrong > 0) || r.Wrong != test.wrong {
				t.Errorf("%d things are wrong, want %d: %v", r.Wrong, test.wrong, err)
			}
		})
	}
}

func TestPhonesShowWhatPeopleWrote(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	net, err := network.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := net.Stop(); err != nil {
			t.Error(err)
		}
	}()
	shop, ana := business(0), customer(0)
	for _, number := range []string{shop, ana} {
		if err := net.AddPhone(ctx, number); err != nil {
			t.Fatal(err)
		}
	}
	said, err := net.Write(ctx, network.People{Customers: []string{ana}, Accounts: []string{shop}, PerSecond: 100, For: 100 * time.Millisecond})
	if err != nil || said.Messages != 10 {
		t.Fatalf("%+v, error %v", said, err)
	}
	shown, err := net.Shown(ctx, []string{shop, ana})
	if err != nil || shown.Messages != said.Messages || shown.Digest != said.Digest || shown.Twice != 0 {
		t.Errorf("phones show %+v of %+v, error %v", shown, said, err)
	}
	if d := said.Digest.With(ana, shop, "one more"); d == said.Digest {
		t.Error("one more message has the same digest")
	}
	var none network.Digest
	if none.With("a", "b", "1").With("a", "b", "2") != none.With("a", "b", "2").With("a", "b", "1") {
		t.Error("the digest depends on the order")
	}
	if _, err := net.Shown(ctx, []string{"+12025550100"}); err == nil || !strings.Contains(err.Error(), "no phone has number") {
		t.Errorf("error %v", err)
	}
}
