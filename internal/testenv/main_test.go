package testenv

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// actAs makes the test binary play a program of its own, see [TestMain].
const actAs = "TESTENV_ACT_AS"

func TestMain(m *testing.M) {
	switch role := os.Getenv(actAs); role {
	case "":
		Main(m)
	case "owner of a server":
		ownServer()
	default:
		fmt.Fprintln(os.Stderr, "unknown role:", role)
		os.Exit(2)
	}
}

// ownServer starts a server and a child as a test binary would, says where they
// are and waits to be killed.
func ownServer() {
	server, err := postgres.server("")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("server: %s\nprocess: %d\nscratch: %s\n", server, postgres.running.cmd.Process.Pid, scratch.path)
	<-make(chan struct{})
}

// deadline returns a context that ends well after anything here should be done.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eventually calls done until it returns true, and fails the test if that does
// not happen before ctx ends.
func eventually(t *testing.T, ctx context.Context, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still waiting: %s", what)
		}
	}
}
