package entry_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web"
	"github.com/tidelinehq/tideline/internal/web/entry"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/workspace"
)

const password = "velvet-tractor"

// world is the section over real services and a real database, with the owner of
// a new workspace.
type world struct {
	t        *testing.T
	store    store.Store
	sessions *auth.Sessions
	handler  http.Handler
	url      string
	ws       tideline.Workspace
	owner    tideline.Member
}

type options struct {
	secure, sandbox bool
	rate            auth.Rate
}

func newWorld(t *testing.T, o options) *world {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: migrated.SQLite(t), Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, sessions: auth.NewSessions(s, auth.SessionConfig{PerEmail: o.rate})}
	kit, err := ui.New(ui.Config{
		Sessions: w.sessions, Cookie: auth.CookieName(o.secure), Secure: o.secure, Sandbox: o.sandbox,
		Language: func(p *tideline.Principal) string { return p.Member.Language },
	})
	w.must(err)
	tokens := auth.New(s, auth.Config{})
	var ids atomic.Int64
	messages := message.New(message.Deps{
		Store: s, Refresher: auth.Refreshers{Tokens: tokens, Sessions: w.sessions},
		NewMessageID: func() string { return fmt.Sprintf("3EB0%08X", ids.Add(1)) },
	})
	cfg := entry.Config{Cookie: auth.CookieName(o.secure), Secure: o.secure, APIBase: "/integrations/api", Shown: []string{"first token"}}
	if o.sandbox {
		cfg.Customer = "+14840000001"
	}
	w.handler, err = web.New(kit, entry.New(cfg, entry.Deps{
		Sessions: w.sessions, Team: team.New(s, nil), Workspaces: workspace.New(s, nil), Tokens: auth.NewTokens(s, nil),
		Messages: messages, Storage: s, Address: func(*http.Request) string { return "192.0.2.9" },
	}))
	w.must(err)
	server := httptest.NewServer(w.handler)
	w.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.ws, w.owner, err = workspace.New(s, nil).Create(t.Context(), workspace.Creation{Slug: "main", DisplayName: "Main"})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// link makes a one-time link of a member and gives its path.
func (w *world) link(m tideline.Member, purpose tideline.LinkPurpose) string {
	w.t.Helper()
	secret, _, err := w.sessions.CreateLink(w.t.Context(), &m, purpose, 0)
	w.must(err)
	return auth.LinkPath(secret)
}

// member adds a member with a password.
func (w *world) member(email string, role tideline.Role) tideline.Member {
	w.t.Helper()
	m, err := w.store.AddMember(w.t.Context(), tideline.Member{WorkspaceID: w.ws.ID, Email: email, DisplayName: "Ben", Role: role, CreatedAt: time.Now()})
	w.must(err)
	w.must(w.sessions.ResetPassword(w.t.Context(), &m, password))
	return m
}

// account makes an account that is connected.
func (w *world) account() {
	w.t.Helper()
	phone := tideline.Phone("+14840000000")
	a, err := w.store.PutAccount(w.t.Context(), tideline.Account{
		WorkspaceID: w.ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@s.whatsapp.net", Phone: phone, Name: "Front desk",
		State: tideline.AccountConnecting, OwnerName: "Ann", OwnerEmail: w.owner.Email, CreatedAt: time.Now(),
	})
	w.must(err)
	w.must(w.store.SetAccountState(w.t.Context(), a.ID, tideline.AccountActive, "", time.Now()))
}

// person is somebody at a browser that follows no redirect by itself.
type person struct {
	*world
	client *http.Client
	lang   string
}

func (w *world) person() *person {
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &person{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, "en"}
}

// page is an answer.
type page struct {
	t      *testing.T
	status int
	to     string // of a redirect
	header http.Header
	doc    *html.Node
	text   string
}

func (p *person) ask(method, path string, form url.Values, header ...string) page {
	p.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, body)
	p.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept-Language", p.lang)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(r)
	p.must(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	p.must(err)
	doc, err := html.Parse(strings.NewReader(string(data)))
	p.must(err)
	return page{t: p.t, status: resp.StatusCode, to: resp.Header.Get("Location"), header: resp.Header, doc: doc, text: string(data)}
}

func (p *person) get(path string) page { p.t.Helper(); return p.ask(http.MethodGet, path, nil) }

// post sends a form of names and values in turn.
func (p *person) post(path string, pairs ...string) page {
	p.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return p.ask(http.MethodPost, path, form)
}

// in lets a member in by a link.
func (p *person) in(m tideline.Member) *person {
	p.t.Helper()
	p.post(p.link(m, tideline.LinkSignIn)).redirects("")
	return p
}

func (g page) is(status int) page {
	g.t.Helper()
	if g.status != status {
		g.t.Fatalf("answered %d to %q, want %d:\n%s", g.status, g.to, status, g.text)
	}
	return g
}

// redirects checks where the answer leads; "" = anywhere.
func (g page) redirects(to string) page {
	g.t.Helper()
	g.is(http.StatusSeeOther)
	if to != "" && g.to != to {
		g.t.Fatalf("leads to %s, want %s", g.to, to)
	}
	return g
}

// shows checks that a text is on the page.
func (g page) shows(texts ...string) page {
	g.t.Helper()
	all := words(g.doc)
	for _, text := range texts {
		if !strings.Contains(all, text) {
			g.t.Errorf("the page lacks %q:\n%s", text, all)
		}
	}
	return g
}

func (g page) hides(texts ...string) page {
	g.t.Helper()
	all := words(g.doc)
	for _, text := range texts {
		if strings.Contains(all, text) {
			g.t.Errorf("the page has %q:\n%s", text, all)
		}
	}
	return g
}

// words gives the text of a node, spaces made one.
func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "script" {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// element gives the element with an id; nil when there is none.
func (g page) element(id string) *html.Node {
	for d := range g.doc.Descendants() {
		if d.Type == html.ElementNode && attribute(d, "id") == id {
			return d
		}
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// wrong gives the names of the fields that are shown as wrong.
func (g page) wrong() string {
	var names []string
	for d := range g.doc.Descendants() {
		if name, ok := strings.CutPrefix(attribute(d, "id"), "problem-"); ok && d.Type == html.ElementNode {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}
