package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
)

// fakeStorage is storage as the probes see it.
type fakeStorage struct {
	err     error
	trouble store.TroubleState
}

func (f fakeStorage) Version(context.Context) (int64, error) { return 1, f.err }
func (f fakeStorage) TroubleState() store.TroubleState       { return f.trouble }

func TestReadySaysWhyNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		loaded, draining bool
		storage          fakeStorage
		want             []string
	}{
		"ready":         {loaded: true, want: []string{}},
		"starting":      {want: []string{"the outbox is not loaded yet"}},
		"stopping":      {loaded: true, draining: true, want: []string{"the server is stopping"}},
		"database away": {loaded: true, storage: fakeStorage{err: errors.New("secret details")}, want: []string{"the database does not answer"}},
		"disk full": {loaded: true, storage: fakeStorage{trouble: store.TroubleState{Trouble: store.TroubleDiskFull, Since: time.Unix(0, 0)}},
			want: []string{"nothing can be stored since 1970-01-01T00:00:00Z: the disk of the database is full"}},
	} {
		p := &probes{storage: c.storage}
		p.loaded.Store(c.loaded)
		p.draining.Store(c.draining)
		w := httptest.NewRecorder()
		p.ready(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		var got readyJSON
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got.Reasons); diff != "" || (w.Code == http.StatusOK) != (len(c.want) == 0) {
			t.Errorf("%s: %d %s", name, w.Code, diff)
		}
	}
}

func TestMemoryLimitsAreRead(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "limit")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	got := []int64{
		machineMemory(file("MemTotal:       16384 kB\nMemFree:  1 kB\n")),
		machineMemory(file("nonsense")),
		machineMemory(file("MemTotal: many kB")),
		machineMemory("/does/not/exist"),
		groupMemory(file("1048576\n")),
		groupMemory(file("max\n")),
		groupMemory("/does/not/exist"),
	}
	if want := []int64{16 << 20, 0, 0, 0, 1 << 20, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestLocalURL(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080",
		"0.0.0.0:8080":   "http://127.0.0.1:8080",
		"[::]:8080":      "http://127.0.0.1:8080",
		"[::1]:8080":     "http://[::1]:8080",
		"10.0.0.2:80":    "http://10.0.0.2:80",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := localURL(tcp); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
