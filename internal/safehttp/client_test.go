package safehttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// open is an address that the tests' guard lets through; 127.0.0.1, an address
// of the same machine, stands for all that it doesn't.
var open = netip.MustParseAddr("127.0.0.2")

func openGuard() *Guard { return NewGuard(netip.PrefixFrom(open, 32)) }

// serveOn runs a server on an address of this machine and gives its port.
func serveOn(t *testing.T, addr, port string, h http.HandlerFunc) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", net.JoinHostPort(addr, port))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	if cfg.Guard == nil {
		cfg.Guard = openGuard()
	}
	c := New(cfg)
	t.Cleanup(c.CloseIdle)
	return c
}

func get(t *testing.T, c *Client, url string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func trap(t *testing.T) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { t.Error("a request reached an address that is not allowed") }
}

func TestClientReachesWhatIsAllowed(t *testing.T) {
	t.Parallel()
	port := serveOn(t, "127.0.0.2", "0", hello)
	res, body, err := get(t, newClient(t, Config{}), "http://127.0.0.2:"+port)
	if err != nil || res.StatusCode != http.StatusOK || body != "hello" {
		t.Errorf("%v %q", err, body)
	}
}

func TestClientRefusesEverySpellingOfALocalAddress(t *testing.T) {
	t.Parallel()
	port := serveOn(t, "127.0.0.1", "0", trap(t))
	loopback := [][]netip.Addr{{netip.MustParseAddr("127.0.0.1")}}
	n := &names{t: t, a: map[string][][]netip.Addr{"2130706433.": loopback, "0x7f000001.": loopback, "0177.0.0.1.": loopback, "127.1.": loopback, "localhost.example.": loopback}}
	c := newClient(t, Config{Resolver: n.resolver()})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "[::1]",
		// Where the system's resolver reads these as addresses, as a name server
		// that is a joker would answer them.
		"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost.example",
	} {
		_, _, err := get(t, c, "http://"+host+":"+port+"/?secret=s3cret")
		if err == nil {
			t.Errorf("%s: there was an answer", host)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error repeats the URL: %v", host, err)
		}
	}
}

func TestClientIsNotFooledByANameThatMoves(t *testing.T) {
	t.Parallel()
	port := serveOn(t, "127.0.0.2", "0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // so that the next request looks the name up again
		hello(w, r)
	})
	serveOn(t, "127.0.0.1", port, trap(t))
	local := netip.MustParseAddr("127.0.0.1")
	n := &names{t: t, a: map[string][][]netip.Addr{"hook.example.": {{open}, {local}}, "both.example.": {{local, open}}}}
	c := newClient(t, Config{Resolver: n.resolver()})
	if _, body, err := get(t, c, "http://hook.example:"+port); err != nil || body != "hello" {
		t.Fatalf("before the move: %v %q", err, body)
	}
	if _, _, err := get(t, c, "http://hook.example:"+port); !errors.Is(err, ErrRefused) {
		t.Errorf("after the move: %v, want a refusal", err)
	}
	// Of several addresses the one that is allowed may be used.
	if _, body, err := get(t, c, "http://both.example:"+port); err != nil || body != "hello" {
		t.Errorf("a name with two addresses: %v %q", err, body)
	}
	if _, _, err := get(t, c, "http://nowhere.example:"+port); err == nil || !strings.Contains(err.Error(), "nowhere.example") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestClientFollowsNoRedirectUnlessTold(t *testing.T) {
	t.Parallel()
	port := serveOn(t, "127.0.0.2", "0", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect)
	})
	res, _, err := get(t, newClient(t, Config{}), "http://127.0.0.2:"+port)
	if err != nil || res.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("%v, want the redirect as it is", err)
	}
	if _, _, err := get(t, newClient(t, Config{Redirects: 3}), "http://127.0.0.2:"+port); !errors.Is(err, ErrRefused) {
		t.Errorf("%v, want a refusal of where it leads", err)
	}
}

func TestClientBoundsRedirects(t *testing.T) {
	t.Parallel()
	var referer atomic.Value
	referer.Store("")
	port := serveOn(t, "127.0.0.2", "0", func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header.Get("Referer"); v != "" {
			referer.Store(v)
		}
		switch r.URL.Path {
		case "/2":
			http.Redirect(w, r, "/1", http.StatusFound)
		case "/1":
			http.Redirect(w, r, "/0", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/gopher":
			http.Redirect(w, r, "gopher://127.0.0.1:6379/_FLUSHALL", http.StatusFound)
		default:
			hello(w, r)
		}
	})
	at := "http://127.0.0.2:" + port
	if _, body, err := get(t, newClient(t, Config{Redirects: 2}), at+"/2?token=x"); err != nil || body != "hello" {
		t.Errorf("two redirects: %v %q", err, body)
	}
	if _, _, err := get(t, newClient(t, Config{Redirects: 1}), at+"/2"); !errors.Is(err, ErrRedirects) {
		t.Errorf("one too many: %v", err)
	}
	for _, path := range []string{"/file", "/gopher"} {
		if _, _, err := get(t, newClient(t, Config{Redirects: 2}), at+path); !errors.Is(err, ErrScheme) {
			t.Errorf("%s: %v, want ErrScheme", path, err)
		}
	}
	if v := referer.Load(); v != "" {
		t.Errorf("the address before went along as Referer: %v", v)
	}
}

func TestClientDoesNotFallBackToPlainHTTP(t *testing.T) {
	t.Parallel()
	port := serveOn(t, "127.0.0.2", "0", trap(t))
	tls := httptest.NewTLSServer(http.RedirectHandler("http://127.0.0.2:"+port, http.StatusFound))
	t.Cleanup(tls.Close)
	config := tls.Client().Transport.(*http.Transport).TLSClientConfig
	c := newClient(t, Config{Guard: SandboxGuard(), Redirects: 2, TLS: config})
	if _, _, err := get(t, c, tls.URL); !errors.Is(err, ErrScheme) {
		t.Errorf("%v, want ErrScheme", err)
	}
	if _, _, err := get(t, c, "ftp://127.0.0.2/"); !errors.Is(err, ErrScheme) {
		t.Errorf("ftp: %v, want ErrScheme", err)
	}
}

func TestClientBoundsTheAnswer(t *testing.T) {
	t.Parallel()
	port := serveOn(t, "127.0.0.2", "0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/header" {
			w.Header().Set("X-Long", strings.Repeat("x", 2*maxHeaderBytes))
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 11))
	})
	at := "http://127.0.0.2:" + port
	if _, body, err := get(t, newClient(t, Config{MaxBytes: 10}), at); !errors.Is(err, ErrTooLarge) || len(body) != 10 {
		t.Errorf("%v after %d bytes, want ErrTooLarge after 10", err, len(body))
	}
	if _, body, err := get(t, newClient(t, Config{MaxBytes: 11}), at); err != nil || len(body) != 11 {
		t.Errorf("%v after %d bytes, want all 11", err, len(body))
	}
	if _, _, err := get(t, newClient(t, Config{}), at+"/header"); err == nil {
		t.Error("an answer with endless headers was taken")
	}
}

func TestClientUsesNoProxy(t *testing.T) {
	port := serveOn(t, "127.0.0.1", "0", trap(t))
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+port)
	t.Setenv("http_proxy", "http://127.0.0.1:"+port)
	n := &names{t: t, a: map[string][][]netip.Addr{"hook.example.": {{netip.MustParseAddr("127.0.0.3")}}}}
	if _, _, err := get(t, newClient(t, Config{Resolver: n.resolver()}), "http://hook.example:"+port); !errors.Is(err, ErrRefused) {
		t.Errorf("%v, want the refusal of the name's own address", err)
	}
}

func TestClientBoundsTime(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"no answer":          "",
		"half a header":      "HTTP/1.1 200 OK\r\nContent-Le",
		"a body that trails": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxx",
	} {
		synctest.Test(t, func(t *testing.T) {
			c := New(Config{Timeout: 5 * time.Second})
			transport := c.http.Transport.(*http.Transport)
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				go func() {
					defer server.Close()
					_, _ = io.CopyN(io.Discard, server, 1)
					go func() { _, _ = io.Copy(io.Discard, server) }()
					_, _ = io.WriteString(server, answer)
					<-t.Context().Done()
				}()
				return client, nil
			}
			start := time.Now()
			_, _, err := get(t, c, "http://hook.example/")
			if !errors.Is(err, ErrTimeout) || time.Since(start) != 5*time.Second {
				t.Errorf("%s: %v after %s, want ErrTimeout after 5s", name, err, time.Since(start))
			}
			c.CloseIdle()
		})
	}
}
