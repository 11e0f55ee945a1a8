package wasim

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"time"

	"github.com/tidelinehq/tideline/wasim/internal/tlsca"
)

// listenTLS opens the second listener, when there is to be one.
func (s *Server) listenTLS(ctx context.Context, addr string) error {
	if addr == "" {
		return nil
	}
	config, authority, err := tlsca.Server(s.authority.Seed(), time.Now())
	if err != nil {
		return fmt.Errorf("wasim: tls: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("wasim: %w", err)
	}
	s.secure, s.tlsAuthority = tls.NewListener(l, config), authority
	return nil
}

// TLSAddr is the address that serves TLS, "127.0.0.1:PORT"; "" without [Options.TLSListen].
func (s *Server) TLSAddr() string {
	if s.secure == nil {
		return ""
	}
	return s.secure.Addr().String()
}

// TLSCertificate is the authority, in PEM form, that clients of [Server.TLSAddr] must trust; nil without
// TLS. Its key follows from the server's seed, as [Server.RootKey] does: a folder keeps it. Node.js takes
// it from the file that NODE_EXTRA_CA_CERTS names, most others from SSL_CERT_FILE.
func (s *Server) TLSCertificate() []byte { return bytes.Clone(s.tlsAuthority) }

// mediaHost is where clients find media: an address that they can reach, if there is one.
func (s *Server) mediaHost() string {
	if addr := s.TLSAddr(); addr != "" {
		return addr
	}
	return realMediaHost
}

// secondMediaHost is where they find it when the first host fails: the same server by another name.
func (s *Server) secondMediaHost() string {
	_, port, err := net.SplitHostPort(s.TLSAddr())
	if err != nil {
		return spareHost
	}
	return net.JoinHostPort("localhost", port)
}

// Network says how a client in any language reaches a server. Its JSON form is what the command
// "tideline wasim" prints and GET /sandbox/network answers.
type Network struct {
	// Addr is the address for plain connections, and for [HTTPClient].
	Addr string `json:"addr"`
	// WebSocket is the URL to connect to in place of wss://web.whatsapp.com/ws/chat.
	WebSocket string `json:"websocket"`
	// RootKey is the public key of the Noise certificates, which clients have built in: 32 bytes in
	// hexadecimal. It replaces whatsmeow's WACertPubKey and Baileys' WA_CERT_DETAILS.PUBLIC_KEY.
	RootKey string `json:"root_key"`
	// RootKeyBase64 is the same in base64.
	RootKeyBase64 string `json:"root_key_base64"`
	// Control is the URL under which the control API is; empty when the server doesn't serve it
	// itself.
	Control string `json:"control,omitempty"`
	// TLS is set when the server has a TLS listener.
	TLS *NetworkTLS `json:"tls,omitempty"`
}

// NetworkTLS is the part of [Network] about TLS.
type NetworkTLS struct {
	Addr      string `json:"addr"`
	WebSocket string `json:"websocket"`
	// Certificate is the PEM form of the authority to trust.
	Certificate string `json:"certificate"`
}

// Network says how clients reach the server.
func (s *Server) Network() Network {
	key := s.RootKey()
	n := Network{
		Addr: s.Addr(), WebSocket: "ws://" + s.Addr() + socketPath,
		RootKey: hex.EncodeToString(key[:]), RootKeyBase64: base64.StdEncoding.EncodeToString(key[:]),
	}
	if s.control {
		n.Control = "http://" + s.Addr() + "/sandbox/"
	}
	if addr := s.TLSAddr(); addr != "" {
		n.TLS = &NetworkTLS{Addr: addr, WebSocket: "wss://" + addr + socketPath, Certificate: string(s.TLSCertificate())}
	}
	return n
}
