package wasim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestClientsOfAnyLanguageFindTheNetwork(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{TLSListen: "127.0.0.1:0", Control: true})
	n := srv.Network()
	if key := srv.RootKey(); n.RootKey != hex.EncodeToString(key[:]) || n.TLS == nil || n.TLS.Addr == n.Addr {
		t.Fatalf("%+v", n)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(n.TLS.Certificate)) {
		t.Fatal("the certificate isn't PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	hc := &http.Client{Transport: transport}
	for _, url := range []string{n.WebSocket, n.TLS.WebSocket} {
		ws, _, err := websocket.Dial(timeout(t), url, &websocket.DialOptions{HTTPClient: hc})
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		_ = ws.CloseNow()
	}
	for _, url := range []string{n.Control, strings.Replace(n.Control, "http://"+n.Addr, "https://"+n.TLS.Addr, 1)} {
		req, err := http.NewRequestWithContext(timeout(t), http.MethodGet, url+"network", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var got wasim.Network
		err = json.NewDecoder(resp.Body).Decode(&got)
		_ = resp.Body.Close()
		if err != nil || got.RootKey != n.RootKey {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
}

// TestAClientWorksOverTLS links an unmodified client through the TLS listener, as one that knows the address, the
// certificate and the root key only, and has it carry a message and a file both ways.
func TestAClientWorksOverTLS(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{TLSListen: "127.0.0.1:0"})
	n := srv.Network()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(n.TLS.Certificate)) {
		t.Fatal("the certificate isn't PEM")
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			if addr == "web.whatsapp.com:443" { // the library's own address of the socket, which can't be set
				addr = n.TLS.Addr
			}
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			d := tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: host}}
			return d.DialContext(ctx, "tcp", addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	c := newClient(t, srv)
	hc := &http.Client{Transport: transport}
	c.SetWebsocketHTTPClient(hc)
	c.SetPreLoginHTTPClient(hc)
	c.SetMediaHTTPClient(hc)
	pair(t, srv, c, business)
	up, err := c.Upload(timeout(t), []byte("a bill"), whatsmeow.MediaDocument)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendMessage(timeout(t), jid(ana), document(up, "bill.pdf", "your bill")); err != nil {
		t.Fatal(err)
	}
	if r := await(t, phone(t, srv, ana), hasText("your bill")); r.Media == nil || r.Media.Error != "" || r.Media.Size != 6 {
		t.Errorf("%+v", r.Media)
	}
	if _, err := phone(t, srv, ana).SendFile(timeout(t), business, wasim.File{Kind: "image", MIME: "image/png", Data: []byte("a receipt")}); err != nil {
		t.Fatal(err)
	}
	m := event(c, 0, func(m *events.Message) bool { return m.Message.GetImageMessage() != nil })
	fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseDownload, Code: 400, FirstHost: true}) // the second host is there, too
	if data, err := c.DownloadAny(timeout(t), m.Message); err != nil || string(data) != "a receipt" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestTLSTooListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, opts := range []wasim.Options{{TLSListen: "0.0.0.0:0"}, {TLSListen: "example.com:443"}} {
		if srv, err := wasim.Start(t.Context(), opts); err == nil {
			_ = srv.Close()
			t.Errorf("%+v was accepted", opts)
		}
	}
}
