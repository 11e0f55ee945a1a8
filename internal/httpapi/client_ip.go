package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

func (s *server) clientIP(r *http.Request) netip.Addr { return ClientAddress(r, s.proxies) }

// ClientAddress gives the address that a request comes from: the peer's, or, when
// the peer is one of the proxies, the last one in X-Forwarded-For that is not.
// Everything further left in that header is what the client made up. The zero
// Addr is a unix socket; all its clients are one.
func ClientAddress(r *http.Request, proxies []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip := peer.Addr().Unmap().WithZone("")
	if !within(proxies, ip) {
		return ip
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		ip = hop.Unmap().WithZone("")
		if !within(proxies, ip) {
			break
		}
	}
	return ip
}

func (s *server) trusted(ip netip.Addr) bool { return within(s.proxies, ip) }

func within(networks []netip.Prefix, ip netip.Addr) bool {
	for _, network := range networks {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

// limitKey is what one client can't change at will: its IPv4 address, or the
// /64 that an IPv6 network hands out as a whole.
func limitKey(ip netip.Addr) netip.Addr {
	if !ip.Is6() {
		return ip
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return ip
	}
	return network.Addr()
}

// baseURL is how the client reaches the server: as configured, else as the
// request came. The Host header is the client's own word, and so is only ever
// used in the answer to that client.
func (s *server) baseURL(r *http.Request) string {
	if s.publicURL != "" {
		return strings.TrimRight(s.publicURL, "/")
	}
	u := url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && s.trusted(peer.Addr().Unmap().WithZone("")) {
		if proto := r.Header.Get("X-Forwarded-Proto"); proto == "http" || proto == "https" {
			u.Scheme = proto
		}
		if host := r.Header.Get("X-Forwarded-Host"); host != "" && !strings.ContainsAny(host, ", /\\") {
			u.Host = host
		}
	}
	return u.String()
}
