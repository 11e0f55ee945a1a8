package phones_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox"
	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/phones"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/wasim"
)

const (
	cookie = "tideline_test"
	ana    = "14840000001"
	dilan  = "14840000004"
)

// anybody is signed in with every secret.
type anybody struct{}

func (anybody) Authenticate(context.Context, string) (*tideline.Principal, error) {
	return &tideline.Principal{
		Workspace: tideline.Workspace{ID: 1, TimeZone: "UTC"},
		Member:    tideline.Member{ID: 2, DisplayName: "Olga", Role: tideline.RoleAgent},
	}, nil
}

// site is the section on an emulated network.
type site struct {
	t     *testing.T
	world *sandbox.World
	http.Handler
}

func newSite(t *testing.T) site {
	t.Helper()
	w, err := sandbox.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	kit, err := ui.New(ui.Config{Sessions: anybody{}, Cookie: cookie, Sandbox: true})
	if err != nil {
		t.Fatal(err)
	}
	h, err := kit.Handler(phones.New(phones.Deps{World: w}))
	if err != nil {
		t.Fatal(err)
	}
	return site{t, w, h}
}

// ask makes a request as a script does; form is nil for a GET.
func (s site) ask(target string, form url.Values) (status int, body string, h http.Header) {
	s.t.Helper()
	method, accept := http.MethodGet, "text/html"
	if form != nil {
		method, accept = http.MethodPost, "application/json"
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(form.Encode()))
	r.AddCookie(&http.Cookie{Name: cookie, Value: "x"})
	r.Header.Set("Accept", accept)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	res := w.Result()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(data), res.Header
}

func (s site) must(target string, form url.Values) {
	s.t.Helper()
	if status, body, _ := s.ask(target, form); status != http.StatusOK {
		s.t.Fatalf("%s %v: %d %s", target, form, status, body)
	}
}

// await asks for a phone's page until it shows all the texts.
func (s site) await(target string, texts ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		_, next := s.world.Changes()
		_, body, _ := s.ask(target, nil)
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(body, text) }) {
			return body
		}
		select {
		case <-next:
		case <-ctx.Done():
			s.t.Fatalf("%s never shows %q:\n%s", target, texts, body)
		}
	}
}

func TestAPhoneShowsWhatItsOwnerWritesAndGets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if status, _, h := s.ask("/phones", nil); status != http.StatusSeeOther || h.Get("Location") != "/phones/14840000000" {
		t.Errorf("the first page is %d %s, want that of a phone", status, h.Get("Location"))
	}
	to := url.Values{"to": {"+" + dilan}}
	say := func(more url.Values) {
		form := url.Values{"to": to["to"]}
		for k, v := range more {
			form[k] = v
		}
		s.must("/phones/"+ana+"/messages", form)
	}
	say(url.Values{"text": {"Is it <b>open</b>?"}})
	page := s.await("/phones/"+dilan+"?chat=%2B"+ana, "Is it &lt;b&gt;open&lt;/b&gt;?", "Ana Costa")
	id := between(page, `id="bubble-`, `"`)
	s.must("/phones/"+dilan+"/react", url.Values{"message": {id}, "emoji": {"👍"}})
	s.must("/phones/"+dilan+"/messages", url.Values{"to": {"+" + ana}, "text": {"until eight"}, "reply": {id}})
	s.await("/phones/"+ana+"?chat=%2B"+dilan, "👍</span>", "<blockquote>", "until eight")
	say(url.Values{"text": {"Is it closed?"}, "edit": {id}})
	s.await("/phones/"+dilan+"?chat=%2B"+ana, "Is it closed?", "edited")
	s.must("/phones/"+ana+"/delete", url.Values{"message": {id}})
	s.await("/phones/"+dilan+"?chat=%2B"+ana, "This message was deleted")

	say(url.Values{"sample": {"voice"}})
	page = s.await("/phones/"+dilan+"?chat=%2B"+ana, "<audio")
	path := between(page, `<audio src="`, `"`)
	status, body, h := s.ask(path, nil)
	if status != http.StatusOK || !strings.HasPrefix(body, "OggS") || h.Get("Content-Type") != "audio/ogg; codecs=opus" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the voice note is %d, %d bytes, %v", status, len(body), h)
	}
	say(url.Values{"sample": {"picture"}, "text": {"look"}})
	page = s.await("/phones/"+dilan+"?chat=%2B"+ana, "<img", "look")
	if status, body, h := s.ask(between(page, `<img src="`, `"`), nil); status != http.StatusOK || !strings.HasPrefix(body, "\x89PNG") || h.Get("Content-Type") != "image/png" {
		t.Errorf("the picture is %d, %d bytes, %v", status, len(body), h)
	}
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	found, _, _ := strings.Cut(rest, to)
	return strings.ReplaceAll(found, "&#43;", "+")
}

func TestAPageHearsOfNewsAndOfNoneWithoutThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.await("/phones/"+ana, "Ana Costa")
	watch := "/phones/" + ana + "/world?seen=" + between(page, `data-seen="`, `"`)
	if status, _, _ := s.ask(watch, nil); status != http.StatusNoContent {
		t.Errorf("without news: status %d, want 204", status)
	}
	if err := s.world.SavePhone(t.Context(), scene.Phone{Number: "+14840000005", Name: "Eva", Registered: true}); err != nil {
		t.Fatal(err)
	}
	status, body, h := s.ask(watch, nil)
	if status != http.StatusOK || !strings.Contains(body, "Eva") || h.Get("X-Seen") == "" || strings.Contains(body, "<html") {
		t.Errorf("with news: status %d, seen %q: %s", status, h.Get("X-Seen"), body)
	}
}

func TestWhatAPhoneDoesByItselfIsChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.must("/phones", url.Values{"number": {"+1 484 000 0005"}, "name": {"Eva"}})
	find := func() scene.Phone {
		for _, p := range s.world.Phones() {
			if p.Number == "+14840000005" {
				return p
			}
		}
		return scene.Phone{}
	}
	if p := find(); p.Name != "Eva" || !p.Registered || !p.Reads || p.Online {
		t.Errorf("added %+v", p)
	}
	s.must("/phones/14840000005/settings", url.Values{"name": {"Eva M"}, "registered": {"1"}, "delivers": {"1"}, "online": {"1"}})
	if p := find(); p.Name != "Eva M" || p.Reads || !p.Delivers || !p.Online {
		t.Errorf("changed to %+v", p)
	}
	s.must("/phones/"+ana+"/groups", url.Values{"subject": {"Launch"}, "member": {"+14840000005", "+" + dilan}})
	groups := s.world.Groups()
	if len(groups) != 1 || len(groups[0].Members) != 3 {
		t.Fatalf("groups %+v", groups)
	}
	s.must("/phones/"+ana+"/messages", url.Values{"to": {groups[0].JID}, "text": {"hello all"}})
	s.await("/phones/14840000005?chat="+url.QueryEscape(groups[0].JID), "hello all", "Ana Costa")
	before := s.world.Now()
	s.must("/phones/"+ana+"/clock", url.Values{"hours": {"24"}})
	if s.world.Now().Sub(before) < 24*time.Hour {
		t.Error("the clock was not set forward")
	}
}

func TestEveryFaultIsSwitchedOnAndOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.await("/phones/"+ana, "Ana Costa")
	var kinds []string
	for part := range strings.SplitSeq(page, `name="fault" value="`) {
		key, _, _ := strings.Cut(part, `"`)
		if strings.HasPrefix(part, "<") || strings.Contains(key, "<") || strings.Contains(key, "\n") {
			continue // before the first
		}
		on := url.Values{"fault": {key}}
		s.must("/phones/"+ana+"/fault", on)
		faults := s.world.Faults()
		for _, f := range faults {
			kinds = append(kinds, f.Kind)
		}
		_, body, _ := s.ask("/phones/"+ana, nil)
		shown := strings.Contains(body, `<li id="fault-`+key+`" class="on">`)
		if shown != (len(faults) > 0) {
			t.Errorf("%s: shown as on: %v, with the faults %+v", key, shown, faults)
		}
		if len(faults) > 0 {
			s.must("/phones/"+ana+"/fault", on)
		}
		if left := s.world.Faults(); len(left) > 0 {
			t.Errorf("%s leaves %+v", key, left)
		}
	}
	now := []wasim.FaultKind{
		wasim.FaultCut, wasim.FaultRestart, wasim.FaultKick, wasim.FaultLogout, wasim.FaultStreamError, wasim.FaultHalfOpen,
		wasim.FaultLoseSessions, wasim.FaultNewPhone, wasim.FaultLoseKeys,
	}
	for _, kind := range wasim.FaultKinds() {
		if !slices.Contains(kinds, string(kind)) && !slices.Contains(now, kind) {
			t.Errorf("the page can't switch on %s", kind)
		}
	}
	s.must("/phones/"+ana+"/fault", url.Values{"fault": {"refused"}})
	s.must("/phones/"+ana+"/heal", url.Values{"limit": {"on"}})
	s.await("/phones/"+ana, `<li id="fault-limit" class="on">`)
	s.must("/phones/"+ana+"/heal", url.Values{})
	if body := s.await("/phones/" + ana); strings.Contains(body, `class="on"`) {
		t.Error("something is still on after everything was set back")
	}
}

func TestWhatMakesNoSenseIsRefusedInWords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for target, form := range map[string]url.Values{
		"/phones":                       {"number": {"12"}, "name": {"x"}},
		"/phones?":                      {"number": {"+" + ana}, "name": {"x"}},
		"/phones/" + ana + "/messages":  {"to": {"+" + dilan}},
		"/phones/" + ana + "/messages?": {"to": {"+14849999999"}, "text": {"x"}},
		"/phones/" + ana + "/react":     {"message": {"nothing"}, "emoji": {"👍"}},
		"/phones/" + ana + "/scan":      {"pairing": {"1"}},
		"/phones/" + ana + "/code":      {"code": {"ABCD-EFGH"}},
		"/phones/" + ana + "/clock":     {"hours": {"-1"}},
		"/phones/" + ana + "/typing":    {"to": {"+" + dilan}, "state": {"dancing"}},
		"/phones/14849999999/messages":  {"to": {"+" + dilan}, "text": {"x"}},
		"/phones/" + ana + "/fault":     {"fault": {"gremlins"}},
		"/phones/" + ana + "/unlink":    {"device": {"one"}},
	} {
		status, body, _ := s.ask(target, form)
		if status < 400 || status >= 500 || strings.Contains(body, "wasim") {
			t.Errorf("%s %v: %d %s, want an error in words of people", target, form, status, body)
		}
	}
	for _, target := range []string{"/phones/14849999999", "/phones/" + ana + "/files/nothing", "/phones/x/world?seen=1"} {
		if status, _, _ := s.ask(target, nil); status != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", target, status)
		}
	}
}
