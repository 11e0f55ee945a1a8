package inbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// names gives the names of the chats that a list shows.
func (a answer) names() string { return text(a.class("name")...) }

func TestThePageIsWholeWithoutAScript(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	chat := o.receive("+14840000101", "Ana <Lima>", "Is it open on Sunday?").ChatID
	page := o.get(fmt.Sprintf("/inbox/%d?unread=1", chat))
	if got := page.names(); got != "Ana <Lima>|" {
		t.Errorf("the list shows %q", got)
	}
	if got := text(page.class("bubble")...); !strings.Contains(got, "Is it open on Sunday?") {
		t.Errorf("the conversation shows %q", got)
	}
	if href := attr(page.class("back")[0], "href"); href != "/inbox?unread=1" {
		t.Errorf("back leads to %q", href)
	}
	if strings.Contains(page.body, " style=") || strings.Contains(page.body, "ZgotmplZ") || strings.Contains(page.body, ">inbox.") || strings.Contains(page.body, `"inbox.`) && !strings.Contains(page.body, `"inbox.js.`) {
		t.Error("the page has an inline style, something that was refused, or a text without words")
	}
	sent := o.ask(http.MethodPost, fmt.Sprintf("/inbox/%d/send", chat), "", "text=Yes%2C+from+ten", func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
	})
	sent.refused(http.StatusSeeOther)
	if got := text(o.get(fmt.Sprintf("/inbox/%d", chat)).class("bubble")...); !strings.Contains(got, "Yes, from ten") {
		t.Errorf("after it was answered: %q", got)
	}
}

func TestTheListIsFiltered(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	agent, _ := o.member(tideline.RoleAgent)
	second := o.account(o.ws, "")
	ana := o.receive("+14840000101", "Ana", "1").ChatID
	bob := o.receive("+14840000102", "Bob", "2").ChatID
	o.receive("+14840000103", "Cem", "3", func(r *store.Reception) { r.AccountID = second.ID })
	choir := o.receive("+14840000104", "", "4", func(r *store.Reception) { r.Chat = tideline.Peer{JID: "120363000000000001@g.us"} }).ChatID
	o.post(fmt.Sprintf("/inbox/%d/labels", ana), map[string]any{"labels": []string{"vip"}}).ok()
	o.post(fmt.Sprintf("/inbox/%d/change", ana), map[string]any{"assignee": agent.Email}).ok()
	o.post(fmt.Sprintf("/inbox/%d/change", bob), map[string]any{"assignee": o.owner.Email, "closed": true, "read": true}).ok()
	o.post(fmt.Sprintf("/inbox/%d/change", choir), map[string]any{"name": "Choir"}).ok()
	for query, want := range map[string]string{
		"":                                   "Choir|Cem|Ana|",
		"state=closed":                       "Bob|",
		"state=all":                          "Choir|Cem|Bob|Ana|",
		"state=nonsense":                     "Choir|Cem|Ana|",
		"label=vip":                          "Ana|",
		"label=none":                         "",
		"assignee=me&state=all":              "Bob|",
		"assignee=nobody":                    "Choir|Cem|",
		fmt.Sprint("assignee=", agent.ID):    "Ana|",
		"assignee=99999":                     "",
		fmt.Sprint("account=", second.ID):    "Cem|",
		"account=99999":                      "",
		"groups=only":                        "Choir|",
		"groups=none":                        "Cem|Ana|",
		"unread=1&state=all":                 "Choir|Cem|Ana|",
		"q=AN":                               "Ana|",
		"q=0000103":                          "Cem|",
		"q=%00%ff":                           "Choir|Cem|Ana|",
		"q=" + strings.Repeat("%C3%A9", 300): "",
	} {
		if got := o.get("/inbox/rows?" + query).names(); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if got := o.get("/inbox/tally").ok().body; got != `{"mine":0,"unassigned":2,"unread":3}` {
		t.Errorf("tally %s", got)
	}
}

func TestWindowsOfTheListSayWhereTheyAre(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	for i := range 120 {
		o.receive(tideline.Phone(fmt.Sprintf("+1484000%04d", i)), fmt.Sprintf("Chat %03d", i), "x")
	}
	for offset, want := range map[int]struct {
		rows, first int
	}{0: {50, 1}, 50: {50, 51}, 100: {20, 101}, 5000: {0, 0}} {
		a := o.get(fmt.Sprintf("/inbox/rows?offset=%d", offset))
		rows := a.class("chat-row")
		if len(rows) != want.rows || !strings.Contains(a.body, `data-total="120"`) {
			t.Errorf("at %d: %d rows in %.60s", offset, len(rows), a.body)
		}
		if len(rows) > 0 && (attr(rows[0], "aria-posinset") != fmt.Sprint(want.first) || attr(rows[0], "aria-setsize") != "120") {
			t.Errorf("at %d: first row is number %s of %s", offset, attr(rows[0], "aria-posinset"), attr(rows[0], "aria-setsize"))
		}
	}
	for _, offset := range []string{"-1", "x", "99999999999999999999"} {
		if got := len(o.get("/inbox/rows?offset=" + offset).class("chat-row")); got != 50 {
			t.Errorf("offset %s: %d rows", offset, got)
		}
	}
}

func TestAMemberFindsOnlyTheChatsThatTheySee(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	agent, secret := o.member(tideline.RoleAgent)
	got := o.receive("+14840000101", "Ana", "hidden from agents")
	mine := o.receive("+14840000102", "Bob", "theirs").ChatID
	o.post(fmt.Sprintf("/inbox/%d/change", mine), map[string]any{"assignee": agent.Email}).ok()
	if names := o.ask(http.MethodGet, "/inbox", secret, nil).names(); names != "Bob|" {
		t.Errorf("the agent's list shows %q", names)
	}
	if tally := o.ask(http.MethodGet, "/inbox/tally", secret, nil).body; tally != `{"mine":1,"unassigned":0,"unread":1}` {
		t.Errorf("the agent's tally %s", tally)
	}
	other, _, foreign, _ := o.tenant("other")
	if other.ID == o.ws.ID {
		t.Fatal("one workspace")
	}
	for who, s := range map[string]string{"agent": secret, "another workspace": foreign} {
		chat := fmt.Sprintf("/inbox/%d", got.ChatID)
		for _, path := range []string{chat, chat + "/conversation", chat + "/messages", chat + "/messages?around=" + got.UID, chat + "/panel"} {
			if a := o.ask(http.MethodGet, path, s, nil); a.status != http.StatusNotFound || strings.Contains(a.body, "hidden from agents") {
				t.Errorf("%s: %s answered %d", who, path, a.status)
			}
		}
		for path, body := range map[string]any{
			"/send": map[string]string{"text": "x"}, "/note": map[string]string{"text": "x"}, "/change": map[string]any{"closed": true}, "/read": nil,
			"/labels": map[string]any{"labels": []string{"x"}}, "/messages/" + got.UID + "/react": map[string]string{"emoji": "👍"},
			"/messages/" + got.UID + "/again": map[string]string{}, "/voice": "OggS",
		} {
			o.ask(http.MethodPost, chat+path, s, body).refused(http.StatusNotFound)
		}
	}
	if n := len(o.get(fmt.Sprintf("/inbox/%d/messages", got.ChatID)).class("message")); n != 1 {
		t.Errorf("the chat has %d messages now", n)
	}
	// Nor by the message of another chat.
	o.ask(http.MethodGet, fmt.Sprintf("/inbox/%d/messages?uid=%s", mine, got.UID), secret, nil).refused(http.StatusNotFound)
	o.ask(http.MethodPost, fmt.Sprintf("/inbox/%d/messages/%s/react", mine, got.UID), secret, map[string]string{"emoji": "👍"}).refused(http.StatusNotFound)
}

func TestAnEmptyInboxSaysWhatToDo(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	if page := o.get("/inbox"); !strings.Contains(page.ok().body, "Or write to somebody first") {
		t.Error("with a number")
	}
	o.must(o.store.RemoveAccount(t.Context(), o.ws.ID, o.acc.ID, o.now))
	if page := o.get("/inbox"); !strings.Contains(page.ok().body, `href="/numbers/pair"`) {
		t.Error("without a number the owner is not led to pairing")
	}
	_, secret := o.member(tideline.RoleAgent)
	if page := o.ask(http.MethodGet, "/inbox", secret, nil); !strings.Contains(page.ok().body, "Ask an admin") || strings.Contains(page.body, `href="/numbers/pair"`) {
		t.Error("an agent is not told whom to ask")
	}
}
