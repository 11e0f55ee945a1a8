package entry_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestALinkIsUsedUpByAButtonOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	link := w.link(w.owner, tideline.LinkSignIn)
	scanner := w.person()
	for range 3 { // what looks links up in mails
		scanner.get(link).is(http.StatusOK).shows("Enter", "Main")
		scanner.ask(http.MethodHead, link, nil).is(http.StatusOK)
	}
	scanner.get("/me").redirects("/signin?next=%2Fme")
	ana := w.person()
	ana.post(link).redirects("/setup")
	ana.get("/me").is(http.StatusOK)
	ana.get(link).redirects("/") // she is in; the back button leads nowhere bad
	other := w.person()
	other.post(link).is(http.StatusNotFound).shows("This link is over")
	other.get(link).is(http.StatusNotFound)
	other.get("/enter/nonsense").is(http.StatusNotFound)
	other.get("/me").redirects("/signin?next=%2Fme")
}

func TestASessionIsKeptInACookieThatScriptsAndOtherSitesCantUse(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		w := newWorld(t, options{secure: secure})
		got := w.person().post(w.link(w.owner, tideline.LinkSignIn)).redirects("").header.Get("Set-Cookie")
		for _, part := range []string{auth.CookieName(secure) + "=", "HttpOnly", "SameSite=Lax", "Path=/"} {
			if !strings.Contains(got, part) {
				t.Errorf("secure %v: the cookie %q lacks %s", secure, got, part)
			}
		}
		if strings.Contains(got, "; Secure") != secure || strings.HasPrefix(got, "__Host-") != secure || strings.Contains(got, "Domain") {
			t.Errorf("secure %v: cookie %q", secure, got)
		}
	}
}

func TestANewOwnerSaysWhoTheyAreAndComesBackWithAPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ana := w.person()
	ana.post(w.link(w.owner, tideline.LinkSignIn)).redirects("/setup")
	ana.get("/").redirects("/setup")
	ana.get("/setup").is(http.StatusOK).hides(".invalid")
	for fields, wrong := range map[[4]string]string{
		{"", "ana@example.com", password, "Europe/Madrid"}:                    "name",
		{"Ana", "nonsense", password, "Europe/Madrid"}:                        "email",
		{"Ana", "owner@main.invalid", password, "Europe/Madrid"}:              "email",
		{"Ana", "ana@example.com", "t1ny", "Mars/Olympus"}:                    "password zone",
		{"Ana", "ana@example.com", "ana@example.com", "Europe/Madrid"}:        "password",
		{"Ana", "ana@example.com", "password123", ""}:                         "password zone",
		{"Ana", "ana@example.com", strings.Repeat("x1", 101), "Europe/Paris"}: "password",
	} {
		g := ana.post("/setup", "name", fields[0], "email", fields[1], "password", fields[2], "zone", fields[3]).is(http.StatusUnprocessableEntity)
		if g.wrong() != wrong {
			t.Errorf("%q: the fields %q are wrong, want %q", fields, g.wrong(), wrong)
		}
		if strings.Contains(g.text, fields[2]) && fields[2] != fields[1] {
			t.Errorf("%q: the page repeats the password", fields)
		}
	}
	if has, err := w.store.HasPasswords(t.Context(), w.ws.ID); err != nil || has {
		t.Fatalf("a refused form set a password: %v, %v", has, err)
	}
	ana.post("/setup", "name", " Ana Ruiz ", "email", "ana@example.com", "password", password, "zone", "Europe/Madrid").redirects("/start")
	ana.get("/setup").redirects("/") // once
	ana.post("/setup", "name", "Eve", "email", "eve@example.com", "password", "another-tractor", "zone", "UTC").redirects("/")
	login, err := w.store.LoginOf(t.Context(), w.ws.ID, w.owner.ID)
	w.must(err)
	if login.Member.DisplayName != "Ana Ruiz" || login.Member.Email != "ana@example.com" || login.Workspace.TimeZone != "Europe/Madrid" {
		t.Errorf("kept %+v in %s", login.Member, login.Workspace.TimeZone)
	}

	ana.post("/signout").redirects("/signin")
	ana.get("/me").redirects("/signin?next=%2Fme")
	ana.post("/signout").redirects("/signin")
	ana.get("/signin").is(http.StatusOK)
	ana.post("/signin", "email", "ana@example.com", "password", "wrong").is(http.StatusUnprocessableEntity).shows("is wrong")
	ana.post("/signin", "email", "ANA@example.com", "password", password, "next", "/me?tab=1").redirects("/me?tab=1")
	ana.get("/me").is(http.StatusOK).shows("Ana Ruiz")
	ana.get("/signin").redirects("/")
}

func TestSigningInLeadsToPagesOfOursOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ben := w.member("ben@example.com", tideline.RoleAgent)
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/"} {
		p := w.person()
		g := p.post("/signin", "email", ben.Email, "password", password, "next", next)
		g.redirects("/inbox")
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{rate: auth.Rate{PerSecond: 1.0 / 60, Burst: 2}})
	ben := w.member("ben@example.com", tideline.RoleAgent)
	p := w.person()
	for range 2 {
		p.post("/signin", "email", ben.Email, "password", "guess").is(http.StatusUnprocessableEntity)
	}
	g := p.post("/signin", "email", ben.Email, "password", password).is(http.StatusTooManyRequests).shows("too many attempts")
	if g.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if g.header.Get("Set-Cookie") != "" {
		t.Error("the right password got in although it came too soon")
	}
	// The way round it, for the member.
	p.in(ben).get("/me").is(http.StatusOK)
}

func TestOnePasswordInTwoWorkspacesAsksWhich(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.member("ben@example.com", tideline.RoleAgent)
	other, _, err := w.store.CreateWorkspace(t.Context(), tideline.Workspace{Slug: "shop", DisplayName: "The shop", TimeZone: "UTC",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: time.Now()},
		tideline.Member{Email: "x@example.com", DisplayName: "X", Role: tideline.RoleOwner, CreatedAt: time.Now()})
	w.must(err)
	there, err := w.store.AddMember(t.Context(), tideline.Member{WorkspaceID: other.ID, Email: "ben@example.com", DisplayName: "Ben", Role: tideline.RoleAgent, CreatedAt: time.Now()})
	w.must(err)
	w.must(w.sessions.ResetPassword(t.Context(), &there, password))
	p := w.person()
	p.post("/signin", "email", "ben@example.com", "password", password).is(http.StatusUnprocessableEntity).shows("The shop", "Main")
	p.post("/signin", "email", "ben@example.com", "password", "wrong").is(http.StatusUnprocessableEntity).hides("The shop")
	p.post("/signin", "email", "ben@example.com", "password", password, "workspace", "shop").redirects("/inbox")
}

func TestAnInvitationIsAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	eve, _, err := w.store.Invite(t.Context(), tideline.Member{WorkspaceID: w.ws.ID, Email: "eve@example.com", DisplayName: "eve", Role: tideline.RoleAgent,
		CreatedAt: time.Now(), InvitedAt: time.Now()}, "", -1)
	w.must(err)
	link := w.link(eve, tideline.LinkInvitation)
	p := w.person()
	p.lang = "es-MX,es;q=0.9"
	p.get(link).is(http.StatusOK).shows("Te damos la bienvenida a Main", "eve@example.com")
	if g := p.post(link, "name", "Eve", "password", "corta").is(http.StatusUnprocessableEntity); g.wrong() != "password" {
		t.Errorf("wrong: %s", g.wrong())
	} else {
		g.shows("Usa al menos 10 caracteres.")
	}
	p.post(link, "name", "Eve Díaz", "password", password).redirects("/inbox")
	p.get("/me").is(http.StatusOK).shows("Eve Díaz")
	login, err := w.store.LoginOf(t.Context(), w.ws.ID, eve.ID)
	w.must(err)
	if login.Member.Status() != tideline.MemberActive || login.Password == "" {
		t.Errorf("after joining: %+v", login.Member)
	}
}

func TestAnotherSignInInTheSameBrowserEndsTheFormerSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ben, cat := w.member("ben@example.com", tideline.RoleAgent), w.member("cat@example.com", tideline.RoleAgent)
	p := w.person().in(ben)
	p.in(cat)
	for m, want := range map[*tideline.Member]int{&ben: 0, &cat: 1} {
		list, err := w.sessions.List(t.Context(), w.ws.ID, m.ID)
		w.must(err)
		if len(list) != want {
			t.Errorf("%s has %d sessions, want %d", m.Email, len(list), want)
		}
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ben, cat := w.member("ben@example.com", tideline.RoleAgent), w.member("cat@example.com", tideline.RoleAgent)
	here, there, third, cats := w.person().in(ben), w.person().in(ben), w.person().in(ben), w.person().in(cat)
	list, err := w.sessions.List(t.Context(), w.ws.ID, ben.ID)
	w.must(err)
	g := here.get("/me").is(http.StatusOK).shows("Firefox · Linux", "192.0.2.9", "This browser")
	for _, se := range list {
		if g.element(fmt.Sprintf("session-%d", se.ID)) == nil {
			t.Errorf("session %d is not listed", se.ID)
		}
	}
	// list[1] is there's: the last opened is first.
	cats.post(fmt.Sprintf("/me/sessions/%d/end", list[1].ID)).is(http.StatusNotFound)
	there.get("/me").is(http.StatusOK)
	here.post(fmt.Sprintf("/me/sessions/%d/end", list[1].ID)).redirects("/me")
	there.get("/me").redirects("/signin?next=%2Fme")
	here.get("/me").is(http.StatusOK).shows("The session has ended.")
	here.post("/me/sessions/end-others").redirects("/me")
	third.get("/me").redirects("/signin?next=%2Fme")
	cats.get("/me").is(http.StatusOK)
	here.get("/me").is(http.StatusOK)
}

func TestAPasswordIsChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ben := w.member("ben@example.com", tideline.RoleAgent)
	here, there := w.person(), w.person()
	for _, p := range []*person{here, there} {
		p.post("/signin", "email", ben.Email, "password", password).redirects("")
	}
	for form, wrong := range map[[2]string]string{{"wrong", "another-tractor"}: "old_password", {password, "short"}: "password", {"", "another-tractor"}: "old_password"} {
		if g := here.post("/me/password", "old_password", form[0], "password", form[1]).is(http.StatusUnprocessableEntity); g.wrong() != wrong {
			t.Errorf("%q: wrong is %q, want %q", form, g.wrong(), wrong)
		}
	}
	here.post("/me/password", "old_password", password, "password", "another-tractor").redirects("/me")
	here.get("/me").is(http.StatusOK).shows("Your password is changed.")
	there.get("/me").redirects("/signin?next=%2Fme")
	there.post("/signin", "email", ben.Email, "password", "another-tractor").redirects("")
	// Whoever came by a link has forgotten it, perhaps.
	lost := w.person().in(ben)
	if lost.get("/me").element("old_password") != nil {
		t.Error("asks for a password that may be forgotten")
	}
	lost.post("/me/password", "password", "third-tractor").redirects("/me")
}

func TestMembersChangeTheirProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ben := w.member("ben@example.com", tideline.RoleAgent)
	p := w.person().in(ben)
	// His e-mail is not his to change: an account's chats hang on it.
	p.post("/me/profile", "name", "Benito", "language", "es", "email", "owner@main.invalid").redirects("/me")
	p.get("/me").is(http.StatusOK).shows("Benito", "Cerrar sesión").hides("Sign out")
	login, err := w.store.LoginOf(t.Context(), w.ws.ID, ben.ID)
	w.must(err)
	if login.Member.Email != "ben@example.com" || login.Member.Language != "es" {
		t.Errorf("kept %+v", login.Member)
	}
	p.post("/me/profile", "name", " ", "language", "").is(http.StatusUnprocessableEntity)
	p.post("/me/profile", "name", "Ben", "language", "tlh").is(http.StatusUnprocessableEntity)
	owner := w.person().in(w.owner)
	if g := owner.post("/me/profile", "name", "Ana", "language", "", "email", "BEN@example.com").is(http.StatusUnprocessableEntity); g.wrong() != "email" {
		t.Errorf("wrong: %s", g.wrong())
	}
	owner.post("/me/profile", "name", "Ana", "language", "", "email", "ana@example.com").redirects("/me")
	login, err = w.store.LoginOf(t.Context(), w.ws.ID, w.owner.ID)
	w.must(err)
	if login.Member.Email != "ana@example.com" {
		t.Errorf("kept %+v", login.Member)
	}
}

func TestRequestsFromOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	p := w.person().in(w.member("ben@example.com", tideline.RoleAgent))
	for _, path := range []string{"/signout", "/me/profile", "/me/sessions/end-others", w.link(w.owner, tideline.LinkSignIn)} {
		p.ask(http.MethodPost, path, nil, "Origin", "https://evil.example").is(http.StatusForbidden)
		p.ask(http.MethodPost, path, nil, "Sec-Fetch-Site", "cross-site").is(http.StatusForbidden)
	}
	p.get("/me").is(http.StatusOK)
}

func TestARemovedMemberIsOutAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	ben := w.member("ben@example.com", tideline.RoleAgent)
	p := w.person().in(ben)
	p.get("/me").is(http.StatusOK)
	w.must(w.store.RemoveMember(t.Context(), w.ws.ID, ben.ID, time.Now()))
	p.get("/me").redirects("/signin?next=%2Fme")
	p.ask(http.MethodPost, "/me/profile", nil).is(http.StatusUnauthorized)
}
