package safehttp

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// ErrRefused says that an address is one that the server doesn't connect to.
// Errors that wrap it are a *RefusedError.
var ErrRefused = errors.New("the address is not allowed")

// RefusedError says which address was refused, and why.
type RefusedError struct {
	Addr    netip.Addr // invalid when even that could not be told
	Sandbox bool       // it may be a public address; a sandbox stays on its machine
}

// Error names the address and what an operator can do about it.
func (e *RefusedError) Error() string {
	if !e.Addr.IsValid() {
		return "the server connects to internet addresses only"
	}
	if e.Sandbox {
		return fmt.Sprintf("%s is outside of this machine, which a sandbox doesn't leave; --allow-network lets it", e.Addr)
	}
	return fmt.Sprintf("%s is in a private or special network; --allow-network lets the server reach it", e.Addr)
}

// Unwrap gives ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// Guard says which addresses may be connected to. Make one with NewGuard or
// SandboxGuard; it is safe for concurrent use.
type Guard struct {
	allow    []netip.Prefix
	internet *ssrf.Guardian // nil = only what is in allow
}

// NewGuard makes a guard that lets through the public internet and the networks
// in allow. What is not the public internet is told by IANA's registries of
// special addresses.
func NewGuard(allow ...netip.Prefix) *Guard {
	return &Guard{allow: masked(allow), internet: ssrf.New(ssrf.WithAnyPort())}
}

// SandboxGuard makes a guard that lets through loopback and the networks in
// allow, and nothing else.
func SandboxGuard(allow ...netip.Prefix) *Guard {
	return &Guard{allow: append([]netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8),
		netip.PrefixFrom(netip.IPv6Loopback(), 128),
	}, masked(allow)...)}
}

// masked brings prefixes into the form that addresses are compared with: an
// IPv4 network written as IPv6 becomes IPv4.
func masked(prefixes []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		out = append(out, p.Masked())
	}
	return out
}

// Check reports whether an address may be connected to. The error is a
// *RefusedError.
//
// An IPv4 address in IPv6 clothes is judged by what it is: mapped (::ffff:a.b.c.d)
// as that address, and behind NAT64 (64:ff9b::a.b.c.d, RFC 6052), once that
// network is allowed, only when the address behind it is allowed too.
func (g *Guard) Check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if g.allowed(a) {
		if ssrf.IPv6NAT64Prefix.Contains(a) {
			raw := a.As16()
			if err := g.Check(netip.AddrFrom4([4]byte(raw[12:]))); err != nil {
				return err
			}
		}
		return nil
	}
	if g.internet == nil || g.internet.SafeAddr(a) != nil {
		return &RefusedError{Addr: a, Sandbox: g.internet == nil}
	}
	return nil
}

func (g *Guard) allowed(a netip.Addr) bool {
	for _, p := range g.allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Control is a net.Dialer's Control function. It is called for every address
// that is tried, after any lookup, before anything is sent to it.
func (g *Guard) Control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return &RefusedError{}
	}
	return g.Check(to.Addr())
}
