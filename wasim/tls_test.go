package wasim_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

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

func TestTLSTooListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, opts := range []wasim.Options{{TLSListen: "0.0.0.0:0"}, {TLSListen: "example.com:443"}} {
		if srv, err := wasim.Start(t.Context(), opts); err == nil {
			_ = srv.Close()
			t.Errorf("%+v was accepted", opts)
		}
	}
}
