package tideline

import "net/netip"

// TokenScope is what a token may be used for. It only narrows what its member
// may do.
type TokenScope string

// The scopes.
const (
	ScopeAll  TokenScope = "all"
	ScopeRead TokenScope = "read" // looks, changes nothing
	ScopeSend TokenScope = "send" // sends and uploads, and asks what became of a message
)

// Valid reports whether s is one of the scopes.
func (s TokenScope) Valid() bool { return s == ScopeAll || s == ScopeRead || s == ScopeSend }

// RoughAddress is what is kept of the address that a token was last used from:
// the network that it lies in, of 256 IPv4 addresses or of a /48, which tells an
// office from a foreign country without following a person. "" for none.
func RoughAddress(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	bits := 48
	if a = a.Unmap().WithZone(""); a.Is4() {
		bits = 24
	}
	network, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}
