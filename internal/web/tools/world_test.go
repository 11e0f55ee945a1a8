package tools_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/tools"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/webhook"
)

const cookie = "tideline_test"

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// world is the pages over real services and a real database. The workspace
// "acme" has an owner and an agent, "other" an owner.
type world struct {
	t       *testing.T
	store   store.Store
	handler http.Handler
	acme    tideline.Workspace
	account tideline.Account
	people  map[string]*tideline.Principal // by the secret of their session
}

// Authenticate implements ui.Sessions.
func (w *world) Authenticate(_ context.Context, secret string) (*tideline.Principal, error) {
	if p := w.people[secret]; p != nil {
		return p, nil
	}
	return nil, tideline.Errorf(tideline.CodeInvalidToken, "no such session")
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: migrated.SQLite(t), Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := local.Open(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(blobs.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, store: s, people: map[string]*tideline.Principal{}}
	w.acme = w.workspace("acme")
	w.workspace("other")
	agent, err := s.AddMember(t.Context(), tideline.Member{WorkspaceID: w.acme.ID, Email: "agent@acme.example", DisplayName: "Agnes", Role: tideline.RoleAgent, CreatedAt: now})
	w.must(err)
	w.people["agent"] = &tideline.Principal{Workspace: w.acme, Member: agent}
	phone := tideline.Phone("+14840000001")
	w.account, err = s.PutAccount(t.Context(), tideline.Account{WorkspaceID: w.acme.ID, JID: phone.JID(), Phone: phone, Name: "Shop", State: tideline.AccountActive, CreatedAt: now})
	w.must(err)

	clock := func() time.Time { return now }
	services := file.New(file.Config{LinkKey: []byte("key"), Now: clock}, file.Deps{Storage: s, Blobs: blobs, Log: slog.New(slog.DiscardHandler)})
	kit, err := ui.New(ui.Config{Sessions: w, Cookie: cookie, Now: clock, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	w.must(err)
	w.handler, err = kit.Handler(tools.New(tools.Deps{
		Team: team.New(s, clock), Files: services, Accounts: s,
		Webhooks: webhook.NewService(s, &webhook.Renderer{PublicURL: "https://wa.example.org", Link: services.Link}, nil, clock),
	}))
	w.must(err)
	return w
}

// workspace makes one; its owner's session has its slug for a secret.
func (w *world) workspace(slug string) tideline.Workspace {
	w.t.Helper()
	ws, owner, err := w.store.CreateWorkspace(w.t.Context(), tideline.Workspace{Slug: slug, DisplayName: slug, TimeZone: "Europe/Madrid",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: now},
		tideline.Member{Email: slug + "@example.com", DisplayName: "Olga", CreatedAt: now})
	w.must(err)
	w.people[slug] = &tideline.Principal{Workspace: ws, Member: owner}
	return ws
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

func (w *world) do(who string, r *http.Request) answer {
	w.t.Helper()
	r.AddCookie(&http.Cookie{Name: cookie, Value: who})
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	res := rec.Result()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	return answer{res.StatusCode, res.Header, string(body)}
}

func (w *world) get(who, path string) answer {
	w.t.Helper()
	return w.do(who, httptest.NewRequestWithContext(w.t.Context(), "GET", path, nil))
}

// page gets a page that must be there.
func (w *world) page(who, path string) string {
	w.t.Helper()
	a := w.get(who, path)
	if a.Status != http.StatusOK {
		w.t.Fatalf("GET %s as %s: %d %s", path, who, a.Status, a.Body)
	}
	return a.Body
}

// post sends a form as our scripts do; pairs are names and values in turn.
func (w *world) post(who, path string, pairs ...string) answer {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequestWithContext(w.t.Context(), "POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return w.do(who, r)
}

// done posts what must succeed.
func (w *world) done(who, path string, pairs ...string) answer {
	w.t.Helper()
	a := w.post(who, path, pairs...)
	if a.Status != http.StatusOK {
		w.t.Fatalf("POST %s as %s: %d %s", path, who, a.Status, a.Body)
	}
	return a
}

// upload sends a form with a file.
func (w *world) upload(who, path, name, fileName, content string) answer {
	w.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	w.must(m.WriteField("name", name))
	if fileName != "" {
		part, err := m.CreateFormFile("file", fileName)
		w.must(err)
		_, err = part.Write([]byte(content))
		w.must(err)
	}
	w.must(m.Close())
	r := httptest.NewRequestWithContext(w.t.Context(), "POST", path, &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Accept", "application/json")
	return w.do(who, r)
}

// has fails the test unless text has all parts.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in\n%s", p, text)
		}
	}
}

func hasNot(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q is in\n%s", p, text)
		}
	}
}

// refused fails the test unless a has the status.
func refused(t *testing.T, what string, a answer, status int) {
	t.Helper()
	if a.Status != status {
		t.Errorf("%s: %d %s, want %d", what, a.Status, a.Body, status)
	}
}
