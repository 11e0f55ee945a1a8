package meow

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/wasim"
)

// states is a handler that counts the accounts that are active.
type states struct {
	nobody
	mu     sync.Mutex
	active map[string]bool
	change chan struct{}
}

func newStates() *states { return &states{active: map[string]bool{}, change: make(chan struct{}, 1)} }

func (s *states) State(_ context.Context, ev whatsapp.StateEvent) {
	s.mu.Lock()
	s.active[ev.DeviceJID] = ev.State == tideline.AccountActive
	s.mu.Unlock()
	select {
	case s.change <- struct{}{}:
	default:
	}
}

func (s *states) Message(context.Context, string, whatsapp.Inbound) error { return nil }

func (s *states) Receipts(context.Context, string, []string, tideline.Status, time.Time) error {
	return nil
}

// await waits until n accounts are active.
func (s *states) await(t *testing.T, n int) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		s.mu.Lock()
		active := 0
		for _, is := range s.active {
			if is {
				active++
			}
		}
		s.mu.Unlock()
		if active == n {
			return
		}
		select {
		case <-s.change:
		case <-late:
			t.Fatalf("%d of %d accounts are active", active, n)
		}
	}
}

// turnstile stands before a network and lets connections through in groups: a
// group passes when it is full, or when all that are expected have come.
type turnstile struct {
	net.Listener
	to    string
	group int

	mu      sync.Mutex
	total   int // still expected
	waiting []net.Conn
	most    int // that waited at the same time
	wg      sync.WaitGroup
}

func newTurnstile(t *testing.T, to string, group, total int) *turnstile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &turnstile{Listener: l, to: to, group: group, total: total}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.arrive(c)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.wg.Wait()
	})
	return s
}

func (s *turnstile) arrive(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, c)
	s.most = max(s.most, len(s.waiting))
	if len(s.waiting) < min(s.group, s.total) {
		return
	}
	s.total -= len(s.waiting)
	for _, c := range s.waiting {
		s.wg.Go(func() { s.pass(c) })
	}
	s.waiting = nil
}

func (s *turnstile) pass(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", s.to)
	if err != nil {
		return
	}
	defer up.Close()
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(up, c)
		_ = up.Close()
		close(done)
	}()
	_, _ = io.Copy(c, up)
	_ = c.Close()
	<-done
}

// TestStartIsStagedAndAllComeUp connects many accounts at once. The turnstile
// lets nobody in before as many wait as may be opened at the same time: with
// fewer the accounts would never come up, with more it would see them.
func TestStartIsStagedAndAllComeUp(t *testing.T) {
	t.Parallel()
	const accounts, dials = 60, 7
	srv, err := wasim.Start(t.Context(), wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	o := Options{DataDir: t.TempDir(), KeepAlive: testKeepAlive, MaxDials: dials,
		Endpoint: &Endpoint{Addr: srv.Addr(), RootKey: srv.RootKey()}}
	open := func() (*Connector, *states) {
		c, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s := newStates()
		c.Handle(s)
		return c, s
	}
	c, s := open()
	for i := range accounts {
		p, err := srv.AddPhone(t.Context(), wasim.PhoneOptions{Number: "+1484100" + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10)) + "0"})
		if err != nil {
			t.Fatal(err)
		}
		steps, err := c.Pair(t.Context(), whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.ScanQR(t.Context(), (<-steps).QR.Text); err != nil {
			t.Fatal(err)
		}
		for ev := range steps {
			if ev.Failed != nil {
				t.Fatal(ev.Failed)
			}
		}
	}
	s.await(t, accounts)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	gate := newTurnstile(t, srv.Addr(), dials, accounts)
	o.Endpoint = &Endpoint{Addr: gate.Addr().String(), RootKey: srv.RootKey()}
	c, s = open()
	devices, err := c.Devices(t.Context())
	if err != nil || len(devices) != accounts {
		t.Fatalf("%d sessions, %v; want %d", len(devices), err, accounts)
	}
	for _, d := range devices {
		if err := c.Connect(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	s.await(t, accounts)
	gate.mu.Lock()
	most := gate.most
	gate.mu.Unlock()
	if most != dials {
		t.Errorf("%d connections were being opened at the same time, want at most and at times %d", most, dials)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestComplaint06ADeadConnectionIsNoticedWithin45Seconds(t *testing.T) {
	t.Parallel()
	k := Options{}.withDefaults().KeepAlive
	if worst := k.Max + k.Deadline; worst > 45*time.Second {
		t.Errorf("noticed after up to %s", worst)
	}
}

func TestComplaint25QRCodesAreRefreshedAndRunOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var shown []string
		var valid time.Duration
		c := codes{show: func(e whatsapp.PairEvent) {
			shown = append(shown, e.QR.Text)
			valid += e.QR.ValidFor
		}}
		defer c.stop()
		begin := time.Now()
		c.start([]string{"a-old", "b-old", "c-old", "d-old", "e-old", "f-old"})
		for more := true; more; {
			<-c.due()
			more = c.next()
			if len(shown) == 2 {
				c.replace("old", "new") // the secret changed: the shown one is drawn anew
				valid -= laterQR
			}
		}
		if got := strings.Join(shown, " "); got != "a-old b-old b-new c-new d-new e-new f-new" {
			t.Errorf("shown %s", got)
		}
		if took := time.Since(begin); took != codeWindow || valid != codeWindow {
			t.Errorf("codes were shown for %s and said to be good for %s, want %s", took, valid, codeWindow)
		}
		if pairTimeout <= codeWindow || pairTimeout > 5*time.Minute {
			t.Errorf("a pairing takes up to %s", pairTimeout)
		}
		if c.due() != nil {
			t.Error("a code is still due after the last one")
		}
	})
}
