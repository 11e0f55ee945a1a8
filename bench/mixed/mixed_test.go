package main

import (
	"context"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/bench/internal/child"
	"github.com/tidelinehq/tideline/bench/internal/network"
	"github.com/tidelinehq/tideline/bench/internal/node"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// TestMain lets the test binary be the processes that the benchmark starts.
func TestMain(m *testing.M) {
	roles := child.Roles{network.Role: network.Serve, node.Role: node.Serve, nullRole: serveNull}
	if asked, err := roles.Play(); asked {
		exit(err)
	}
	testenv.Main(m)
}

func TestEverythingHappensAtOnce(t *testing.T) {
	t.Parallel()
	mixOn(t, "")
}

func TestEverythingHappensAtOnceOnPostgreSQL(t *testing.T) {
	t.Parallel()
	mixOn(t, testenv.PostgreSQL(t))
}

// mixOn runs the benchmark for so short a time that its figures mean nothing; what
// must be there is there.
func mixOn(t *testing.T, database string) {
	t.Helper()
	r, err := measure(t.Context(), &options{
		Accounts: 3, Customers: 4, Pages: 2, People: 10, Rate: 20, Conns: 4, Rounds: 2, Slice: 3 * time.Second, Seconds: 600, Database: database,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Rounds != 2 || r.PerSecond != 20 || r.P99OverNull <= 0 || r.AcceptP99 < r.AcceptP50 || r.ListP95 < r.ListP50 {
		t.Errorf("%+v", r)
	}
	if r.Sends == 0 || r.Deliveries == 0 || r.Lists == 0 || r.OnPages == 0 || r.Receipts == 0 || r.Received == 0 {
		t.Errorf("something did not happen: %+v", r)
	}
	if r.Failed > 0 || r.ServerCPU <= 0 {
		t.Errorf("%+v", r)
	}
}

func TestAPageFetchesAgainForWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	when, fetched := make(chan struct{}, 1), 0
	p := &page{}
	done := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		done <- p.refresh(t.Context(), when, pace{}, func(ctx context.Context) error {
			if fetched++; fetched == 1 {
				for range 10 {
					tell(when) // ten notices are one
				}
				close(began)
			}
			return nil
		})
	}()
	tell(when)
	<-began
	close(when)
	if err := <-done; err != nil || fetched != 2 {
		t.Errorf("%d times fetched, want 2; error %v", fetched, err)
	}
}
