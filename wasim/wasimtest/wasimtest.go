// Package wasimtest starts emulated WhatsApp networks for tests.
package wasimtest

import (
	"context"
	"testing"

	"github.com/tidelinehq/tideline/wasim"
)

// Start starts a server that lasts as long as the test. The test fails if a client relied on something
// that isn't emulated. Disconnect clients before the test ends: clean-ups run last in, first out, so those
// registered after Start do.
func Start(t testing.TB, opts wasim.Options) *wasim.Server {
	t.Helper()
	srv, err := wasim.Start(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		AssertHandled(t, srv)
		if err := srv.Close(); err != nil {
			t.Errorf("close emulator: %v", err)
		}
	})
	return srv
}

// AssertHandled fails the test for each stanza that the emulator didn't know.
func AssertHandled(t testing.TB, srv *wasim.Server) {
	t.Helper()
	for _, u := range srv.Unhandled() {
		t.Errorf("emulator: %s from %q: %s", u.Reason, u.Device, u.Stanza)
	}
}

// AddPhone adds a phone or ends the test.
func AddPhone(t testing.TB, srv *wasim.Server, opts wasim.PhoneOptions) *wasim.Phone {
	t.Helper()
	p, err := srv.AddPhone(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
