package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ask sends a request with a JSON body, a string as it is and everything else encoded.
func (w *world) ask(method, path string, body any) answer {
	w.t.Helper()
	return w.do(request{method: method, path: path, body: w.json(body), header: http.Header{"Content-Type": {"application/json"}}})
}

// as makes a member of a role, and gives their token.
func (w *world) as(email string, role tideline.Role) string {
	w.t.Helper()
	m, err := w.store.AddMember(w.t.Context(), tideline.Member{WorkspaceID: w.ws.ID, Email: email, DisplayName: strings.ToUpper(email[:1]) + "en",
		Role: role, CreatedAt: w.clock.now()})
	w.must(err)
	token, _, err := w.tokens.Create(w.t.Context(), w.ws, m, "test", 0)
	w.must(err)
	return token
}

// object gives the data of an answer that is an object.
func (w *world) object(a answer) map[string]any {
	w.t.Helper()
	data, ok := w.data(a).(map[string]any)
	if !ok {
		w.t.Fatalf("answered %s, whose data is no object", a.body)
	}
	return data
}

func TestAChatIsChangedAsDocumented(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.as("ben@acme.example", tideline.RoleAgent)
		id := w.receive("A1", nil).ChatID
		w.receive("B1", func(r *store.Reception) { r.Chat, r.Sender = bobPeer, bobPeer })
		path := fmt.Sprintf("/chats/%d", id)
		got := w.object(w.ask("PATCH", path, map[string]any{"name": " Best customer ", "responsible": "BEN@acme.example", "closed": true, "read": true,
			"chatgpt_autoresponse_enabled": true, "chat_id": id, "unknown": []int{1}}))
		for key, want := range map[string]any{"name": "Best customer", "responsible_email": "ben@acme.example", "responsible_name": "Ben", "closed": true,
			"read": true, "unattended": false, "chatgpt_autoresponse_enabled": true} {
			w.same(key, got[key], want)
		}
		w.same("by responsible", w.column("/chats?responsible=x@y.z,ben@acme.example", "name"), []string{"Best customer"})
		w.same("by automatic answers", w.column("/chats?chatgpt_autoresponse_enabled=true", "name"), []string{"Best customer"})
		got = w.object(w.ask("PATCH", path, `{"responsible":"","read":false,"name":null}`))
		w.same("nobody", got["responsible_email"], nil)
		w.same("read", got["read"], false)
		w.same("closed stays", got["closed"], true)
		w.same("an empty change", w.object(w.ask("PATCH", path, `{}`))["name"], "Best customer")

		w.refused(w.ask("PATCH", path, map[string]any{"name": "Bob", "closed": false}), 400, "validation_error")
		w.same("after a change that was refused", w.object(w.get(path))["closed"], true)
		w.refused(w.ask("PATCH", path, `{"responsible":"nobody@acme.example"}`), 404, "not_found")
		w.refused(w.ask("PATCH", path, `{"name":"  "}`), 400, "validation_error", "name")
		w.refused(w.ask("PATCH", path, map[string]any{"name": strings.Repeat("x", 257)}), 400, "validation_error", "name")
		w.refused(w.ask("PATCH", path, `{"closed":"yes","read":1,"name":7}`), 400, "validation_error", "name", "closed", "read")
		w.refused(w.ask("PATCH", path, `{"name":"a\u0000b"}`), 400, "validation_error", "name")
		for _, body := range []string{`[]`, `null`, `7`, `{`, "", "{\"name\":\"\xff\"}"} {
			w.refused(w.ask("PATCH", path, body), 400, "validation_error")
		}
		w.refused(w.ask("PATCH", path, `{"name":"a","name":"b","closed":true,"x":1,"x":2}`), 400, "validation_error", "name")
		w.same("unknown keys twice", w.ask("PATCH", path, `{"x":1,"x":2}`).status, 200)
		w.refused(w.ask("PATCH", "/chats/4711", `{"closed":true}`), 404, "not_found")
		w.refused(w.ask("PATCH", "/chats/x", `{"closed":true}`), 404, "not_found")
	})
}

func TestLabelsAreReplacedAddedAndListed(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		path := fmt.Sprintf("/chats/%d/labels", w.receive("A1", nil).ChatID)
		labels := func(a answer) any { t.Helper(); return w.object(a)["labels"] }
		w.same("at first", labels(w.get(path)), []any{})
		w.same("added", labels(w.ask("PUT", path, `{"labels":["vip"," new "]}`)), []any{"new", "vip"})
		w.same("added again", labels(w.ask("PUT", path, `{"labels":["vip"]}`)), []any{"new", "vip"})
		w.same("replaced", labels(w.ask("POST", path, `{"labels":["old","old"]}`)), []any{"old"})
		w.same("listed", labels(w.get(path)), []any{"old"})
		w.same("all taken away", labels(w.ask("POST", path, `{"labels":[]}`)), []any{})
		for body, field := range map[string]string{
			`{}`: "labels", `{"label":"x"}`: "labels", `{"labels":null}`: "labels", `{"labels":"x"}`: "labels", `{"labels":["a",7]}`: "labels.1",
			`{"labels":[" "]}`: "labels.0", `{"labels":["` + strings.Repeat("é", 65) + `"]}`: "labels.0",
			`{"labels":[` + strings.Repeat(`"x",`, 100) + `"x"]}`: "labels",
		} {
			w.refused(w.ask("POST", path, body), 400, "validation_error", field)
			w.refused(w.ask("PUT", path, body), 400, "validation_error", field)
		}
		w.refused(w.get("/chats/4711/labels"), 404, "not_found")
		w.refused(w.ask("PUT", "/chats/4711/labels", `{"labels":["x"]}`), 404, "not_found")
	})
}

func TestNotesArePartOfTheHistory(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		chat := w.receive("A1", nil).ChatID
		path := fmt.Sprintf("/chats/%d/notes", chat)
		first := w.uid(w.ask("POST", path, `{"text":"she likes tea"}`))
		second := w.uid(w.do(request{method: "POST", path: path, body: "and cake\n", header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}))
		w.uid(w.ask("POST", path, `{"text":"to all","is_private":false}`))
		w.same("history", w.column(fmt.Sprintf("/chats/%d/messages", chat), "text"), []string{"to all", "and cake\n", "she likes tea", "text of A1"})
		w.same("types", w.column(fmt.Sprintf("/v2/chats/%d/messages", chat), "message_type"), []string{"note", "note", "note", "whatsapp"})
		note := w.object(w.get("/messages/" + first))
		w.same("created by", note["created_by"], "Owner of acme")
		w.same("data", note["data"], map[string]any{"is_private": "true"})
		w.same("history of a note", w.data(w.get("/messages/"+second+"/status_history")), []any{})
		c := w.object(w.get(fmt.Sprintf("/chats/%d", chat)))
		w.same("last message", w.object(w.get("/messages/" + fmt.Sprint(c["last_message_uid"])))["text"], "text of A1")
		w.same("unread", c["read"], false)
		w.refused(w.ask("POST", path, `{}`), 400, "validation_error", "text")
		w.refused(w.ask("POST", path, `{"text":" "}`), 400, "validation_error", "text")
		w.refused(w.ask("POST", path, map[string]any{"text": strings.Repeat("x", 10001)}), 400, "validation_error", "text")
		w.refused(w.ask("POST", path, `{"text":"x","is_private":"no"}`), 400, "validation_error", "is_private")
		w.refused(w.do(request{method: "POST", path: path, body: "\xff", header: http.Header{"Content-Type": {"text/plain"}}}), 400, "validation_error")
		w.refused(w.do(request{method: "POST", path: path, body: "x", header: http.Header{"Content-Type": {"text/html"}}}), 400, "validation_error")
		w.refused(w.do(request{method: "POST", path: path, body: strings.Repeat("x", 1<<20+1), header: http.Header{"Content-Type": {"text/plain"}}}), 413, "validation_error")
		w.refused(w.ask("POST", "/chats/4711/notes", `{"text":"x"}`), 404, "not_found")
		w.refused(w.ask("PATCH", "/messages/"+first+"/reactions", `{"reaction":"👍"}`), 400, "validation_error")
	})
}

func TestTeammatesAndInvitations(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		invited := w.object(w.ask("POST", "/workspace/invitations", map[string]any{"email": "Cat@acme.example", "first_name": "Cat", "last_name": "Doe",
			"team_title": "Sales", "role": "AGENT"}))
		id := fmt.Sprint(int64(invited["user_id"].(float64)))
		delete(invited, "user_id")
		delete(invited, "created_at")
		w.same("invited", invited, map[string]any{"display_name": "Cat Doe", "email": "Cat@acme.example", "role": "agent", "team": "Sales",
			"status": "Invited", "invitation_status": "Pending", "whatsapp_accounts": []any{}})
		list := w.object(w.get("/workspace/teammates"))
		w.same("alias", w.object(w.get("/teammates")), list)
		w.same("teams", list["teams"], []any{map[string]any{"title": "Default"}, map[string]any{"title": "Sales"}})
		if members, _ := list["teammates"].([]any); len(members) != 2 {
			t.Errorf("teammates %v", list)
		}
		me := w.object(w.get("/workspace/teammates/me"))
		w.same("me", []any{me["email"], me["role"], me["status"], me["team"]}, []any{"owner@acme.example", "owner", "Active", "Default"})

		again := w.object(w.ask("POST", "/workspace/invitations", `{"email":"cat@acme.example","role":"Teammate"}`))
		w.same("invited again", []any{again["role"], again["team"]}, []any{"teammate", "Default"})
		for body, field := range map[string]string{
			`{"role":"agent"}`: "email", `{"email":"a@b.c"}`: "role", `{"email":"a@b.c","role":"owner"}`: "role", `{"email":"a@b.c","role":"boss"}`: "role",
			`{"email":"Ann <a@b.c>","role":"agent"}`: "email", `{"email":"ab","role":"agent"}`: "email", `{"email":"a@b.c","role":"agent","first_name":7}`: "first_name",
			`{"email":"a@b.c","role":"agent","last_name":"` + strings.Repeat("x", 151) + `"}`: "last_name",
			`{"email":"OWNER@acme.example","role":"agent"}`:                                   "email",
		} {
			w.refused(w.ask("POST", "/workspace/invitations", body), 400, "validation_error", field)
		}
		var revoked map[string]any
		w.decode(w.ask("DELETE", "/workspace/invitations/"+id, ""), &revoked)
		w.same("revoked", revoked, map[string]any{"status": "ok", "message": "Invitation revoked successfully"})
		w.refused(w.ask("DELETE", "/workspace/invitations/"+id, ""), 404, "not_found")
		w.refused(w.ask("DELETE", "/workspace/invitations/x", ""), 404, "not_found")
		w.refused(w.ask("DELETE", fmt.Sprintf("/workspace/invitations/%d", w.owner.ID), ""), 403, "permission_denied")
		w.as("dan@acme.example", tideline.RoleAgent)
		dan := w.memberID("dan@acme.example")
		w.refused(w.ask("DELETE", fmt.Sprintf("/workspace/invitations/%d", dan), ""), 409, "validation_error")
		w.setPlan(func(p *tideline.Plan) { p.Seats = 2 })
		w.refused(w.ask("POST", "/workspace/invitations", `{"email":"e@b.c","role":"agent"}`), 403, "plan_feature_unavailable")

		supervisor := w.as("sup@acme.example", tideline.RoleTeamSupervisor)
		w.setPlan(func(p *tideline.Plan) { p.Seats = -1 })
		invite := func(role string) answer {
			return w.do(request{method: "POST", path: "/workspace/invitations", token: supervisor, body: `{"email":"new@b.c","role":"` + role + `"}`})
		}
		w.refused(invite("admin"), 403, "permission_denied")
		w.same("invited by a supervisor", w.object(invite("agent"))["role"], "agent")
		w.refused(w.do(request{method: "POST", path: "/workspace/invitations", token: supervisor, body: `{"email":"owner@acme.example","role":"agent"}`}), 403, "permission_denied")
	})
}

func (w *world) memberID(email string) int64 {
	w.t.Helper()
	members, err := w.store.ListMembers(w.t.Context(), w.ws.ID)
	w.must(err)
	for _, m := range members {
		if m.Email == email {
			return m.ID
		}
	}
	w.t.Fatalf("no member %s", email)
	return 0
}

func TestTextTemplates(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.clock.move(time.Date(2026, 11, 22, 3, 30, 0, 0, time.UTC).Sub(w.clock.now()))
		made := w.object(w.ask("POST", "/templates", `{"name":"hello","text":"Hello!\nHow are you?"}`))
		id := fmt.Sprint(int64(made["id"].(float64)))
		at := made["created_at"]
		delete(made, "id")
		w.same("made", made, map[string]any{"name": "hello", "text": "Hello!\nHow are you?", "visibility": "public", "team_title": nil,
			"created_by_name": "Owner of acme", "created_at": at, "updated_by_name": "Owner of acme", "updated_at": at})
		if s, _ := at.(string); !strings.HasPrefix(s, "2026-11-22T03:30:") {
			t.Errorf("made at %v", at)
		}
		changed := w.object(w.ask("PATCH", "/templates/"+id, `{"text":"Hi!","visibility":"read-only","team_title":"Default"}`))
		w.same("changed", []any{changed["name"], changed["text"], changed["visibility"], changed["team_title"]}, []any{"hello", "Hi!", "read-only", "Default"})
		w.same("for all teams", w.object(w.ask("PATCH", "/templates/"+id, `{"team_title":null}`))["team_title"], nil)
		w.object(w.ask("POST", "/templates", `{"name":"hello","text":"the same name","visibility":"private"}`))
		list := w.object(w.get("/templates"))
		w.same("count", list["templates_count"], 2.0)
		v2 := w.object(w.get("/v2/templates"))["templates"].([]any)[1].(map[string]any)
		delete(v2, "id")
		w.same("in its older form", v2, map[string]any{"name": "hello", "text": "Hi!", "visibility": "read-only", "team_any": true, "team": nil,
			"can_be_edited": true, "can_be_deleted": true, "created_by_name": "Owner of acme", "created_at": "2026-11-22 09:00", "updated_by_name": "Owner of acme",
			"updated_at": "2026-11-22 09:00", "sample_data": map[string]any{}, "variable_source": nil, "attachment": nil})
		for _, a := range []answer{w.ask("POST", "/templates/"+id+"/track_usage", `{"origin":"inbox"}`), w.do(request{method: "POST", path: "/templates/" + id + "/track_usage"})} {
			w.same("tracked", strings.TrimSpace(string(a.body)), `{"status":"ok"}`)
		}
		w.same("tracked in its older form", strings.TrimSpace(string(w.ask("POST", "/v2/templates", `{"template_id":`+id+`,"origin":"x"}`).body)), `{"success":true}`)
		w.refused(w.ask("POST", "/v2/templates", `{"template_id":"1"}`), 400, "validation_error", "template_id", "origin")
		for body, fields := range map[string][]string{
			`{}`: {"name", "text"}, `{"name":"","text":"x"}`: {"name"}, `{"name":"x","text":"` + strings.Repeat("x", 4097) + `"}`: {"text"},
			`{"name":"` + strings.Repeat("x", 161) + `","text":"x"}`: {"name"}, `{"name":"x","text":"x","visibility":"secret"}`: {"visibility"},
		} {
			w.refused(w.ask("POST", "/templates", body), 400, "validation_error", fields...)
		}
		w.refused(w.ask("POST", "/templates", `{"name":"x","text":"x","team_title":"Sales"}`), 404, "not_found")
		for _, path := range []string{"/templates/4711", "/templates/x"} {
			w.refused(w.get(path), 404, "not_found")
			w.refused(w.ask("PATCH", path, `{"text":"x"}`), 404, "not_found")
			w.refused(w.ask("DELETE", path, ""), 404, "not_found")
			w.refused(w.ask("POST", path+"/track_usage", "{}"), 404, "not_found")
		}
		ben := w.as("ben@acme.example", tideline.RoleAgent)
		byBen := func(method, path, body string) answer {
			return w.do(request{method: method, path: path, token: ben, body: body})
		}
		w.same("seen by another", w.object(byBen("GET", "/templates", ""))["templates_count"], 1.0)
		w.refused(byBen("PATCH", "/templates/"+id, `{"text":"x"}`), 403, "permission_denied")
		w.refused(byBen("DELETE", "/templates/"+id, ""), 403, "permission_denied")
		w.same("deleted", w.ask("DELETE", "/templates/"+id, "").status, 200)
		w.refused(w.get("/templates/"+id), 404, "not_found")
	})
}

func TestFilesAreListedAndDeleted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		ben := w.as("ben@acme.example", tideline.RoleAgent)
		uid := w.fileUID("Prices.txt", "1 2 3")
		w.fileUID("terms.txt", "yes")
		files, _ := w.data(w.get("/files?filename=PRICE&limit=1")).([]any)
		if len(files) != 1 {
			t.Fatalf("files: %v", files)
		}
		first := files[0].(map[string]any)
		delete(first, "uploaded_at")
		w.same("listed", first, map[string]any{"uid": uid, "filename": "Prices.txt", "size": 5.0, "mimetype": "text/plain", "uploaded_by_email": "owner@acme.example"})
		w.refused(w.get("/files?filename=%00"), 400, "validation_error", "filename")
		message := w.send(map[string]any{"phone": "+14840000001", "file_uid": uid})
		w.refused(w.do(request{method: "DELETE", path: "/files/" + uid, token: ben}), 403, "permission_denied")
		w.same("deleted", w.ask("DELETE", "/files/"+uid, "").status, 200)
		w.refused(w.ask("DELETE", "/files/"+uid, ""), 404, "not_found")
		w.refused(w.ask("DELETE", "/files/x", ""), 404, "not_found")
		w.refused(w.get("/files/"+uid), 404, "not_found")
		w.same("the message of a file that is gone", w.object(w.get("/messages/" + message))["attachment_url"], nil)
	})
}

func TestTheSecondVersionShowsWhatAMemberMaySee(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.receive("A1", nil)
		bobs := w.receive("B1", func(r *store.Reception) { r.Chat, r.Sender, r.At = bobPeer, bobPeer, received.Add(time.Minute) }).ChatID
		tokens := map[string]string{
			"admin": w.as("admin@acme.example", tideline.RoleAdmin), "ada": w.as("ada@example.com", tideline.RoleAgent),
			"teammate": w.as("tom@acme.example", tideline.RoleTeammate), "agent": w.as("ben@acme.example", tideline.RoleAgent),
			"outsider": w.as("out@acme.example", tideline.RoleTeammate),
		}
		w.ask("POST", "/workspace/invitations", `{"email":"out@acme.example","role":"teammate","team_title":"Elsewhere"}`)
		w.ask("PATCH", fmt.Sprintf("/chats/%d", bobs), `{"responsible":"ben@acme.example"}`)
		for who, want := range map[string]struct {
			names   []string
			visible bool
		}{"admin": {[]string{"Bob", "Ana"}, true}, "ada": {[]string{"Bob", "Ana"}, true}, "teammate": {[]string{"Bob", "Ana"}, true},
			"agent": {[]string{"Bob"}, false}, "outsider": {[]string{}, false}} {
			var p page
			w.decode(w.do(request{method: "GET", path: "/v2/chats?phone=no-filter-here", token: tokens[who]}), &p)
			names := []string{}
			for _, c := range p.Data.Chats {
				names = append(names, fmt.Sprint(c["name"]))
			}
			w.same("chats seen by "+who, names, want.names)
			accounts, _ := w.object(w.do(request{method: "GET", path: "/v2/whatsapp_accounts", token: tokens[who]}))["whatsapp_accounts"].([]any)
			w.same("account seen by "+who, accounts[0].(map[string]any)["is_visible"], want.visible)
			w.decode(w.do(request{method: "GET", path: "/chats", token: tokens[who]}), &p)
			w.same("chats of the first version seen by "+who, len(p.Data.Chats), 2)
		}
	})
}

func TestTheBusinessPlatformIsNotSupported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	for _, op := range []string{"GET /waba/chats", "PATCH /waba/chats/7", "POST /waba/messages", "GET /waba/accounts", "POST /waba/accounts/1/analytics", "GET /waba/templates/1"} {
		method, path, _ := strings.Cut(op, " ")
		w.refused(w.ask(method, path, ""), 405, "not_supported")
		w.refused(w.do(request{method: method, path: path, token: "-"}), 401, "missing_credentials")
	}
}
