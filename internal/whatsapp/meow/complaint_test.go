package meow_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to make what is stored older

	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
	"github.com/tidelinehq/tideline/wasim"
)

// TestComplaint19RetryReceiptAfterRestartIsAnswered lets a phone fail to decrypt
// a message while the sender goes down, and ask for it days later, when another
// process has taken over: it gets the message, under the same id, once.
func TestComplaint19RetryReceiptAfterRestartIsAnswered(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		retryAfterRestart(t, func(o *meow.Options) { o.DataDir = dir }, "sqlite", filepath.Join(dir, "whatsapp.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url := testenv.PostgreSQL(t)
		retryAfterRestart(t, func(o *meow.Options) { o.Database = url }, "pgx", url)
	})
}

func retryAfterRestart(t *testing.T, storage func(*meow.Options), driver, database string) {
	const business, ana = "+14840000100", "+14840000001"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// The phone's request leaves long after the connection is cut.
	net, err := wasim.Start(ctx, wasim.Options{Latency: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, number := range []string{business, ana} {
		if _, err := net.AddPhone(ctx, wasim.PhoneOptions{Number: number}); err != nil {
			t.Fatal(err)
		}
	}
	start := func() (*meow.Connector, *states) {
		o := quick(net)
		storage(&o)
		c, s := open(t, o), &states{active: make(chan struct{}, 16)}
		c.Handle(s)
		return c, s
	}
	con, _ := start()
	device := pairByQR(ctx, t, con, net, business)
	message := func(text string) whatsapp.Outgoing {
		return whatsapp.Outgoing{DeviceJID: device, MessageID: con.NewMessageID(), To: tideline.Phone(ana).JID(), Text: text}
	}
	if _, err := con.Send(ctx, message("hello")); err != nil { // the session is there
		t.Fatal(err)
	}
	for _, f := range []wasim.Fault{
		{Kind: wasim.FaultFailDecrypt, Number: ana, Count: 1}, {Kind: wasim.FaultCutBeforeAck, Number: ana, Count: 1},
		{Kind: wasim.FaultRefuseConnection},
	} {
		if _, err := net.SetFault(f); err != nil {
			t.Fatal(err)
		}
	}
	lost := message("do you read this?")
	_, err = con.Send(ctx, lost)
	if e, ok := errors.AsType[*whatsapp.SendError](err); !ok || !e.Unknown {
		t.Fatalf("send: %v, want no acknowledgement", err)
	}
	if err := con.Close(); err != nil {
		t.Fatal(err)
	}
	phone, _ := net.Phone(ana)
	if n := shownTimes(t, phone, lost.MessageID); n != 0 {
		t.Fatalf("the phone shows the message already, %d times", n)
	}
	sixDaysPass(ctx, t, driver, database)

	net.ClearFaults()
	con, s := start()
	defer func() {
		if err := con.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := con.Connect(ctx, device); err != nil {
		t.Fatal(err)
	}
	got, err := phone.Await(ctx, func(r wasim.Received) bool { return r.ID == lost.MessageID })
	if err != nil {
		t.Fatalf("the phone does not get the message after the restart: %v", err)
	}
	if got.Text != lost.Text || shownTimes(t, phone, lost.MessageID) != 1 {
		t.Errorf("the phone shows %+v", got)
	}
	select {
	case <-s.active:
	case <-ctx.Done():
		t.Error("the account did not become active")
	}
	if n := net.Stats().Retries; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// sixDaysPass makes the sent messages that are kept older.
func sixDaysPass(ctx context.Context, t *testing.T, driver, database string) {
	t.Helper()
	db, err := sql.Open(driver, database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const days = 6 * 24 * time.Hour
	done, err := db.ExecContext(ctx, `UPDATE whatsmeow_retry_buffer SET timestamp = timestamp - $1`, days.Milliseconds())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := done.RowsAffected(); err != nil || n != 2 {
		t.Fatalf("%d messages are kept, %v; want 2", n, err)
	}
}

func pairByQR(ctx context.Context, t *testing.T, con *meow.Connector, net *wasim.Server, number string) string {
	t.Helper()
	steps, err := con.Pair(ctx, whatsapp.PairRequest{})
	if err != nil {
		t.Fatal(err)
	}
	phone, _ := net.Phone(number)
	scanned := false
	for ev := range steps {
		switch {
		case ev.QR != nil && !scanned:
			scanned = true
			if err := phone.ScanQR(ctx, ev.QR.Text); err != nil {
				t.Fatal(err)
			}
		case ev.Paired != nil:
			return ev.Paired.DeviceJID
		case ev.Failed != nil:
			t.Fatal(ev.Failed)
		}
	}
	t.Fatal("the pairing ended without a last step")
	return ""
}

func shownTimes(t *testing.T, phone *wasim.Phone, id string) (n int) {
	t.Helper()
	all, err := phone.Messages()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.ID == id {
			n++
		}
	}
	return n
}

// states is a whatsapp.Handler that hears when an account becomes active.
type states struct{ active chan struct{} }

func (*states) Receipts(context.Context, string, []string, tideline.Status, time.Time) error {
	return nil
}
func (*states) Message(context.Context, string, whatsapp.Inbound) error      { return nil }
func (*states) Name(context.Context, string, string)                         {}
func (*states) News(context.Context, string, whatsapp.News) error            { return nil }
func (*states) History(context.Context, string, whatsapp.HistoryChunk) error { return nil }
func (*states) ReachOut(context.Context, string, whatsapp.ReachOutLimit)     {}
func (*states) Composing(context.Context, string, whatsapp.ComposingEvent)   {}
func (s *states) State(_ context.Context, e whatsapp.StateEvent) {
	if e.State == tideline.AccountActive {
		select {
		case s.active <- struct{}{}:
		default:
		}
	}
}
