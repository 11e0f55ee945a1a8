package wasimtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/wasim"
	"github.com/tidelinehq/tideline/wasim/wasimtest"
)

// startBot stands for yours: it connects to srv, has shop's phone scan its code, and ends with the test.
func startBot(t *testing.T, srv *wasim.Server, shop *wasim.Phone) {
	t.Helper()
	_, _ = srv, shop
}

// A test plays the customer. It fails if the bot relies on anything that isn't emulated.
func Example() {
	test := func(t *testing.T) {
		srv := wasimtest.Start(t, wasim.Options{})
		shop := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "+14840000100", Name: "Shop"})
		ana := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "+14840000001", Name: "Ana"})
		startBot(t, srv, shop)

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := ana.Send(ctx, shop.Number(), "Where is my order?"); err != nil {
			t.Fatal(err)
		}
		answer, err := ana.Await(ctx, func(m wasim.Received) bool { return m.From == shop.Number() })
		if err != nil || answer.Text != "On its way." {
			t.Errorf("the bot answered %q, %v", answer.Text, err)
		}
	}
	_ = test // go test runs yours
}
