package wasim_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestWrongLinkingCodeIsRefused(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := newClient(t, srv)
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	event[*events.QR](c, 0, nil)
	p := phone(t, srv, business)
	if err := p.EnterCode(timeout(t), "ABCD-EFGH"); !errors.Is(err, wasim.ErrNoCode) {
		t.Errorf("before a client asked: %v", err)
	}
	code, err := c.PairPhone(timeout(t), business, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	if err != nil {
		t.Fatal(err)
	}
	wrong := "ABCD-EFGH"
	if code == wrong {
		wrong = "ABCD-EFGJ"
	}
	if err = p.EnterCode(timeout(t), wrong); !errors.Is(err, wasim.ErrWrongCode) {
		t.Errorf("wrong code: %v", err)
	}
	if err = p.EnterCode(timeout(t), "not a code"); err == nil {
		t.Error("garbage was taken for a code")
	}
	if len(p.Companions()) != 0 {
		t.Error("a companion was linked")
	}
}

func TestUnknownQRIsRefused(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	p := phone(t, srv, business)
	for _, qr := range []string{"", "x", "a,b,c,d", "https://wa.me/settings/linked_devices#a,b,c,d,e"} {
		if err := p.ScanQR(timeout(t), qr); err == nil {
			t.Errorf("%q was accepted", qr)
		}
	}
	key := "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	if err := p.ScanQR(timeout(t), strings.Join([]string{"2@x", key, key, key, "1"}, ",")); !errors.Is(err, wasim.ErrQRUnknown) {
		t.Errorf("unknown reference: %v", err)
	}
}

func TestUnlinkOnThePhoneLogsTheClientOut(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	p := phone(t, srv, business)
	if err := p.Unlink(timeout(t), 1); err != nil {
		t.Fatal(err)
	}
	out := event[*events.LoggedOut](c, 0, nil)
	if out.OnConnect {
		t.Error("logged out only at the next connection")
	}
	if len(p.Companions()) != 0 {
		t.Error("companion is still listed")
	}
	if err := p.Unlink(timeout(t), 1); err == nil {
		t.Error("unlinking twice succeeded")
	}
	// A device number is never used again.
	second := paired(t, srv, business)
	if second.Store.ID.Device != 2 {
		t.Errorf("second companion has device %d", second.Store.ID.Device)
	}
}

func TestClientLogsOut(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	if err := c.Logout(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if n := len(phone(t, srv, business).Companions()); n != 0 {
		t.Errorf("%d companions are left", n)
	}
}

func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	for code, seen := range map[int]func(c *testClient, skip int){
		401: func(c *testClient, skip int) {
			if e := event[*events.LoggedOut](c, skip, nil); !e.OnConnect || e.Reason != events.ConnectFailureLoggedOut {
				c.t.Errorf("%+v", e)
			}
		},
		402: func(c *testClient, skip int) {
			if e := event[*events.TemporaryBan](c, skip, nil); e.Expire == 0 || e.Code == 0 {
				c.t.Errorf("%+v", e)
			}
		},
		403: func(c *testClient, skip int) { event[*events.LoggedOut](c, skip, nil) },
		406: func(c *testClient, skip int) { event[*events.LoggedOut](c, skip, nil) },
		405: func(c *testClient, skip int) { event[*events.ClientOutdated](c, skip, nil) },
		503: func(c *testClient, skip int) { event[*events.Connected](c, skip, nil) }, // it tries again by itself
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			srv := network(t, wasim.Options{})
			c := paired(t, srv, business)
			c.Disconnect()
			fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseLogin, Number: business, Code: code, Count: 1})
			skip := c.mark()
			if err := c.Connect(); err != nil {
				t.Fatal(err)
			}
			seen(c, skip)
			if left := srv.Faults(); len(left) != 0 {
				t.Errorf("fault is left: %+v", left)
			}
		})
	}
}

func TestForeignDeviceIsRefused(t *testing.T) {
	t.Parallel()
	first, second := network(t, wasim.Options{}), network(t, wasim.Options{})
	c := paired(t, first, business)
	c.Disconnect()
	stranger := clientOf(t, second, c.Store)
	if err := stranger.Connect(); err != nil {
		t.Fatal(err)
	}
	event[*events.LoggedOut](stranger, 0, nil)
}

func TestConnectionFaults(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	for _, kind := range []wasim.FaultKind{wasim.FaultCut, wasim.FaultRestart} {
		skip := c.mark()
		fault(t, srv, wasim.Fault{Kind: kind, Number: business})
		event[*events.Disconnected](c, skip, nil)
		event[*events.Connected](c, skip, nil)
	}
	skip := c.mark()
	fault(t, srv, wasim.Fault{Kind: wasim.FaultKick})
	event[*events.StreamReplaced](c, skip, nil)

	fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseConnection, Count: 1, Code: 503})
	c.Disconnect()
	if err := c.Connect(); err == nil {
		t.Error("connected in spite of the fault")
	}
	skip = c.mark()
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	event[*events.Connected](c, skip, nil)
	fault(t, srv, wasim.Fault{Kind: wasim.FaultLogout, Number: business})
	event[*events.LoggedOut](c, skip, nil)
}

func TestSecondConnectionReplacesTheFirst(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	skip := c.mark()
	twin := clientOf(t, srv, c.Store)
	if err := twin.Connect(); err != nil {
		t.Fatal(err)
	}
	event[*events.StreamReplaced](c, skip, nil)
	event[*events.Connected](twin, 0, nil)
}

func TestUnansweredPing(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	fault(t, srv, wasim.Fault{Kind: wasim.FaultDropPing, Number: business, Count: 1})
	if ok, _ := c.DangerousInternals().SendKeepAlive(t.Context()); ok {
		t.Error("the ping was answered")
	}
	if ok, _ := c.DangerousInternals().SendKeepAlive(t.Context()); !ok {
		t.Error("the second ping wasn't answered")
	}
}

func TestDeviceNumbersAreNotReusedAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := network(t, wasim.Options{Dir: dir})
	c := paired(t, srv, business)
	if err := c.Logout(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	again := network(t, wasim.Options{Dir: dir})
	if c = paired(t, again, business); c.Store.ID.Device != 2 {
		t.Errorf("device %d", c.Store.ID.Device)
	}
}

func fault(t *testing.T, srv *wasim.Server, f wasim.Fault) wasim.Fault {
	t.Helper()
	f, err := srv.SetFault(f)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
