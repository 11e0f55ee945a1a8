package tideline

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWebhookURLs(t *testing.T) {
	t.Parallel()
	const host = "https://example.com/"
	for _, test := range []struct {
		url  string
		good bool
	}{
		{"https://example.com/hook", true},
		{"http://example.com", true},
		{"HTTP://example.com:8080/?a=b+c#d", true},
		{"https://user:p%2Bw@example.com/", true},
		{"https://user:p%2Bw@example.com?x=c+d@e", true},
		{"https://[::1]:80/x", true},
		{host + strings.Repeat("ü", MaxWebhookURL-len(host)), true},
		{host + strings.Repeat("ü", MaxWebhookURL-len(host)+1), false},
		{"https://user:p+w@example.com/", false},
		{"https://us=er@example.com/", false},
		{"ftp://example.com", false},
		{"example.com", false},
		{"//example.com", false},
		{"https://", false},
		{"https://:80/", false},
		{"https:example.com", false},
		{"https://exa mple.com", false},
		{"https://example.com/a b", false},
		{"https://example.com/\x00", false},
		{"", false},
	} {
		err := CheckWebhookURL(test.url)
		if (err == nil) != test.good {
			t.Errorf("%.60q: %v, want good = %v", test.url, err, test.good)
		}
		if err != nil && !IsCode(err, CodeValidation) {
			t.Errorf("%.60q: the error has the code %s", test.url, ErrorCode(err))
		}
	}
}

func FuzzWebhookURL(f *testing.F) {
	f.Add("https://a:b@example.com/?c=d")
	f.Add("http://%zz@[")
	f.Add("https://@/#@")
	f.Fuzz(func(_ *testing.T, s string) { _ = CheckWebhookURL(s) })
}

func TestAttemptsEndWithTheWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		made := time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)
		now, attempts := made, 0
		for {
			attempts++
			if attempts > 100_000 {
				t.Fatal("the attempts don't end")
			}
			asked := time.Duration(rapid.SampledFrom([]int64{0, 0, 0, int64(time.Minute), int64(100 * time.Hour)}).Draw(t, "retry after"))
			next, ok := NextAttempt(made, now, attempts, asked, func(n int64) int64 { return rapid.Int64Range(n/4, n-1).Draw(t, "jitter") })
			if !ok {
				if now.Before(made.Add(DeliveryWindow)) {
					t.Fatalf("given up after %s", now.Sub(made))
				}
				return
			}
			wait := next.Sub(now)
			last := next.Equal(made.Add(DeliveryWindow))
			switch {
			case wait <= 0 || next.After(made.Add(DeliveryWindow)):
				t.Fatalf("attempt %d is followed by one at %s", attempts, next)
			case wait < asked && !last:
				t.Fatalf("the receiver asked for %s and gets %s", asked, wait)
			case asked == 0 && attempts == 1 && wait != time.Second, asked == 0 && attempts == 2 && wait != 5*time.Second:
				t.Fatalf("attempt %d is followed after %s", attempts, wait)
			case asked == 0 && wait > 8*time.Hour:
				t.Fatalf("attempt %d is followed after %s only", attempts, wait)
			}
			now = next
		}
	})
}

func TestWebhooksWantWhatTheySelect(t *testing.T) {
	t.Parallel()
	w := Webhook{WorkspaceID: 1, EventType: EventMessageNew, Enabled: true}
	e := Event{WorkspaceID: 1, Kind: EventMessageSent, AccountID: 5}
	for name, test := range map[string]struct {
		change func(*Webhook, *Event)
		want   bool
	}{
		"its type":            {func(*Webhook, *Event) {}, true},
		"another type":        {func(_ *Webhook, e *Event) { e.Kind = EventReaction }, false},
		"disabled":            {func(w *Webhook, _ *Event) { w.Enabled = false }, false},
		"another workspace":   {func(_ *Webhook, e *Event) { e.WorkspaceID = 2 }, false},
		"its account":         {func(w *Webhook, _ *Event) { w.Accounts = []int64{4, 5} }, true},
		"another account":     {func(w *Webhook, _ *Event) { w.Accounts = []int64{4, 6} }, false},
		"an event without it": {func(w *Webhook, e *Event) { w.Accounts, e.AccountID = []int64{5}, 0 }, false},
	} {
		w, e := w, e
		test.change(&w, &e)
		if got := w.Wants(&e); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestLogsDontShowSigningSecrets(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", SigningSecret("whsec_abc"))
	if strings.Contains(out.String(), "abc") {
		t.Errorf("the log shows %s", out.String())
	}
}
