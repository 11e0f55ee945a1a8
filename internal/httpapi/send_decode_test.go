package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// envelope is an error's body.
type envelope struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Code    string `json:"error_code"`
	Errors  []struct {
		Fields []string `json:"fields"`
		Msg    string   `json:"msg"`
	} `json:"errors"`
}

// serve answers a request and reads the envelope, if it is one.
func serve(t testing.TB, h http.Handler, r *http.Request) (*httptest.ResponseRecorder, envelope) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var e envelope
	if w.Code != http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Fatalf("%d %q: %v", w.Code, w.Body, err)
		}
	}
	return w, e
}

func (e envelope) blamed() map[string]string {
	m := map[string]string{}
	for _, f := range e.Errors {
		m[strings.Join(f.Fields, ".")] = f.Msg
	}
	return m
}

func TestAGoodBodyIsUnderstood(t *testing.T) {
	t.Parallel()
	ptr := func(s string) *string { return &s }
	twelve := int64(12)
	for name, tc := range map[string]struct {
		body string
		want message.SendRequest
	}{
		"the least":               {`{"phone":"+14840000000","text":"x"}`, message.SendRequest{Text: ptr("x")}},
		"escapes":                 {`{"pho\u006ee":"+1484000\u0030000","te\u0078t":"a\n\"\u2600\ud83d\ude00\/"}`, message.SendRequest{Text: ptr("a\n\"☀😀/")}},
		"space around everything": {" \r\n\t{ \"phone\" : \"+14840000000\" , \"text\" : \"x\" } \n", message.SendRequest{Text: ptr("x")}},
		"null is absent": {
			`{"phone":"+14840000000","text":"x","file_uid":null,"label":null,"chat_name":null,"attachment_template_id":null,"file_url":null,"whatsapp_account_phone":null,"whatsapp_account_id":null}`,
			message.SendRequest{Text: ptr("x")},
		},
		"everything": {
			`{"phone":"+14840000000","text":"x","file_uid":"f","label":"l","chat_name":"c","whatsapp_account_phone":"+14841111111","whatsapp_account_id":"14841111111@s.whatsapp.net"}`,
			message.SendRequest{Text: ptr("x"), FileUID: ptr("f"), Label: ptr("l"), ChatName: ptr("c"), AccountPhone: ptr("+14841111111"), AccountID: ptr("14841111111@s.whatsapp.net")},
		},
		"a template":                           {`{"phone":"+14840000000","attachment_template_id":12}`, message.SendRequest{TemplateID: &twelve}},
		"an integer with a zero":               {`{"phone":"+14840000000","attachment_template_id":12.0}`, message.SendRequest{TemplateID: &twelve}},
		"an integer with an exponent":          {`{"phone":"+14840000000","attachment_template_id":1.2e1}`, message.SendRequest{TemplateID: &twelve}},
		"unknown keys, also twice":             {`{"chat_id":1,"chat_id":[{"phone":7,"phone":7}],"reply_to":7,"phone":"+14840000000","text":"x","Phone":7,"":0,"Idempotency-Key":0}`, message.SendRequest{Text: ptr("x")}},
		"U+0000 where nobody looks":            {`{"phone":"+14840000000","text":"x","other":"\u0000"}`, message.SendRequest{Text: ptr("x")}},
		"2000 characters, 8000 bytes":          {`{"phone":"+14840000000","text":"` + strings.Repeat("😀", 2000) + `"}`, message.SendRequest{Text: ptr(strings.Repeat("😀", 2000))}},
		"replacement character is a character": {`{"phone":"+14840000000","text":"\ufffd"}`, message.SendRequest{Text: ptr("\uFFFD")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(nil)
			accept := f.send
			var got message.SendRequest
			f.send = func(p *tideline.Principal, r message.SendRequest) (message.Receipt, error) {
				got = r
				return accept(p, r)
			}
			w, e := serve(t, f.handler(Config{}), post(t, tc.body))
			if w.Code != 200 {
				t.Fatalf("%d %+v", w.Code, e)
			}
			tc.want.Phone, tc.want.Origin = "+14840000000", tideline.OriginPublicAPI
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllWrongFieldsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	const str, dup = "must be a string, not ", "is given more than once"
	for name, tc := range map[string]struct {
		body string
		want map[string]string // a field's message begins with
	}{
		"nothing given": {`{}`, map[string]string{"phone": "is required", "text": "is required"}},
		"types": {
			`{"phone":14840000000,"text":["x"],"label":{},"chat_name":true,"file_uid":1.5,"attachment_template_id":"12","whatsapp_account_phone":false,"whatsapp_account_id":[]}`,
			map[string]string{
				"phone": str + "a number", "text": str + "an array", "label": str + "an object", "chat_name": str + "a boolean", "file_uid": str + "a number",
				"attachment_template_id": "must be an integer", "whatsapp_account_phone": str + "a boolean", "whatsapp_account_id": str + "an array",
			},
		},
		"values": {
			`{"phone":"nobody","text":"` + strings.Repeat("x", 2001) + `","label":"` + strings.Repeat("é", 65) + `","chat_name":" ","attachment_template_id":-1}`,
			map[string]string{"phone": "Phone number invalid", "text": "is 2001 characters", "label": "is 65 characters", "chat_name": "can not be empty", "attachment_template_id": "must be a positive"},
		},
		"types and values": {
			`{"phone":"nobody","text":7,"label":"` + strings.Repeat("x", 65) + `"}`,
			map[string]string{"phone": "Phone number invalid", "text": str + "a number", "label": "is 65 characters"},
		},
		"blank text with a file":               {`{"phone":"+14840000000","text":"","file_uid":"f"}`, map[string]string{"text": "can not be empty string"}},
		"a file of a wrong type is no missing": {`{"phone":"+14840000000","file_uid":7}`, map[string]string{"file_uid": str + "a number"}},
		"a template of a wrong type":           {`{"phone":"+14840000000","attachment_template_id":[]}`, map[string]string{"attachment_template_id": "must be an integer"}},
		"a fraction":                           {`{"phone":"+14840000000","attachment_template_id":1.5}`, map[string]string{"attachment_template_id": "must be an integer"}},
		"a number beyond 64 bits":              {`{"phone":"+14840000000","attachment_template_id":92233720368547758070}`, map[string]string{"attachment_template_id": "must be an integer"}},
		"an endless exponent":                  {`{"phone":"+14840000000","attachment_template_id":1e999}`, map[string]string{"attachment_template_id": "must be an integer"}},
		"file and template":                    {`{"phone":"+14840000000","attachment_template_id":1,"file_uid":"f"}`, map[string]string{"attachment_template_id": "can not be combined"}},
		"the old key alone":                    {`{"phone":"+14840000000","file_url":"https://example.com/a.png"}`, map[string]string{"file_url": "is no longer supported: upload the file and give its file_uid"}},
		"the old key and the new one":          {`{"phone":"+14840000000","file_uid":"f","file_url":7}`, map[string]string{"file_url": "is no longer supported"}},
		"U+0000":                               {`{"phone":"+1484\u00000000000","text":"a\u0000b","label":"\u0000"}`, map[string]string{"phone": "must not contain", "text": "must not contain", "label": "must not contain"}},
		"a key twice":                          {`{"phone":"+14840000000","text":"a","text":"b","phone":null}`, map[string]string{"text": dup, "phone": dup}},
		"a key three times and wrong":          {`{"phone":"+14840000000","text":7,"te\u0078t":8,"text":9}`, map[string]string{"text": str + "a number"}},
		"null is no phone":                     {`{"phone":null,"text":"x"}`, map[string]string{"phone": "is required"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakes(nil)
			w, e := serve(t, f.handler(Config{}), post(t, tc.body))
			if w.Code != 400 || e.Code != "validation_error" || len(e.Errors) != len(tc.want) {
				t.Fatalf("%d %+v", w.Code, e)
			}
			got := e.blamed()
			for field, prefix := range tc.want {
				if !strings.HasPrefix(got[field], prefix) {
					t.Errorf("%s: %q, want %q …", field, got[field], prefix)
				}
			}
		})
	}
}

func TestWrongFieldsAreListedInTheDocumentedOrder(t *testing.T) {
	t.Parallel()
	r := post(t, `{"chat_name":1,"label":" ","text":"","phone":1,"whatsapp_account_id":1}`)
	r.Header.Set("Idempotency-Key", "not a key")
	_, e := serve(t, newFakes(nil).handler(Config{}), r)
	var got []string
	for _, f := range e.Errors {
		got = append(got, f.Fields...)
	}
	if diff := cmp.Diff([]string{"phone", "whatsapp_account_id", "text", "label", "chat_name", "Idempotency-Key"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestABodyThatIsNoJSONObjectIsBadJSON(t *testing.T) {
	t.Parallel()
	const good = `{"phone":"+14840000000","text":"x"}`
	for body, want := range map[string]string{
		"":                          "the body is empty",
		" \n":                       "the body is empty",
		"{":                         "the body ends in the middle",
		`{"phone"`:                  "the body ends in the middle",
		`{"phone":"+1484`:           "the body ends in the middle",
		`{"phone":}`:                "invalid character",
		`{"phone" "x"}`:             "invalid character",
		`{"phone":"x",}`:            "invalid character",
		`{'phone':'x'}`:             "invalid character",
		`{"text":"a` + "\n" + `b"}`: "invalid character",
		`{"text":"\x"}`:             "invalid escape",
		`{"text":"\ud800"}`:         "invalid surrogate",
		`{"text":NaN}`:              "invalid character",
		`{"text":01}`:               "invalid character",
		good + "x":                  "invalid character",
		good + good:                 "there is more after the object",
		good + "[]":                 "there is more after the object",
		"\ufeff" + good:             "invalid character",
		"[" + good + "]":            "the body must be an object, not an array",
		`"phone"`:                   "the body must be an object, not a string",
		"null":                      "the body must be an object, not null",
		"true":                      "the body must be an object, not a boolean",
		"7":                         "the body must be an object, not a number",
		"phone=%2B14840000000":      "invalid character",
		strings.Repeat("[", 20_000): "exceeded max depth",
		`{"other":` + strings.Repeat("[", 20_000): "exceeded max depth",
		"{\"text\":\"a\x97b\"}":                   "'utf-8' codec can't decode byte 0x97 in position 10: invalid start byte",
		"{\"text\":\"\xe2\x28\"}":                 "'utf-8' codec can't decode byte 0xe2 in position 9: invalid continuation byte",
		"{\"text\":\"\xe2\x98":                    "'utf-8' codec can't decode byte 0xe2 in position 9: unexpected end of data",
		"\xff\xfe{\x00}\x00":                      "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
		"{\x00}":                                  "invalid character",
	} {
		w, e := serve(t, newFakes(nil).handler(Config{}), post(t, body))
		if w.Code != 400 || e.Code != "validation_error" || e.Errors != nil || !strings.HasPrefix(e.Message, "Bad JSON format: "+want) {
			t.Errorf("%.60q: %d %+v, want %q", body, w.Code, e, want)
		}
	}
}

func TestTheBodyMustBeJSONByItsHeadersToo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		header string
		values []string
		ok     bool
	}{
		{"Content-Type", nil, true},
		{"Content-Type", []string{"application/json"}, true},
		{"Content-Type", []string{"Application/JSON ; Charset=\"UTF-8\""}, true},
		{"Content-Type", []string{"application/json;odata=verbose"}, true},
		{"Content-Type", []string{"application/json; charset=latin1"}, false},
		{"Content-Type", []string{"application/json; charset"}, false},
		{"Content-Type", []string{"text/json"}, false},
		{"Content-Type", []string{"application/x-www-form-urlencoded"}, false},
		{"Content-Type", []string{""}, false},
		{"Content-Type", []string{"application/json", "application/json"}, false},
		{"Content-Encoding", []string{"identity"}, true},
		{"Content-Encoding", []string{"gzip"}, false},
	} {
		r := post(t, `{"phone":"+14840000000","text":"x"}`)
		r.Header[tc.header] = tc.values
		w, e := serve(t, newFakes(nil).handler(Config{}), r)
		if tc.ok && w.Code != 200 || !tc.ok && (w.Code != 400 || e.Code != "validation_error" || !strings.HasPrefix(e.Message, tc.header)) {
			t.Errorf("%s %q: %d %+v", tc.header, tc.values, w.Code, e)
		}
	}
}

func TestABodyOverTheLimitIsTooLarge(t *testing.T) {
	t.Parallel()
	h := newFakes(nil).handler(Config{MaxJSONBytes: 100})
	body := func(n int) string {
		b := `{"phone":"+14840000000","text":"x"`
		return b + strings.Repeat(" ", n-len(b)-1) + "}"
	}
	if w, e := serve(t, h, post(t, body(100))); w.Code != 200 {
		t.Errorf("as large as allowed: %d %+v", w.Code, e)
	}
	if w, e := serve(t, h, post(t, body(101))); w.Code != 413 || e.Code != "validation_error" {
		t.Errorf("one more, announced: %d %+v", w.Code, e)
	}
	r := post(t, "")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body(101))), -1
	if w, e := serve(t, h, r); w.Code != 413 || e.Code != "validation_error" {
		t.Errorf("one more, not announced: %d %+v", w.Code, e)
	}
	r = post(t, "")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body(100))), -1
	if w, e := serve(t, h, r); w.Code != 200 {
		t.Errorf("as large as allowed, not announced: %d %+v", w.Code, e)
	}
}

func TestABodyThatBreaksOffIsTheClientsFault(t *testing.T) {
	t.Parallel()
	r := post(t, "")
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(`{"pho`), iotest.ErrReader(errors.New("connection reset")))), 100
	if w, e := serve(t, newFakes(nil).handler(Config{}), r); w.Code != 400 || e.Code != "validation_error" {
		t.Errorf("%d %+v", w.Code, e)
	}
}

func TestDecodersAreUsedAgainWithoutATrace(t *testing.T) {
	t.Parallel()
	h := newFakes(nil).handler(Config{})
	bodies := []struct {
		body string
		code int
	}{
		{`{"phone":"+14840000000","text":"x","label":"vip"}`, 200},
		{`{"phone":"+1484`, 400},
		{`{"other":[[[`, 400},
		{`{"text":"x"}`, 400},
		{`{"phone":"+14840000000","text":"` + strings.Repeat("y", 1000) + `"}`, 200},
		{`{"phone":"+14840000000"}`, 400},
	}
	for range 50 {
		for _, b := range bodies {
			if w, e := serve(t, h, post(t, b.body)); w.Code != b.code {
				t.Fatalf("%.60s: %d %+v, want %d", b.body, w.Code, e, b.code)
			}
		}
	}
}
