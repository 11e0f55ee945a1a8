package s3_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/blob/s3"
	"github.com/tidelinehq/tideline/internal/testenv/fakes3"
	"github.com/tidelinehq/tideline/internal/testenv/flaky"
)

func TestCheckSaysWhatToPutRight(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of the handshake that must fail
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for name, c := range map[string]struct {
		change func(o *s3.Options)
		refuse string // answered with this code
		want   string
	}{
		"all is well":      {change: func(*s3.Options) {}},
		"no such bucket":   {change: func(o *s3.Options) { o.Bucket = "another-one" }, want: "create the bucket"},
		"another region":   {change: func(o *s3.Options) { o.Region = "eu-west-1" }, want: "in the region " + fakes3.Region},
		"unknown key":      {change: func(o *s3.Options) { o.AccessKey = "WHO" }, want: "--s3-access-key"},
		"wrong secret":     {refuse: "SignatureDoesNotMatch", want: "--s3-secret-key"},
		"wrong clock":      {refuse: "RequestTimeTooSkewed", want: "clock"},
		"no permission":    {refuse: "AccessDenied", want: "s3:ListBucket"},
		"not signed":       {change: func(o *s3.Options) { o.AccessKey, o.SecretKey, o.Credentials = "", "", s3.CredentialsNone }, want: "s3:ListBucket"},
		"no TLS there":     {change: func(o *s3.Options) { o.Endpoint = strings.Replace(o.Endpoint, "http:", "https:", 1) }, want: "http://"},
		"its own CA":       {change: func(o *s3.Options) { o.Endpoint = secure.URL }, want: "--s3-ca"},
		"a fence":          {change: func(o *s3.Options) { o.Control = fenced }, want: "a fence"},
		"nobody is there":  {change: func(o *s3.Options) { o.Endpoint = "http://127.0.0.1:1" }, want: "refused"},
		"it does not work": {refuse: "InternalError", want: "InternalError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := fakes3.Start(t)
			o := quick(server, "")
			o.Retry.Attempts = 2
			if c.refuse != "" {
				o.Endpoint = refusing(t, c.refuse)
			}
			if c.change != nil {
				c.change(&o)
			}
			err := open(t, o).Check(t.Context())
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			fault, ok := errors.AsType[*s3.Error](err)
			if !ok || !strings.Contains(err.Error(), c.want) || !errors.Is(err, blob.ErrUnavailable) {
				t.Fatalf("check gives %v, want an *s3.Error with %q", err, c.want)
			}
			transient := name == "nobody is there" || name == "it does not work" || name == "a fence"
			if (fault.Advice == "") != transient {
				t.Errorf("the advice is %q", fault.Advice)
			}
			if strings.Contains(err.Error(), fakes3.SecretKey) {
				t.Error("the error has the secret key")
			}
		})
	}
}

func fenced(string, string, syscall.RawConn) error { return errors.New("a fence") }

// refusing starts a service that answers everything with an error.
func refusing(t *testing.T, code string) string {
	t.Helper()
	status := http.StatusForbidden
	if code == "InternalError" {
		status = http.StatusInternalServerError
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestAServiceWithItsOwnAuthorityIsTrustedWhenNamed goes through TLS.
func TestAServiceWithItsOwnAuthorityIsTrustedWhenNamed(t *testing.T) {
	t.Parallel()
	server := fakes3.Start(t)
	behind, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	secure := httptest.NewTLSServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) }})
	t.Cleanup(secure.Close)
	o := quick(server, t.TempDir())
	o.Endpoint, o.Addressing = secure.URL, "path"
	o.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	s := open(t, o)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("over TLS "), 100_000)
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t.Context(), s, "k"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

// TestA404OfSomethingElseIsNoMissingBlob: a proxy's page must not make a message
// fail for good.
func TestA404OfSomethingElseIsNoMissingBlob(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	server := fakes3.Start(t)
	for name, change := range map[string]func(o *s3.Options){
		"a page":         func(o *s3.Options) { o.Endpoint = page.URL },
		"another bucket": func(o *s3.Options) { o.Bucket = "missing-bucket" },
	} {
		o := quick(server, "")
		o.Retry.Attempts = 2
		change(&o)
		_, err := open(t, o).Open(t.Context(), "k")
		if errors.Is(err, blob.ErrNotFound) || !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%s: %v, want blob.ErrUnavailable", name, err)
		}
	}
}

func TestADamagedObjectIsNoticed(t *testing.T) {
	t.Parallel()
	server := fakes3.Start(t)
	s := open(t, quick(server, ""))
	if _, err := s.Put(t.Context(), "k", strings.NewReader("what was put")); err != nil {
		t.Fatal(err)
	}
	server.Objects.Spoil(t, "some/where/k", []byte("what is there"))
	got, err := read(t.Context(), s, "k")
	if !errors.Is(err, blob.ErrDamaged) {
		t.Errorf("read %q, %v; want blob.ErrDamaged", got, err)
	}
}

// TestAReaderAsksOnlyForWhatIsLacking: after a break the rest is fetched, and a
// seek far ahead fetches nothing in between.
func TestAReaderAsksOnlyForWhatIsLacking(t *testing.T) {
	t.Parallel()
	server := fakes3.Start(t)
	s := open(t, quick(server, t.TempDir()))
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if _, err := s.Put(t.Context(), "k", bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	var ranges []string
	server.Fail(func(r *http.Request) flaky.Fault {
		ranges = append(ranges, r.Header.Get("Range")+" "+r.Header.Get("If-Match"))
		if len(ranges) == 1 {
			return flaky.CutAnswer
		}
		return flaky.None
	})
	r, err := s.Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	if _, err := r.Seek(-4, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "cdef" {
		t.Errorf("the end is %q, %v", got, err)
	}
	server.Recover()
	if len(ranges) != 3 || !strings.HasPrefix(ranges[0], "bytes=0- ") || strings.HasPrefix(ranges[1], "bytes=0-") ||
		!strings.HasPrefix(ranges[2], fmt.Sprintf("bytes=%d-", len(content)-4)) {
		t.Errorf("asked for %q", ranges)
	}
	for _, asked := range ranges[1:] {
		if !strings.HasSuffix(asked, `"`) {
			t.Errorf("%q has no condition", asked)
		}
	}
}

// TestATimeoutOfTheCallerEndsEverything: no attempt outlives the context.
func TestATimeoutOfTheCallerEndsEverything(t *testing.T) {
	t.Parallel()
	server := fakes3.Start(t)
	o := quick(server, "")
	o.IdleTimeout = time.Hour
	s := open(t, o)
	for name, do := range map[string]func(context.Context) error{
		"put":    func(ctx context.Context) error { _, err := s.Put(ctx, "k", strings.NewReader("x")); return err },
		"open":   func(ctx context.Context) error { _, err := s.Open(ctx, "k"); return err },
		"stat":   func(ctx context.Context) error { _, err := s.Stat(ctx, "k"); return err },
		"delete": func(ctx context.Context) error { return s.Delete(ctx, "k") },
		"list": func(ctx context.Context) error {
			return s.List(ctx, "", "", func(blob.Entry) error { return nil })
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		server.Fail(func(*http.Request) flaky.Fault {
			cancel() // once S3 has the request
			return flaky.Stall
		})
		if err := do(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
		cancel()
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	good := s3.Options{Bucket: "b", Endpoint: "https://s3.example.com", AccessKey: "a", SecretKey: "b"}
	for want, change := range map[string]func(o *s3.Options){
		"--s3-endpoint":         func(o *s3.Options) { o.Endpoint = "s3.example.com" },
		"such as https://":      func(o *s3.Options) { o.Endpoint = "https://s3.example.com/bucket" },
		"name one":              func(o *s3.Options) { o.Bucket = "" },
		"auto, path or host":    func(o *s3.Options) { o.Addressing = "dns" },
		"set both":              func(o *s3.Options) { o.SecretKey = "" },
		"local, iam or none":    func(o *s3.Options) { o.AccessKey, o.SecretKey, o.Credentials = "", "", "else" },
		"no certificate in PEM": func(o *s3.Options) { o.CA = []byte("no") },
	} {
		o := good
		change(&o)
		if s, err := s3.Open(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open gives %v, %v; want %q", s, err, want)
		}
	}
	for place, want := range map[string][2]string{
		"s3://b": {"b", ""}, "s3://b/": {"b", ""}, "s3://b/p": {"b", "p/"}, "s3://b/p/q/": {"b", "p/q/"},
		"s3://": {}, "s3:///p": {}, "b/p": {}, "s3://b/p?x": {}, "s3://user@b": {},
	} {
		bucket, prefix, err := s3.ParsePlace(place)
		if bucket != want[0] && err == nil || prefix != want[1] && err == nil || (err != nil) != (want[0] == "") {
			t.Errorf("%s is %q, %q, %v; want %q", place, bucket, prefix, err, want)
		}
	}
}
