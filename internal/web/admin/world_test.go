package admin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web"
	"github.com/tidelinehq/tideline/internal/web/admin"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/workspace"
)

const base = "https://wa.example.org"

var allRoles = []tideline.Role{tideline.RoleOwner, tideline.RoleAdmin, tideline.RoleTeamSupervisor, tideline.RoleTeammate, tideline.RoleAgent, tideline.RoleCollaborator}

// world is the section over real services and a real database, with a member of
// every role in one workspace, and another workspace.
type world struct {
	t        *testing.T
	store    store.Store
	sessions *auth.Sessions
	handler  http.Handler
	ws, far  tideline.Workspace
	of       map[tideline.Role]tideline.Member
	stranger tideline.Member
}

func newWorld(t *testing.T, edit ...func(*admin.Deps)) *world {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: migrated.SQLite(t), Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, store: s, sessions: auth.NewSessions(s, auth.SessionConfig{}), of: map[tideline.Role]tideline.Member{}}
	workspaces := workspace.New(s, nil)
	var owner tideline.Member
	w.ws, owner, err = workspaces.Create(t.Context(), workspace.Creation{Slug: "acme", DisplayName: "Acme", OwnerName: "Owner", OwnerEmail: "owner@acme.example"})
	w.must(err)
	w.of[tideline.RoleOwner] = owner
	for _, role := range allRoles[1:] {
		w.of[role] = w.member(role)
	}
	w.far, w.stranger, err = workspaces.Create(t.Context(), workspace.Creation{Slug: "far"})
	w.must(err)
	kit, err := ui.New(ui.Config{Sessions: w, Cookie: "c", Attribute: func(ctx context.Context, p *tideline.Principal) context.Context {
		return tideline.WithActor(ctx, p.Actor(tideline.ViaInbox))
	}})
	w.must(err)
	deps := admin.Deps{
		Team: team.New(s, nil), Links: w.sessions, Tokens: auth.NewTokens(s, nil), Workspaces: workspaces, Storage: s,
		BaseURL: func(*http.Request) string { return base }, APIPath: "/integrations/api",
	}
	for _, e := range edit {
		e(&deps)
	}
	w.handler, err = web.New(kit, admin.New(deps))
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Authenticate implements ui.Sessions: the secret is "workspace/member".
func (w *world) Authenticate(ctx context.Context, secret string) (*tideline.Principal, error) {
	slug, id, _ := strings.Cut(secret, "/")
	ws, err := w.store.WorkspaceBySlug(ctx, slug)
	if err != nil {
		return nil, err
	}
	members, err := w.store.ListMembers(ctx, ws.ID)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if strconv.FormatInt(m.ID, 10) == id {
			return &tideline.Principal{Workspace: ws, Member: m}, nil
		}
	}
	return nil, tideline.Errorf(tideline.CodeInvalidToken, "nobody")
}

var serial = regexp.MustCompile(`[^a-z]`)

// member adds a member who has joined.
func (w *world) member(role tideline.Role) tideline.Member {
	w.t.Helper()
	name := serial.ReplaceAllString(string(role), "")
	m, err := w.store.AddMember(w.t.Context(), tideline.Member{WorkspaceID: w.ws.ID, DisplayName: "The " + name, Role: role, CreatedAt: time.Now(),
		Email: fmt.Sprintf("%s%d@acme.example", name, time.Now().UnixNano())})
	w.must(err)
	return m
}

// page is an answer.
type page struct {
	status int
	header http.Header
	body   string
}

// ask makes a request as a member; form nil = GET.
func (w *world) ask(m tideline.Member, target string, form url.Values, change ...func(*http.Request)) page {
	w.t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	slug := w.ws.Slug
	if m.WorkspaceID == w.far.ID {
		slug = w.far.Slug
	}
	r.AddCookie(&http.Cookie{Name: "c", Value: slug + "/" + strconv.FormatInt(m.ID, 10)})
	for _, c := range change {
		c(r)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	res := rec.Result()
	data, err := io.ReadAll(res.Body)
	w.must(err)
	return page{res.StatusCode, res.Header, string(data)}
}

// is checks an answer's status and what it must and, after "!", must not contain.
func (w *world) is(what string, p page, status int, parts ...string) page {
	w.t.Helper()
	if p.status != status {
		w.t.Errorf("%s: answered %d, want %d:\n%s", what, p.status, status, p.body)
	}
	for _, part := range parts {
		wanted := !strings.HasPrefix(part, "!")
		if strings.Contains(p.body, strings.TrimPrefix(part, "!")) != wanted {
			w.t.Errorf("%s: %q is in it: %v\n%s", what, part, !wanted, p.body)
		}
	}
	return p
}

// log gives the latest entries of the audit log, the latest first.
func (w *world) log(n int) []tideline.AuditEntry {
	w.t.Helper()
	entries, _, err := w.store.Audit(w.t.Context(), w.ws.ID, store.AuditFilter{}, n)
	w.must(err)
	return entries
}

// found gives what the pattern's first group matches in the page.
func (w *world) found(p page, pattern string) string {
	w.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(p.body)
	if m == nil {
		w.t.Fatalf("%s is not in\n%s", pattern, p.body)
	}
	return m[1]
}

func inSpanish(r *http.Request) { r.Header.Set("Accept-Language", "es") }
func asScript(r *http.Request)  { r.Header.Set("Accept", "application/json") }
