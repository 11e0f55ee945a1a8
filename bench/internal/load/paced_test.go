package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var request = []byte("GET / HTTP/1.1\r\nHost: test\r\n\r\n")

// A server that stops once makes all requests late that were due meanwhile, not
// only the one that it had.
func TestAPauseOfTheServerShowsInAllThatWereDue(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 10 {
			<-time.After(pause)
		}
		w.WriteHeader(http.StatusOK)
	}))
	defer srv.Close()
	r, err := RunPaced(t.Context(), strings.TrimPrefix(srv.URL, "http://"), 1, 200, 500*time.Millisecond, [][]byte{request})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 100 || r.Failed != 0 || int64(r.Requests) != n.Load() {
		t.Errorf("%d requests, %d failed, the server saw %d; want 100 of each and none", r.Requests, r.Failed, n.Load())
	}
	late := 0
	for _, l := range r.Latency {
		if l >= pause/2 {
			late++
		}
	}
	// A request was due every 5 ms, and those in the first half of the pause waited for at least the second.
	if late < 15 {
		t.Errorf("%d requests show the pause, want at least 15: %v", late, r.Latency)
	}
}

func TestAnswersOtherThan200AreCountedAndShown(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "go away", http.StatusTeapot)
	}))
	defer srv.Close()
	r, err := RunPaced(t.Context(), strings.TrimPrefix(srv.URL, "http://"), 4, 1000, 20*time.Millisecond, [][]byte{request})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 20 || r.Failed != 20 || r.Sample != "418 go away\n" {
		t.Errorf("%d of %d failed, the first with %q", r.Failed, r.Requests, r.Sample)
	}
}
