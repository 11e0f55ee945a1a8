package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// Three processes on one PostgreSQL, for three minutes, with every fault: all is
// accounted for, promises 1 to 7 hold, and rolling restarts fail no request.
func TestThreeNodesKeepThePromises(t *testing.T) {
	t.Parallel()
	o := &options{
		Nodes: 3, Accounts: 9, Customers: 6, Minutes: 3, Think: 800 * time.Millisecond, Drain: 2 * time.Minute, Seed: uint64(time.Now().UnixNano()),
		Database: testenv.PostgreSQL(t), Binary: testenv.Binary(t), Dir: t.TempDir(), progress: t.Logf,
	}
	t.Logf("seed %d", o.Seed)
	r, err := simulate(t.Context(), o)
	if err != nil {
		t.Error(err)
	} else {
		for _, w := range r.wrong {
			t.Error(w)
		}
		t.Logf("%+v, faults %v", *r, r.faults)
		// A simulation in which nothing happens shows nothing.
		if r.Accepted < 300 || r.Inbound < 100 || r.Restarts == 0 || r.Moves < 20 {
			t.Error("too little happened")
		}
		for _, kind := range []string{kill, freeze, cut, failover, jumpAhead, rolling} {
			if r.faults[kind] == 0 {
				t.Errorf("there was no %s", kind)
			}
		}
	}
	if !t.Failed() {
		return
	}
	logs, _ := filepath.Glob(filepath.Join(o.Dir, "*.log"))
	for _, name := range logs {
		if log, err := os.ReadFile(name); err == nil {
			t.Logf("the end of %s:\n%s", filepath.Base(name), log[max(0, len(log)-30000):])
		}
	}
}
