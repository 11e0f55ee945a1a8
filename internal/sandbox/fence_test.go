package sandbox

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestPromise10NothingLeavesASandbox(t *testing.T) {
	t.Parallel()
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	defer inside.Close()
	transport := Transport()
	defer transport.CloseIdleConnections()
	get := func(url string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	if err := get(inside.URL); err != nil {
		t.Errorf("loopback: %v", err)
	}
	// Addresses set aside for documentation: nobody answers there, and nothing is sent.
	for _, url := range []string{"http://192.0.2.1/", "https://198.51.100.7/", "http://[2001:db8::1]/", "http://0.0.0.0/"} {
		if err := get(url); !errors.Is(err, ErrOutside) {
			t.Errorf("%s: %v, want ErrOutside", url, err)
		}
	}
	if err := Control("unix", "/run/postgresql/.s.PGSQL.5432", nil); err != nil {
		t.Errorf("unix socket: %v", err)
	}
}
