package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"
)

// newTransport makes a transport whose connections break when nothing moves on
// them. It speaks HTTP/1.1: there a connection has one request at a time, so that
// one which moves is one that is getting somewhere.
func newTransport(o Options) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: min(10*time.Second, o.IdleTimeout), Control: o.Control}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &movingConn{Conn: conn, idle: o.IdleTimeout}, nil
		},
		TLSHandshakeTimeout:    min(10*time.Second, o.IdleTimeout),
		ResponseHeaderTimeout:  o.IdleTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        o.IdleTimeout,
		DisableCompression:     true, // a length must be that of the blob
	}
	if o.Control != nil {
		t.Proxy = nil
	}
	if len(o.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("there is no certificate in PEM in the file of --s3-ca")
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

// movingConn fails when nothing moves in either direction for idle.
type movingConn struct {
	net.Conn
	idle time.Duration
}

func (c *movingConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	return n, err
}

func (c *movingConn) Write(p []byte) (int, error) {
	// A whole buffer at once could move too slowly to be done in time and fast
	// enough to be worth it.
	const most = 16 << 10
	total := 0
	for {
		if err := c.SetDeadline(time.Now().Add(c.idle)); err != nil {
			return total, err
		}
		n, err := c.Conn.Write(p[total:min(len(p), total+most)])
		total += n
		if err != nil || total == len(p) {
			return total, err
		}
	}
}
