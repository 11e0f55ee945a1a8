package file_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/safehttp"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// fetching makes a world that may fetch from the servers of tests, and a server.
func fetching(t *testing.T, h http.HandlerFunc, timeout time.Duration) (*world, string) {
	t.Helper()
	w := newWorld(t)
	client := safehttp.New(safehttp.Config{
		Guard:   safehttp.NewGuard(netip.MustParsePrefix("127.0.0.1/32")),
		Timeout: timeout, MaxBytes: 1 << 20, Redirects: 3,
	})
	t.Cleanup(client.CloseIdle)
	w.Service = file.New(
		file.Config{LinkKey: []byte("0123456789abcdef0123456789abcdef"), Now: func() time.Time { return w.now }},
		file.Deps{Storage: w.records, Blobs: w.blobs, Log: slog.New(slog.DiscardHandler), Fetcher: client},
	)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return w, server.URL
}

func TestAFileIsFetchedByItsURL(t *testing.T) {
	t.Parallel()
	w, base := fetching(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/real/price%20list.pdf?token=x", http.StatusFound)
			return
		case "/named":
			w.Header().Set("Content-Disposition", `attachment; filename="../../prices.pdf"`)
		}
		_, _ = io.WriteString(w, "%PDF-1.7 prices")
	}, time.Minute)
	for name, c := range map[string]struct {
		path           string
		d              file.Description
		wantName, mime string
	}{
		"direct":                     {"/a/prices.pdf?x=1#page=2", file.Description{}, "prices.pdf", "application/pdf"},
		"redirected":                 {"/moved", file.Description{}, "price list.pdf", "application/pdf"},
		"named by the server":        {"/named", file.Description{}, "prices.pdf", "application/pdf"},
		"named by who asks":          {"/named", file.Description{Name: "mine.bin", ContentType: "application/octet-stream"}, "mine.bin", "application/octet-stream"},
		"without a name in its path": {"/", file.Description{}, "file.pdf", "application/pdf"},
	} {
		f, err := w.UploadFrom(t.Context(), principal(nil), base+c.path, c.d)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f.Name != c.wantName || f.MIMEType != c.mime || f.Size != 15 || f.UploadedBy != "ada@example.com" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestWhatCannotBeFetchedIsBlamedOnTheURL(t *testing.T) {
	t.Parallel()
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		timeout time.Duration
		address string // instead of the server's
		want    string
		code    tideline.Code
	}{
		"not there": {answer: http.NotFound, want: "answers 404"},
		"a login":   {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, want: "answers 401"},
		"nothing":   {answer: func(http.ResponseWriter, *http.Request) {}, want: "empty file"},
		"slow":      {answer: hang, timeout: 50 * time.Millisecond, want: "no answer in time"},
		"slow in the middle": {answer: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begins")
			_ = http.NewResponseController(w).Flush()
			hang(w, r)
		}, timeout: 50 * time.Millisecond, want: "no answer in time"},
		"broken off": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "50")
			_, _ = io.WriteString(w, "begins")
		}, want: "can't be fetched"},
		"too large by its header": {answer: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 101))
		}, want: "larger than the 100 bytes", code: tideline.CodeTooLarge},
		"too large and silent about it": {answer: func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, strings.Repeat("x", 60))
				_ = http.NewResponseController(w).Flush()
			}
		}, want: "larger than the 100 bytes", code: tideline.CodeTooLarge},
		"redirects without end": {answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, want: "too many redirects"},
		"redirects to a cloud's metadata": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		}, want: "169.254.169.254 is in a private or special network"},
		"redirects to a file": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, want: "only http and https"},
		"a neighbour":            {address: "http://10.0.0.1/a.pdf", want: "10.0.0.1 is in a private or special network"},
		"this machine":           {address: "http://[::1]:1/", want: "::1 is in a private or special network"},
		"metadata":               {address: "http://169.254.169.254/", want: "private or special network"},
		"metadata as a number":   {address: "http://[::ffff:169.254.169.254]/", want: "private or special network"},
		"a file":                 {address: "file:///etc/passwd", want: "begins with https://"},
		"no host":                {address: "http:///a", want: "begins with https://"},
		"not a URL":              {address: "price list.pdf", want: "begins with https://"},
		"empty":                  {address: "", want: "begins with https://"},
		"a password":             {address: "https://me:secret@example.com/a", want: "must not hold a user name"},
		"longer than any":        {address: "https://example.com/" + strings.Repeat("x", 9000), want: "at most 8192 bytes"},
		"a character that isn't": {address: "https://example.com/\xff", want: "must be a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.timeout == 0 {
				c.timeout = time.Minute
			}
			w, base := fetching(t, c.answer, c.timeout)
			address := base + "/secret-path"
			if c.address != "" || c.answer == nil {
				address = c.address
			}
			_, err := w.UploadFrom(t.Context(), principal(nil), address, file.Description{})
			if c.code == "" {
				c.code = tideline.CodeValidation
			}
			if !tideline.IsCode(err, c.code) {
				t.Fatalf("error %v, want %s", err, c.code)
			}
			text := err.Error()
			if c.code == tideline.CodeValidation && !strings.Contains(text, "download_url") {
				t.Errorf("%s: download_url is not blamed", text)
			}
			if !strings.Contains(text, c.want) {
				t.Errorf("%s: %q is not in it", text, c.want)
			}
			if strings.Contains(text, "secret") {
				t.Errorf("%s: it repeats the URL", text)
			}
			if n := len(w.records.files); n != 0 {
				t.Errorf("%d files are recorded", n)
			}
		})
	}
}
