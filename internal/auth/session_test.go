package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const secretWord = "velvet-tractor"

// door is Sessions over a real database, with two workspaces, and time that
// stands still unless it is moved.
type door struct {
	*auth.Sessions
	t       *testing.T
	store   *seenCounter
	at      atomic.Int64
	ws      tideline.Workspace
	owner   tideline.Member
	other   tideline.Workspace
	ownerOf tideline.Member // of the other workspace
}

// seenCounter counts what is written about the use of sessions.
type seenCounter struct {
	store.Store
	written atomic.Int64
	fail    atomic.Bool
}

func (s *seenCounter) NoteSeen(ctx context.Context, g []store.Sighting) error {
	if s.fail.Load() {
		return errors.New("disk on fire")
	}
	s.written.Add(int64(len(g)))
	return s.Store.NoteSeen(ctx, g)
}

func (d *door) now() time.Time        { return time.UnixMilli(d.at.Load()).UTC() }
func (d *door) move(by time.Duration) { d.at.Add(by.Milliseconds()) }
func (d *door) browser() auth.Browser {
	return auth.Browser{Address: "192.0.2.7", UserAgent: "Firefox"}
}
func (d *door) must(err error) { must(d.t, err) }
func (d *door) want(err error, c tideline.Code) {
	d.t.Helper()
	if tideline.ErrorCode(err) != c {
		d.t.Fatalf("got %v, want %s", err, c)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openDoor(t *testing.T, edit ...func(*auth.SessionConfig)) *door {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: migrated.SQLite(t), Conns: 2})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	d := &door{t: t, store: &seenCounter{Store: s}}
	d.at.Store(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixMilli())
	cfg := auth.SessionConfig{Now: d.now}
	for _, e := range edit {
		e(&cfg)
	}
	d.Sessions = auth.NewSessions(d.store, cfg)
	d.ws, d.owner = d.workspace("acme")
	d.other, d.ownerOf = d.workspace("other")
	return d
}

func (d *door) workspace(slug string) (tideline.Workspace, tideline.Member) {
	d.t.Helper()
	ws, owner, err := d.store.CreateWorkspace(d.t.Context(), tideline.Workspace{
		Slug: slug, DisplayName: slug, TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: d.now(),
	}, tideline.Member{Email: "owner@" + slug + ".example", DisplayName: "Owner", Role: tideline.RoleOwner, CreatedAt: d.now()})
	d.must(err)
	return ws, owner
}

func (d *door) signIn(email, password string) (string, tideline.Session, error) {
	return d.SignIn(d.t.Context(), auth.Credentials{Email: email, Password: password, Browser: d.browser()})
}

// signedIn signs a member in and gives the principal.
func (d *door) signedIn(email, password string) (string, *tideline.Principal) {
	d.t.Helper()
	secret, _, err := d.signIn(email, password)
	d.must(err)
	p, err := d.Authenticate(d.t.Context(), secret)
	d.must(err)
	return secret, p
}

func TestSigningIn(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	_, _, err := d.signIn(d.owner.Email, "")
	if !errors.Is(err, auth.ErrWrongPassword) {
		t.Fatalf("without a password chosen: %v", err)
	}
	d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
	for _, c := range []auth.Credentials{
		{Email: d.owner.Email, Password: "velvet-tractors"}, {Email: "nobody@acme.example", Password: secretWord},
		{Email: d.owner.Email, Password: secretWord, Workspace: "other"}, {Email: d.ownerOf.Email, Password: secretWord},
		{Email: strings.Repeat("a", 300), Password: secretWord}, {Email: "a\x00b", Password: secretWord}, {Email: d.owner.Email, Password: strings.Repeat("a", 201)},
	} {
		secret, _, err := d.SignIn(t.Context(), c)
		if !errors.Is(err, auth.ErrWrongPassword) || secret != "" {
			t.Errorf("%q with %q in %q: %q, %v", c.Email, c.Password, c.Workspace, secret, err)
		}
	}
	secret, se, err := d.signIn(" OWNER@acme.example ", secretWord)
	d.must(err)
	p, err := d.Authenticate(t.Context(), secret)
	d.must(err)
	if p.Member.ID != d.owner.ID || p.Workspace.ID != d.ws.ID || p.Session.ID != se.ID || p.Session.ByLink || p.Token.ID != 0 ||
		p.Session.Address != "192.0.2.7" || p.Session.UserAgent != "Firefox" {
		t.Errorf("principal %+v", p)
	}
	_, err = d.Authenticate(t.Context(), "")
	d.want(err, tideline.CodeMissingCredentials)
	_, err = d.Authenticate(t.Context(), secret+"x")
	d.want(err, tideline.CodeInvalidToken)
}

func TestOnePasswordInTwoWorkspacesAsksWhich(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	ben := tideline.Member{WorkspaceID: d.ws.ID, Email: "ben@example.com", DisplayName: "Ben", Role: tideline.RoleAgent, CreatedAt: d.now()}
	here, err := d.store.AddMember(t.Context(), ben)
	d.must(err)
	ben.WorkspaceID = d.other.ID
	there, err := d.store.AddMember(t.Context(), ben)
	d.must(err)
	d.must(d.ResetPassword(t.Context(), &here, secretWord))
	d.must(d.ResetPassword(t.Context(), &there, secretWord+"2"))
	if _, p := d.signedIn("ben@example.com", secretWord+"2"); p.Workspace.ID != d.other.ID {
		t.Errorf("the password of %s led to %s", d.other.Slug, p.Workspace.Slug)
	}
	d.must(d.ResetPassword(t.Context(), &there, secretWord))
	_, _, err = d.signIn("ben@example.com", secretWord)
	choice, ok := errors.AsType[*auth.ChoiceError](err)
	if !ok || len(choice.Workspaces) != 2 {
		t.Fatalf("got %v, want a choice of two", err)
	}
	_, _, err = d.signIn("ben@example.com", "wrong-"+secretWord)
	if !errors.Is(err, auth.ErrWrongPassword) {
		t.Errorf("a wrong password: %v; it must not tell where Ben works", err)
	}
	_, se, err := d.SignIn(t.Context(), auth.Credentials{Email: "ben@example.com", Password: secretWord, Workspace: "acme"})
	d.must(err)
	if se.WorkspaceID != d.ws.ID {
		t.Errorf("led to %d", se.WorkspaceID)
	}
}

func TestAttemptsAreLimitedByEMailAndByAddress(t *testing.T) {
	t.Parallel()
	d := openDoor(t, func(c *auth.SessionConfig) {
		c.PerEmail, c.PerAddress = auth.Rate{PerSecond: 0.1, Burst: 2}, auth.Rate{PerSecond: 1, Burst: 5}
	})
	try := func(email, address string) error {
		_, _, err := d.SignIn(t.Context(), auth.Credentials{Email: email, Password: "wrong password", Browser: auth.Browser{Address: address}})
		return err
	}
	for i, email := range []string{"a@example.com", "A@example.com"} {
		if err := try(email, "192.0.2."+string(rune('1'+i))); !errors.Is(err, auth.ErrWrongPassword) {
			t.Fatal(err)
		}
	}
	err := try(" a@example.com", "192.0.2.9")
	many, ok := errors.AsType[*auth.TooManyError](err)
	if !ok || many.After != 10*time.Second || !tideline.IsCode(err, tideline.CodeRateLimitExceeded) {
		t.Fatalf("the third for one e-mail, from three addresses: %v", err)
	}
	for i := range 5 {
		if err := try(string(rune('b'+i))+"@example.com", "2001:db8::"+string(rune('1'+i))); !errors.Is(err, auth.ErrWrongPassword) {
			t.Fatal(err)
		}
	}
	if _, ok := errors.AsType[*auth.TooManyError](try("z@example.com", "2001:db8::ffff")); !ok {
		t.Error("an address of the same network was let through")
	}
	d.move(10 * time.Second)
	if err := try("a@example.com", "192.0.2.9"); !errors.Is(err, auth.ErrWrongPassword) {
		t.Errorf("after the time that was asked for: %v", err)
	}
}

func TestASessionLastsWhileItIsUsedAndIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
	secret, p := d.signedIn(d.owner.Email, secretWord)
	flush := func() {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d.must(d.Run(ctx)) // writes what was noted, once more, and ends
	}
	use := func() {
		t.Helper()
		_, err := d.Authenticate(t.Context(), secret)
		d.must(err)
	}
	flush()
	if n := d.store.written.Load(); n != 0 {
		t.Fatalf("%d writes within the first minute", n)
	}
	for range 5 {
		d.move(20 * time.Second)
		for range 10 {
			use()
		}
		flush()
	}
	if n := d.store.written.Load(); n != 1 {
		t.Errorf("%d writes in 100 seconds, want one, after a minute", n)
	}
	for range 4 { // longer than a session lasts unseen, all in all
		d.move(20 * 24 * time.Hour)
		use()
		d.store.fail.Store(true)
		flush() // lost
		d.store.fail.Store(false)
		flush() // and tried again
	}
	list, err := d.List(t.Context(), d.ws.ID, d.owner.ID)
	d.must(err)
	if len(list) != 1 || !list[0].SeenAt.Equal(d.now()) || list[0].ID != p.Session.ID {
		t.Errorf("sessions %+v", list)
	}
	d.move(tideline.SessionLife)
	_, err = d.Authenticate(t.Context(), secret)
	d.want(err, tideline.CodeInvalidToken)
	if list, err := d.List(t.Context(), d.ws.ID, d.owner.ID); err != nil || len(list) != 0 {
		t.Errorf("sessions %+v, %v", list, err)
	}
}

func TestSessionsAreEnded(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
	var secrets []string
	var people []*tideline.Principal
	for range 4 {
		secret, p := d.signedIn(d.owner.Email, secretWord)
		secrets, people = append(secrets, secret), append(people, p)
	}
	in := func() (n []int) {
		for i, secret := range secrets {
			if _, err := d.Authenticate(t.Context(), secret); err == nil {
				n = append(n, i)
			} else {
				d.want(err, tideline.CodeInvalidToken)
			}
		}
		return n
	}
	check := func(what string, want ...int) {
		t.Helper()
		if got := in(); !slices.Equal(got, want) {
			t.Fatalf("%s: signed in are %v, want %v", what, got, want)
		}
	}
	check("at first", 0, 1, 2, 3)
	d.must(d.SignOut(t.Context(), people[0]))
	d.must(d.SignOut(t.Context(), people[0]))
	check("one signed out", 1, 2, 3)
	d.must(d.End(t.Context(), d.ws.ID, d.owner.ID, people[1].Session.ID))
	check("one was ended", 2, 3)
	d.want(d.End(t.Context(), d.other.ID, d.ownerOf.ID, people[2].Session.ID), tideline.CodeNotFound)
	n, err := d.EndOthers(t.Context(), people[2])
	d.must(err)
	check("the others were ended", 2)
	if n != 1 {
		t.Errorf("%d were ended", n)
	}
	_, err = d.Refresh(t.Context(), people[3])
	d.want(err, tideline.CodeInvalidToken)
	n, err = d.EndAll(t.Context(), d.ws.ID, d.owner.ID)
	d.must(err)
	check("all were ended")
	if n != 1 {
		t.Errorf("%d were ended", n)
	}
}

func TestAPasswordIsChangedByWhoKnowsIt(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
	mine, p := d.signedIn(d.owner.Email, secretWord)
	others, _ := d.signedIn(d.owner.Email, secretWord)
	for old, password := range map[string]string{"wrong": "another-tractor", "": "another-tractor", secretWord: "short"} {
		d.want(d.SetPassword(t.Context(), p, old, password), tideline.CodeValidation)
	}
	d.must(d.SetPassword(t.Context(), p, secretWord, "another-tractor"))
	_, err := d.Authenticate(t.Context(), mine)
	d.must(err)
	_, err = d.Authenticate(t.Context(), others)
	d.want(err, tideline.CodeInvalidToken)
	_, _, err = d.signIn(d.owner.Email, secretWord)
	if !errors.Is(err, auth.ErrWrongPassword) {
		t.Errorf("the old password: %v", err)
	}
	d.signedIn(d.owner.Email, "another-tractor")
	d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
	_, err = d.Authenticate(t.Context(), mine)
	d.want(err, tideline.CodeInvalidToken)
}

func TestAHashOfAnotherCostIsReplacedAtSignIn(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	d.must(d.store.SetPassword(t.Context(), d.ws.ID, d.owner.ID, phc, 0))
	d.signedIn(d.owner.Email, "password")
	l, err := d.store.LoginOf(t.Context(), d.ws.ID, d.owner.ID)
	d.must(err)
	if !strings.HasPrefix(l.Password, "$argon2id$v=19$m=19456,") {
		t.Errorf("still %s", l.Password)
	}
	d.signedIn(d.owner.Email, "password")
}

func TestRefreshersKnowTokensAndSessions(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.must(d.ResetPassword(t.Context(), &d.owner, secretWord))
	_, bySession := d.signedIn(d.owner.Email, secretWord)
	text, _, err := auth.NewTokens(d.store, d.now).Create(t.Context(), d.ws, d.owner, "ci", 0)
	d.must(err)
	tokens := auth.New(d.store, auth.Config{Now: d.now})
	byToken, err := tokens.Authenticate(t.Context(), text)
	d.must(err)
	_, err = d.store.UpdateSelf(t.Context(), d.ws.ID, d.owner.ID, store.SelfUpdate{DisplayName: new("Olga")})
	d.must(err)
	both := auth.Refreshers{Tokens: tokens, Sessions: d.Sessions}
	for _, p := range []*tideline.Principal{bySession, byToken} {
		fresh, err := both.Refresh(t.Context(), p)
		d.must(err)
		if fresh.Version <= p.Version || fresh.Member.DisplayName != "Olga" || fresh.Session.ID != p.Session.ID || fresh.Token.ID != p.Token.ID {
			t.Errorf("refreshed to %+v", fresh)
		}
	}
}
