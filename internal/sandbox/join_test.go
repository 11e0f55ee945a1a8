package sandbox

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/wasim"
	"github.com/tidelinehq/tideline/wasim/wasimtest"
)

func TestAServerJoinsTheNetworkOfAnotherProcess(t *testing.T) {
	t.Parallel()
	network := wasimtest.Start(t, wasim.Options{Control: true})
	j, err := Join(t.Context(), "http://"+network.Addr()+"/")
	if err != nil {
		t.Fatal(err)
	}
	if j.Addr() != network.Addr() || j.RootKey() != network.RootKey() {
		t.Errorf("joined %s with %x", j.Addr(), j.RootKey())
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sandbox/network", http.NoBody)
	j.Control().ServeHTTP(w, r)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), network.Addr()) {
		t.Errorf("the control API answers %d: %s", w.Code, w.Body)
	}
}

func TestWhatIsNoNetworkIsNotJoined(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.Handler{
		"not found": http.NotFoundHandler(),
		"no key":    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"addr":"127.0.0.1:1"}`)) }),
		"no JSON":   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`hello`)) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(handler)
			defer srv.Close()
			if _, err := Join(t.Context(), srv.URL); err == nil || !strings.Contains(err.Error(), srv.URL) {
				t.Errorf("Join: %v", err)
			}
		})
	}
	if _, err := Join(t.Context(), "http://192.0.2.1:4433"); err == nil {
		t.Error("a network on another machine was joined")
	}
}
