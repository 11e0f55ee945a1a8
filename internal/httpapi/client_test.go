package httpapi_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
)

// TestTheClientUnderstandsTheServer holds the two together: each is tested
// against the documents alone elsewhere.
func TestTheClientUnderstandsTheServer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		ctx := t.Context()
		c, err := client.New(strings.TrimSuffix(w.url, "/integrations/api"), w.token, client.WithHTTPClient(http.DefaultClient), client.WithAttempts(1))
		w.must(err)

		up, err := c.Upload(ctx, "prices.csv", "text/csv", strings.NewReader("a,1\n"))
		w.must(err)
		if up.Name != "prices.csv" || up.MIMEType != "text/csv" || up.Size != 4 || up.UploadedAt.IsZero() {
			t.Errorf("upload %+v", up)
		}
		again, err := c.File(ctx, up.UID)
		w.must(err)
		up.DownloadURL, again.DownloadURL = "", ""
		if diff := cmp.Diff(up, again, cmp.Comparer(func(a, b client.Time) bool { return a.Equal(b.Time) })); diff != "" {
			t.Errorf("file (-uploaded +shown):\n%s", diff)
		}

		m := client.Message{Phone: "+14840000000", AccountPhone: string(w.acc.Phone), Text: "hi", FileUID: up.UID, Label: "vip", ChatName: "Ada", IdempotencyKey: "k"}
		sent, err := c.Send(ctx, m)
		w.must(err)
		replayed, err := c.Send(ctx, m)
		w.must(err)
		if sent.Replayed || !replayed.Replayed || sent.MessageUID != replayed.MessageUID {
			t.Errorf("sent %+v, then %+v", sent, replayed)
		}
		info, err := c.Message(ctx, sent.MessageUID)
		w.must(err)
		if info.Text != "hi" || info.Status != "Pending" || info.AttachmentFilename != "prices.csv" || info.RecipientName != "Ada" || info.Timestamp.IsZero() {
			t.Errorf("message %+v", info)
		}
		history, err := c.StatusHistory(ctx, sent.MessageUID)
		w.must(err)
		if len(history) != 0 {
			t.Errorf("history %+v", history)
		}
		accounts, err := c.Accounts(ctx)
		w.must(err)
		if len(accounts) != 1 || accounts[0].Phone != string(w.acc.Phone) || accounts[0].Status != "active" {
			t.Errorf("accounts %+v", accounts)
		}
		ws, err := c.Workspace(ctx)
		w.must(err)
		q, err := c.Quotas(ctx)
		w.must(err)
		if ws.ID != "acme" || ws.Messages.Used != 2 || q.Messages.Used != 2 || q.APICalls.Total != client.Unlimited || !q.NonRecurring.UpdatedAt.IsZero() {
			t.Errorf("workspace %+v, quotas %+v", ws, q)
		}

		hook, err := c.CreateWebhook(ctx, "message:new", hookURL)
		w.must(err)
		off := false
		changed, err := c.UpdateWebhook(ctx, hook.ID, client.WebhookChange{Enabled: &off})
		w.must(err)
		shown, err := c.Webhook(ctx, hook.ID)
		w.must(err)
		list, err := c.Webhooks(ctx)
		w.must(err)
		if !hook.Enabled || hook.URL != hookURL || changed.Enabled || shown != changed || len(list) != 1 || list[0] != changed {
			t.Errorf("webhooks %+v, %+v, %+v, %+v", hook, changed, shown, list)
		}
		w.must(c.DeleteWebhook(ctx, hook.ID))
		if _, err := c.Webhook(ctx, hook.ID); client.Code(err) != client.CodeNotFound {
			t.Errorf("a webhook that is gone: %v", err)
		}
		events, more, err := c.Events(ctx, "", 1)
		w.must(err)
		if len(events) != 1 || !more || events[0].EventType != "whatsapp:account:connected" || events[0].Timestamp.IsZero() || len(events[0].Body) == 0 {
			t.Errorf("events %+v, more %v", events, more)
		}
		rest, more, err := c.Events(ctx, events[0].UID, 0)
		w.must(err)
		if len(rest) != 1 || more || rest[0].ID <= events[0].ID {
			t.Errorf("the rest %+v, more %v", rest, more)
		}

		_, err = c.Send(ctx, client.Message{Phone: "nobody"})
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 400 || e.Code != client.CodeValidation || len(e.Fields) != 2 {
			t.Errorf("refusal %+v", err)
		}
		_, err = c.Message(ctx, "../quotas?x=1")
		if client.Code(err) != client.CodeNotFound {
			t.Errorf("a uid that is a path: %v", err)
		}
	})
}

// otherPaths are operations that another one does too; the client has the other.
var otherPaths = map[string]string{
	"putMessageReaction":   "setMessageReaction",
	"sendMessageV2":        "sendMessage",
	"sendMessageToChatV2":  "sendMessageToChat",
	"getQuotas":            "getWorkspaceQuotas",
	"listTeammatesAlias":   "listTeammates",
	"listChatMessagesV2":   "listChatMessages",
	"trackTemplateUsageV2": "trackTemplateUsage",
}

// asked notes which operations of the contract were asked for.
type asked struct {
	t    *testing.T
	mu   sync.Mutex
	seen map[string]bool
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	router, err := contract()
	if err != nil {
		return nil, err
	}
	find := r.Clone(a.t.Context())
	find.URL.Host, find.URL.Scheme = "", ""
	route, _, err := router.FindRoute(find)
	if err != nil {
		a.t.Errorf("the client asks for %s %s: %v", r.Method, r.URL.Path, err)
	} else {
		a.mu.Lock()
		a.seen[route.Operation.OperationID] = true
		a.mu.Unlock()
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestTheClientHasEveryOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	notes := &asked{t: t, seen: map[string]bool{}}
	c, err := client.New(strings.TrimSuffix(w.url, "/integrations/api"), w.token, client.WithHTTPClient(&http.Client{Transport: notes}), client.WithAttempts(1))
	w.must(err)
	ctx := t.Context()
	got := w.receive("A1", nil)

	chats, more, err := c.Chats(ctx, client.ChatFilter{Names: []string{"ana"}, Read: new(false), Page: 1, WithMessage: true})
	w.must(err)
	if len(chats) != 1 || more || chats[0].ID != got.ChatID || chats[0].LastMessage == nil || chats[0].LastMessage.Text != "text of A1" || chats[0].Photo != "" {
		t.Errorf("chats %+v", chats)
	}
	visible, _, err := c.VisibleChats(ctx, client.ChatFilter{})
	w.must(err)
	w.same("visible chats", len(visible), 1)
	chat, err := c.ChangeChat(ctx, got.ChatID, client.ChatChange{Closed: new(true), Responsible: new("owner@acme.example")})
	w.must(err)
	again, err := c.Chat(ctx, got.ChatID)
	w.must(err)
	w.same("responsible", again.ResponsibleEmail, "owner@acme.example")
	w.same("closed", chat.Closed, true)
	_, err = c.AddLabels(ctx, got.ChatID, "b", "a")
	w.must(err)
	_, err = c.ReplaceLabels(ctx, got.ChatID, "c")
	w.must(err)
	labels, err := c.Labels(ctx, got.ChatID)
	w.must(err)
	w.same("labels", labels, []string{"c"})
	note, err := c.AddNote(ctx, got.ChatID, "tea")
	w.must(err)
	messages, _, err := c.ChatMessages(ctx, got.ChatID, client.MessageFilter{OldestFirst: true})
	w.must(err)
	if len(messages) != 2 || messages[1].UID != note || messages[1].MessageType != "note" {
		t.Errorf("messages %+v", messages)
	}

	w.must(c.React(ctx, got.UID, "👍"))
	reactions, err := c.Reactions(ctx, got.UID)
	w.must(err)
	if reactions.Total != 1 || !reactions.Users[0].Current || reactions.Counts["👍"] != 1 {
		t.Errorf("reactions %+v", reactions)
	}

	titles, members, err := c.Teammates(ctx)
	w.must(err)
	me, err := c.Me(ctx)
	w.must(err)
	if len(titles) != 1 || len(members) != 1 || me.Role != "owner" || me.ID != members[0].ID {
		t.Errorf("teams %v, members %+v, me %+v", titles, members, me)
	}
	invited, err := c.Invite(ctx, client.Invitation{Email: "ben@acme.example", Role: "agent"})
	w.must(err)
	w.same("invitation", invited.InvitationStatus, "Pending")
	w.must(c.RevokeInvitation(ctx, invited.ID))
	seen, err := c.VisibleAccounts(ctx)
	w.must(err)
	if len(seen) != 1 || !seen[0].Visible || seen[0].Phone != string(w.acc.Phone) {
		t.Errorf("accounts %+v", seen)
	}

	template, err := c.CreateTemplate(ctx, client.NewTemplate{Name: "hello", Text: "Hello!"})
	w.must(err)
	var all *string
	changed, err := c.ChangeTemplate(ctx, template.ID, client.TemplateChange{Text: new("Hi!"), Team: &all})
	w.must(err)
	w.same("text", changed.Text, "Hi!")
	w.must(c.TrackTemplate(ctx, template.ID, "test"))
	shown, err := c.Template(ctx, template.ID)
	w.must(err)
	w.same("name", shown.Name, "hello")
	list, err := c.Templates(ctx)
	w.must(err)
	rights, err := c.TemplatesV2(ctx)
	w.must(err)
	if len(list) != 1 || len(rights) != 1 || !rights[0].Editable {
		t.Errorf("templates %+v, rights %+v", list, rights)
	}
	w.must(c.DeleteTemplate(ctx, template.ID))

	up, err := c.Upload(ctx, "a.txt", "", strings.NewReader("x"))
	w.must(err)
	_, err = c.File(ctx, up.UID)
	w.must(err)
	_, err = c.UploadURL(ctx, w.hosted("hosted", "text"), "b.txt", "")
	w.must(err)
	files, err := c.Files(ctx, "A.T")
	w.must(err)
	w.same("files", len(files), 1)
	w.must(c.DeleteFile(ctx, up.UID))
	fetched, err := c.UploadURL(ctx, w.hosted("b.txt", "y"), "c.txt", "")
	w.must(err)
	w.same("file by URL", fetched.Name, "c.txt")

	hook, err := c.CreateWebhook(ctx, "message:new", "https://example.com/hook")
	w.must(err)
	_, err = c.UpdateWebhook(ctx, hook.ID, client.WebhookChange{Enabled: new(false)})
	w.must(err)
	_, err = c.Webhook(ctx, hook.ID)
	w.must(err)
	hooks, err := c.Webhooks(ctx)
	w.must(err)
	w.same("webhooks", len(hooks), 1)
	w.must(c.DeleteWebhook(ctx, hook.ID))
	events, _, err := c.Events(ctx, "", 100)
	w.must(err)
	if len(events) == 0 {
		t.Error("no events")
	}

	sent, err := c.Send(ctx, client.Message{Phone: "+14840000009", Text: "hi"})
	w.must(err)
	_, err = c.SendToChat(ctx, got.ChatID, client.Message{Text: "hi"})
	w.must(err)
	_, err = c.SendToJID(ctx, string(anaPeer.JID), client.Message{Text: "hi"})
	w.must(err)
	_, err = c.SendToName(ctx, "Ana", client.Message{Text: "hi"})
	w.must(err)
	_, err = c.SendVoice(ctx, got.ChatID, client.Recording{Name: "a.ogg", File: bytes.NewReader(voicetest.Opus(time.Second))})
	w.must(err)
	_, err = c.SendDocument(ctx, got.ChatID, client.Document{Name: "a.txt", File: strings.NewReader("x")})
	w.must(err)
	_, err = c.Message(ctx, sent.MessageUID)
	w.must(err)
	_, err = c.StatusHistory(ctx, sent.MessageUID)
	w.must(err)
	_, err = c.Accounts(ctx)
	w.must(err)
	_, err = c.Workspace(ctx)
	w.must(err)
	_, err = c.Quotas(ctx)
	w.must(err)

	for id := range contractOperations(t) {
		if !notes.seen[id] && otherPaths[id] == "" {
			t.Errorf("the client has no method for %s", id)
		}
	}
}
