package safehttp

import (
	"errors"
	"net/netip"
	"testing"
)

func TestGuardRefusesWhatIsNotThePublicInternet(t *testing.T) {
	t.Parallel()
	g := NewGuard()
	for _, a := range []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1",
	} {
		err := g.Check(netip.MustParseAddr(a))
		if _, ok := errors.AsType[*RefusedError](err); !ok || !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want a refusal", a, err)
		}
	}
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"} {
		if err := g.Check(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestGuardAllowsNamedNetworksAndNoMore(t *testing.T) {
	t.Parallel()
	g := NewGuard(netip.MustParsePrefix("10.1.0.9/16"), netip.MustParsePrefix("::ffff:192.168.7.0/120"), netip.MustParsePrefix("fd00::/8"))
	for a, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false,
		"192.168.7.1": true, "192.168.8.1": false, "fd12::1": true, "fc00::1": false, "8.8.8.8": true, "127.0.0.1": false,
	} {
		if err := g.Check(netip.MustParseAddr(a)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed: %v", a, err, want)
		}
	}
}

func TestGuardLooksBehindNAT64(t *testing.T) {
	t.Parallel()
	g := NewGuard(netip.MustParsePrefix("64:ff9b::/96"))
	for a, want := range map[string]bool{
		"64:ff9b::8.8.8.8": true, "64:ff9b::127.0.0.1": false, "64:ff9b::169.254.169.254": false, "64:ff9b::a00:1": false,
	} {
		if err := g.Check(netip.MustParseAddr(a)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed: %v", a, err, want)
		}
	}
}

func TestSandboxGuardStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	for a, want := range map[string]bool{
		"127.0.0.1": true, "127.255.0.1": true, "::1": true, "::ffff:127.0.0.1": true,
		"8.8.8.8": false, "10.0.0.1": false, "2606:4700::1111": false, "169.254.169.254": false, "64:ff9b::127.0.0.1": false,
	} {
		if err := SandboxGuard().Check(netip.MustParseAddr(a)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed: %v", a, err, want)
		}
	}
	if err := SandboxGuard(netip.MustParsePrefix("10.0.0.0/8")).Check(netip.MustParseAddr("10.9.9.9")); err != nil {
		t.Errorf("a network that was allowed: %v", err)
	}
}

func TestGuardRefusesWhatIsNoInternetAddress(t *testing.T) {
	t.Parallel()
	for network, address := range map[string]string{"unix": "/run/docker.sock", "udp4": "8.8.8.8:53", "tcp4": "nonsense"} {
		if err := NewGuard().Control(network, address, nil); !errors.Is(err, ErrRefused) {
			t.Errorf("%s %s: %v, want a refusal", network, address, err)
		}
	}
}

func FuzzGuardNeverLetsLoopbackOrLinkLocalPass(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 169, 254, 169, 254})
	f.Add([]byte{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		u := a.Unmap()
		special := u.IsLoopback() || u.IsPrivate() || u.IsLinkLocalUnicast() || u.IsMulticast() || u.IsUnspecified()
		if special && NewGuard().Check(a) == nil {
			t.Errorf("%s passed", a)
		}
		if !u.IsLoopback() && SandboxGuard().Check(a) == nil {
			t.Errorf("%s left the sandbox", a)
		}
	})
}
