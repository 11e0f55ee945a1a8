package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// What users of other servers complain about, tried on the real binary. The
// numbers are those of the list in docs/whatsapp.md.

func TestComplaint23TheQueueHasRandomPausesAndTellsWhenAMessageGoes(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		const count = 8
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "1h-2h")
		srv.send(t, client.Message{Phone: ana, Text: "starts the clock"})
		srv.awaitText(t, ana, "starts the clock")
		var uids []string
		for i := range count {
			uids = append(uids, srv.send(t, client.Message{Phone: ana, Text: fmt.Sprintf("message %d", i)}))
		}
		type shown struct {
			Status string
			Queue  *struct {
				Before   int       `json:"messages_before"`
				Expected time.Time `json:"expected_at"`
			}
		}
		look := func() (expected []time.Time) {
			t.Helper()
			for i, uid := range uids {
				m := query[shown](t, s, "message", "show", uid)
				if m.Status != "Pending" || m.Queue == nil || m.Queue.Before != i {
					t.Fatalf("message %d is shown as %+v", i, m)
				}
				expected = append(expected, m.Queue.Expected)
			}
			return expected
		}
		expected := look()
		pauses := map[time.Duration]bool{}
		for i := 1; i < count; i++ {
			pause := expected[i].Sub(expected[i-1])
			if pause < time.Hour-time.Second || pause > 2*time.Hour+time.Second {
				t.Errorf("message %d is expected %s after the one before", i, pause)
			}
			pauses[pause] = true
		}
		if len(pauses) < count/2 {
			t.Errorf("the pauses are %v: not random", pauses)
		}
		srv.stop(t)
		srv = s.start(t)
		if diff := cmp.Diff(expected, look()); diff != "" { // a restart draws nothing anew
			t.Errorf("after a restart they are expected at other times: %s", diff)
		}
		srv.stop(t)
	})
}

func TestComplaint32AnExposedServerHasNoKeyToGuessAndNoneToRead(t *testing.T) {
	t.Parallel()
	s := production(t)
	srv := s.start(t)
	if len(srv.Token) < 40 {
		t.Errorf("the token %q can be guessed", srv.Token)
	}
	for _, guess := range []string{
		"", "secret", "admin", "change-me", "123456", "token", "Bearer", srv.Token[:len(srv.Token)-1], srv.Token + "0", strings.ToUpper(srv.Token), "' OR '1'='1",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/integrations/api/workspace", nil)
		if err != nil {
			t.Fatal(err)
		}
		if guess != "" {
			r.Header.Set("Authorization", "Bearer "+guess)
		}
		res, err := srv.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("the token %q is answered with %s", guess, res.Status)
		}
	}
	if _, err := srv.api.Workspace(t.Context()); err != nil {
		t.Errorf("the real token: %v", err)
	}
	if runtime.GOOS == "linux" {
		for _, c := range connections(t, srv.PID()) {
			if c.listening && !c.local.IsLoopback() {
				t.Errorf("it listens on %s without being told to", c.local)
			}
		}
	}
	token := srv.Token
	srv.stop(t)
	// Whoever gets hold of a backup has no token.
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(data), token) {
			t.Errorf("%s holds the token", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(srv.Stderr(), token) {
		t.Error("the log holds the token")
	}
}

func TestComplaint34RequestsWithOneKeyAreOneMessageHoweverManyComeAtOnce(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		const keys, requests = 5, 12
		srv := s.start(t)
		srv.addPhone(t, quiet)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		before := query[ledgerShown](t, s, "ledger").Available
		var mu sync.Mutex
		uids := make([]map[string]int, keys)
		fresh := 0
		var group sync.WaitGroup
		for k := range keys {
			uids[k] = map[string]int{}
			for range requests {
				group.Go(func() {
					sent, err := srv.api.Send(t.Context(), client.Message{Phone: quiet, Text: fmt.Sprintf("order %d", k), IdempotencyKey: fmt.Sprintf("order-%d", k)})
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Errorf("send: %v", err)
						return
					}
					uids[k][sent.MessageUID]++
					if !sent.Replayed {
						fresh++
					}
				})
			}
		}
		group.Wait()
		for k := range keys {
			if len(uids[k]) != 1 {
				t.Errorf("key %d made the messages %v", k, uids[k])
			}
			for uid := range uids[k] {
				srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
			}
		}
		if fresh != keys {
			t.Errorf("%d requests say that they were the first, with %d keys", fresh, keys)
		}
		if _, err := srv.api.Send(t.Context(), client.Message{Phone: quiet, Text: "something else", IdempotencyKey: "order-0"}); !refusedAs(err, http.StatusConflict) {
			t.Errorf("another message under a used key: %v, want a conflict", err)
		}
		if log, err := srv.received(t.Context(), quiet); err != nil || len(log) != keys {
			t.Errorf("the phone shows %d messages, %v; want %d", len(log), err, keys)
		}
		if after := query[ledgerShown](t, s, "ledger").Available; before-after != keys {
			t.Errorf("%d credits were taken for %d messages", before-after, keys)
		}
		srv.stop(t)
		s.healthy(t)
	})
}

// refusedAs reports whether err is the server's refusal with an HTTP status.
func refusedAs(err error, status int) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Status == status
}

// TestComplaint35NobodyIsAskedForPermission runs a production server behind a proxy
// that counts: no licence, no update check, no statistics.
func TestComplaint35NobodyIsAskedForPermission(t *testing.T) {
	t.Parallel()
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 100)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := proxy.Accept()
			if err != nil {
				return
			}
			head := make([]byte, 200)
			n, _ := c.Read(head)
			asked <- string(head[:n])
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = proxy.Close(); serving.Wait() })
	url := "http://" + proxy.Addr().String()
	s := production(t)
	p := testenv.Start(t, testenv.Command{
		Path: testenv.Binary(t), Dir: t.TempDir(),
		Args: s.args("serve", "--json", "--listen", "127.0.0.1:0"),
		Env:  []string{"HTTP_PROXY=" + url, "HTTPS_PROXY=" + url, "http_proxy=" + url, "https_proxy=" + url, "NO_PROXY=", "no_proxy="},
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	srv, err := s.ready(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.http.CloseIdleConnections)
	// All that can be done without a phone works at once.
	if _, err := srv.api.Workspace(ctx); err != nil {
		t.Error(err)
	}
	if _, err := srv.api.Upload(ctx, "menu.txt", "text/plain", strings.NewReader("soup")); err != nil {
		t.Error(err)
	}
	s.must(t, "token", "create", "--name", "another")
	// A number is all that it misses.
	if r := s.run(t, "doctor"); strings.Count(r.out, "WRONG") != 1 || !strings.Contains(r.out, "no number is paired") {
		t.Errorf("doctor: %s", r.out)
	}
	select {
	case request := <-asked:
		t.Errorf("somebody was asked: %q", request)
	default:
	}
	// The proxy is no blind eye: pairing, which needs WhatsApp, goes through it.
	pairing := testenv.Start(t, testenv.Command{Path: testenv.Binary(t), Args: s.args("account", "pair", "--json"), Dir: t.TempDir()})
	select {
	case request := <-asked:
		if !strings.Contains(request, "CONNECT web.whatsapp.com:443") {
			t.Errorf("pairing asked %q, want WhatsApp", request)
		}
	case <-ctx.Done():
		t.Error("pairing asked nobody; the test would have seen nothing")
	}
	if _, err := pairing.Wait(ctx); err != nil {
		t.Error(err)
	}
	srv.stop(t)
}
