package wasim_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestLimitedAccountReachesNoStrangers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := network(t, wasim.Options{Dir: dir})
	c := paired(t, srv, business)
	send := func(to string) error {
		text := "hello"
		_, err := c.SendMessage(timeout(t), jid(to), &waE2E.Message{Conversation: &text})
		return err
	}
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "is this the shop?"); err != nil {
		t.Fatal(err)
	}
	event[*events.Message](c, 0, nil)

	until := time.Now().Add(time.Hour)
	if err := phone(t, srv, business).LimitReachOut(timeout(t), until); err != nil {
		t.Fatal(err)
	}
	told := event[*events.NotifyAccountReachoutTimelock](c, 0, nil)
	if !told.IsActive || told.TimeEnforcementEnds.Unix() != until.Unix() {
		t.Errorf("told %+v, want active until %s", told, until)
	}
	if err := send(ana); err != nil {
		t.Errorf("to somebody who wrote before: %v", err)
	}
	if err := send(bruno); !errors.Is(err, whatsmeow.ErrServerReturnedError) || !strings.HasSuffix(err.Error(), "463") {
		t.Errorf("to a stranger: %v, want error 463", err)
	}
	skip := c.mark()
	if err := phone(t, srv, business).LimitReachOut(timeout(t), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if told := event[*events.NotifyAccountReachoutTimelock](c, skip, nil); told.IsActive {
		t.Errorf("told %+v, want that it is over", told)
	}
	if err := send(bruno); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

func TestLimitOutlivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for i := range 2 {
		srv, err := wasim.Start(t.Context(), wasim.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := addPhone(t, srv, wasim.PhoneOptions{Number: business}).LimitReachOut(timeout(t), until); err != nil {
				t.Fatal(err)
			}
		}
		if got := phone(t, srv, business).ReachOutLimit(); !got.Equal(until) {
			t.Errorf("start %d: limited until %s, want %s", i, got, until)
		}
		if err := srv.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOldClientsAreRefused(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	v := store.GetWAVersion()
	if err := srv.RequireVersion(fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]+1)); err != nil {
		t.Fatal(err)
	}
	c.Disconnect()
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	event[*events.ClientOutdated](c, 0, nil)
	fresh := newClient(t, srv)
	if err := fresh.Connect(); err != nil {
		t.Fatal(err)
	}
	event[*events.ClientOutdated](fresh, 0, nil)
	if err := srv.RequireVersion(v.String()); err != nil {
		t.Fatal(err)
	}
	c.Disconnect()
	skip := c.mark()
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	event[*events.Connected](c, skip, nil)
	for _, bad := range []string{"2", "0.0.0", "a.b.c", "2.3000.10477698937", "2.3000.-1"} {
		if err := srv.RequireVersion(bad); err == nil {
			t.Errorf("%q was taken for a version", bad)
		}
	}
}

func TestControlLimitsAndRequires(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	h := wasim.Control(srv)
	for _, step := range []struct {
		path, body string
		code       int
		limited    bool
	}{
		{"/phones/" + business + "/reach-out", `{"for":"24h"}`, 200, true},
		{"/phones/" + business + "/reach-out", `{"for":"soon"}`, 400, true},
		{"/phones/" + business + "/reach-out", `{"for":"0s"}`, 200, false},
		{"/version", `{"minimum":"2.3000.1"}`, 200, false},
		{"/version", `{"minimum":"2"}`, 400, false},
		{"/version", `{"minimum":""}`, 200, false},
	} {
		if code, out := call(t, h, "POST", "/sandbox"+step.path, step.body); code != step.code {
			t.Errorf("%s %s: %d %v, want %d", step.path, step.body, code, out, step.code)
		}
		if limited := !phone(t, srv, business).ReachOutLimit().IsZero(); limited != step.limited {
			t.Errorf("after %s %s the account is limited: %t", step.path, step.body, limited)
		}
	}
}
