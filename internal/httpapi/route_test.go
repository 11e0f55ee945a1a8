package httpapi

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func request(t testing.TB, method, path string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://tideline.example"+path, nil)
	r.Header.Set("Authorization", "Bearer "+fakeToken)
	return r
}

func TestAPathAnswersItsOwnMethodsOnly(t *testing.T) {
	t.Parallel()
	h := newFakes(nil).handler(Config{})
	get, upload := "GET, HEAD, OPTIONS", "OPTIONS, POST"
	for path, allow := range map[string]string{
		"/messages":            upload,
		"/messages/" + fakeUID: get,
		"/messages/" + fakeUID + "/status_history": get,
		"/whatsapp_accounts":                       get,
		"/workspace":                               get,
		"/workspace/quotas":                        get,
		"/quotas":                                  get,
		"/files_upload":                            upload,
		"/files":                                   "GET, HEAD, OPTIONS, POST",
		"/files/" + fakeUID:                        "DELETE, GET, HEAD, OPTIONS",
		"/chats/1":                                 "GET, HEAD, OPTIONS, PATCH",
		"/chats/1/labels":                          "GET, HEAD, OPTIONS, POST, PUT",
		"/chats/1/notes":                           upload,
		"/templates":                               "GET, HEAD, OPTIONS, POST",
		"/templates/1":                             "DELETE, GET, HEAD, OPTIONS, PATCH",
		"/workspace/invitations/1":                 "DELETE, OPTIONS",
		"/files/" + fakeUID + "/download":          get,
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "BREW", "OPTIONS"} {
			r := request(t, method, Base+path)
			r.Header.Del("Authorization") // the method comes first
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			switch {
			case method == "OPTIONS":
				if w.Code != 204 || w.Header().Get("Allow") != allow || w.Body.Len() > 0 || w.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("OPTIONS %s: %d %v", path, w.Code, w.Header())
				}
			case strings.Contains(allow, method):
				if w.Code == 405 {
					t.Errorf("%s %s: %d", method, path, w.Code)
				}
			default:
				if w.Code != 405 || w.Header().Get("Allow") != allow || !strings.Contains(w.Body.String(), `"error_code":"not_supported"`) {
					t.Errorf("%s %s: %d %v %s", method, path, w.Code, w.Header(), w.Body)
				}
			}
		}
	}
}

func TestPathsThatAreNotThere(t *testing.T) {
	t.Parallel()
	h := newFakes(nil).handler(Config{})
	for path, page := range map[string]bool{
		"/nothing":             false,
		"/messages/a/b":        false,
		"/v3/chats":            false,
		"//messages":           false,
		"/./messages":          false,
		"/x/../messages":       false,
		"/messages%2F":         true,
		"/messages/":           true,
		"/nothing/":            true,
		"/messages/a/":         true,
		"/whatsapp_accounts//": true,
	} {
		for _, method := range []string{"GET", "POST"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request(t, method, Base+path))
			if isPage := strings.HasPrefix(w.Body.String(), "<!DOCTYPE html>"); w.Code != 404 || isPage != page || page != strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
				t.Errorf("%s %s: %d %v %.80s", method, path, w.Code, w.Header(), w.Body)
			}
		}
	}
}

func TestTheRootTellsPeopleHowToBegin(t *testing.T) {
	t.Parallel()
	h := newFakes(nil).handler(Config{PublicURL: "https://wa.example.org"})
	for _, path := range []string{Base, Base + "/"} {
		r := request(t, "GET", path)
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for _, want := range []string{"<!DOCTYPE html>", "tideline token create", "curl https://wa.example.org/integrations/api/messages"} {
			if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d without %q", path, w.Code, want)
			}
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("policy %q", w.Header().Get("Content-Security-Policy"))
		}
		w, e := serve(t, h, request(t, "GET", path))
		if w.Code != 404 || e.Code != "not_found" {
			t.Errorf("to a program, %s: %d %+v", path, w.Code, e)
		}
	}
}

func TestAPanicIsAnsweredAndLoggedOnce(t *testing.T) {
	t.Parallel()
	f := newFakes(nil)
	f.send = func(*tideline.Principal, message.SendRequest) (message.Receipt, error) { panic("oh") }
	f.accounts = func() ([]tideline.Account, error) { panic("oh") }
	for _, r := range []*http.Request{post(t, `{"phone":"+14840000000","text":"x"}`), request(t, "GET", Base+"/whatsapp_accounts")} {
		var log bytes.Buffer
		h := New(Config{}, Deps{Auth: f, Messages: f, Files: fakeFiles{}, Storage: f, Meter: f.meter, Log: slog.New(slog.NewTextHandler(&log, nil))})
		w, e := serve(t, h, r)
		if w.Code != 500 || e.Code != "internal_error" || strings.Count(log.String(), "handler panicked") != 1 || !strings.Contains(log.String(), w.Header().Get("X-Request-Id")) {
			t.Errorf("%d %+v, logged %.200s", w.Code, e, log.String())
		}
	}
}

func TestAnAbortedHandlerStaysAborted(t *testing.T) {
	t.Parallel()
	f := newFakes(nil)
	f.accounts = func() ([]tideline.Account, error) { panic(http.ErrAbortHandler) }
	defer func() {
		if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // the value itself
			t.Errorf("recovered %v", v)
		}
	}()
	f.handler(Config{}).ServeHTTP(httptest.NewRecorder(), request(t, "GET", Base+"/whatsapp_accounts"))
}

// secretive is a body whose every value would be a leak.
const secretive = `{"phone":"+14840000000","text":"for your eyes only"}`

func TestTheLogNamesNoSecrets(t *testing.T) {
	t.Parallel()
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		var log bytes.Buffer
		f := newFakes(nil)
		h := New(Config{}, Deps{
			Auth: f, Messages: f, Files: fakeFiles{}, Storage: f, Meter: f.meter,
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})),
		})
		serve(t, h, post(t, secretive))
		f.send = func(*tideline.Principal, message.SendRequest) (message.Receipt, error) {
			return message.Receipt{}, errors.New("disk on fire")
		}
		serve(t, h, post(t, secretive))
		serve(t, h, request(t, "GET", Base+"/files/x/download?expires=1&signature=SIGNATURE"))
		for _, secret := range []string{fakeToken, "eyes only", "14840000000", "SIGNATURE"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("at %v the log holds %q:\n%s", level, secret, log.String())
			}
		}
		if n := strings.Count(log.String(), "disk on fire"); n != 1 {
			t.Errorf("the failure is logged %d times, want once", n)
		}
		if level == slog.LevelInfo && strings.Contains(log.String(), "192.0.2.1") {
			t.Error("an address above debug level")
		}
	}
}

func TestRequestIDsAreTakenOverWhenHarmless(t *testing.T) {
	t.Parallel()
	h := newFakes(nil).handler(Config{})
	for given, kept := range map[string]bool{"abc-123_X.y": true, "": false, "a b": false, "a\nb": false, strings.Repeat("a", 65): false} {
		r := request(t, "GET", Base+"/workspace")
		r.Header.Set("X-Request-Id", given)
		w, _ := serve(t, h, r)
		if got := w.Header().Get("X-Request-Id"); got == "" || (got == given) != kept {
			t.Errorf("given %q, answered %q", given, got)
		}
	}
}

func TestRequestsAreCountedByOutcome(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	f := newFakes(nil)
	h := New(Config{}, Deps{Auth: f, Messages: f, Files: fakeFiles{}, Storage: f, Meter: f.meter, Metrics: registry})
	for range 2 {
		serve(t, h, post(t, `{"phone":"+14840000000","text":"x"}`))
	}
	serve(t, h, post(t, `{}`))
	serve(t, h, request(t, "GET", Base+"/whatever/you/like"))
	serve(t, h, request(t, "GET", Base+"/messages/"+fakeUID))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			key := family.GetName()
			for _, label := range m.GetLabel() {
				key += " " + label.GetName() + "=" + label.GetValue()
			}
			got[key] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	const requests, seconds = "tideline_http_requests_total", "tideline_http_request_seconds"
	for key, want := range map[string]float64{
		requests + " error_code= operation=POST /messages status=200":                 2,
		requests + " error_code=validation_error operation=POST /messages status=400": 1,
		requests + " error_code=not_found operation=GET /messages/{uid} status=404":   1,
		requests + " error_code=not_found operation=none status=404":                  1,
		seconds + " operation=POST /messages":                                         3,
		seconds + " operation=none":                                                   1,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v; all: %v", key, got[key], want, got)
		}
	}
}

func TestTheClientsAddressIsBelievedFromTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	s := &server{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, tc := range []struct {
		peer string
		via  []string
		want string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.7"}, "192.0.2.1"},
		{"10.1.2.3:5", []string{"198.51.100.7"}, "198.51.100.7"},
		{"10.1.2.3:5", []string{"6.6.6.6, 198.51.100.7"}, "198.51.100.7"},
		{"10.1.2.3:5", []string{"6.6.6.6", "198.51.100.7 , 10.9.9.9"}, "198.51.100.7"},
		{"10.1.2.3:5", []string{"10.9.9.9"}, "10.9.9.9"},
		{"10.1.2.3:5", []string{"198.51.100.7, nonsense"}, "10.1.2.3"},
		{"10.1.2.3:5", nil, "10.1.2.3"},
		{"[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		{"[fd00::1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
		{"@", nil, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{"X-Forwarded-For": tc.via}}
		if got := s.clientIP(r).String(); got != tc.want {
			t.Errorf("%s via %q is %s, want %s", tc.peer, tc.via, got, tc.want)
		}
	}
}

func TestAnIPv6NetworkIsOneClient(t *testing.T) {
	t.Parallel()
	a, b, c := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:2"), netip.MustParseAddr("2001:db8:0:1::1")
	if limitKey(a) != limitKey(b) || limitKey(a) == limitKey(c) {
		t.Errorf("keys %v, %v, %v", limitKey(a), limitKey(b), limitKey(c))
	}
	if v4 := netip.MustParseAddr("192.0.2.1"); limitKey(v4) != v4 {
		t.Errorf("key of an IPv4 address: %v", limitKey(v4))
	}
}

func TestTheReferenceWorksWithoutANetworkAndWithoutForeignScripts(t *testing.T) {
	t.Parallel()
	h := Docs()
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		return w
	}
	for _, path := range []string{DocsPath, DocsPath + "/"} {
		page := get("GET", path)
		policy := page.Header().Get("Content-Security-Policy")
		if page.Code != 200 || !strings.Contains(page.Body.String(), `src="/docs/swagger-ui-bundle.js"`) {
			t.Errorf("%s: %d %.300s", path, page.Code, page.Body)
		}
		if n := strings.Count(page.Body.String(), "<script>"); n == 0 || strings.Count(policy, "'sha256-") != n || strings.Contains(policy, "script-src 'self' 'unsafe") {
			t.Errorf("%d scripts in the page, policy %s", n, policy)
		}
		for _, foreign := range []string{"//cdn", "//unpkg", "fonts.googleapis", `src="http`} {
			if strings.Contains(page.Body.String(), foreign) {
				t.Errorf("the page loads from %s", foreign)
			}
		}
	}
	for path, want := range map[string]string{"/swagger-ui-bundle.js": "javascript", "/swagger-ui-standalone-preset.js": "javascript", "/swagger-ui.css": "css", "/openapi.yaml": "yaml"} {
		if w := get("GET", DocsPath+path); w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), want) {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	if doc := get("GET", DocsPath+"/openapi.yaml"); !strings.HasPrefix(doc.Body.String(), "openapi: 3.0.3") {
		t.Errorf("document begins %.40q", doc.Body)
	}
	if w := get("POST", DocsPath); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestAnExchangePassesAFileOnAndCountsIt(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	x := &exchange{ResponseWriter: w}
	n, err := io.Copy(x, strings.NewReader("hello"))
	if got := []any{n, err, x.status, x.written, w.Body.String()}; !cmp.Equal(got, []any{int64(5), nil, 200, int64(5), "hello"}) {
		t.Errorf("got %v", got)
	}
}
