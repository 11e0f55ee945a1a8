package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// checkEnvelope fails unless body is an error's envelope with documented words
// and no keys of its own.
func checkEnvelope(t *testing.T, status int, body []byte) {
	t.Helper()
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil || !utf8.Valid(body) {
		t.Fatalf("%d %q is no JSON in UTF-8: %v", status, body, err)
	}
	for k := range keys {
		switch k {
		case "status", "message", "error_code", "errors":
		default:
			t.Fatalf("%d %s has the key %s", status, body, k)
		}
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil || e.Status != "error" || e.Message == "" {
		t.Fatalf("%d %s is no envelope: %v", status, body, err)
	}
	switch e.Code {
	case "missing_credentials", "invalid_token", "member_not_found", "permission_denied", "plan_feature_unavailable",
		"quota_exceeded", "rate_limit_exceeded", "validation_error", "not_found", "not_supported":
	default:
		t.Fatalf("%d %s has no documented code, or is our fault", status, body)
	}
	for _, f := range e.Errors {
		if len(f.Fields) == 0 || f.Msg == "" {
			t.Fatalf("%d %s blames a field without saying it all", status, body)
		}
	}
}

// FuzzDecodeSend sends any body with any key. The answer is a success with a
// valid request behind it, or an envelope.
func FuzzDecodeSend(f *testing.F) {
	for _, body := range []string{
		`{"phone":"+14840000000","text":"x"}`, `{"phone":7,"text":[1,{"a":"\u0000"}],"label":null}`, `{}`, `[]`, `{"phone":"+1","phone":2}`,
		`{"attachment_template_id":1e400,"file_url":""}`, "{\"text\":\"\xff\"}", `{"text":"\ud800"}`, `{"te\u0078t":"\ud83d\ude00"}`, benchBody,
	} {
		f.Add([]byte(body), "key-1")
	}
	f.Add([]byte(`{"phone":"x"}`), "no key\x00")
	f.Fuzz(func(t *testing.T, body []byte, key string) {
		fakes := newFakes(nil)
		accept := fakes.send
		fakes.send = func(p *tideline.Principal, r message.SendRequest) (message.Receipt, error) {
			for _, s := range []*string{&r.Phone, r.Text, r.Label, r.ChatName, r.FileUID, r.AccountID, r.AccountPhone} {
				if s != nil && (!utf8.ValidString(*s) || strings.ContainsRune(*s, 0)) {
					t.Fatalf("%q came through", *s)
				}
			}
			return accept(p, r)
		}
		r := post(t, "")
		r.Body = http.MaxBytesReader(nil, readCloser(body), 1<<21)
		r.ContentLength = int64(len(body))
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		w := httptest.NewRecorder()
		fakes.handler(Config{}).ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK:
			if !json.Valid(body) {
				t.Errorf("accepted %q, which is no JSON", body)
			}
			if want := `{"status":"ok","data":{"message_uid":"` + fakeUID + `"}}`; w.Body.String() != want {
				t.Errorf("answered %s", w.Body)
			}
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			checkEnvelope(t, w.Code, w.Body.Bytes())
		default:
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	})
}

func readCloser(b []byte) *repeated {
	r := &repeated{}
	r.Reset(b)
	return r
}

// FuzzRoutes asks for any path with any method, headers and body. Whatever comes
// back is well-formed and nothing is our fault.
func FuzzRoutes(f *testing.F) {
	for _, op := range []struct{ method, path, contentType, body string }{
		{"POST", "/messages", "application/json", `{"phone":"+14840000000","text":"x"}`},
		{"GET", "/messages/" + fakeUID, "", ""},
		{"GET", "/messages/" + fakeUID + "/status_history", "", ""},
		{"GET", "/whatsapp_accounts?limit=5&page=%zz", "", ""},
		{"GET", "/workspace", "", ""},
		{"HEAD", "/quotas", "", ""},
		{"OPTIONS", "/workspace/quotas", "", ""},
		{"POST", "/files_upload", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n"},
		{"POST", "/chats/1/file_message", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n"},
		{"POST", "/messages/to_chat_name", "application/json", `{"chat_name":"x","text":"y"}`},
		{"GET", "/files/" + fakeUID + "/download?expires=1&signature=x", "", ""},
		{"DELETE", "/chats//..;/%2e%2e/", "", ""},
		{"GET", "/chats?label=a,b&group=true&responsible=a@b.c&phone=%2B1&created_after=2026-11-22&page=2&with_msg=true", "", ""},
		{"PATCH", "/chats/1", "application/json", `{"name":"x","responsible":"","closed":true,"read":null}`},
		{"GET", "/chats/1/messages?from_me=true&after=2026-01-01&sorting_order=asc&before_message=" + fakeUID, "", ""},
		{"PUT", "/chats/1/labels", "application/json", `{"labels":["a","b"]}`},
		{"POST", "/chats/1/notes", "text/plain", "note"},
		{"PATCH", "/messages/" + fakeUID + "/reactions", "application/json", `{"reaction":"\uD83D\uDC4D"}`},
		{"GET", "/files?filename=a", "", ""},
		{"POST", "/workspace/invitations", "application/json", `{"email":"a@b.c","role":"agent","team_title":"x"}`},
		{"DELETE", "/workspace/invitations/1", "", ""},
		{"POST", "/templates", "application/json", `{"name":"x","text":"y","visibility":"private","team_title":null}`},
		{"PATCH", "/templates/1", "application/json", `{"text":"y"}`},
		{"POST", "/v2/templates", "application/json", `{"template_id":1,"origin":"x"}`},
		{"GET", "/v2/chats?whatsapp_phone=1,2", "", ""},
		{"GET", "/waba/chats", "", ""},
		{"GET", "/waba", "", ""},
		{"GET", "/", "", ""},
		{"PATCH", "", "text/plain", "x"},
		{"GET", "0", "", ""}, // beside the API, not below it
	} {
		f.Add(op.method, op.path, "Bearer "+fakeToken, op.contentType, op.body)
	}
	f.Add("GET", "/workspace", "", "", "")
	f.Fuzz(func(t *testing.T, method, path, authorization, contentType, body string) {
		u, err := url.ParseRequestURI("http://tideline.example" + Base + path)
		if err != nil || !validMethod(method) || !strings.HasPrefix(u.Path, Base) {
			return // net/http would not let it through
		}
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL, r.Host, r.RequestURI = method, u, "tideline.example", u.RequestURI()
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		newFakes(nil).handler(Config{PerIP: auth.Rate{PerSecond: 1, Burst: 1}}).ServeHTTP(w, r)
		got := w.Body.Bytes()
		switch {
		case w.Code == http.StatusNoContent && method == http.MethodOptions, w.Code == http.StatusOK && json.Valid(got):
		case strings.HasPrefix(w.Header().Get("Content-Type"), "text/html"):
			if !strings.HasPrefix(string(got), "<!DOCTYPE html>") {
				t.Errorf("%d, a page of %q", w.Code, got)
			}
		case w.Code >= 400 && w.Code < 500:
			checkEnvelope(t, w.Code, got)
		default:
			t.Errorf("%s %s: %d %q", method, u, w.Code, got)
		}
	})
}

func validMethod(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) })
}

// FuzzForm sends any body as a form that brings its file along. The answer is a
// success with a request behind it that is well-formed, or an envelope.
func FuzzForm(f *testing.F) {
	const file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n"
	f.Add(file+"--b\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\nc\r\n--b--\r\n", "1", true)
	f.Add("--b\r\nContent-Disposition: form-data; name=\"content_type\"\r\n\r\naudio/ogg\r\n"+file+"--b--", "key", false)
	f.Add(file+file+"--b--", "", true)
	f.Add("--b", "a b", false)
	f.Fuzz(func(t *testing.T, body, key string, document bool) {
		fakes := newFakes(nil)
		accept := fakes.send
		fakes.send = func(p *tideline.Principal, r message.SendRequest) (message.Receipt, error) {
			if r.FileUID == nil || r.ChatID != 1 || r.Text != nil && (!document || !utf8.ValidString(*r.Text)) {
				t.Fatalf("%+v came through", r)
			}
			return accept(p, r)
		}
		path := Base + "/chats/1/voice_message"
		if document {
			path = Base + "/chats/1/file_message"
		}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		r.Header.Set("Authorization", "Bearer "+fakeToken)
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		w := httptest.NewRecorder()
		fakes.handler(Config{}).ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			checkEnvelope(t, w.Code, w.Body.Bytes())
		}
	})
}
