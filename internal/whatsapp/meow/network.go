package meow

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
)

const (
	// dialTimeout bounds opening a WebSocket, from name lookup to its handshake.
	dialTimeout = 30 * time.Second
	// cutTimeout bounds the wait for the library to see a cut connection.
	cutTimeout = 2 * time.Second
)

// network holds the HTTP transport through which all of the library's traffic
// goes. The library's own clients, clones of the default transport, are replaced
// before a client connects.
type network struct {
	transport *http.Transport
	pictures  *http.Client // fetches pictures of contacts and groups, which are not encrypted
}

// newNetwork makes it. With an endpoint every connection goes to its
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
	return &network{transport: t, pictures: &http.Client{Transport: t}}
}

// line gives a new client's WebSocket.
func (n *network) line() *line { return &line{next: n.transport} }

func (n *network) close() { n.transport.CloseIdleConnections() }

// line is the WebSocket of one client. It stands between the library and the
// transport for two reasons.
//
// It takes the offer of permessage-deflate out of the handshake. The library
// always offers it with context takeover (socket/dialopts.go), which costs more
// than a megabyte per connection.
//
// And it can cut the connection so that the library's reader sees it first; see
// hangUp.
type line struct {
	next http.RoundTripper

	mu   sync.Mutex
	wire *wire // of the last handshake
}

// client gives an HTTP client for the library.
func (l *line) client() *http.Client { return &http.Client{Transport: l, Timeout: dialTimeout} }

// RoundTrip implements http.RoundTripper.
func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Del("Sec-WebSocket-Extensions")
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if rwc, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		w := &wire{ReadWriteCloser: rwc, released: make(chan struct{})}
		resp.Body = w
		l.mu.Lock()
		l.wire = w
		l.mu.Unlock()
	}
	return resp, nil
}

// cut breaks the connection, if there is one, and waits until the library has
// noticed.
func (l *line) cut() {
	l.mu.Lock()
	w := l.wire
	l.wire = nil
	l.mu.Unlock()
	if w == nil {
		return
	}
	_ = w.ReadWriteCloser.Close()
	timer := time.NewTimer(cutTimeout)
	defer timer.Stop()
	select {
	case <-w.released:
	case <-timer.C:
	}
}

// wire is a connection that says when the library lets go of it.
type wire struct {
	io.ReadWriteCloser
	once     sync.Once
	released chan struct{}
}

// Close implements io.Closer.
func (w *wire) Close() error {
	err := w.ReadWriteCloser.Close()
	w.once.Do(func() { close(w.released) })
	return err
}

// hangUp closes a client's connection, also one that is being lost at the same
// moment, and is the only way in which this package does. Client.Disconnect by
// itself has three faults (socket/noisesocket.go, Stop; socket/framesocket.go):
// it stops the receiver of frames before their reader, so a reader that holds a
// frame waits for ever; its polite close takes ten seconds when nobody answers;
// and it writes a field that the end of a lost connection reads unguarded. So
// the reader is made to leave first, and ResetConnection, which leaves that field
// alone, marks the connection as dealt with.
func hangUp(cli *whatsmeow.Client, l *line) {
	l.cut()
	cli.ResetConnection()
	cli.Disconnect()
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
