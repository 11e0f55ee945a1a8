package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver is a program that subscribed. It keeps what it took in order.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	took   []hookPost
}

type hookPost struct {
	id, text, event string
	header          http.Header
	body            []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the server was killed
		}
		var v struct {
			EventType string `json:"event_type"`
			Message   struct{ Text string }
		}
		if err := json.Unmarshal(body, &v); err != nil {
			t.Errorf("a body that is no JSON: %v", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.status/100 == 2 {
			r.took = append(r.took, hookPost{id: req.Header.Get("Webhook-Id"), text: v.Message.Text, event: v.EventType, header: req.Header.Clone(), body: body})
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) posts() []hookPost {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.took)
}

// texts gives the texts that r took, each once, in order of the first arrival.
func (r *receiver) texts(t *testing.T) []string {
	t.Helper()
	var texts []string
	ids := map[string]string{}
	for _, p := range r.posts() {
		if _, again := ids[p.id]; again {
			if ids[p.id] != p.text {
				t.Errorf("%s came as %q and as %q", p.id, ids[p.id], p.text)
			}
			continue
		}
		if slices.Contains(texts, p.text) {
			t.Errorf("%q came under two ids", p.text)
		}
		ids[p.id] = p.text
		texts = append(texts, p.text)
	}
	return texts
}

type hookView struct {
	ID            int64
	Secret        string
	URL           string
	EventType     string `json:"event_type"`
	Enabled       bool
	ErrorsCounter int64 `json:"errors_counter"`
}

type deliveryView struct {
	ID    int64
	State string
	Note  string
	Log   []struct {
		StatusCode int `json:"status_code"`
		Error      string
	}
}

// TestComplaint11WebhooksOutliveKills has a customer write while the server is
// killed again and again and the receiver fails now and then. What the network
// took arrives, in order; what arrives twice has the same id.
func TestComplaint11WebhooksOutliveKills(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		r := newReceiver(t)
		srv := s.start(t)
		hook := query[hookView](t, s, "webhook", "add", "message:received:new", r.URL)
		srv.addPhone(t, quiet)
		var said []string
		for round := range 5 {
			for i := range 10 {
				text := fmt.Sprintf("round %d, message %d", round, i)
				if err := srv.says(t.Context(), quiet, text); err != nil {
					t.Fatal(err)
				}
				said = append(said, text)
			}
			srv.awaitShown(t, quiet, said[len(said)-1])
			r.answer(http.StatusServiceUnavailable)
			if round%2 == 0 {
				r.answer(http.StatusOK)
			}
			srv.http.CloseIdleConnections()
			if err := srv.Kill(); err != nil {
				t.Fatal(err)
			}
			srv = s.start(t)
		}
		r.answer(http.StatusNoContent)
		eventually(t, "all messages arrive", func(context.Context) (bool, string) {
			n := len(r.texts(t))
			return n >= len(said), fmt.Sprintf("%d of %d", n, len(said))
		})
		if got := r.texts(t); !slices.Equal(got, said) {
			t.Errorf("arrived: %q\nsaid: %q", got, said)
		}
		verifier, err := standardwebhooks.NewWebhook(hook.Secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.posts() {
			if err := verifier.Verify(p.body, p.header); err != nil || !strings.HasPrefix(p.header.Get("User-Agent"), "Tideline/") {
				t.Errorf("%v in %v", err, p.header)
			}
		}
		srv.stop(t)
		s.healthy(t)
	})
}

// TestComplaint10WebhooksOutliveARestart has subscriptions, secrets and what
// waits for delivery in the database.
func TestComplaint10WebhooksOutliveARestart(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	r := newReceiver(t)
	r.answer(http.StatusInternalServerError)
	query[hookView](t, s, "webhook", "add", "message:received:new", r.URL)
	before := query[[]hookView](t, s, "webhook", "list", "--secrets")
	srv.addPhone(t, quiet)
	if err := srv.says(t.Context(), quiet, "still there?"); err != nil {
		t.Fatal(err)
	}
	srv.awaitShown(t, quiet, "still there?")
	srv.stop(t)
	r.answer(http.StatusOK)
	srv = s.start(t)
	after := query[[]hookView](t, s, "webhook", "list", "--secrets")
	before[0].ErrorsCounter, after[0].ErrorsCounter = 0, 0
	if !slices.Equal(before, after) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	eventually(t, "it arrives", func(context.Context) (bool, string) {
		return slices.Equal(r.texts(t), []string{"still there?"}), fmt.Sprint(r.texts(t))
	})
	srv.stop(t)
}

// TestWebhookCommands follows a webhook through its commands.
func TestWebhookCommands(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	r := newReceiver(t)
	hook := query[hookView](t, s, "webhook", "add", "message:new", r.URL+"/hook?token=s3cret", "--account", accountNumber)
	id := fmt.Sprint(hook.ID)

	got := query[deliveryView](t, s, "webhook", "test", id)
	if got.State != "delivered" && got.State != "waiting" || len(got.Log) != 1 || got.Log[0].StatusCode != http.StatusOK {
		t.Errorf("test: %+v", got)
	}
	if posts := r.posts(); len(posts) != 1 || posts[0].event != "message:new" || posts[0].text == "" {
		t.Errorf("the receiver got %+v", posts)
	}
	r.answer(http.StatusTeapot)
	failed := query[deliveryView](t, s, "webhook", "test", id)
	if len(failed.Log) == 0 || failed.Log[0].Error == "" {
		t.Errorf("failed test: %+v", failed)
	}
	r.answer(http.StatusOK)
	delivered := func(n int) func(context.Context) (bool, string) {
		return func(context.Context) (bool, string) {
			list := query[[]deliveryView](t, s, "webhook", "log", id, "--state", "delivered")
			return len(list) == 2 && len(r.posts()) == n, fmt.Sprintf("%+v, %d posts", list, len(r.posts()))
		}
	}
	eventually(t, "both tests arrive", delivered(2))
	if out := s.must(t, "webhook", "log", id, "--delivery", fmt.Sprint(got.ID)); strings.Contains(out, "s3cret") || !strings.Contains(out, "Webhook-Signature: v1,") {
		t.Errorf("the log of a delivery:\n%s", out)
	}
	s.must(t, "webhook", "replay", id, "--delivery", fmt.Sprint(got.ID))
	eventually(t, "one arrives again", delivered(3))
	s.must(t, "webhook", "replay", id, "--all", "--after", "2020-01-01T00:00:00Z")
	eventually(t, "both arrive again", delivered(5))

	rotated := query[hookView](t, s, "webhook", "rotate-secret", id)
	if rotated.Secret == hook.Secret || rotated.Secret == "" {
		t.Error("the secret is the same")
	}
	query[deliveryView](t, s, "webhook", "test", id)
	last := r.posts()[len(r.posts())-1]
	for _, secret := range []string{hook.Secret, rotated.Secret} {
		v, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Verify(last.body, last.header); err != nil {
			t.Errorf("while both secrets are good: %v", err)
		}
	}
	for _, args := range [][]string{
		{"webhook", "add", "chat:created", "http://example.com"}, {"webhook", "add", "message:new", "gopher://x"},
		{"webhook", "add", "message:new", r.URL, "--account", "+14849999999"}, {"webhook", "replay", id}, {"webhook", "replay", id, "--all", "--delivery", "1"},
		{"webhook", "log", "99"}, {"webhook", "log", id, "--delivery", "999"}, {"webhook", "test", "99"}, {"webhook", "remove", "99"},
	} {
		if res := s.run(t, args...); res.code == 0 {
			t.Errorf("%v succeeded", args)
		}
	}

	if res := s.run(t, "doctor"); res.code != 0 || !strings.Contains(res.out, "webhooks: 1, whose receivers work") {
		t.Errorf("doctor ends with %d:\n%s", res.code, res.out)
	}
	r.answer(http.StatusGone)
	query[deliveryView](t, s, "webhook", "test", id)
	eventually(t, "doctor tells", func(context.Context) (bool, string) {
		res := s.run(t, "doctor")
		return res.code == 1 && strings.Contains(res.out, "WRONG  webhook "+id+" of sandbox: disabled"), res.out
	})
	s.must(t, "webhook", "remove", id)
	if list := query[[]hookView](t, s, "webhook", "list"); len(list) != 0 {
		t.Errorf("after remove: %+v", list)
	}
	srv.stop(t)
}

// TestComplaint31AWebhookCantReachWhereItShouldNot has a webhook in a private
// network, which a sandbox refuses like all that is not this machine.
func TestComplaint31AWebhookCantReachWhereItShouldNot(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	redirect := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest/meta-data/", http.StatusTemporaryRedirect))
	t.Cleanup(redirect.Close)
	for url, want := range map[string]string{
		"http://169.254.169.254/latest/meta-data/": "169.254.169.254",
		"http://[::ffff:10.0.0.1]:8080/":           "10.0.0.1",
		redirect.URL:                               "redirects are not followed",
	} {
		hook := query[hookView](t, s, "webhook", "add", "message:new", url)
		got := query[deliveryView](t, s, "webhook", "test", fmt.Sprint(hook.ID))
		if len(got.Log) == 0 || !strings.Contains(got.Log[0].Error, want) {
			t.Errorf("%s: %+v, want an error with %q", url, got, want)
		}
	}
	srv.stop(t)
}
