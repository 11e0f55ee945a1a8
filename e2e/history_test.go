package e2e

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/wasim"
)

const (
	rememberer = "+14840000055" // a phone with a past
	longTalk   = "+14840000056" // with whom most of it was
	smallTalk  = "+14840000057"
)

// TestAHistorySurvivesKills pairs a phone that remembers a long conversation and
// kills the server, as kill -9 does, when the history is announced and while it is
// taken in. At the end everything is there once, is marked, and has cost nothing.
func TestAHistorySurvivesKills(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		t.Helper()
		const messages = 800
		srv := s.start(t)
		for _, number := range []string{longTalk, smallTalk} {
			srv.addPhone(t, number)
		}
		srv.mustCall(t, http.MethodPost, "/sandbox/phones", map[string]any{"number": rememberer, "name": "Rememberer", "history": "external"}, nil)
		begin := time.Now().Add(-5 * 24 * time.Hour).Truncate(time.Second)
		past := func(to, text string, at time.Time, fromMe bool) {
			t.Helper()
			srv.mustCall(t, http.MethodPost, "/sandbox/phones/"+rememberer+"/messages", map[string]any{
				"to": to, "text": text, "past": at.UTC().Format(time.RFC3339), "from_me": fromMe,
			}, nil)
		}
		for i := range messages {
			past(longTalk, fmt.Sprintf("message %d", i), begin.Add(time.Duration(i)*time.Minute), i%3 == 0)
		}
		past(smallTalk, "before", begin.Add(-time.Hour), false)
		past(smallTalk, "too long ago", begin.Add(-30*24*time.Hour), false)
		// Nothing of it can be read before the first kill.
		srv.fault(t, wasim.Fault{Kind: wasim.FaultRefuseDownload, Code: http.StatusServiceUnavailable})
		srv.link(t, rememberer)

		shown := func(ctx context.Context) int {
			_, all, err := srv.conversation(ctx, longTalk)
			if err != nil {
				return 0 // it has no chat yet
			}
			return len(all)
		}
		kill := func() {
			t.Helper()
			if err := srv.Kill(); err != nil {
				t.Fatal(err)
			}
			srv = s.start(t)
		}
		if _, err := srv.AwaitStderr(t.Context(), regexp.MustCompile("history announced")); err != nil {
			t.Fatal(err)
		}
		if n := shown(t.Context()); n != 0 {
			t.Fatalf("%d messages are there before any can be", n)
		}
		kill()
		eventually(t, "some of the history is shown", func(ctx context.Context) (bool, string) {
			n := shown(ctx)
			return n > 0, fmt.Sprintf("%d messages", n)
		})
		kill() // in the middle of it, on all but the fastest machines
		eventually(t, "the whole history is shown", func(ctx context.Context) (bool, string) {
			n := shown(ctx)
			return n >= messages, fmt.Sprintf("%d messages", n)
		})
		checkPast(t, srv, messages)
		srv.stop(t)
		s.healthy(t)
	})
}

// checkPast looks at the chats of the history as a client of the API does.
func checkPast(t *testing.T, srv *server, messages int) {
	t.Helper()
	_, all, err := srv.conversation(t.Context(), longTalk)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	for i, m := range all {
		if m.Text != fmt.Sprintf("message %d", i) || m.FromMe != (i%3 == 0) || m.Origin != "synced from WhatsApp" || m.Data["history"] != "true" {
			t.Fatalf("message %d of %d is %+v", i, len(all), m)
		}
	}
	if len(all) != messages {
		t.Errorf("%d messages, want %d", len(all), messages)
	}
	_, small, err := srv.conversation(t.Context(), smallTalk)
	if err != nil || len(small) != 1 || small[0].Text != "before" {
		t.Errorf("the small talk is %+v, %v", small, err)
	}
	var list struct {
		Data struct {
			Chats []struct {
				Name, Phone string
				Read        bool
				Closed      bool
			}
		}
	}
	if err := srv.apiCall(t.Context(), http.MethodGet, "/chats?whatsapp_account_id="+strings.TrimPrefix(rememberer, "+")+"@s.whatsapp.net", nil, &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range list.Data.Chats {
		names = append(names, c.Name)
		if !c.Read || c.Closed {
			t.Errorf("chat %+v", c)
		}
	}
	if want := []string{"Phone " + longTalk, "Phone " + smallTalk}; !slices.Equal(names, want) {
		t.Errorf("chats %q, want %q", names, want)
	}
	quotas, err := srv.api.Quotas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if quotas.Messages.Used != 0 {
		t.Errorf("%d credits were used", quotas.Messages.Used)
	}
}
