package wasim_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestLongQueueComesInBatches(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	stores := openStore(t, filepath.Join(t.TempDir(), "wa.db"))
	c := clientOf(t, srv, stores.NewDevice())
	pair(t, srv, c, business)
	settle(t, c)
	c.Disconnect()
	const many = 250
	p := phone(t, srv, ana)
	for i := range many {
		if _, err := p.Send(timeout(t), business, fmt.Sprint("message ", i)); err != nil {
			t.Fatal(err)
		}
	}

	// No batch may follow before the one before is acknowledged, and live messages come after all of them.
	var mu sync.Mutex
	outstanding, most := 0, 0
	srv.Trace(func(e wasim.TraceEvent) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case e.Direction == wasim.ToClient && e.Node.Tag == "message":
			outstanding++
			most = max(most, outstanding)
		case e.Direction == wasim.FromClient && e.Node.Tag == "receipt":
			outstanding--
		}
	})
	device, err := stores.GetFirstDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	back := clientOf(t, srv, device)
	if err := back.Connect(); err != nil {
		t.Fatal(err)
	}
	preview := event[*events.OfflineSyncPreview](back, 0, nil)
	if preview.Total < many || preview.Messages < many {
		t.Errorf("%+v", preview)
	}
	if _, err := p.Send(timeout(t), business, "live"); err != nil {
		t.Fatal(err)
	}
	back.text(0, "live")
	completed := event[*events.OfflineSyncCompleted](back, 0, nil)
	if completed.Count != preview.Total {
		t.Errorf("%d of %d came", completed.Count, preview.Total)
	}
	next := 0
	for _, e := range back.seen() {
		if m, ok := e.(*events.Message); ok && m.Info.Category == "" {
			want := fmt.Sprint("message ", next)
			if next == many {
				want = "live"
			}
			if got := m.Message.GetConversation(); got != want {
				t.Fatalf("%q instead of %q", got, want)
			}
			next++
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if most > 110 { // a batch, and the live one
		t.Errorf("%d messages were under way at once", most)
	}
}

func TestClockIsScripted(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	srv := network(t, wasim.Options{Now: func() time.Time { return now }})
	c := paired(t, srv, business)
	if resp := c.sendText(ana, "what year is it?"); !resp.Timestamp.Equal(now) {
		t.Errorf("acknowledged at %v", resp.Timestamp)
	}
	if r := await(t, phone(t, srv, ana), hasText("what year is it?")); !r.Timestamp.Equal(now) {
		t.Errorf("received at %v", r.Timestamp)
	}
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "2031"); err != nil {
		t.Fatal(err)
	}
	if m := c.text(0, "2031"); !m.Info.Timestamp.Equal(now) {
		t.Errorf("sent at %v", m.Info.Timestamp)
	}
}

func TestLogOfAPhoneIsBoundedInMemory(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{MaxMessages: 2})
	p := phone(t, srv, ana)
	for _, text := range []string{"one", "two", "three"} {
		if _, err := phone(t, srv, bruno).Send(timeout(t), ana, text); err != nil {
			t.Fatal(err)
		}
	}
	if log, err := p.Messages(); err != nil || len(log) != 2 || log[0].Text != "two" {
		t.Errorf("%+v, %v", log, err)
	}
}
