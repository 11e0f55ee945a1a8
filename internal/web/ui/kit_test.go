package ui

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	testCookie = "tideline_test"
	goodSecret = "good"
)

// fakeSessions knows one session. Its real side is tested in package auth.
type fakeSessions struct{ role tideline.Role }

func (f fakeSessions) Authenticate(_ context.Context, secret string) (*tideline.Principal, error) {
	if secret != goodSecret {
		return nil, tideline.Errorf(tideline.CodeInvalidToken, "no such session")
	}
	return &tideline.Principal{
		Workspace: tideline.Workspace{ID: 1, TimeZone: "America/New_York"},
		Member:    tideline.Member{ID: 2, DisplayName: "Ana <Costa>", Role: f.role},
	}, nil
}

// sample is a section with one route of each kind.
func sample() Section {
	return Section{
		Name: "sample",
		Templates: fstest.MapFS{"sample.html": {Data: []byte(
			`{{define "sample/page"}}<h1>{{t "ui.nav.labels"}}</h1><p>{{.Data}}</p>{{moment .Principal.Workspace.CreatedAt}}{{end}}` +
				`{{define "sample/broken"}}<p>{{.Data.Nothing}}</p>{{end}}` +
				`{{define "sample/time"}}{{moment .}}{{end}}`)}},
		Assets: fstest.MapFS{"list.js": {Data: []byte(`import "../ui/dom.js";`)}},
		Routes: func(r *Router) {
			r.Handle("GET /page", func(q *Request) error {
				return q.Page("sample/page", Page{Title: "ui.nav.labels", Nav: "labels", Scripts: []string{"sample/list.js"}, Data: "<b>x</b>"})
			})
			r.Handle("GET /broken", func(q *Request) error { return q.Page("sample/broken", Page{Title: "ui.nav.labels", Data: 1}) })
			r.Handle("GET /panic", func(*Request) error { panic("at the disco") })
			r.Handle("GET /time", func(q *Request) error {
				return q.Fragment("sample/time", time.Date(2026, 11, 22, 2, 3, 0, 0, time.UTC))
			})
			r.HandleFor(tideline.Role.Administers, "GET /admins", func(q *Request) error { return q.Fragment("sample/page", nil) })
			r.Public("GET /open", func(q *Request) error { return q.JSON(http.StatusOK, q.Principal != nil) })
			r.Handle("POST /change", func(q *Request) error {
				form, err := q.Form()
				if err != nil {
					return err
				}
				if form.Get("name") == "" {
					return tideline.Invalid([]tideline.FieldError{{Path: []string{"name"}, Msg: "is missing"}})
				}
				return q.Done("/page", "ui.nav.team")
			})
			r.Handle("GET /busy", func(*Request) error { return &TooManyError{Retry: 90 * time.Second} })
			r.Handle("GET /fault", func(*Request) error { return errors.New("secret detail") })
		},
	}
}

func newHandler(t *testing.T, role tideline.Role) http.Handler {
	t.Helper()
	kit, err := New(Config{Sessions: fakeSessions{role}, Cookie: testCookie})
	if err != nil {
		t.Fatal(err)
	}
	h, err := kit.Handler(sample())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask makes a request, signed in unless secret is "".
func ask(t *testing.T, h http.Handler, method, target, secret string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	if secret != "" {
		r.AddCookie(&http.Cookie{Name: testCookie, Value: secret})
	}
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func asScript(r *http.Request) { r.Header.Set("Accept", "application/json") }

func TestAPageHasTheFrameAndEscapesWhatIsShown(t *testing.T) {
	t.Parallel()
	r := ask(t, newHandler(t, tideline.RoleOwner), "GET", "/page", goodSecret)
	body := bodyOf(t, r)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, body)
	}
	for _, want := range []string{"<title>Labels · Tideline</title>", "&lt;b&gt;x&lt;/b&gt;", "Ana &lt;Costa&gt;", `href="/labels" aria-current="page"`, `lang="en"`, "/sample/list.js"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s:\n%s", want, body)
		}
	}
	csp := r.Header.Get("Content-Security-Policy")
	if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("policy %q", csp)
	}
	if strings.Contains(body, " style=") || strings.Contains(body, "onclick") {
		t.Error("the page has an inline style or script, which its own policy forbids")
	}
}

func TestTheMenuShowsWhatARoleMayOpen(t *testing.T) {
	t.Parallel()
	for role, want := range map[tideline.Role]bool{tideline.RoleOwner: true, tideline.RoleAgent: false} {
		body := bodyOf(t, ask(t, newHandler(t, role), "GET", "/page", goodSecret))
		if got := strings.Contains(body, `href="/audit"`); got != want {
			t.Errorf("%s sees the audit log in the menu: %v", role, got)
		}
	}
}

func TestWhoIsNotSignedInIsSentToSignIn(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tideline.RoleOwner)
	for _, secret := range []string{"", "ended"} {
		r := ask(t, h, "GET", "/page?label=a%26b", secret)
		if got, want := r.Header.Get("Location"), "/signin?next=%2Fpage%3Flabel%3Da%2526b"; r.StatusCode != http.StatusSeeOther || got != want {
			t.Errorf("%d to %q, want %q", r.StatusCode, got, want)
		}
		if r := ask(t, h, "GET", "/page", secret, asScript); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("a script gets %d", r.StatusCode)
		}
		if r := ask(t, h, "POST", "/change", secret); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("a POST gets %d", r.StatusCode)
		}
		if r := ask(t, h, "GET", "/open", secret); r.StatusCode != http.StatusOK || bodyOf(t, r) != "false" {
			t.Errorf("a public page gets %d", r.StatusCode)
		}
	}
}

func TestRequestsOfOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tideline.RoleOwner)
	foreign := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	if r := ask(t, h, "POST", "/change", goodSecret, foreign); r.StatusCode != http.StatusForbidden {
		t.Errorf("a POST from another site gets %d", r.StatusCode)
	}
	if r := ask(t, h, "GET", "/page", goodSecret, foreign); r.StatusCode != http.StatusOK {
		t.Errorf("a link from another site gets %d", r.StatusCode)
	}
}

func TestErrorsAreWhatTheyAre(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tideline.RoleAgent)
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/nowhere": {404, "Page not found"},
		"/admins":  {403, "Not allowed"},
		"/broken":  {500, "Something went wrong in the server"},
		"/panic":   {500, "Something went wrong in the server"},
		"/fault":   {500, "Something went wrong in the server"},
		"/busy":    {429, "Wait 90 s"},
	} {
		page := ask(t, h, "GET", path, goodSecret)
		body := bodyOf(t, page)
		if page.StatusCode != want.status || !strings.Contains(body, want.text) || strings.Contains(body, "secret detail") || strings.Count(body, "<html") != 1 {
			t.Errorf("%s: %d\n%s", path, page.StatusCode, body)
		}
		script := ask(t, h, "GET", path, goodSecret, asScript)
		var answer struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(bodyOf(t, script)), &answer); err != nil || script.StatusCode != want.status || answer.Error.Message == "" || answer.Error.Code == "" {
			t.Errorf("%s as JSON: %d %v %+v", path, script.StatusCode, err, answer)
		}
	}
	if r := ask(t, h, "GET", "/busy", goodSecret); r.Header.Get("Retry-After") != "90" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
}

func TestAPostEndsWithATextThatIsShownOnce(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tideline.RoleOwner)
	form := func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body = io.NopCloser(strings.NewReader(url.Values{"name": {"x"}}.Encode()))
	}
	r := ask(t, h, "POST", "/change", goodSecret, form)
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/page" || len(r.Cookies()) != 1 {
		t.Fatalf("%d %v", r.StatusCode, r.Header)
	}
	said := r.Cookies()[0]
	page := ask(t, h, "GET", "/page", goodSecret, func(r *http.Request) { r.AddCookie(said) })
	if !strings.Contains(bodyOf(t, page), `<p class="toast">Team</p>`) {
		t.Error("the text is not shown")
	}
	if c := page.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("the text would be shown again: %v", c)
	}
	if got := bodyOf(t, ask(t, h, "POST", "/change", goodSecret, form, asScript)); got != `{"message":"Team","ok":true,"path":"/page"}` {
		t.Errorf("a script gets %s", got)
	}
	wrong := ask(t, h, "POST", "/change", goodSecret, asScript)
	if body := bodyOf(t, wrong); wrong.StatusCode != 422 || !strings.Contains(body, `"fields":[{"path":"name","message":"is missing"}]`) {
		t.Errorf("%d %s", wrong.StatusCode, body)
	}
}

func TestTextsAndTimesAreInTheMembersLanguageAndZone(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tideline.RoleOwner)
	spanish := func(r *http.Request) { r.Header.Set("Accept-Language", "fr, es-MX;q=0.8, en;q=0.5") }
	if body := bodyOf(t, ask(t, h, "GET", "/page", goodSecret, spanish)); !strings.Contains(body, `lang="es"`) || !strings.Contains(body, "Etiquetas") {
		t.Errorf("no Spanish:\n%s", body)
	}
	if body := bodyOf(t, ask(t, h, "GET", "/time", goodSecret, spanish)); !strings.Contains(body, ">21 nov 2026 21:03<") {
		t.Errorf("the evening before, in New York: %s", body)
	}
	if body := bodyOf(t, ask(t, h, "GET", "/time", goodSecret)); !strings.Contains(body, ">Nov 21, 2026 21:03<") {
		t.Errorf("the evening before, in New York: %s", body)
	}
}

func TestAssetsAreKeptForEverUnderTheirHash(t *testing.T) {
	t.Parallel()
	h := newHandler(t, tideline.RoleOwner)
	_, rest, _ := strings.Cut(bodyOf(t, ask(t, h, "GET", "/page", goodSecret)), `type="module" src="`)
	path, _, _ := strings.Cut(rest, `"`)
	zipped := func(r *http.Request) { r.Header.Set("Accept-Encoding", "br, gzip") }
	r := ask(t, h, "GET", path, "", zipped)
	if r.StatusCode != 200 || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || r.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
	}
	old := ask(t, h, "GET", "/assets/000000000000/ui/page.js", "")
	if old.StatusCode != 200 || old.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("an older address: %d %v", old.StatusCode, old.Header)
	}
	if r := ask(t, h, "GET", "/assets/x/../../kit.go", ""); r.StatusCode == 200 {
		t.Error("something beside the assets is served")
	}
}

func TestOnlyPathsOfOursAreGoneToAfterSigningIn(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/inbox/7?label=x": "/inbox/7?label=x", "": "/", "//evil.example": "/", "https://evil.example": "/", "/\\evil.example": "/",
		"inbox": "/", "/a\nb": "/", "javascript:alert(1)": "/",
	} {
		if got := SafeNext(next); got != want {
			t.Errorf("SafeNext(%q) = %q, want %q", next, got, want)
		}
	}
}
