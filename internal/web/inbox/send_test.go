package inbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// bubbles gives the texts of a chat's bubbles.
func (o *office) bubbles(chat int64) string {
	o.t.Helper()
	return text(o.get(fmt.Sprintf("/inbox/%d/messages", chat)).class("bubble")...)
}

func TestAMessageIsSentOnceHoweverOftenItIsTried(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	chat := o.receive("+14840000101", "Ana", "hello").ChatID
	path := fmt.Sprintf("/inbox/%d/send", chat)
	body := map[string]any{"text": "Good morning", "key": uuid.NewString()}
	first, second := o.post(path, body).field("uid"), o.post(path, body).field("uid")
	if first != second || strings.Count(o.bubbles(chat), "Good morning") != 1 {
		t.Errorf("sent as %s and %s: %s", first, second, o.bubbles(chat))
	}
	body["text"] = "Good evening"
	o.post(path, body).refused(http.StatusConflict)
	body["key"] = "not a uuid"
	o.post(path, body).refused(http.StatusUnprocessableEntity)
	v, err := o.store.MessageByUID(t.Context(), o.ws.ID, first)
	o.must(err)
	if v.Message.Origin != tideline.OriginInbox || v.Message.MemberID != o.owner.ID {
		t.Errorf("sent as %+v", v.Message)
	}
}

func TestWhatIsWrongWithAMessageIsSaid(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	chat := o.receive("+14840000101", "Ana", "hello").ChatID
	path := fmt.Sprintf("/inbox/%d/send", chat)
	for name, body := range map[string]any{
		"nothing": map[string]string{}, "blank": map[string]string{"text": " "}, "too long": map[string]string{"text": strings.Repeat("x", 2001)},
		"no JSON": "{", "unknown field": map[string]string{"txt": "x"}, "bad reply": map[string]string{"text": "x", "reply_to": "x"},
	} {
		if a := o.post(path, body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	o.post(path, map[string]string{"text": "x", "file": uuid.NewString()}).refused(http.StatusNotFound)
	_, secret := o.member(tideline.RoleCollaborator)
	collaborator, err := o.store.ListMembers(t.Context(), o.ws.ID)
	o.must(err)
	o.post(fmt.Sprintf("/inbox/%d/change", chat), map[string]any{"assignee": collaborator[1].Email}).ok()
	o.ask(http.MethodPost, path, secret, map[string]string{"text": "x"}).refused(http.StatusForbidden)
	o.ask(http.MethodPost, fmt.Sprintf("/inbox/%d/note", chat), secret, map[string]string{"text": "but a note"}).ok()
	page := o.ask(http.MethodGet, fmt.Sprintf("/inbox/%d", chat), secret, nil)
	if !strings.Contains(page.ok().body, "data-blocked") || len(page.class("note")) == 0 {
		t.Error("a collaborator is not shown that only notes can be written")
	}
}

func TestTicksFailuresAndWaitingAreShown(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	chat := o.receive("+14840000101", "Ana", "hello").ChatID
	path := fmt.Sprintf("/inbox/%d", chat)
	first := o.post(path+"/send", map[string]string{"text": "first"}).field("uid")
	second := o.post(path+"/send", map[string]string{"text": "second"}).field("uid")
	if got := o.bubbles(chat); !strings.Contains(got, "Next in line") || !strings.Contains(got, "Number 2 in line") {
		t.Errorf("in the queue: %s", got)
	}
	o.state(o.acc, tideline.AccountDisconnected)
	if got := o.bubbles(chat); !strings.Contains(got, "is not connected") {
		t.Errorf("while the number is not connected: %s", got)
	}
	o.state(o.acc, tideline.AccountActive)
	o.must(o.store.PauseAccount(t.Context(), o.ws.ID, o.acc.ID, "Olga", o.now))
	if got := o.bubbles(chat); !strings.Contains(got, "Waits: Olga paused") {
		t.Errorf("while the number is paused: %s", got)
	}
	if got := text(o.get(path).class("composer-line")...); !strings.Contains(got, "Olga paused") {
		t.Errorf("the composer while the number is paused: %q", got)
	}
	o.must(o.store.ResumeAccount(t.Context(), o.ws.ID, o.acc.ID, o.now))
	o.settle(first, tideline.StatusSent, "")
	v, err := o.store.MessageByUID(t.Context(), o.ws.ID, first)
	o.must(err)
	o.must(o.store.ApplyReceipts(t.Context(), store.Receipts{AccountID: o.acc.ID, WhatsAppIDs: []string{v.Message.WhatsAppID}, Status: tideline.StatusRead, At: o.now.Add(time.Second)}))
	o.settle(second, tideline.StatusFailed, tideline.ReasonNotOnWhatsApp)
	page := o.get(path)
	if got := text(page.class("refused")...); !strings.Contains(got, "Not sent: the number is not on WhatsApp.") || !strings.Contains(got, "Send again") {
		t.Errorf("the failed one: %q", got)
	}
	if len(o.get(path+"/messages").class("read")) != 1 {
		t.Error("the read one has no ticks")
	}
	o.post(path+"/messages/"+first+"/again", map[string]string{}).refused(http.StatusConflict)
	key := map[string]string{"key": uuid.NewString()}
	again := o.post(path+"/messages/"+second+"/again", key).field("uid")
	if again == second || again != o.post(path+"/messages/"+second+"/again", key).field("uid") {
		t.Errorf("%s was sent again as %s, or twice", second, again)
	}
	if got := o.bubbles(chat); strings.Count(got, "second") != 2 {
		t.Errorf("afterwards: %s", got)
	}
}

func TestRepliesQuoteAndReactionsCount(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	got := o.receive("+14840000101", "Ana", "What does <b>it</b> cost?")
	path := fmt.Sprintf("/inbox/%d", got.ChatID)
	o.post(path+"/send", map[string]string{"text": "Ten euros", "reply_to": got.UID}).ok()
	quote := o.get(path).class("quote")
	if len(quote) != 1 || attr(quote[0], "data-jump") != got.UID || !strings.Contains(text(quote...), "AnaWhat does <b>it</b> cost?") {
		t.Errorf("quoted as %q", text(quote...))
	}
	other := o.receive("+14840000102", "Bob", "elsewhere")
	o.post(path+"/send", map[string]string{"text": "x", "reply_to": other.UID}).refused(http.StatusUnprocessableEntity)
	o.post(path+"/messages/"+got.UID+"/react", map[string]string{"emoji": "❤️"}).ok()
	if len(o.reacted) != 1 || o.reacted[0].Emoji != "❤️" || len(o.get(path).class("own")) != 1 {
		t.Errorf("reacted %+v", o.reacted)
	}
	o.post(path+"/messages/"+got.UID+"/react", map[string]string{"emoji": ""}).ok()
	if len(o.get(path).class("reaction")) != 0 {
		t.Error("the reaction that was taken back is shown")
	}
	around := o.get(path + "/messages?around=" + got.UID)
	if n := len(around.class("message")); n != 2 {
		t.Errorf("around the question are %d messages", n)
	}
}

func TestOlderMessagesComeInOrder(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	var chat int64
	for i := range 95 {
		chat = o.receive("+14840000101", "Ana", fmt.Sprintf("m%02d", i)).ChatID
	}
	path := fmt.Sprintf("/inbox/%d/messages", chat)
	var seen []string
	before := ""
	for {
		a := o.get(path + "?before=" + before)
		var part []string
		for _, m := range a.class("message") {
			part = append(part, strings.Trim(text(m)[:3], "|"))
			if len(part) == 1 {
				before = attr(m, "data-uid")
			}
		}
		seen = append(part, seen...)
		if !strings.Contains(a.body, `data-older="true"`) {
			break
		}
	}
	for i, m := range seen {
		if m != fmt.Sprintf("m%02d", i) {
			t.Fatalf("message %d is %s", i, m)
		}
	}
	if len(seen) != 95 {
		t.Errorf("%d messages", len(seen))
	}
	middle := o.get(path + "?before=" + before).class("message")
	if len(middle) != 0 {
		t.Errorf("before the first are %d", len(middle))
	}
}

func TestAChatIsBegunFromANumber(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	body := map[string]string{"phone": "+1 484 000 0199", "account": string(o.acc.Phone), "name": "Dora", "text": "Hello Dora", "key": uuid.NewString()}
	chat := o.post("/inbox/new", body).field("chat")
	if again := o.post("/inbox/new", body).field("chat"); again != chat {
		t.Errorf("chats %s and %s", chat, again)
	}
	if got := text(o.get("/inbox/" + chat).class("bubble")...); strings.Count(got, "Hello Dora") != 1 {
		t.Errorf("said %q", got)
	}
	o.post("/inbox/new", map[string]string{"phone": "abc", "text": "x"}).refused(http.StatusUnprocessableEntity)
	_, secret := o.member(tideline.RoleAgent)
	for _, account := range []string{"", string(o.acc.Phone)} {
		o.ask(http.MethodPost, "/inbox/new", secret, map[string]string{"phone": "+14840000198", "account": account, "text": "x"}).refused(http.StatusForbidden)
	}
}

func TestWhatAMemberDoesWithAChat(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	chat := o.receive("+14840000101", "Ana", "hello").ChatID
	path := fmt.Sprintf("/inbox/%d", chat)
	view := func() store.ChatView {
		v, err := o.store.ChatView(t.Context(), o.ws.ID, chat)
		o.must(err)
		return v
	}
	o.post(path+"/read", nil).ok()
	if view().Chat.Unread != 0 {
		t.Error("it is unread although somebody looked")
	}
	if got := o.post(path+"/change", map[string]any{"assignee": o.owner.Email}).field("message"); got != "Assigned to Olga" {
		t.Errorf("said %q", got)
	}
	o.post(path+"/change", map[string]any{"read": false}).ok()
	o.post(path+"/labels", map[string]any{"labels": []string{"vip", "Berlin"}}).ok()
	o.post(path+"/note", map[string]string{"text": "pays late, see https://example.org/x"}).ok()
	panel := o.get(path + "/panel")
	if got := text(panel.class("chip")...); got != "Berlin|vip|" {
		t.Errorf("labels %q", got)
	}
	if got := text(panel.class("past")...); !strings.Contains(got, "Labels: Berlin, vip") || !strings.Contains(got, "Assigned to Olga") {
		t.Errorf("history %q", got)
	}
	if got := text(panel.class("note-card")...); !strings.Contains(got, "pays late, see https://example.org/x") {
		t.Errorf("notes %q", got)
	}
	if v := view(); v.Chat.Unread == 0 || v.Responsible == nil {
		t.Errorf("afterwards %+v", v.Chat)
	}
	closed := o.ask(http.MethodPost, path+"/change", "", "closed=true", func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
	})
	closed.refused(http.StatusSeeOther)
	if !view().Chat.Closed {
		t.Error("the form without a script does not close")
	}
	o.post(path+"/change", map[string]any{"name": " "}).refused(http.StatusUnprocessableEntity)
	o.post(path+"/labels", map[string]any{"labels": []string{""}}).refused(http.StatusUnprocessableEntity)
	_, secret := o.member(tideline.RoleCollaborator)
	o.ask(http.MethodPost, path+"/change", secret, map[string]any{"closed": false}).refused(http.StatusNotFound)
}

func TestTemplatesAreFoundByNameAndText(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	p := &tideline.Principal{Workspace: o.ws, Member: o.owner}
	_, err := team.New(o.store, nil).CreateTemplate(t.Context(), p, team.TemplateChange{Name: new("Hours"), Text: new("We open at {time}, {contact_name}")})
	o.must(err)
	for search, want := range map[string]bool{"": true, "hou": true, "OPEN AT": true, "zzz": false, "%ff": false} {
		if got := strings.Contains(o.get("/inbox/templates?q="+strings.ReplaceAll(search, " ", "+")).ok().body, "Hours"); got != want {
			t.Errorf("%q finds it: %v", search, got)
		}
	}
	// In a chat, the places that are known are filled in.
	chat := o.receive("+14840000001", "Ana", "hello").ChatID
	if got := o.get(fmt.Sprintf("/inbox/templates?q=&chat=%d", chat)).ok().body; !strings.Contains(got, "We open at {time}, Ana") {
		t.Errorf("in a chat: %s", got)
	}
	o.get("/inbox/templates?q=&chat=4711").refused(http.StatusNotFound)
	o.post("/inbox/templates/1/used", nil).ok()
	o.post("/inbox/templates/99/used", nil).refused(http.StatusNotFound)
}
