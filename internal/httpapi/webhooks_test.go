package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

const hookURL = "https://example.com/hook?token=s3cret"

func (w *world) put(path string, body any) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodPut, path: path, body: w.json(body), header: http.Header{"Content-Type": {"application/json"}}})
}

func (w *world) remove(path string) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodDelete, path: path})
}

func TestAWebhookHasTheDocumentedShape(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.same("no webhooks", w.data(w.get("/webhooks")), []any{})
		made, _ := w.data(w.post("/webhooks", map[string]any{"event_type": "message:new", "url": hookURL, "unknown": 1})).(map[string]any)
		id, ok := made["id"].(float64)
		if !ok || id < 1 {
			t.Fatalf("webhook %v", made)
		}
		want := map[string]any{"id": id, "event_type": "message:new", "url": hookURL, "enabled": true, "errors_counter": 0.0}
		w.same("made", made, want)
		path := fmt.Sprintf("/webhooks/%.0f", id)
		w.same("got", w.data(w.get(path)), want)
		w.same("listed", w.data(w.get("/webhooks")), []any{want})
	})
}

func TestAskingForAWebhookAgainIsFine(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		ask := map[string]any{"event_type": "message:new", "url": hookURL}
		first := w.data(w.post("/webhooks", ask))
		path := fmt.Sprintf("/webhooks/%.0f", first.(map[string]any)["id"])
		w.same("again", w.data(w.post("/webhooks", ask)), first)
		w.put(path, map[string]any{"enabled": false})
		w.same("enabled again", w.data(w.post("/webhooks", ask)), first)
		w.same("deleted", string(w.remove(path).body), `{"message":"Webhook deleted","status":"ok"}`)
		w.refused(w.get(path), 404, "not_found")
		w.refused(w.remove(path), 404, "not_found")
		w.same("restored", w.data(w.post("/webhooks", ask)), first)
		other, _ := w.data(w.post("/webhooks", map[string]any{"event_type": "chat:new", "url": hookURL, "enabled": false})).(map[string]any)
		w.same("made disabled", other["enabled"], false)
	})
}

func TestAWebhookIsChangedInPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	made, _ := w.data(w.post("/webhooks", map[string]any{"event_type": "message:new", "url": hookURL})).(map[string]any)
	path := fmt.Sprintf("/webhooks/%.0f", made["id"])
	made["enabled"] = false
	w.same("disabled", w.data(w.put(path, map[string]any{"enabled": false, "url": nil})), made)
	made["url"] = "http://10.0.0.1/x"
	w.same("moved", w.data(w.put(path, map[string]any{"url": made["url"]})), made)
	w.post("/webhooks", map[string]any{"event_type": "chat:new", "url": made["url"]})
	w.refused(w.put(path, map[string]any{"event_type": "chat:new"}), 400, "validation_error")
}

func TestAWebhookThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	for body, fields := range map[string][]string{
		`{}`:                           {"event_type", "url"},
		`{"event_type":"message:new"}`: {"url"},
		`{"event_type":"chat:created","url":"https://example.com"}`:                                  {"event_type"},
		`{"event_type":"message:failed","url":"https://example.com"}`:                                {"event_type"},
		`{"event_type":"","url":""}`:                                                                 {"event_type", "url"},
		`{"event_type":7,"url":["https://example.com"],"enabled":"yes"}`:                             {"event_type", "url", "enabled"},
		`{"event_type":"message:new","url":"ftp://example.com"}`:                                     {"url"},
		`{"event_type":"message:new","url":"example.com/hook"}`:                                      {"url"},
		`{"event_type":"message:new","url":"https://"}`:                                              {"url"},
		`{"event_type":"message:new","url":"https://a+b=c:d@example.com"}`:                           {"url"},
		`{"event_type":"message:new","url":"https://example.com/\u0000"}`:                            {"url"},
		`{"event_type":"message:new","url":"https://example.com/` + strings.Repeat("x", 4096) + `"}`: {"url"},
	} {
		w.refused(w.post("/webhooks", body), 400, "validation_error", fields...)
	}
	w.refused(w.post("/webhooks", `[]`), 400, "validation_error")
	for _, id := range []string{"0", "-1", "x", "99999999999999999999", "1"} {
		w.refused(w.get("/webhooks/"+id), 404, "not_found")
	}
	w.setPlan(func(p *tideline.Plan) { p.Webhooks = 10 })
	for n := range 10 {
		w.decode(w.post("/webhooks", map[string]any{"event_type": "message:new", "url": fmt.Sprintf("https://example.com/%d", n)}), &struct{}{})
	}
	w.refused(w.post("/webhooks", map[string]any{"event_type": "message:new", "url": "https://example.com/11"}), 403, "plan_feature_unavailable")
	w.decode(w.post("/webhooks", map[string]any{"event_type": "message:new", "url": "https://example.com/3"}), &struct{}{}) // is there already
}

func TestWebhooksAreForOwnersAndAdminsOfTheWorkspace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		made, _ := w.data(w.post("/webhooks", map[string]any{"event_type": "message:new", "url": hookURL})).(map[string]any)
		path := fmt.Sprintf("/webhooks/%.0f", made["id"])
		_, _, stranger, _ := w.newTenant("other")
		agent, err := w.store.AddMember(t.Context(), tideline.Member{WorkspaceID: w.ws.ID, Email: "a@acme.example", Role: tideline.RoleAgent, CreatedAt: time.Now()})
		w.must(err)
		agentToken, _, err := w.tokens.Create(t.Context(), w.ws, agent, "test", 0)
		w.must(err)
		body := w.json(map[string]any{"event_type": "chat:new", "url": hookURL})
		for _, r := range []request{{method: "GET", path: path}, {method: "PUT", path: path, body: body}, {method: "DELETE", path: path}} {
			r.token = stranger
			w.refused(w.do(r), 404, "not_found")
		}
		for _, r := range []request{
			{method: "GET", path: "/webhooks"}, {method: "POST", path: "/webhooks", body: body},
			{method: "GET", path: path}, {method: "PUT", path: path, body: body}, {method: "DELETE", path: path},
		} {
			r.token = agentToken
			w.refused(w.do(r), 403, "permission_denied")
		}
		w.same("untouched", w.data(w.get(path)), any(made))
	})
}

// feed is what GET /events answers.
type feed struct {
	Data struct {
		HasMore bool `json:"has_more"`
		Events  []struct {
			ID        int64  `json:"id"`
			UID       string `json:"event_uid"`
			EventType string `json:"event_type"`
			Timestamp string `json:"timestamp"`
			Body      map[string]any
		}
	}
}

func TestComplaint30WhoWasAwayReadsWhatHappened(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		sent := w.send(map[string]any{"phone": "+14840000009", "text": "one"})
		failed := w.send(map[string]any{"phone": "+14840000009", "text": "two"})
		w.settle(sent, tideline.StatusSent, "", received)
		w.settle(failed, tideline.StatusFailed, tideline.ReasonNotOnWhatsApp, received)
		in := w.receive("A1", nil)
		w.receive("A1", nil) // once more

		var all []string
		after, pages := "", 0
		for more := true; more; pages++ {
			var got feed
			w.decode(w.get("/events?limit=2&after="+after), &got)
			more = got.Data.HasMore
			if more && len(got.Data.Events) != 2 {
				t.Fatalf("a page of %d, and more to come", len(got.Data.Events))
			}
			for i, e := range got.Data.Events {
				what := e.EventType
				if m, ok := e.Body["message"].(map[string]any); ok {
					what += " " + m["message_uid"].(string)
				}
				if e.Body["event_type"] != e.EventType || e.UID == "" || e.Timestamp == "" {
					t.Errorf("event %+v", e)
				}
				all = append(all, what)
				if after = e.UID; i%2 == 0 {
					after = fmt.Sprint(e.ID) // either will do
				}
			}
		}
		w.same("events", all, []string{
			"whatsapp:account:connected",
			"chat:outgoing:new", "message:sent:new " + sent, "message:failed " + failed,
			"chat:incoming:new", "message:received:new " + in.UID,
		})
		var rest feed
		w.decode(w.get("/events?after="+after), &rest)
		if len(rest.Data.Events) != 0 || rest.Data.HasMore {
			t.Errorf("behind the last: %+v", rest)
		}
		w.receive("A2", nil)
		w.decode(w.get("/events?after="+after), &rest)
		if len(rest.Data.Events) != 1 {
			t.Errorf("%d events behind the last one, want the new one", len(rest.Data.Events))
		}
		_, _, stranger, _ := w.newTenant("other")
		var theirs feed
		w.decode(w.do(request{method: "GET", path: "/events", token: stranger}), &theirs)
		if len(theirs.Data.Events) != 1 { // its own account's
			t.Errorf("another workspace sees %+v", theirs.Data.Events)
		}
		w.refused(w.do(request{method: "GET", path: "/events?after=" + after, token: stranger}), 404, "not_found")
	})
}

func TestTheFeedRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	for query, field := range map[string]string{"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "after=x": "after", "after=-1": "after", "after=%00": "after"} {
		w.refused(w.get("/events?"+query), 400, "validation_error", field)
	}
	w.refused(w.get("/events?after=0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51"), 404, "not_found")
	w.decode(w.get("/events?after=&limit=&unknown=1"), &feed{})
}
