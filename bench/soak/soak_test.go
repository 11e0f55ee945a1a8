package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// TestMain lets the test binary be the server that the soak starts.
func TestMain(m *testing.M) {
	if config := os.Getenv(serverEnv); config != "" {
		exit(serve(config))
	}
	testenv.Main(m)
}

// A short soak with every fault: all is accounted for, and no goroutine is left,
// here or in the server.
func TestSoakAccountsForEveryMessage(t *testing.T) {
	t.Parallel()
	shortSoak(t, "")
}

func TestSoakOnPostgreSQLAccountsForEveryMessage(t *testing.T) {
	t.Parallel()
	shortSoak(t, testenv.PostgreSQL(t))
}

func shortSoak(t *testing.T, database string) {
	t.Helper()
	const seconds = 12
	o := &options{
		Accounts: 24, Customers: 8, Minutes: seconds / 60.0, Database: database, Rate: 15, FaultEvery: 150 * time.Millisecond,
		ServerEvery: 2 * time.Second, SampleEvery: time.Second, Drain: 2 * time.Minute, Seed: 11,
		progress: t.Logf,
	}
	rep, err := soak(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range rep.notes {
		t.Error(note)
	}
	if t.Failed() {
		if log, err := os.ReadFile(rep.log); err == nil {
			t.Logf("the end of the servers' log:\n%s", log[max(0, len(log)-20000):])
		}
	}
	t.Logf("faults: %s; %+v", rep.summary(), rep.verdict)
	// A soak in which nothing happens shows nothing.
	if rep.Outbound < 20 || rep.Inbound < 20 || rep.Servers < 2 || len(rep.faults) < 8 {
		t.Errorf("too little happened: %+v", rep)
	}
	for _, name := range []string{faultKill, faultStorage} {
		if rep.faults[name] == 0 {
			t.Errorf("there was no %s", name)
		}
	}
}

// What is wrong with a server that does not start is told.
func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	_, err := launch(t.Context(), &setup{Dir: t.TempDir(), Network: "127.0.0.1:1", RootKey: "no key"})
	if err == nil || !strings.Contains(err.Error(), "invalid byte") {
		t.Errorf("error %v", err)
	}
}
