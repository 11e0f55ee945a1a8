package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrOutside says that a sandbox process tried to reach beyond this machine.
var ErrOutside = errors.New("a sandbox reaches nothing outside this machine")

// Fence closes the ways out of the process that don't go through a client of
// our own making: the default HTTP transport, which libraries fall back on, and
// name lookups over the network. It changes globals of the standard library, on
// purpose and for good: call it once, first, in a process that is a sandbox.
//
// Names that the machine itself knows (/etc/hosts) are still found.
func Fence() {
	http.DefaultTransport = Transport()
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(_ context.Context, _, server string) (net.Conn, error) {
			return nil, fmt.Errorf("ask name server %s: %w", server, ErrOutside)
		},
	}
}

// Transport makes a transport that connects to loopback addresses only. It looks
// at the address that is really dialled, after any lookup, and uses no proxy.
func Transport() *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, Control: Control}
	return &http.Transport{DialContext: d.DialContext, IdleConnTimeout: 30 * time.Second}
}

// Control is a net.Dialer's Control function that lets through loopback and
// Unix sockets only.
func Control(network, address string, _ syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	if to, err := netip.ParseAddrPort(address); err == nil && to.Addr().Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("connect to %s: %w", address, ErrOutside)
}
