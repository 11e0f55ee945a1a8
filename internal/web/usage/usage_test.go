package usage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/web/usage"
)

const cookie = "tideline_test"

// site is the section over a real store, with two numbers of two owners.
type site struct {
	t        *testing.T
	store    *sqlstore.Store
	ws       tideline.Workspace
	members  map[string]tideline.Member // by e-mail's name; the secret of their session too
	accounts []tideline.Account
	serial   int
	http.Handler
}

// Authenticate takes a member's name for the secret of a session.
func (s *site) Authenticate(_ context.Context, secret string) (*tideline.Principal, error) {
	m, ok := s.members[secret]
	if !ok {
		return nil, tideline.Errorf(tideline.CodeInvalidToken, "no session")
	}
	ws, err := s.store.WorkspaceBySlug(s.t.Context(), s.ws.Slug)
	return &tideline.Principal{Workspace: ws, Member: m}, err
}

func newSite(t *testing.T) *site {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: migrated.SQLite(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &site{t: t, store: db, members: map[string]tideline.Member{}}
	credits := tideline.Credits(1000)
	var owner tideline.Member
	s.ws, owner, err = db.CreateWorkspace(t.Context(), tideline.Workspace{Slug: "shop", DisplayName: "Shop", TimeZone: "Europe/Lisbon",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Credits: &credits, Gap: tideline.DefaultGap, CreatedAt: time.Now()},
		tideline.Member{Email: "olga@example.com", DisplayName: "Olga", CreatedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	s.members["olga"] = owner
	for name, role := range map[string]tideline.Role{"sam": tideline.RoleTeamSupervisor, "ana": tideline.RoleAgent, "cleo": tideline.RoleCollaborator} {
		m, err := db.AddMember(t.Context(), tideline.Member{WorkspaceID: s.ws.ID, Email: name + "@example.com", DisplayName: strings.ToUpper(name), Role: role, CreatedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		s.members[name] = m
	}
	for i, of := range []string{"olga", "nobody"} {
		phone := tideline.Phone(fmt.Sprintf("+1484000000%d", i+1))
		a, err := db.PutAccount(t.Context(), tideline.Account{WorkspaceID: s.ws.ID, JID: phone.JID(), DeviceJID: "x", Phone: phone,
			Name: "Front desk", State: tideline.AccountActive, OwnerName: of, OwnerEmail: of + "@example.com", CreatedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		s.accounts = append(s.accounts, a)
	}
	people := team.New(db, nil)
	lanes := outbox.New(outbox.Deps{Store: db, Logger: slog.New(slog.DiscardHandler)}, outbox.Config{})
	if err := lanes.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	kit, err := ui.New(ui.Config{Sessions: s, Cookie: cookie})
	if err != nil {
		t.Fatal(err)
	}
	s.Handler, err = kit.Handler(usage.New(usage.Deps{Queue: outbox.NewDesk(lanes, db, people), Books: db, Viewers: people}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// accept queues a message of a member and gives its id.
func (s *site) accept(member, text string, account int) int64 {
	s.t.Helper()
	version, err := s.store.Version(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.serial++
	out := s.store.Accept(s.t.Context(), store.Acceptance{
		WorkspaceID: s.ws.ID, AccountID: s.accounts[account].ID, MemberID: s.members[member].ID, Version: version,
		Message: store.NewMessage{UID: uuid.NewString(), WhatsAppID: fmt.Sprintf("3EB0%d", s.serial), Text: text, Origin: tideline.OriginPublicAPI,
			Credits: 1, Gap: 2 * time.Second, At: time.Now()},
		Chat: store.ChatRef{JID: "14840000099@s.whatsapp.net", Phone: "+14840000099", Name: "Customer"}, Grant: s.ws.Grant(), Location: s.ws.Location(),
	})
	if out.Err != nil {
		s.t.Fatal(out.Err)
	}
	return out.MessageID
}

// ask makes a request of a member; form is nil for a GET.
func (s *site) ask(member, target string, form url.Values) (status int, body string) {
	s.t.Helper()
	method, accept := http.MethodGet, "text/html"
	if form != nil {
		method, accept = http.MethodPost, "application/json"
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(form.Encode()))
	r.AddCookie(&http.Cookie{Name: cookie, Value: member})
	r.Header.Set("Accept", accept)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	data, err := io.ReadAll(w.Result().Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w.Result().StatusCode, string(data)
}

// see gives a page that must be there and must not show a key instead of its text.
func (s *site) see(member, target string) string {
	s.t.Helper()
	status, body := s.ask(member, target, nil)
	if status != http.StatusOK {
		s.t.Fatalf("%s for %s: %d %s", target, member, status, body)
	}
	_, main, _ := strings.Cut(body, `<main`)
	for _, key := range []string{">usage.", `"usage.`, " usage."} {
		if at := strings.Index(main, key); at >= 0 {
			s.t.Errorf("%s shows a key: %s", target, main[at:min(len(main), at+60)])
		}
	}
	return main
}

// act makes a change that must end with the status.
func (s *site) act(member, target string, want int) (answer struct{ Path, Message string }) {
	s.t.Helper()
	status, body := s.ask(member, target, url.Values{"back": {"/usage/queue?number=1"}})
	if status != want {
		s.t.Fatalf("%s by %s: %d %s, want %d", target, member, status, body, want)
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		s.t.Fatal(err)
	}
	return answer
}

func (s *site) queued() (ids []int64) {
	s.t.Helper()
	items, _, err := s.store.Queue(s.t.Context(), s.ws.ID, store.QueueFilter{}, store.Page{Limit: 100})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, i := range items {
		ids = append(ids, i.View.Message.ID)
	}
	return ids
}

func wants(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q:\n%s", text, page)
		}
	}
}

func TestTheQueueSaysWhereEachMessageStandsAndWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	wants(t, s.see("olga", "/usage/queue"), "Nothing waits")
	first, second := s.accept("ana", "<b>one</b>", 0), s.accept("olga", "two", 0)
	page := s.see("olga", "/usage/queue")
	wants(t, page, "&lt;b&gt;one&lt;/b&gt;", "two", "It is next", "Others go before it", "2 messages wait", "by ANA",
		fmt.Sprintf(`action="/usage/queue/messages/%d/first"`, second), "Customer</a>")
	if strings.Contains(page, fmt.Sprintf("/messages/%d/first", first)) {
		t.Error("the first message can be put first")
	}
	wants(t, s.see("olga", fmt.Sprintf("/usage/queue?number=%d", s.accounts[1].ID)), "Nothing waits")
	if status, _ := s.ask("olga", "/usage/queue?number=999", nil); status != http.StatusNotFound {
		t.Errorf("a number that is not there: %d", status)
	}
	wants(t, s.see("olga", "/usage/queue?page=7&number=x"), "Nothing waits")
}

func TestPeoplePauseReorderAndCancelByTheirRoles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mine, other, third := s.accept("ana", "mine", 0), s.accept("olga", "zebra", 0), s.accept("olga", "last", 0)
	path := func(id int64, what string) string { return fmt.Sprintf("/usage/queue/messages/%d/%s", id, what) }
	number := func(a int, what string) string {
		return fmt.Sprintf("/usage/queue/numbers/%d/%s", s.accounts[a].ID, what)
	}
	for _, who := range []string{"ana", "cleo"} {
		s.act(who, path(other, "cancel"), http.StatusForbidden)
		s.act(who, path(mine, "first"), http.StatusForbidden)
		s.act(who, number(0, "pause"), http.StatusForbidden)
		s.act(who, number(0, "cancel"), http.StatusForbidden)
	}
	s.act("sam", number(1, "pause"), http.StatusForbidden) // of nobody in the team
	page := s.see("ana", "/usage/queue")
	wants(t, page, "mine", "A message in a chat that you don&#39;t see")
	if strings.Contains(page, "zebra") || strings.Contains(page, "/first") || !strings.Contains(page, path(mine, "cancel")) {
		t.Errorf("what an agent sees:\n%s", page)
	}

	if a := s.act("sam", path(third, "first"), http.StatusOK); a.Path != "/usage/queue?number=1" {
		t.Errorf("after it: %+v", a)
	}
	if got, want := fmt.Sprint(s.queued()), fmt.Sprint([]int64{third, mine, other}); got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	wants(t, s.see("olga", "/usage/queue"), "Put first")
	s.act("sam", number(0, "pause"), http.StatusOK)
	wants(t, s.see("ana", "/usage/queue"), "Paused by SAM", "Its number is paused")
	s.act("olga", number(0, "resume"), http.StatusOK)
	s.act("ana", path(mine, "cancel"), http.StatusOK)
	s.act("ana", path(mine, "cancel"), http.StatusNotFound)
	if a := s.act("olga", number(0, "cancel"), http.StatusOK); a.Message != "2 cancelled; 0 were being sent or sent already." {
		t.Errorf("after cancelling all: %q", a.Message)
	}
	if faults, err := s.store.AuditLedger(t.Context()); err != nil || len(faults) > 0 {
		t.Errorf("audit: %v, %v", faults, err)
	}
	page = s.see("olga", "/usage/ledger")
	wants(t, page, "Message accepted", "Given back", "It was cancelled", "New period")
}

func TestNothingOfAnotherWorkspaceIsShownOrChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.accept("olga", "secret words", 0)
	other, owner, err := s.store.CreateWorkspace(t.Context(), tideline.Workspace{Slug: "rival", DisplayName: "Rival", TimeZone: "UTC",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: time.Now()},
		tideline.Member{Email: "ron@example.com", DisplayName: "Ron", CreatedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	s.members["ron"], s.ws = owner, other
	for _, target := range []string{"/usage", "/usage/queue", "/usage/ledger"} {
		if page := s.see("ron", target); strings.Contains(page, "secret words") || strings.Contains(page, "Front desk") {
			t.Errorf("%s shows another workspace", target)
		}
	}
	s.act("ron", fmt.Sprintf("/usage/queue/messages/%d/cancel", id), http.StatusNotFound)
	s.act("ron", fmt.Sprintf("/usage/queue/messages/%d/first", id), http.StatusNotFound)
	s.act("ron", fmt.Sprintf("/usage/queue/numbers/%d/pause", s.accounts[0].ID), http.StatusNotFound)
	if a := s.act("ron", fmt.Sprintf("/usage/queue/numbers/%d/cancel", s.accounts[0].ID), http.StatusOK); !strings.HasPrefix(a.Message, "0 cancelled") {
		t.Errorf("cancelled of another workspace: %q", a.Message)
	}
}

func TestUsageShowsWhatWasSpentByDay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	wants(t, s.see("ana", "/usage"), "Nothing was spent", "1000")
	for range 3 {
		s.accept("olga", "x", 0)
	}
	page := s.see("olga", "/usage?days=7")
	wants(t, page, `role="img"`, `class="charged"`, "Charged: 3", "Front desk", "Look at the queue", "997", "3 of 1000 used")
	if n := strings.Count(page, `<tr><td><time`); n != 7 {
		t.Errorf("%d days in the table, want 7", n)
	}
	if strings.Contains(page, "style=") {
		t.Error("an inline style would not be applied")
	}
	wants(t, s.see("olga", "/usage?days=5000"), `href="/usage?days=30" aria-current="true"`)
	for range 60 {
		s.accept("olga", "x", 0)
	}
	page = s.see("olga", "/usage/ledger")
	at := strings.Index(page, "/usage/ledger?before=")
	if at < 0 {
		t.Fatal("the ledger has no second page")
	}
	older, _, _ := strings.Cut(page[at:], `"`)
	wants(t, s.see("olga", older), "New period", "Newest")
}
