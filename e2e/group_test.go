package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// shownGroup is a group in the list of chats, as far as tests look at it.
type shownGroup struct {
	ID      int64
	Name    string
	JID     string
	Allowed bool `json:"is_allowed_to_message"`
	Members []struct {
		Name, Phone, Role string
	} `json:"group_members"`
}

// awaitGroup waits until the only group that is shown fits.
func (s *server) awaitGroup(t *testing.T, what string, fits func(shownGroup) bool) (g shownGroup) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) (bool, string) {
		var chats struct {
			Data struct{ Chats []shownGroup }
		}
		if err := s.apiCall(ctx, http.MethodGet, "/chats?group=true", nil, &chats); err != nil {
			return false, err.Error()
		}
		if len(chats.Data.Chats) != 1 {
			return false, fmt.Sprintf("%d groups", len(chats.Data.Chats))
		}
		g = chats.Data.Chats[0]
		return fits(g), fmt.Sprintf("%+v", g)
	})
	return g
}

// TestAGroupIsShownAnsweredAndLeft has a phone make a group of the site's account
// and write there. The group follows what the phone does with it, and takes
// messages by chat and by JID until the account is put out.
func TestAGroupIsShownAnsweredAndLeft(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		const stranger = "+14840000079"
		srv.addPhone(t, stranger)
		path := "/sandbox/phones/" + stranger + "/groups"
		var made struct{ JID string }
		if err := srv.call(t.Context(), http.MethodPost, path, map[string]any{"subject": "Choir", "members": []string{accountNumber}}, &made); err != nil {
			t.Fatal(err)
		}
		say := func(text string) {
			t.Helper()
			if err := srv.call(t.Context(), http.MethodPost, "/sandbox/phones/"+stranger+"/messages", map[string]string{"to": made.JID, "text": text}, nil); err != nil {
				t.Fatal(err)
			}
		}
		change := func(c map[string]any) {
			t.Helper()
			c["group"] = made.JID
			if err := srv.call(t.Context(), http.MethodPatch, path, c, nil); err != nil {
				t.Fatal(err)
			}
		}
		say("When do we meet?")
		g := srv.awaitGroup(t, "the group with its members", func(g shownGroup) bool { return g.Name == "Choir" && len(g.Members) == 2 })
		if g.JID != made.JID || !g.Allowed || g.Members[0].Phone != stranger || g.Members[0].Role != "Owner" || g.Members[1].Phone != accountNumber || g.Members[1].Role != "Member" {
			t.Errorf("shown as %+v", g)
		}
		var answer struct{}
		sends := map[string]map[string]string{
			fmt.Sprintf("/chats/%d/messages", g.ID): {"text": "At nine"},
			"/messages/to_jid":                      {"text": "Or at ten", "jid": made.JID},
		}
		for path, body := range sends {
			if err := srv.apiCall(t.Context(), http.MethodPost, path, body, &answer); err != nil {
				t.Fatal(err)
			}
			srv.awaitText(t, stranger, body["text"])
		}
		change(map[string]any{"subject": "Band"})
		srv.awaitGroup(t, "the new subject", func(g shownGroup) bool { return g.Name == "Band" })
		change(map[string]any{"remove": []string{accountNumber}})
		srv.awaitGroup(t, "that the account is out", func(g shownGroup) bool { return !g.Allowed && len(g.Members) == 1 })
		for path, body := range sends {
			err := srv.apiCall(t.Context(), http.MethodPost, path, body, &answer)
			if err == nil || !strings.Contains(err.Error(), "400") || !strings.Contains(err.Error(), "not a member of this group") {
				t.Errorf("POST %s after the account was put out: %v", path, err)
			}
		}
		srv.stop(t)
		s.healthy(t)
	})
}
