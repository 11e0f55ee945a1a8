package meow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"go.mau.fi/whatsmeow"
)

// mediaHosts takes an upload to WhatsApp's next media host when one fails. The
// library knows all of them and tries the first only (upload.go, rawUpload); for
// downloads it goes through the list by itself (download.go).
type mediaHosts struct {
	next  http.RoundTripper
	hosts func(context.Context) []string // in the order in which WhatsApp names them
}

// mediaClient gives an HTTP client for a client's attachments.
func (n *network) mediaClient(cli *whatsmeow.Client) *http.Client {
	return &http.Client{Transport: &mediaHosts{next: mediaStatus{n.transport}, hosts: func(ctx context.Context) []string {
		//nolint:staticcheck // marked deprecated only to frighten; the list is nowhere else
		conn, err := cli.DangerousInternals().RefreshMediaConn(ctx, false) // from memory: the library has just used it
		if err != nil {
			return nil
		}
		var names []string
		for _, h := range conn.Hosts {
			names = append(names, h.Hostname)
		}
		return names
	}}}
}

// RoundTrip implements http.RoundTripper.
func (m *mediaHosts) RoundTrip(req *http.Request) (*http.Response, error) {
	again := replay(req)
	if req.Method != http.MethodPost || again == nil {
		return m.next.RoundTrip(req)
	}
	defer func() { _ = req.Body.Close() }() // a file that was read
	ctx := req.Context()
	resp, err := m.try(req, req.URL.Host, again)
	tried := 1
	for _, host := range m.hosts(ctx) {
		if err == nil || ctx.Err() != nil || refusedForGood(err) {
			break
		}
		if host == req.URL.Host {
			continue
		}
		resp, err = m.try(req, host, again)
		tried++
	}
	if err != nil && tried > 1 {
		return nil, fmt.Errorf("none of %d media hosts took it: %w", tried, err)
	}
	return resp, err
}

func refusedForGood(err error) bool {
	refused, ok := errors.AsType[*uploadError](err)
	return ok && refused.final()
}

// try sends the request to a host.
func (m *mediaHosts) try(req *http.Request, host string, body func() io.Reader) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Host, req.Host = host, ""
	req.Body = io.NopCloser(body())
	return m.next.RoundTrip(req)
}

// replay gives a request's body from its beginning as often as it is called; nil
// when that can't be had. The library uploads from a file.
func replay(req *http.Request) func() io.Reader {
	file, ok := req.Body.(interface {
		io.ReaderAt
		io.Closer
	})
	if !ok || req.ContentLength <= 0 {
		return nil
	}
	return func() io.Reader { return io.NewSectionReader(file, 0, req.ContentLength) }
}
