package wasim

import (
	"context"
	"net"
	"net/http"
	"time"
)

// HTTPClient returns a client that reaches the emulator at addr whatever host a URL names, in plain
// TCP even for https and wss: nothing sent through it can leave the machine. Give it to all three of
// whatsmeow's SetWebsocketHTTPClient, SetPreLoginHTTPClient and SetMediaHTTPClient.
//
// It also withholds the client's offer to compress the WebSocket, which would cost both sides
// hundreds of KiB per connection. Its idle connections end with CloseIdleConnections.
func HTTPClient(addr string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
	return &http.Client{Transport: &plainTransport{&http.Transport{
		DialContext: dial,
		// net/http takes what DialTLSContext returns for an established TLS connection, so
		// neither certificates nor name resolution are involved.
		DialTLSContext:      dial,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     5 * time.Second,
		ReadBufferSize:      2 << 10,
		WriteBufferSize:     2 << 10,
		DisableCompression:  true,
	}}}
}

type plainTransport struct{ *http.Transport }

func (t *plainTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Sec-WebSocket-Extensions") != "" {
		r = r.Clone(r.Context()) // a transport may not change its caller's request
		r.Header.Del("Sec-WebSocket-Extensions")
	}
	return t.Transport.RoundTrip(r)
}
