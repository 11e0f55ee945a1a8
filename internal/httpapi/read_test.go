package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// kolkata writes a time as the API does for the worlds' time zone.
func kolkata(t *testing.T, at time.Time) string {
	t.Helper()
	loc, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	return at.In(loc).Format("2006-01-02 15:04:05 -0700")
}

// same compares an answer's data with what the documents promise, key by key.
func same(t *testing.T, what string, got any, want string) {
	t.Helper()
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v in %s", what, err, want)
	}
	if diff := cmp.Diff(w, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAMessageHasTheDocumentedShape(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		uid := w.send(map[string]any{"phone": "+14840000000", "text": "hello", "chat_name": "Ada"})
		v, err := w.store.MessageByUID(t.Context(), w.ws.ID, uid)
		w.must(err)
		accepted := kolkata(t, v.Message.AcceptedAt)
		common := `"uid":"` + uid + `","chat_id":` + w.json(v.Chat.ID) + `,"received_timestamp":"` + accepted + `",
			"sender_phone":"` + string(w.acc.Phone) + `","sender_name":"Front desk","recipient_phone":"+14840000000","recipient_name":"Ada",
			"from_me":true,"text":"hello","attachment_url":null,"attachment_filename":null,"origin":"Public API","has_attachment":false,
			"message_type":"whatsapp","reactions":{"users":[],"reactions":{},"total":0},"data":{},"created_by":"Owner of acme","failure_reason":null`
		same(t, "queued", w.data(w.get("/messages/"+uid)), `{`+common+`,"status":"Pending","timestamp":"`+accepted+`"}`)
		same(t, "its history", w.data(w.get("/messages/"+uid+"/status_history")), `[]`)

		sent := time.Date(2026, 11, 22, 20, 30, 15, 0, time.UTC)
		w.settle(uid, tideline.StatusSent, "", sent)
		w.must(w.store.ApplyReceipts(t.Context(), store.Receipts{
			AccountID: w.acc.ID, WhatsAppIDs: []string{v.Message.WhatsAppID}, Status: tideline.StatusRead, At: sent.Add(time.Minute),
		}))
		same(t, "read", w.data(w.get("/messages/"+uid)), `{`+common+`,"status":"Read","timestamp":"2026-11-23 02:00:15 +0530"}`)
		history, ok := w.data(w.get("/messages/" + uid + "/status_history")).([]any)
		if !ok || len(history) < 2 {
			t.Fatalf("history is %v", history)
		}
		same(t, "first", history[0], `{"status":"Sent","timestamp":"2026-11-23 02:00:15 +0530"}`)
		same(t, "last", history[len(history)-1], `{"status":"Read","timestamp":"2026-11-23 02:01:15 +0530"}`)
	})
}

func TestAFailedMessageSaysWhyInItsHistory(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		uid := w.send(map[string]any{"phone": "+14840000000", "text": "hello"})
		w.settle(uid, tideline.StatusFailed, tideline.ReasonNotOnWhatsApp, time.Date(2026, 11, 22, 20, 30, 15, 0, time.UTC))
		same(t, "history", w.data(w.get("/messages/"+uid+"/status_history")), `[{"status":"Failed","timestamp":"2026-11-23 02:00:15 +0530",
			"failure_reason":{"code":"","title":"the number is not on WhatsApp","details":"not_on_whatsapp"}}]`)
	})
}

func TestAnAttachmentIsLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	uid := w.send(map[string]any{"phone": "+14840000000", "file_uid": w.fileUID("prices.txt", "one dollar")})
	got, _ := w.data(w.get("/messages/" + uid)).(map[string]any)
	if got["text"] != nil || got["has_attachment"] != true || got["attachment_filename"] != "prices.txt" {
		t.Errorf("message %v", got)
	}
	link, _ := got["attachment_url"].(string)
	if a := w.download(http.MethodGet, link, nil); a.status != 200 || string(a.body) != "one dollar" {
		t.Errorf("%s gives %d %s", link, a.status, a.body)
	}
}

// download follows a link as a stranger, without a token.
func (w *world) download(method, link string, header http.Header) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, link, nil)
	w.must(err)
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(r)
	w.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	w.must(err)
	checkContract(w.t, r, resp.StatusCode, resp.Header, body)
	return answer{resp.StatusCode, resp.Header, body}
}

func TestAFileHasTheDocumentedShapeAndComesBack(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		up := w.upload("ignored.bin", "<script>alert(1)</script>", map[string]string{"filename": "Übersicht \"1\".html", "content_type": "text/html", "caption": "x"})
		got, _ := w.data(up).(map[string]any)
		uid, _ := got["uid"].(string)
		shown, _ := w.data(w.get("/files/" + uid)).(map[string]any)
		link, _ := shown["temporary_download_url"].(string)
		for _, m := range []map[string]any{got, shown} {
			delete(m, "temporary_download_url")
			delete(m, "uploaded_at")
			same(t, "file", m, `{"uid":"`+uid+`","filename":"Übersicht _1_.html","size":25,"mimetype":"text/html","uploaded_by_email":"owner@acme.example"}`)
		}

		a := w.download(http.MethodGet, link, nil)
		if a.status != 200 || string(a.body) != "<script>alert(1)</script>" {
			t.Errorf("download gives %d %s", a.status, a.body)
		}
		for k, want := range map[string]string{
			"Content-Type":            "text/html",
			"Content-Disposition":     "attachment; filename*=utf-8''%C3%9Cbersicht%20_1_.html",
			"Content-Security-Policy": "default-src 'none'; sandbox",
			"X-Content-Type-Options":  "nosniff",
		} {
			if got := a.header.Get(k); got != want {
				t.Errorf("%s: %s, want %s", k, got, want)
			}
		}
		if a := w.download(http.MethodGet, link, http.Header{"Range": {"bytes=8-12"}}); a.status != 206 || string(a.body) != "alert" {
			t.Errorf("a range gives %d %s", a.status, a.body)
		}
		if a := w.download(http.MethodHead, link, nil); a.status != 200 || a.header.Get("Content-Length") != "25" {
			t.Errorf("HEAD gives %d %v", a.status, a.header)
		}
		w.refused(w.download(http.MethodGet, link+"x", nil), 404, "not_found")
		w.refused(w.download(http.MethodPost, link, nil), 405, "not_supported")
		w.clock.move(file.LinkLife)
		w.refused(w.download(http.MethodGet, link, nil), 404, "not_found")
	})
}

func TestUploadsOverThePlansLimitAreTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	w.setPlan(func(p *tideline.Plan) { p.MaxFileBytes = 1000 })
	w.fileUID("a.txt", strings.Repeat("x", 1000))
	w.refused(w.upload("a.txt", strings.Repeat("x", 1001), nil), 413, "validation_error")
	w.refused(w.upload("a.txt", strings.Repeat("x", 200_000), nil), 413, "validation_error") // by its length alone
	w.setPlan(func(p *tideline.Plan) { p.Attachments = false })
	w.refused(w.upload("a.txt", "x", nil), 403, "plan_feature_unavailable")
	w.refused(w.post("/messages", map[string]any{"phone": "+14840000000", "file_uid": "x"}), 403, "plan_feature_unavailable")
}

func TestAFormMustHoldAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	form := func(contentType, body string) answer {
		return w.do(request{method: http.MethodPost, path: "/files_upload", header: http.Header{"Content-Type": {contentType}}, body: body})
	}
	const multi = "multipart/form-data; boundary=b"
	part := func(disposition, content string) string {
		return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n"
	}
	const end = "--b--\r\n"
	w.refused(form("application/json", `{"download_url":"https://example.com"}`), 405, "not_supported")
	w.refused(form("text/plain", "x"), 400, "validation_error")
	w.refused(form("", "x"), 400, "validation_error")
	w.refused(form("multipart/form-data", "x"), 400, "validation_error")
	w.refused(form(multi, "x"), 400, "validation_error")
	w.refused(form(multi, part(`name="filename"`, "a.txt")+end), 400, "validation_error", "file")
	w.refused(form(multi, part(`name="file"; filename="a"`, "")+end), 400, "validation_error", "file")
	w.refused(form(multi, part(`name="file"; filename="a"`, "cut off")), 400, "validation_error")
	w.refused(form(multi, part(`name="file"; filename="a"`, "x")+part(`name="file"; filename="b"`, "y")+end), 400, "validation_error", "file")
	w.refused(form(multi, part(`name="filename"`, "a\x00")+part(`name="file"; filename="a"`, "x")+part(`name="content_type"`, "nonsense")+end), 400, "validation_error", "filename")
	w.refused(form(multi, part(`name="file"; filename="a"`, "x")+part(`name="content_type"`, "nonsense")+part(`name="filename"`, strings.Repeat("x", 1025))+end), 400, "validation_error", "filename", "content_type")
	w.refused(form(multi, strings.Repeat(part(`name="other"`, "x"), 40)+end), 400, "validation_error")
	got, _ := w.data(form(multi, part(`name="file"; filename="a.txt"`, "x")+part(`name="filename"`, "after.txt")+end)).(map[string]any)
	if got["filename"] != "after.txt" {
		t.Errorf("a field behind the file was not seen: %v", got)
	}
}

func TestAccountsHaveTheDocumentedShape(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.clock.move(time.Hour)
		second := w.newAccount(w.ws, tideline.AccountBanned)
		shape := func(a tideline.Account, at time.Time, status string) string {
			return `{"id":"` + string(a.JID) + `","phone":"` + string(a.Phone) + `","connected_on":"` + kolkata(t, at) + `","status":"` + status + `",
				"owner_name":"Ada","owner_email":"ada@example.com","account_name":"Front desk"}`
		}
		same(t, "accounts", w.data(w.get("/whatsapp_accounts")), `{"whatsapp_accounts":[`+
			shape(w.acc, w.acc.ConnectedOn, "active")+`,`+shape(second, second.CreatedAt, "disconnected")+`]}`)
	})
}

func TestTheWorkspaceShowsItsQuotas(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		start, end := tideline.Period(w.clock.now(), w.ws.Location())
		period := `"period_start":"` + kolkata(t, start) + `","period_end":"` + kolkata(t, end) + `"`
		quotas := func(messages, calls string, extra int) string {
			return `"messaging_quota":{` + messages + `,` + period + `},"api_calls_quota":{` + calls + `,` + period + `},
				"non_recurring_quota":{"remaining_balance":` + w.json(extra) + `,"last_updated_at":null}`
		}
		w.setPlan(func(p *tideline.Plan) { p.Credits, p.APICalls = tideline.Unlimited, -1 })
		w.send(map[string]any{"phone": "+14840000000", "text": "hello"})
		same(t, "unlimited", w.data(w.get("/workspace")), `{"workspace_id":"acme","display_name":"Acme","plan":"edited",`+
			quotas(`"total":2147483647,"used":1`, `"total":2147483647,"used":2`, 0)+`}`)

		w.setPlan(func(p *tideline.Plan) { p.Credits, p.APICalls = 500, 1000 })
		extra := tideline.Credits(25)
		_, err := w.store.UpdateWorkspace(t.Context(), w.ws.ID, store.WorkspaceUpdate{AddExtra: &extra, At: w.clock.now()})
		w.must(err)
		for i, path := range []string{"/workspace/quotas", "/quotas"} {
			same(t, path, w.data(w.get(path)), `{`+quotas(`"total":500,"used":1`, `"total":1000,"used":`+w.json(3+i), 25)+`}`)
		}
	})
}

// Promise 8: walls between workspaces.
func TestNothingOfAnotherWorkspaceIsFound(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		fileUID := w.fileUID("mine.txt", "mine")
		uid := w.send(map[string]any{"phone": "+14840000000", "text": "mine"})
		tpl, err := w.store.FileByUID(t.Context(), w.ws.ID, fileUID)
		w.must(err)
		template, err := w.store.CreateTemplate(t.Context(), tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "mine", FileID: tpl.ID, CreatedAt: w.clock.now()})
		w.must(err)
		w.send(map[string]any{"phone": "+14840000000", "attachment_template_id": template.ID})
		_, _, w.token, _ = w.newTenant("other")
		w.refused(w.get("/messages/"+uid), 404, "not_found")
		w.refused(w.get("/messages/"+uid+"/status_history"), 404, "not_found")
		w.refused(w.get("/files/"+fileUID), 404, "not_found")
		w.refused(w.post("/messages", map[string]any{"phone": "+14840000000", "file_uid": fileUID}), 404, "not_found")
		w.refused(w.post("/messages", map[string]any{"phone": "+14840000000", "attachment_template_id": template.ID}), 404, "not_found")
		w.refused(w.post("/messages", map[string]any{"phone": "+14840000000", "text": "x", "whatsapp_account_phone": w.acc.Phone}), 404, "not_found")
		if accounts := w.json(w.data(w.get("/whatsapp_accounts"))); strings.Contains(accounts, string(w.acc.Phone)) {
			t.Errorf("another's account is listed: %s", accounts)
		}
	})
}

func TestLinksUseThePublicURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), func(cfg *httpapi.Config) { cfg.PublicURL = "https://wa.example.org/" })
	got, _ := w.data(w.upload("a.txt", "x", nil)).(map[string]any)
	link, _ := got["temporary_download_url"].(string)
	if u, err := url.Parse(link); err != nil || u.Scheme != "https" || u.Host != "wa.example.org" || !strings.HasPrefix(u.Path, "/integrations/api/files/") {
		t.Errorf("link %s", link)
	}
}

func TestUIDsOfAnyFormAreJustNotFound(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		for _, uid := range []string{
			"0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51", "1", "-1", "%27%20OR%201=1--", "a%2Fb", "%00", "%FF", "..%2f..%2fetc%2fpasswd", strings.Repeat("9", 3000), "☀",
		} {
			w.refused(w.get("/messages/"+uid), 404, "not_found")
			w.refused(w.get("/messages/"+uid+"/status_history"), 404, "not_found")
			w.refused(w.get("/files/"+uid), 404, "not_found")
		}
	})
}
