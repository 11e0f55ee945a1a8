package meow

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// dialTimeout bounds opening a WebSocket, from name lookup to its handshake.
const dialTimeout = 30 * time.Second

// network holds the HTTP clients through which all of the library's traffic
// goes. The library's own clients, clones of the default transport, are replaced
// before a client connects.
type network struct {
	transport *http.Transport
	socket    *http.Client
	media     *http.Client
}

// newNetwork makes the clients. With an endpoint every connection goes to its
// address in plain TCP, whatever the request says; requests for https URLs are
// written as they are, since the dial function for TLS claims to have done it.
// So no name is looked up and nothing can leave the machine by mistake.
func newNetwork(endpoint *Endpoint) *network {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       30 * time.Second,
	}
	if endpoint != nil {
		addr := endpoint.Addr
		plain := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", addr)
		}
		t.Proxy, t.DialContext, t.DialTLSContext, t.ForceAttemptHTTP2 = nil, plain, plain, false
	}
	return &network{
		transport: t,
		socket:    &http.Client{Transport: uncompressed{t}, Timeout: dialTimeout},
		media:     &http.Client{Transport: mediaStatus{t}},
	}
}

func (n *network) close() { n.transport.CloseIdleConnections() }

// uncompressed takes the offer of permessage-deflate out of a WebSocket
// handshake. The library always offers it with context takeover
// (socket/dialopts.go), which costs more than a megabyte per connection.
type uncompressed struct {
	next http.RoundTripper
}

func (u uncompressed) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Del("Sec-WebSocket-Extensions")
	return u.next.RoundTrip(req)
}

// mediaStatus turns a refused upload into an error with a type. The library
// would put the status into a text only (upload.go).
type mediaStatus struct {
	next http.RoundTripper
}

func (m mediaStatus) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.next.RoundTrip(req)
	if err != nil || req.Method != http.MethodPost || resp.StatusCode == http.StatusOK {
		return resp, err
	}
	// Read a little, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
	return nil, &uploadError{status: resp.StatusCode}
}

// uploadError is the answer of a media server that did not take a file.
type uploadError struct {
	status int
}

func (e *uploadError) Error() string { return fmt.Sprintf("media server answered %d", e.status) }

// final reports whether the same file would be refused again. The exceptions
// among the 4xx codes are about the moment or about credentials that expire.
func (e *uploadError) final() bool {
	switch e.status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.status >= 400 && e.status < 500
}
