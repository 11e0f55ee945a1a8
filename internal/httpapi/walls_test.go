package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidelinehq/tideline/api"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// wall says how an operation of the contract is tried with what belongs to
// another workspace, and by the role that may least.
type wall struct {
	// body is a good request but for the {placeholders}, which name things of the
	// other workspace. "" = none.
	body string
	form bool // a multipart form with a file instead
	// foreign is the status that another workspace's things get; 0 = the
	// operation names none, and answers with the workspace's own things.
	foreign int
	// least is what a collaborator gets for their own workspace's things; 0 = 200.
	least int
}

// walls has every operation of the contract: a new one must say how it keeps
// the walls.
var walls = map[string]wall{
	"sendMessage":             {body: `{"phone":"+14840000001","text":"x","whatsapp_account_id":"{account}"}`, foreign: 404, least: 403},
	"sendMessageToJID":        {body: `{"jid":"14840000001@s.whatsapp.net","text":"x","whatsapp_account_id":"{account}"}`, foreign: 404, least: 403},
	"sendMessageToChat":       {body: `{"text":"x"}`, foreign: 404, least: 403},
	"sendMessageV2":           {body: `{"phone":"+14840000001","text":"x","whatsapp_account_id":"{account}"}`, foreign: 404, least: 403},
	"sendMessageToChatV2":     {body: `{"text":"x"}`, foreign: 404, least: 403},
	"sendMessageToChatName":   {body: `{"chat_name":"Ana","text":"x"}`, foreign: 404, least: 403},
	"sendVoiceMessage":        {form: true, foreign: 404, least: 403},
	"sendFileMessage":         {form: true, foreign: 404, least: 403},
	"getMessage":              {foreign: 404},
	"getMessageStatusHistory": {foreign: 404},
	"getMessageReactions":     {foreign: 404},
	"setMessageReaction":      {body: `{"reaction":"👍"}`, foreign: 404, least: 403},
	"putMessageReaction":      {body: `{"reaction":"👍"}`, foreign: 404, least: 403},
	"listChats":               {},
	"listChatsV2":             {},
	"getChat":                 {foreign: 404},
	"updateChat":              {body: `{"closed":true}`, foreign: 404, least: 403},
	"listChatMessages":        {foreign: 404},
	"listChatMessagesV2":      {foreign: 404},
	"listChatLabels":          {foreign: 404},
	"replaceChatLabels":       {body: `{"labels":["x"]}`, foreign: 404, least: 403},
	"addChatLabels":           {body: `{"labels":["x"]}`, foreign: 404, least: 403},
	"addNote":                 {body: `{"text":"x"}`, foreign: 404},
	"uploadFile":              {form: true, least: 403},
	"uploadFileByURL":         {body: `{"download_url":"{file_url}"}`, least: 403},
	"listFiles":               {},
	"getFile":                 {foreign: 404},
	"deleteFile":              {foreign: 404, least: 403},
	"listWhatsappAccounts":    {},
	"listWhatsappAccountsV2":  {},
	"getWorkspace":            {},
	"getWorkspaceQuotas":      {},
	"getQuotas":               {},
	"listTeammates":           {},
	"listTeammatesAlias":      {},
	"getMe":                   {},
	"inviteTeammate":          {body: `{"email":"new@b.c","role":"agent"}`, least: 403},
	"revokeInvitation":        {foreign: 404, least: 403},
	"listTemplates":           {},
	"listTemplatesV2":         {},
	"createTemplate":          {body: `{"name":"x","text":"x"}`, least: 403},
	"getTemplate":             {foreign: 404},
	"updateTemplate":          {body: `{"text":"x"}`, foreign: 404, least: 403},
	"trackTemplateUsage":      {body: `{}`, foreign: 404},
	"trackTemplateUsageV2":    {body: `{"template_id":{template},"origin":"x"}`, foreign: 404},
	"deleteTemplate":          {foreign: 404, least: 403},
	"listWebhooks":            {least: 403},
	"createWebhook":           {body: `{"event_type":"message:new","url":"https://example.com/new","enabled":true}`, least: 403},
	"getWebhook":              {foreign: 404, least: 403},
	"updateWebhook":           {body: `{"enabled":false}`, foreign: 404, least: 403},
	"deleteWebhook":           {foreign: 404, least: 403},
	"listEvents":              {},
}

// belongings are the ids of what a workspace has.
type belongings map[string]string

// fill puts ids in the place of {placeholders}.
func (b belongings) fill(s string) string {
	for name, id := range b {
		s = strings.ReplaceAll(s, "{"+name+"}", id)
	}
	return s
}

// belongings makes one thing of each kind in the world's workspace. Words that
// must never be seen elsewhere begin with "secret".
func (w *world) belongings() belongings {
	w.t.Helper()
	got := w.receive("SECRET1", nil)
	chat := fmt.Sprint(got.ChatID)
	w.ask("PUT", "/chats/"+chat+"/labels", `{"labels":["secret label"]}`)
	w.ask("POST", "/chats/"+chat+"/notes", `{"text":"secret note"}`)
	invited := w.object(w.ask("POST", "/workspace/invitations", `{"email":"secret@acme.example","role":"agent","team_title":"secret team"}`))
	hook := w.object(w.ask("POST", "/webhooks", `{"event_type":"message:new","url":"https://secret.example/"}`))
	template := w.object(w.ask("POST", "/templates", `{"name":"secret template","text":"secret text"}`))
	number := func(v any) string { return fmt.Sprint(int64(v.(float64))) }
	return belongings{
		"account": string(w.acc.JID), "chat_id": chat, "uid": got.UID, "file": w.fileUID("secret.txt", "secret"),
		"user_id": number(invited["user_id"]), "template_id": number(template["id"]), "template": number(template["id"]),
		"webhook_id": number(hook["id"]), "file_url": w.hosted("hosted", "text"),
	}
}

// contractOperations gives the contract's operations as "METHOD /path", by their ids.
func contractOperations(t *testing.T) map[string]string {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all[op.OperationID] = method + " " + path
		}
	}
	return all
}

// requestOf makes a good request for an operation, with things that b names.
func requestOf(id, operation string, b belongings) request {
	method, path, _ := strings.Cut(operation, " ")
	if strings.HasPrefix(path, "/files/") {
		path = strings.ReplaceAll(path, "{uid}", "{file}")
	}
	r := request{method: method, path: b.fill(path), body: b.fill(walls[id].body), header: http.Header{"Content-Type": {"application/json"}}}
	if walls[id].form {
		r.body = formWith("a.txt", "x")
		r.header = http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}
	}
	return r
}

// formWith is a form of a file alone, with the boundary b.
func formWith(name, content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\n\r\n" + content + "\r\n--b--\r\n"
}

// try asks for an operation with things that b names.
func (w *world) try(token, id, operation string, b belongings) answer {
	w.t.Helper()
	r := requestOf(id, operation, b)
	r.token = token
	return w.do(r)
}

func TestTheWallsOfEveryOperation(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		theirs := w.belongings()
		stranger := func() string { _, _, token, _ := w.newTenant("stranger"); return token }()
		all := contractOperations(t)
		for _, id := range slices.Sorted(maps.Keys(all)) {
			wall, ok := walls[id]
			if !ok {
				t.Errorf("%s (%s) is not in the table of walls", id, all[id])
				continue
			}
			got := w.try(stranger, id, all[id], theirs)
			if wall.foreign != 0 && got.status != wall.foreign || wall.foreign == 0 && got.status != http.StatusOK {
				t.Errorf("%s: a stranger is answered %d %s", all[id], got.status, got.body)
			}
			for _, word := range []string{"secret", "SECRET", string(w.acc.Phone), w.owner.Email, "Ana"} {
				if strings.Contains(string(got.body), word) && !strings.Contains(wall.body, word) {
					t.Errorf("%s shows a stranger %q: %s", all[id], word, got.body)
				}
			}
		}
		for id := range walls {
			if all[id] == "" {
				t.Errorf("the table of walls has %s, the contract does not", id)
			}
		}
		// Nothing was changed by the stranger's requests.
		c := w.object(w.get("/chats/" + theirs["chat_id"]))
		w.same("labels", c["labels"], []any{"secret label"})
		w.same("closed", c["closed"], false)
		w.same("messages", len(w.column("/chats/"+theirs["chat_id"]+"/messages", "uid")), 2)
		for _, path := range []string{"/files/" + theirs["file"], "/templates/" + theirs["template_id"], "/webhooks/" + theirs["webhook_id"]} {
			w.same(path, w.get(path).status, 200)
		}
	})
}

func TestACollaboratorReadsAndWritesNotes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		own := w.belongings()
		collaborator := w.as("col@acme.example", tideline.RoleCollaborator)
		all := contractOperations(t)
		for _, id := range slices.Sorted(maps.Keys(all)) {
			wall := walls[id]
			got := w.try(collaborator, id, all[id], own)
			if want := max(wall.least, http.StatusOK); got.status != want {
				t.Errorf("%s: a collaborator is answered %d %s, want %d", all[id], got.status, got.body, want)
			}
			if wall.least == http.StatusForbidden {
				w.refused(got, http.StatusForbidden, "permission_denied")
			}
		}
	})
}
