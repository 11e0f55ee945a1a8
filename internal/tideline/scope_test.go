package tideline

import (
	"net/netip"
	"testing"
)

func TestARoughAddressIsANetwork(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"203.0.113.77":         "203.0.113.0/24",
		"::ffff:203.0.113.77":  "203.0.113.0/24",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1::/48",
		"fe80::1%eth0":         "fe80::/48",
		"127.0.0.1":            "127.0.0.0/24",
	} {
		if got := RoughAddress(netip.MustParseAddr(given)); got != want {
			t.Errorf("%s is kept as %q, want %q", given, got, want)
		}
	}
	if got := RoughAddress(netip.Addr{}); got != "" {
		t.Errorf("no address is kept as %q", got)
	}
}
