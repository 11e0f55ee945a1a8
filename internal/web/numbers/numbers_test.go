package numbers_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/numbers"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const cookie = "tideline_test"

// place is the section over accounts in memory and a pairing that the test plays.
type place struct {
	t  *testing.T
	mu sync.Mutex

	accounts []tideline.Account
	pairings []chan whatsapp.PairEvent // that were begun
	asked    []whatsapp.PairRequest
	done     []string
	refuse   error
	http.Handler
}

// Authenticate takes a role for the secret of a session.
func (p *place) Authenticate(_ context.Context, secret string) (*tideline.Principal, error) {
	ids := map[string]int64{"owner": 1, "admin": 2, "agent": 3}
	return &tideline.Principal{Workspace: tideline.Workspace{ID: 1, TimeZone: "UTC"},
		Member: tideline.Member{ID: ids[secret], DisplayName: secret, Role: tideline.Role(secret)}}, nil
}

func (p *place) Pair(ctx context.Context, _ int64, _ tideline.Member, r whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return nil, p.refuse
	}
	in, out := make(chan whatsapp.PairEvent), make(chan whatsapp.PairEvent)
	p.pairings, p.asked = append(p.pairings, in), append(p.asked, r)
	go func() { // as account.Service: a pairing that is given up ends without a last word
		defer close(out)
		for {
			select {
			case e := <-in:
				out <- e
				if e.Paired != nil || e.Failed != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func (p *place) note(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, what)
	return nil
}

func (p *place) Reconnect(context.Context, int64, int64) error { return p.note("reconnect") }
func (p *place) Logout(context.Context, int64, int64) error    { return p.note("logout") }
func (p *place) Remove(context.Context, int64, int64) error    { return p.note("remove") }

func (p *place) AccountsOf(context.Context, int64) ([]tideline.Account, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accounts, 1, nil
}

func (p *place) Account(context.Context, int64, int64) (tideline.Account, error) {
	return tideline.Account{}, errors.New("not asked for")
}

func (p *place) Lengths(context.Context, *tideline.Principal) (map[int64]int64, error) {
	return map[int64]int64{7: 3}, nil
}

func (p *place) Runs(_ context.Context, who *tideline.Principal) (map[int64]bool, error) {
	return map[int64]bool{7: who.Member.Role.MayRunQueue()}, nil
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t}
	kit, err := ui.New(ui.Config{Sessions: p, Cookie: cookie, Sandbox: true})
	if err != nil {
		t.Fatal(err)
	}
	p.Handler, err = kit.Handler(numbers.New(numbers.Deps{Desk: account.NewDesk(p, nil), Queue: p, Accounts: p, Sandbox: true}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) ask(role, target string, form url.Values) (status int, body string, h http.Header) {
	p.t.Helper()
	method, accept := http.MethodGet, "text/html"
	if form != nil {
		method, accept = http.MethodPost, "application/json"
	}
	r := httptest.NewRequestWithContext(p.t.Context(), method, target, strings.NewReader(form.Encode()))
	r.AddCookie(&http.Cookie{Name: cookie, Value: role})
	r.Header.Set("Accept", accept)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	data, err := io.ReadAll(w.Result().Body)
	if err != nil {
		p.t.Fatal(err)
	}
	_, main, _ := strings.Cut(string(data), "<main")
	if strings.Contains(main, ">numbers.") {
		p.t.Errorf("%s shows a key: %s", target, main)
	}
	return w.Result().StatusCode, string(data), w.Result().Header
}

// expect asks for a page and for texts on it.
func (p *place) expect(role, target string, texts ...string) string {
	p.t.Helper()
	status, body, _ := p.ask(role, target, nil)
	if status != http.StatusOK {
		p.t.Fatalf("%s: %d %s", target, status, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			p.t.Errorf("%s lacks %q:\n%s", target, text, body)
		}
	}
	return body
}

// play gives the newest pairing an event, and waits until it was taken in.
func (p *place) play(e whatsapp.PairEvent) {
	p.mu.Lock()
	in := p.pairings[len(p.pairings)-1]
	p.mu.Unlock()
	in <- e
	synctest.Wait()
}

func TestAPairingGoesOnOverAReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.expect("owner", "/numbers", "No number is paired yet", "/numbers/pair")
		p.expect("owner", "/numbers/pair", "Show the code", "Get a code")
		if status, body, _ := p.ask("owner", "/numbers/pair", url.Values{"by": {"qr"}}); status != http.StatusOK {
			t.Fatalf("start: %d %s", status, body)
		}
		page := p.expect("owner", "/numbers/pair", "Waiting for WhatsApp")
		p.play(whatsapp.PairEvent{QR: &whatsapp.QR{Text: "2@first", ValidFor: 20 * time.Second}})
		status, step, h := p.ask("owner", "/numbers/pair/step?seen="+between(page, `data-seen="`, `"`), nil)
		if status != http.StatusOK || !strings.Contains(step, `<path d="M4 4h7v1h-7z`) || !strings.Contains(step, `href="/phones"`) {
			t.Errorf("the first code: %d %s", status, step)
		}
		if status, _, _ := p.ask("owner", "/numbers/pair/step?seen="+h.Get("X-Seen"), nil); status != http.StatusNoContent {
			t.Errorf("without news: %d, want 204", status)
		}
		before := between(step, `<path d="`, `"`)
		p.play(whatsapp.PairEvent{QR: &whatsapp.QR{Text: "2@second", ValidFor: 20 * time.Second}})
		if page = p.expect("owner", "/numbers/pair", "Scan this code"); between(page, `<path d="`, `"`) == before {
			t.Error("the page shows a code that is over")
		}
		p.expect("admin", "/numbers/pair", "Show the code") // another member's pairing is not theirs

		linked := tideline.Account{ID: 7, JID: "14840000001@s.whatsapp.net", Phone: "+14840000001", Name: "Shop", State: tideline.AccountConnecting}
		p.accounts = []tideline.Account{linked}
		p.play(whatsapp.PairEvent{Paired: &whatsapp.Paired{JID: linked.JID, Phone: linked.Phone}})
		p.expect("owner", "/numbers/pair", "Scanned. Syncing")
		p.accounts[0].State = tideline.AccountActive
		p.expect("owner", "/numbers/pair", "Linked", "Shop", `href="/numbers/7"`)
		p.accounts = nil // it was removed
		p.expect("owner", "/numbers/pair", "Show the code")
		p.accounts = []tideline.Account{linked}
		p.expect("owner", "/numbers/pair", "Syncing")
		<-time.After(time.Hour)
		p.expect("owner", "/numbers/pair", "Show the code")
	})
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	found, _, _ := strings.Cut(rest, to)
	return found
}

func TestAPhoneCanBeLinkedByACodeToType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		if status, body, _ := p.ask("owner", "/numbers/pair", url.Values{"by": {"code"}, "phone": {"12"}}); status != http.StatusBadRequest && status != http.StatusUnprocessableEntity || !strings.Contains(body, "country code") {
			t.Errorf("a phone that is none: %d %s", status, body)
		}
		p.ask("owner", "/numbers/pair", url.Values{"by": {"code"}, "phone": {"+1 484 000 0001"}})
		if len(p.asked) != 1 || p.asked[0].Phone != "+14840000001" {
			t.Fatalf("asked for %+v", p.asked)
		}
		p.play(whatsapp.PairEvent{Code: "ABCD1234"})
		p.expect("owner", "/numbers/pair", "ABCD-1234", "14840000001")
		p.play(whatsapp.PairEvent{Failed: errors.New("no code was used in time; start the pairing again")})
		p.expect("owner", "/numbers/pair", "no code was used in time", "Show the code")
	})
}

func TestOnePairingOfAMemberReplacesTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		for range 3 {
			if status, body, _ := p.ask("owner", "/numbers/pair", url.Values{"by": {"qr"}}); status != http.StatusOK {
				t.Fatalf("start: %d %s", status, body)
			}
		}
		p.ask("admin", "/numbers/pair", url.Values{"by": {"qr"}})
		p.play(whatsapp.PairEvent{QR: &whatsapp.QR{Text: "2@admin", ValidFor: time.Minute}})
		p.expect("owner", "/numbers/pair", "Waiting for WhatsApp")
		p.expect("admin", "/numbers/pair", "Scan this code")
		for _, role := range []string{"owner", "admin"} {
			p.ask(role, "/numbers/pair/end", url.Values{})
			p.expect(role, "/numbers/pair", "Show the code")
		}
		p.refuse = tideline.Errorf(tideline.CodeRateLimitExceeded, "too many pairings are going on")
		if status, body, _ := p.ask("owner", "/numbers/pair", url.Values{"by": {"qr"}}); status != http.StatusTooManyRequests || !strings.Contains(body, "too many pairings") {
			t.Errorf("one too many: %d %s", status, body)
		}
	})
}

func TestANumberSaysHowItFaresAndWhatToDo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for state, texts := range map[tideline.AccountState][]string{
		tideline.AccountActive:       {"Connected"},
		tideline.AccountDisconnected: {"Not connected", "because", "keeps trying", "/numbers/7/reconnect"},
		tideline.AccountLoggedOut:    {"Logged out", "because", "Pair again"},
		tideline.AccountBanned:       {"Refused by WhatsApp", "because", "Until", "2030"},
		tideline.AccountOutdated:     {"Version refused", "because", "update"},
	} {
		p.accounts = []tideline.Account{{ID: 7, JID: "14840000001@s.whatsapp.net", Phone: "+14840000001", State: state, StateReason: "because",
			OwnerName: "Olga", Hold: tideline.Hold{BannedUntil: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}, Pause: tideline.Pause{Since: time.Now(), By: "Sam"}}}
		for _, page := range []string{"/numbers", "/numbers/7"} {
			if page == "/numbers" {
				texts = append([]string{"Paused by Sam", "3 messages wait", "Olga"}, texts[:len(texts):len(texts)]...)
			}
			for _, text := range texts {
				if page == "/numbers" && (strings.HasPrefix(text, "/numbers/7/") || text == "Pair again") {
					continue
				}
				p.expect("owner", page, text)
			}
		}
	}
	page := p.expect("agent", "/numbers/7", "Paused by Sam")
	for _, action := range []string{"/logout", "/remove", "/reconnect", "/resume"} {
		if strings.Contains(page, action) {
			t.Errorf("an agent is offered %s", action)
		}
	}
	if status, _, _ := p.ask("owner", "/numbers/8", nil); status != http.StatusNotFound {
		t.Errorf("a number that is not there: %d", status)
	}
}

func TestOnlyWhoAdministersPairsAndRemoves(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, target := range []string{"/numbers/pair", "/numbers/pair/end", "/numbers/7/reconnect", "/numbers/7/logout", "/numbers/7/remove"} {
		if status, _, _ := p.ask("agent", target, url.Values{}); status != http.StatusForbidden {
			t.Errorf("%s by an agent: %d", target, status)
		}
	}
	if status, _, _ := p.ask("agent", "/numbers/pair", nil); status != http.StatusForbidden {
		t.Errorf("the page to pair, for an agent: %d", status)
	}
	if len(p.done) > 0 || len(p.asked) > 0 {
		t.Fatalf("done by an agent: %v, %v", p.done, p.asked)
	}
	for _, target := range []string{"/numbers/7/reconnect", "/numbers/7/logout", "/numbers/7/remove"} {
		if status, body, _ := p.ask("admin", target, url.Values{}); status != http.StatusOK {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	if got := strings.Join(p.done, " "); got != "reconnect logout remove" {
		t.Errorf("done: %s", got)
	}
}
