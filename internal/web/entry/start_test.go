package entry_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// settled is a workspace whose owner has a password.
func settled(t *testing.T, o options) (*world, *person) {
	t.Helper()
	w := newWorld(t, o)
	w.must(w.sessions.ResetPassword(t.Context(), &w.owner, password))
	_, _, err := auth.NewTokens(w.store, nil).Create(t.Context(), w.ws, w.owner, "first token", 0) // as serve does
	w.must(err)
	return w, w.person().in(w.owner)
}

// settle moves the one queued message on.
func (w *world) settle(status tideline.Status, reason tideline.Reason) {
	w.t.Helper()
	var queued []store.Queued
	w.must(w.store.Backlog(w.t.Context(), func(q store.Queued) error { queued = append(queued, q); return nil }))
	if len(queued) != 1 {
		w.t.Fatalf("%d messages are queued", len(queued))
	}
	w.must(w.store.Settle(w.t.Context(), store.Settlement{WorkspaceID: w.ws.ID, AccountID: queued[0].AccountID, MessageID: queued[0].MessageID,
		Status: status, Reason: reason, At: time.Now(), LaneAt: time.Now()}))
}

func TestFirstStepsLeadFromNothingToASentMessage(t *testing.T) {
	t.Parallel()
	w, ana := settled(t, options{})
	ana.get("/").redirects("/start")
	g := ana.get("/start").is(http.StatusOK).shows("To do: Pair a phone", "To do: Send a first message", "To do: Send from your program")
	if g.element("phone") == nil || !strings.Contains(g.text, `href="/numbers/pair"`) {
		t.Error("the page leads to no phone")
	}
	ana.post("/start/message", "phone", "+14840000001", "text", "hi").is(http.StatusUnprocessableEntity).shows("account")
	ana.get("/start/message").is(http.StatusNotFound)

	w.account()
	ana.get("/start").shows("Done: Pair a phone", "+14840000000")
	if g := ana.post("/start/message", "phone", "12", "text", "hi").is(http.StatusUnprocessableEntity); g.wrong() != "phone" {
		t.Errorf("wrong: %q", g.wrong())
	}
	ana.post("/start/message", "phone", "+1 484 000 0001", "text", "hi").redirects("/start#message")
	ana.get("/start/message").is(http.StatusOK).shows("Waiting to be sent", "Delivered : not yet")
	ana.get("/start").shows("To do: Send a first message")
	w.settle(tideline.StatusFailed, tideline.ReasonNotOnWhatsApp)
	ana.get("/start").shows("To do: Send a first message", "not_on_whatsapp")

	ana.post("/start/message", "phone", "+14840000002", "text", "hi").redirects("/start#message")
	w.settle(tideline.StatusSent, "")
	ana.get("/start").shows("Done: Send a first message", "Sent").hides("not_on_whatsapp")
	ana.get("/start/message").is(http.StatusOK).shows("Read : not yet")
	ana.get("/").redirects("/start")

	g = ana.post("/start/token").is(http.StatusOK)
	text := words(g.element("token-text"))
	p, err := auth.New(w.store, auth.Config{}).Authenticate(t.Context(), text)
	w.must(err)
	if p.Member.ID != w.owner.ID || !strings.Contains(words(g.element("curl")), "Bearer "+text) || !strings.Contains(words(g.element("curl")), w.url+"/integrations/api/messages") {
		t.Errorf("token of %+v; curl: %s", p.Member, words(g.element("curl")))
	}
	if g.header.Get("Cache-Control") != "no-store" {
		t.Error("the page with the token may be kept")
	}
	if again := ana.get("/start").is(http.StatusOK).shows("All done."); strings.Contains(again.text, text) {
		t.Error("the token is shown twice")
	}
	ana.get("/").redirects("/inbox")
}

func TestAMessageOfAProgramIsAFirstMessageToo(t *testing.T) {
	t.Parallel()
	w, ana := settled(t, options{})
	w.account()
	bob := w.person().in(w.member("bob@example.com", tideline.RoleAdmin))
	bob.post("/start/message", "phone", "+14840000001", "text", "hi").redirects("")
	w.settle(tideline.StatusSent, "")
	w.must(w.store.SetSetting(t.Context(), "first steps: message of workspace 1", "")) // as if another way had been taken
	ana.get("/start").shows("Done: Send a first message")
}

func TestTheSandboxOffersItsCustomer(t *testing.T) {
	t.Parallel()
	w, ana := settled(t, options{sandbox: true})
	w.account()
	g := ana.get("/start").is(http.StatusOK).shows("paired already", "See the customers' phones")
	if v := attribute(g.element("phone"), "value"); v != "+14840000001" {
		t.Errorf("the form has the number %q", v)
	}
}

func TestFirstStepsCanBeSkippedAndAreForAdmins(t *testing.T) {
	t.Parallel()
	w, ana := settled(t, options{})
	ben := w.person().in(w.member("ben@example.com", tideline.RoleTeammate))
	ben.get("/").redirects("/inbox")
	for _, path := range []string{"/start/skip", "/start/token", "/start/message"} {
		ben.post(path, "phone", "+14840000001", "text", "x").is(http.StatusForbidden)
	}
	ben.get("/start").is(http.StatusForbidden)
	ana.get("/").redirects("/start")
	ana.post("/start/skip").redirects("/inbox")
	ana.get("/").redirects("/inbox")
	ana.get("/start").is(http.StatusOK) // for whoever wants it after all
}

func TestPagesAreInSpanish(t *testing.T) {
	t.Parallel()
	w, ana := settled(t, options{})
	w.account()
	ana.lang = "es"
	ana.get("/start").shows("Primeros pasos", "Hecho: Vincula un teléfono")
	ana.get("/me").shows("Dónde has iniciado sesión")
	w.person().get("/signin").shows("Sign in")
}
