package meow_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

// activity is a handler that tells of accounts that became active, and takes
// everything else.
type activity struct {
	whatsapp.Handler
	active chan string
}

func (a activity) State(_ context.Context, s whatsapp.StateEvent) {
	if s.State == tideline.AccountActive {
		a.active <- s.DeviceJID
	}
}
func (activity) Name(context.Context, string, string) {}
func (activity) Receipts(context.Context, string, []string, tideline.Status, time.Time) error {
	return nil
}
func (activity) Message(context.Context, string, whatsapp.Inbound) error { return nil }

// TestComplaint28ManyAccountsShareAFewConnections: elsewhere each account has a
// database, or a connection, of its own.
func TestComplaint28ManyAccountsShareAFewConnections(t *testing.T) {
	t.Parallel()
	const accounts, limit = 24, 8
	net, err := wasim.Start(t.Context(), wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = net.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o := quick(net)
	o.Database, o.SendTimeout = testenv.PostgreSQL(t), time.Minute // nothing is lost here; it may take its time
	con := open(t, o)
	t.Cleanup(func() {
		if err := con.Close(); err != nil {
			t.Error(err)
		}
	})
	handler := activity{active: make(chan string, 100)}
	con.Handle(handler)
	var devices []string
	for i := range accounts {
		phone, err := net.AddPhone(ctx, wasim.PhoneOptions{Number: fmt.Sprintf("+148400002%02d", i)})
		if err != nil {
			t.Fatal(err)
		}
		steps, err := con.Pair(ctx, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := phone.ScanQR(ctx, (<-steps).QR.Text); err != nil {
			t.Fatal(err)
		}
		for ev := range steps {
			if ev.Failed != nil {
				t.Fatal(ev.Failed)
			}
		}
		select {
		case device := <-handler.active:
			devices = append(devices, device)
		case <-ctx.Done():
			t.Fatal("an account does not become active")
		}
	}
	customer, err := net.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000001"})
	if err != nil {
		t.Fatal(err)
	}

	watch, err := pgx.Connect(ctx, o.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watch.Close(context.WithoutCancel(ctx)) }()
	done := make(chan struct{})
	var sends sync.WaitGroup
	for _, device := range devices {
		sends.Go(func() {
			for i := range 3 {
				_, err := con.Send(ctx, whatsapp.Outgoing{
					DeviceJID: device, MessageID: con.NewMessageID(), To: tideline.Phone(customer.Number()).JID(), Text: fmt.Sprint("message ", i),
				})
				if err != nil {
					t.Errorf("send: %v", err)
				}
			}
		})
		phone, _ := net.Phone("+" + device[:len("14840000200")])
		sends.Go(func() { // and is written to meanwhile
			for range 3 {
				if _, err := customer.Send(ctx, phone.Number(), "hello"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { sends.Wait(); close(done) }()
	most := 0
	for working := true; working; {
		select {
		case <-done:
			working = false // look once more
		default:
		}
		var n int
		if err := watch.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		most = max(most, n)
	}
	if most == 0 || most > limit {
		t.Errorf("%d accounts took %d connections to the database, want at most %d", accounts, most, limit)
	}
	if log, err := customer.Messages(); err != nil || len(log) != 3*accounts {
		t.Errorf("%d messages arrived of %d, %v", len(log), 3*accounts, err)
	}
}
