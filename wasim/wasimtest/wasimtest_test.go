package wasimtest_test

import (
	"testing"

	"github.com/tidelinehq/tideline/wasim"
	"github.com/tidelinehq/tideline/wasim/wasimtest"
)

func TestStartedServerHasPhones(t *testing.T) {
	t.Parallel()
	srv := wasimtest.Start(t, wasim.Options{Dir: t.TempDir()})
	p := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "14840000001"})
	if got, ok := srv.Phone("+14840000001"); !ok || got != p || p.Options().Name != "+14840000001" {
		t.Errorf("%v, %v", got, ok)
	}
	wasimtest.AssertHandled(t, srv)
}
