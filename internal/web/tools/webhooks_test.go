package tools_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const hookURL = "https://example.com/hook?a=1&b=2"

// hook makes a webhook for every message and gives its id and secret.
func (w *world) hook() (id int64, secret string) {
	w.t.Helper()
	a := w.done("acme", "/webhooks", "event_type", "message:new", "url", hookURL)
	var answer struct{ Secret, Path string }
	w.must(json.Unmarshal([]byte(a.Body), &answer))
	list, err := w.store.ListWebhooks(w.t.Context(), w.acme.ID)
	w.must(err)
	id = list[len(list)-1].ID
	if answer.Path != fmt.Sprintf("/webhooks/%d", id) {
		w.t.Errorf("it leads to %q", answer.Path)
	}
	return id, answer.Secret
}

// deliver puts a delivery in line and stores how an attempt of it ended.
func (w *world) deliver(hook int64, body string, at time.Time, o store.Outcome) store.Delivery {
	w.t.Helper()
	d, err := w.store.AddDelivery(w.t.Context(), store.NewDelivery{WorkspaceID: w.acme.ID, WebhookID: hook, EventUID: fmt.Sprint("uid-", at.Unix()), EventAt: at}, []byte(body), at)
	w.must(err)
	o.WorkspaceID, o.WebhookID, o.DeliveryID, o.At = w.acme.ID, hook, d.ID, at
	if o.State != "" {
		w.must(w.store.PutOutcomes(w.t.Context(), []store.Outcome{o})[0])
	}
	return d
}

func TestAWebhookIsMadeAndItsSecretShownOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	has(t, w.page("acme", "/webhooks"), "No webhooks yet")
	has(t, w.page("acme", "/webhooks/new?part"), "Every message", "Received and sent ones.", `value="chat:responsible:assigned"`, "Shop &#43;14840000001", `value="message:new" checked`)
	id, secret := w.hook()
	if len(secret) < 20 {
		t.Fatalf("secret %q", secret)
	}
	path := fmt.Sprint("/webhooks/", id)
	for _, page := range []string{"/webhooks", path, path + "/edit?part"} {
		body := w.page("acme", page)
		has(t, body, "https://example.com/hook?a=1&amp;b=2")
		hasNot(t, body, secret, secret[6:])
	}
	a := w.done("acme", path+"/rotate")
	has(t, a.Body, `"secret":"whsec_`)
	hasNot(t, a.Body, secret)

	w.done("acme", path, "event_type", "chat:new", "url", "https://example.com/other", "account", fmt.Sprint(w.account.ID))
	has(t, w.page("acme", path), "Every new chat", "https://example.com/other")
	has(t, w.page("acme", "/webhooks"), "Shop &#43;14840000001")
	w.done("acme", path+"/disable")
	has(t, w.page("acme", path), "Off", "/enable")
	refused(t, "a test of one that is off", w.post("acme", path+"/test"), http.StatusUnprocessableEntity)
	w.done("acme", path+"/enable")
	w.done("acme", path+"/test")
	has(t, w.page("acme", path), "Test", "On the way", "1 delivery waits")
	w.done("acme", path+"/delete")
	refused(t, "a deleted one", w.get("acme", path), http.StatusNotFound)
}

func TestWebhooksAreForOwnerAndAdmins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.hook()
	d := w.deliver(id, "{}", now, store.Outcome{})
	path := fmt.Sprint("/webhooks/", id)
	delivery := fmt.Sprint(path, "/deliveries/", d.ID)
	for _, page := range []string{path, path + "/log", path + "/edit", delivery} {
		refused(t, "an agent reads "+page, w.get("agent", page), http.StatusForbidden)
		refused(t, "a stranger reads "+page, w.get("other", page), http.StatusNotFound)
	}
	refused(t, "an agent lists", w.get("agent", "/webhooks"), http.StatusForbidden)
	refused(t, "an agent is asked", w.get("agent", "/webhooks/new"), http.StatusForbidden)
	refused(t, "an agent makes", w.post("agent", "/webhooks", "event_type", "message:new", "url", hookURL), http.StatusForbidden)
	for _, act := range []string{"", "/enable", "/disable", "/delete", "/rotate", "/test", "/replay", fmt.Sprint("/deliveries/", d.ID, "/replay")} {
		args := []string{"event_type", "message:new", "url", hookURL, "from", "2026-11-22T00:00", "to", "2026-11-23T00:00"}
		refused(t, "an agent: "+act, w.post("agent", path+act, args...), http.StatusForbidden)
		refused(t, "a stranger: "+act, w.post("other", path+act, args...), http.StatusNotFound)
	}
	a := w.post("acme", "/webhooks", "event_type", "message:new", "url", "ftp://x")
	refused(t, "a bad address", a, http.StatusUnprocessableEntity)
	has(t, a.Body, `"path":"url"`)
	refused(t, "a bad type", w.post("acme", "/webhooks", "event_type", "x", "url", hookURL), http.StatusUnprocessableEntity)
	refused(t, "a number of nobody", w.post("acme", "/webhooks", "event_type", "message:new", "url", hookURL+"x", "account", "4711"), http.StatusNotFound)
	second, err := w.store.ListWebhooks(t.Context(), w.acme.ID)
	w.must(err)
	if len(second) != 1 {
		t.Errorf("there are %d webhooks", len(second))
	}
	// A delivery is found under its own webhook only.
	w.done("acme", "/webhooks", "event_type", "chat:new", "url", hookURL)
	refused(t, "under another webhook", w.get("acme", fmt.Sprint("/webhooks/", id+1, "/deliveries/", d.ID)), http.StatusNotFound)
	refused(t, "replayed under another webhook", w.post("acme", fmt.Sprint("/webhooks/", id+1, "/deliveries/", d.ID, "/replay")), http.StatusNotFound)
}

func TestTheLogShowsHowDeliveriesFare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.hook()
	path := fmt.Sprint("/webhooks/", id)
	has(t, w.page("acme", path), "Nothing was posted yet", "Nothing posted lately", `data-live="`+path+`/log?"`)
	ssrf := "10.0.0.7 is in a private or special network; --allow-network lets the server reach it"
	w.deliver(id, `{"a":1}`, now.Add(-3*time.Hour), store.Outcome{State: tideline.DeliveryDelivered,
		Attempt: &store.Attempt{At: now, Duration: 123 * time.Millisecond, StatusCode: 200, Request: "POST x", Response: "HTTP/1.1 200 OK\nA: b\n\n{\"ok\":true}"}})
	w.deliver(id, `{"b":2}`, now.Add(-2*time.Hour), store.Outcome{State: tideline.DeliveryDead, Note: "given up: 500 Internal Server Error",
		Attempt: &store.Attempt{At: now, StatusCode: 500, Error: "500 Internal Server Error"}})
	waits := w.deliver(id, `{"c":"<script>alert(1)</script>","d":[1,2]}`, now.Add(-time.Hour), store.Outcome{State: tideline.DeliveryWaiting, DueAt: now.Add(time.Minute), Note: ssrf, Failed: true,
		Circuit: &tideline.Circuit{Failures: 5, OpenSince: now.Add(-time.Hour), ProbeAt: now.Add(time.Minute)},
		Attempt: &store.Attempt{At: now, Duration: 5 * time.Second, Error: ssrf, Request: "POST https://example.com/hook\nContent-Type: application/json\n"}})
	log := w.page("acme", path+"/log")
	hasNot(t, log, "<html")
	has(t, log, "Arrived", "Given up", "Tried again", "Does not answer", "1 delivery waits", "--allow-network 10.0.0.0/8", "Last failure")
	has(t, w.page("acme", "/webhooks"), "Does not answer", "--allow-network 10.0.0.0/8")

	failed := w.page("acme", path+"/log?state=failed")
	has(t, failed, "Given up")
	hasNot(t, failed, ">Arrived<", ">Tried again<")
	hasNot(t, w.page("acme", path+"/log?state=ok"), "Given up", "Tried again")
	// Times are those of the workspace, an hour ahead of UTC.
	since := w.page("acme", path+"/log?from=2026-11-22T08:30&to=2026-11-22T09:30")
	has(t, since, "Given up")
	hasNot(t, since, ">Arrived<", ">Tried again<")
	has(t, w.page("acme", path+"?state=ok&kind=message%3Areceived%3Anew"), "Nothing fits", `value="ok" selected`, `value="message:received:new" selected`)

	one := w.page("acme", fmt.Sprint(path, "/deliveries/", waits.ID))
	has(t, one, "Attempt 1", "5s", "Content-Type: application/json", "&#34;d&#34;: [\n", "&lt;script&gt;alert(1)", "private or special network", "--allow-network 10.0.0.0/8")
	hasNot(t, one, "<script>alert")
}

// What a receiver answers is a stranger's: it may be made to grow where it is shown.
func TestAnAnswerIsShownInAboutTheSizeThatItHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.hook()
	const depth = 2000
	answer := "HTTP/1.1 200 OK\n\n" + strings.Repeat("[", depth) + strings.Repeat("]", depth)
	d := w.deliver(id, `{}`, now, store.Outcome{State: tideline.DeliveryDelivered, Attempt: &store.Attempt{At: now, StatusCode: 200, Response: answer}})
	page := w.page("acme", fmt.Sprintf("/webhooks/%d/deliveries/%d", id, d.ID))
	has(t, page, strings.Repeat("[", depth))
	if len(page) > 100<<10 {
		t.Errorf("an answer of %d bytes became a page of %d", len(answer), len(page))
	}
}

func TestTheLogHasPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.hook()
	path := fmt.Sprint("/webhooks/", id)
	var oldest, middle int64
	for i := range 53 {
		d := w.deliver(id, "{}", now.Add(time.Duration(i)*time.Second), store.Outcome{})
		switch i {
		case 0:
			oldest = d.ID
		case 3:
			middle = d.ID
		}
	}
	first := w.page("acme", path+"?state=pending")
	older := fmt.Sprint(path, "?below=", middle, "&amp;state=pending")
	has(t, first, `href="`+older+`"`, fmt.Sprint(`id="delivery-`, middle, `"`))
	hasNot(t, first, fmt.Sprint(`id="delivery-`, oldest, `"`), ">Latest<")
	second := w.page("acme", fmt.Sprint(path, "?state=pending&below=", middle))
	has(t, second, fmt.Sprint(`id="delivery-`, oldest, `"`), `href="`+path+`?state=pending">Latest<`)
	hasNot(t, second, fmt.Sprint(`id="delivery-`, middle, `"`), "data-live", ">Older<")
}

func TestDeliveriesAreReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, _ := w.hook()
	path := fmt.Sprint("/webhooks/", id)
	arrived := w.deliver(id, "{}", now.Add(-3*time.Hour), store.Outcome{State: tideline.DeliveryDelivered})
	dead := w.deliver(id, "{}", now.Add(-2*time.Hour), store.Outcome{State: tideline.DeliveryDead})
	later := w.deliver(id, "{}", now, store.Outcome{State: tideline.DeliveryDead})
	state := func(d store.Delivery) tideline.DeliveryState {
		t.Helper()
		got, _, err := w.store.Delivery(t.Context(), w.acme.ID, d.ID)
		w.must(err)
		return got.State
	}
	for _, wrong := range [][]string{{"from", "", "to", "2026-11-22T10:00"}, {"from", "2026-11-22T10:00", "to", "2026-11-22T10:00"}, {"from", "yesterday", "to", "x"}} {
		refused(t, fmt.Sprint(wrong), w.post("acme", path+"/replay", wrong...), http.StatusUnprocessableEntity)
	}
	a := w.done("acme", path+"/replay", "from", "2026-11-22T07:00", "to", "2026-11-22T10:00", "state", "failed")
	has(t, a.Body, "One delivery is on its way again")
	if state(dead) != tideline.DeliveryWaiting || state(arrived) != tideline.DeliveryDelivered || state(later) != tideline.DeliveryDead {
		t.Errorf("the failed ones of three hours: %s %s %s", state(arrived), state(dead), state(later))
	}
	w.done("acme", fmt.Sprint(path, "/deliveries/", arrived.ID, "/replay"))
	if state(arrived) != tideline.DeliveryWaiting {
		t.Errorf("one alone: %s", state(arrived))
	}
	has(t, w.done("acme", path+"/replay", "from", "2026-11-01T00:00", "to", "2026-12-01T00:00").Body, "3 deliveries are on their way again")
}

func TestEveryEventTypeThatIsOfferedIsExplainedInEveryLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, lang := range []string{"en", "es"} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/webhooks/new?part", nil)
		r.Header.Set("Accept-Language", lang)
		form := w.do("acme", r).Body
		has(t, form, map[string]string{"en": "Every message", "es": "Todos los mensajes"}[lang])
		hasNot(t, form, "tools.event", "tools.group") // a text that is missing is shown as its key
	}
}
