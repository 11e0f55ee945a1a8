package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tidelinehq/tideline/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a server in memory: it answers the requests that come with the given
// answers, the last one again and again, and notes what came.
type script struct {
	mu      sync.Mutex
	answers []reply
	came    []string // method, path and Idempotency-Key
	bodies  []string
	headers []http.Header
}

type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		if err := r.Body.Close(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+r.Header.Get("Idempotency-Key")))
	s.bodies = append(s.bodies, string(body))
	s.headers = append(s.headers, r.Header)
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	if a.err != nil {
		return nil, a.err
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	return &http.Response{StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

func scripted(t *testing.T, answers ...reply) (*client.Client, *script) {
	t.Helper()
	s := &script{answers: answers}
	c, err := client.New("https://wa.example.org/", "tla_x", client.WithHTTPClient(&http.Client{Transport: s}))
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

const accepted = `{"status":"ok","data":{"message_uid":"0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51"}}`

func failure(status int, code string) reply {
	return reply{status: status, body: `{"status":"error","message":"no","error_code":"` + code + `"}`}
}

func TestASendSaysWhatItWasGiven(t *testing.T) {
	t.Parallel()
	c, s := scripted(t, reply{status: 200, body: accepted, header: http.Header{"Idempotent-Replay": {"true"}}})
	sent, err := c.Send(t.Context(), client.Message{Phone: "+14840000000", Text: "hi", Label: "vip", IdempotencyKey: "k-1"})
	if err != nil || sent != (client.Sent{MessageUID: "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51", Replayed: true}) {
		t.Fatalf("%+v, %v", sent, err)
	}
	want := []string{"POST https://wa.example.org/integrations/api/messages k-1", `{"phone":"+14840000000","text":"hi","label":"vip"}`, "Bearer tla_x", "application/json"}
	got := []string{s.came[0], s.bodies[0], s.headers[0].Get("Authorization"), s.headers[0].Get("Content-Type")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestEverySendHasItsPath(t *testing.T) {
	t.Parallel()
	message := client.Message{Text: "hi", ReplyTo: "u"}
	for name, tc := range map[string]struct {
		send func(ctx context.Context, c *client.Client) (client.Sent, error)
		came string
		body []string // what is in it
	}{
		"chat": {func(ctx context.Context, c *client.Client) (client.Sent, error) {
			return c.SendToChat(ctx, 12, message)
		},
			"/chats/12/messages", []string{`{"text":"hi","reply_to":"u"}`}},
		"jid": {func(ctx context.Context, c *client.Client) (client.Sent, error) {
			return c.SendToJID(ctx, "1@g.us", message)
		},
			"/messages/to_jid", []string{`{"text":"hi","reply_to":"u","jid":"1@g.us"}`}},
		"name": {func(ctx context.Context, c *client.Client) (client.Sent, error) {
			return c.SendToName(ctx, "Ana", client.Message{Text: "hi", ChatName: "ignored", IdempotencyKey: "k-1"})
		}, "/messages/to_chat_name k-1", []string{`{"text":"hi","chat_name":"Ana"}`}},
		"voice": {func(ctx context.Context, c *client.Client) (client.Sent, error) {
			return c.SendVoice(ctx, 12, client.Recording{Name: "a.ogg", File: strings.NewReader("OggS"), IdempotencyKey: "k-2"})
		}, "/chats/12/voice_message k-2", []string{`name="file"; filename="a.ogg"`, "OggS"}},
		"document": {func(ctx context.Context, c *client.Client) (client.Sent, error) {
			return c.SendDocument(ctx, 12, client.Document{Name: "a.pdf", ContentType: "application/pdf", Caption: "see", File: strings.NewReader("%PDF")})
		}, "/chats/12/file_message", []string{`name="content_type"`, `name="caption"`, "see", `filename="a.pdf"`, "%PDF"}},
	} {
		c, s := scripted(t, reply{status: 200, body: accepted})
		sent, err := tc.send(t.Context(), c)
		if err != nil || sent.MessageUID != "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51" || sent.Replayed {
			t.Errorf("%s: %+v, %v", name, sent, err)
		}
		if got, want := s.came[0], "POST https://wa.example.org/integrations/api"+tc.came; got != want {
			t.Errorf("%s: asked %s, want %s", name, got, want)
		}
		for _, part := range tc.body {
			if !strings.Contains(s.bodies[0], part) {
				t.Errorf("%s: the body %q lacks %q", name, s.bodies[0], part)
			}
		}
	}
}

func TestASendThatBringsItsFileIsNotRepeated(t *testing.T) {
	t.Parallel()
	c, s := scripted(t, failure(500, "internal_error"))
	_, err := c.SendVoice(t.Context(), 12, client.Recording{File: strings.NewReader("x"), IdempotencyKey: "k"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 500 || len(s.came) != 1 {
		t.Errorf("%v after %d requests", err, len(s.came))
	}
}

func TestOnlyWhatCanNotHappenTwiceIsRepeated(t *testing.T) {
	t.Parallel()
	send := func(key string) func(*client.Client, context.Context) error {
		return func(c *client.Client, ctx context.Context) error {
			_, err := c.Send(ctx, client.Message{Phone: "+14840000000", Text: "hi", IdempotencyKey: key})
			return err
		}
	}
	show := func(c *client.Client, ctx context.Context) error {
		_, err := c.Message(ctx, "a/b")
		return err
	}
	upload := func(c *client.Client, ctx context.Context) error {
		_, err := c.Upload(ctx, "a.txt", "", strings.NewReader("x"))
		return err
	}
	broken := reply{err: errors.New("connection reset")}
	for name, tc := range map[string]struct {
		call   func(*client.Client, context.Context) error
		answer reply
		tries  int
	}{
		"a send with a key, server fails":      {send("k"), failure(500, "internal_error"), 4},
		"a send with a key, server busy":       {send("k"), failure(429, "rate_limit_exceeded"), 4},
		"a send with a key, line breaks":       {send("k"), broken, 4},
		"a send with a key, refused":           {send("k"), failure(400, "validation_error"), 1},
		"a send with a key, conflict":          {send("k"), failure(409, "validation_error"), 1},
		"a send without a key, server fails":   {send(""), failure(500, "internal_error"), 1},
		"a send without a key, server busy":    {send(""), failure(429, "rate_limit_exceeded"), 1},
		"a send without a key, line breaks":    {send(""), broken, 1},
		"a question, server fails":             {show, failure(503, "internal_error"), 4},
		"a question, line breaks":              {show, broken, 4},
		"a question, not found":                {show, failure(404, "not_found"), 1},
		"an upload, server fails":              {upload, failure(500, "internal_error"), 1},
		"a quota that comes back next month":   {show, reply{status: 429, header: http.Header{"Retry-After": {"86400"}}, body: "{}"}, 1},
		"the caller gives up, nothing repeats": {show, reply{err: context.Canceled}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(t, tc.answer)
				if err := tc.call(c, t.Context()); err == nil {
					t.Fatal("no error")
				}
				if len(s.came) != tc.tries {
					t.Errorf("%d attempts, want %d", len(s.came), tc.tries)
				}
				for _, body := range s.bodies {
					if body != s.bodies[0] {
						t.Error("an attempt sent another body")
					}
				}
			})
		})
	}
}

func TestTheServersWaitIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := failure(429, "rate_limit_exceeded")
		busy.header = http.Header{"Retry-After": {"7"}}
		c, s := scripted(t, busy, reply{status: 200, body: `{"status":"ok","data":[]}`})
		begun := time.Now()
		if _, err := c.StatusHistory(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begun); waited != 7*time.Second || len(s.came) != 2 { // virtual
			t.Errorf("waited %v for %d attempts", waited, len(s.came))
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := failure(503, "internal_error")
		busy.header = http.Header{"Retry-After": {"50"}}
		c, _ := scripted(t, busy)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Workspace(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || client.Code(err) != "internal_error" {
			t.Errorf("got %v, want the context's error and the server's", err)
		}
	})
}

func TestARefusalIsTyped(t *testing.T) {
	t.Parallel()
	c, _ := scripted(t, reply{
		status: 400, header: http.Header{"X-Request-Id": {"r-1"}},
		body: `{"status":"error","message":"text: bad","error_code":"validation_error","errors":[{"fields":["text"],"msg":"bad"}],"more":1}`,
	})
	_, err := c.Send(t.Context(), client.Message{})
	e, ok := errors.AsType[*client.Error](err)
	want := &client.Error{Status: 400, Code: "validation_error", Message: "text: bad", RequestID: "r-1", Fields: []client.FieldError{{Path: []string{"text"}, Msg: "bad"}}}
	if !ok || !cmp.Equal(want, e) || client.Code(err) != client.CodeValidation {
		t.Errorf("got %+v", err)
	}
}

func TestAnAnswerThatIsNoneOfTheAPIs(t *testing.T) {
	t.Parallel()
	c, _ := scripted(t, reply{status: 404, body: "<!DOCTYPE html>"})
	_, err := c.File(t.Context(), "x")
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 404 || e.Code != "" || e.Message == "" {
		t.Errorf("a page: %v", err)
	}
	c, _ = scripted(t, reply{status: 200, body: "<!DOCTYPE html>"})
	if _, err := c.Accounts(t.Context()); err == nil || client.Code(err) != "" {
		t.Errorf("a page with 200: %v", err)
	}
}

func TestAnUploadStreamsAndStopsWhenTheFileDoes(t *testing.T) {
	t.Parallel()
	c, s := scripted(t, reply{status: 200, body: `{"status":"ok","data":{"uid":"u","filename":"é \"1\".txt","size":1,"uploaded_at":"2026-11-22 10:35:18 +0530"}}`})
	f, err := c.Upload(t.Context(), `é "1".txt`, "text/csv", strings.NewReader("x"))
	if err != nil || f.UID != "u" || f.UploadedAt.UTC() != time.Date(2026, 11, 22, 5, 5, 18, 0, time.UTC) {
		t.Fatalf("%+v, %v", f, err)
	}
	if !strings.Contains(s.bodies[0], "text/csv") || !strings.Contains(s.bodies[0], `name="file"`) {
		t.Errorf("form %s", s.bodies[0])
	}
	broken := errors.New("disk on fire")
	if _, err := c.Upload(t.Context(), "a", "", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v, want the file's error", err)
	}
}

func TestTimesComeAndGo(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"2024-01-08 10:35:18 +0200"`: `"2024-01-08 10:35:18 +0200"`,
		`"2026-07-17T09:00:00Z"`:      `"2026-07-17 09:00:00 +0000"`,
		`null`:                        `null`,
		`""`:                          `null`,
	} {
		var at client.Time
		if err := json.Unmarshal([]byte(in), &at); err != nil {
			t.Error(err)
		}
		if out, err := json.Marshal(at); err != nil || string(out) != want {
			t.Errorf("%s becomes %s, %v", in, out, err)
		}
	}
	var at client.Time
	for _, in := range []string{`"yesterday"`, `7`} {
		if err := json.Unmarshal([]byte(in), &at); err == nil {
			t.Errorf("%s was read as a time", in)
		}
	}
}

func TestAClientNeedsAServerAndAToken(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", "localhost:8080", "ftp://x", "http://", "://"} {
		if _, err := client.New(server, "t"); err == nil {
			t.Errorf("server %q was taken", server)
		}
	}
	if _, err := client.New("http://x", ""); err == nil {
		t.Error("no token was taken")
	}
}

func Example() {
	// A server that accepts everything, in place of yours.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"ok","data":{"message_uid":"0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51"}}`)
	}))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()

	c, err := client.New(server.URL, "tla_your_token")
	if err != nil {
		log.Fatal(err)
	}
	sent, err := c.Send(context.Background(), client.Message{
		Phone:          "+14840000000",
		Text:           "Your parcel is on its way.",
		IdempotencyKey: "order-4711-shipped", // so that it may be repeated
	})
	if e, ok := errors.AsType[*client.Error](err); ok && e.Code == client.CodeValidation {
		for _, f := range e.Fields {
			fmt.Println(f.Path, f.Msg)
		}
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.MessageUID)
	// Output: 0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51
}
