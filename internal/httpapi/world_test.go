package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/safehttp"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// onBoth runs a test over each kind of database.
func onBoth(t *testing.T, test func(t *testing.T, database string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, sqlite(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, migrated.PostgreSQL(t))
	})
}

// world is a server with real services over a real database, a workspace with
// an active account, and its owner's token.
type world struct {
	t       *testing.T
	store   store.Store
	tokens  *auth.Tokens
	meter   *httpapi.Meter
	uses    *auth.Uses
	metrics *prometheus.Registry
	handler http.Handler
	url     string // of the API
	clock   *clock
	blobs   *fickle
	folder  string              // of the files' bytes
	reacted []whatsapp.Reaction // what was sent; guarded by nothing, as handlers answer before tests look

	ws    tideline.Workspace
	owner tideline.Member
	token string
	acc   tideline.Account
}

// clock runs, from where a test moves it to.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }

// workspaceNumber tells the workspaces' numbers apart; see newTenant.
var workspaceNumber atomic.Int64

func newWorld(t *testing.T, database string, edit func(cfg *httpapi.Config)) *world {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: database, Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "files")
	blobs, err := local.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, folder: folder, blobs: &fickle{Store: blobs}, clock: &clock{}, metrics: prometheus.NewRegistry()}
	key, err := s.Secret(t.Context(), file.LinkSecret, file.LinkSecretSize)
	w.must(err)
	authenticator := auth.New(s, auth.Config{Now: w.clock.now})
	var ids atomic.Int64
	messages := message.New(message.Deps{Store: s, Refresher: authenticator, Reactor: w, NewMessageID: func() string {
		return fmt.Sprintf("3EB0%08X", ids.Add(1))
	}})
	w.tokens = auth.NewTokens(s, w.clock.now)
	w.meter = httpapi.NewMeter(s, nil, w.clock.now)
	w.uses = auth.NewUses(s, nil)
	cfg := httpapi.Config{Now: w.clock.now}
	if edit != nil {
		edit(&cfg)
	}
	fetcher := safehttp.New(safehttp.Config{Guard: safehttp.SandboxGuard()})
	t.Cleanup(fetcher.CloseIdle)
	files := file.New(file.Config{LinkKey: key, Now: w.clock.now}, file.Deps{Storage: s, Blobs: w.blobs, Log: slog.New(slog.DiscardHandler), Fetcher: fetcher})
	webhooks := webhook.NewService(s, &webhook.Renderer{PublicURL: "https://wa.example.org", APIPath: httpapi.Base, Link: files.Link}, nil, w.clock.now)
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	w.handler = httpapi.New(cfg, httpapi.Deps{
		Auth: authenticator, Messages: messages, Storage: s, Meter: w.meter, Metrics: w.metrics, Log: log, Team: team.New(s, w.clock.now),
		Files: files, Webhooks: webhooks, Uses: w.uses,
	})
	server := httptest.NewServer(w.handler)
	w.url = server.URL + httpapi.Base
	t.Cleanup(func() {
		server.Close()
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.ws, w.owner, w.token, w.acc = w.newTenant("acme")
	return w
}

// React implements message.Reactor.
func (w *world) React(_ context.Context, _ int64, r whatsapp.Reaction) error {
	w.reacted = append(w.reacted, r)
	return nil
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("server: %s", bytes.TrimSpace(p))
	return len(p), nil
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// newTenant makes a workspace with an owner, a token and an active account.
func (w *world) newTenant(slug string) (tideline.Workspace, tideline.Member, string, tideline.Account) {
	w.t.Helper()
	ctx := w.t.Context()
	ws, owner, err := w.store.CreateWorkspace(ctx, tideline.Workspace{
		Slug: slug, DisplayName: strings.ToUpper(slug[:1]) + slug[1:], TimeZone: "Asia/Kolkata",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: w.clock.now(),
	}, tideline.Member{Email: "owner@" + slug + ".example", DisplayName: "Owner of " + slug, Role: tideline.RoleOwner, CreatedAt: w.clock.now()})
	w.must(err)
	token, _, err := w.tokens.Create(ctx, ws, owner, "test", 0)
	w.must(err)
	acc := w.newAccount(ws, tideline.AccountActive)
	return ws, owner, token, acc
}

func (w *world) newAccount(ws tideline.Workspace, state tideline.AccountState) tideline.Account {
	w.t.Helper()
	phone := tideline.Phone(fmt.Sprintf("+1484111%04d", workspaceNumber.Add(1)))
	acc, err := w.store.PutAccount(w.t.Context(), tideline.Account{
		WorkspaceID: ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@s.whatsapp.net", Phone: phone, Name: "Front desk",
		State: tideline.AccountConnecting, OwnerName: "Ada", OwnerEmail: "ada@example.com", CreatedAt: w.clock.now(),
	})
	w.must(err)
	w.must(w.store.SetAccountState(w.t.Context(), acc.ID, state, "", w.clock.now()))
	acc, err = w.store.Account(w.t.Context(), ws.ID, acc.ID)
	w.must(err)
	return acc
}

// setPlan puts the workspace on a plan of its own.
func (w *world) setPlan(edit func(p *tideline.Plan)) {
	w.t.Helper()
	plan := w.ws.Plan
	edit(&plan)
	plan.Name = "edited"
	w.must(w.store.PutPlan(w.t.Context(), plan))
	_, err := w.store.UpdateWorkspace(w.t.Context(), w.ws.ID, store.WorkspaceUpdate{Plan: &plan.Name, At: w.clock.now()})
	w.must(err)
}

func (w *world) setCredits(n tideline.Credits) {
	w.t.Helper()
	_, err := w.store.UpdateWorkspace(w.t.Context(), w.ws.ID, store.WorkspaceUpdate{Credits: &n, At: w.clock.now()})
	w.must(err)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// request is what to ask; empty fields have usual values.
type request struct {
	method, path string
	token        string // "" = the world's, "-" = none
	header       http.Header
	body         string
}

// do asks the server and checks the answer against the contract.
func (w *world) do(r request) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), r.method, w.url+r.path, strings.NewReader(r.body))
	w.must(err)
	for k, v := range r.header {
		req.Header[k] = v
	}
	switch r.token {
	case "":
		req.Header.Set("Authorization", "Bearer "+w.token)
	case "-":
	default:
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	w.must(err)
	checkContract(w.t, req, resp.StatusCode, resp.Header, body)
	return answer{resp.StatusCode, resp.Header, body}
}

func (w *world) get(path string) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodGet, path: path})
}

// post sends JSON, a string as it is and everything else encoded.
func (w *world) post(path string, body any) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodPost, path: path, body: w.json(body), header: http.Header{"Content-Type": {"application/json"}}})
}

func (w *world) json(v any) string {
	w.t.Helper()
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	w.must(err)
	return string(b)
}

// send sends a message that must be accepted and gives its uid.
func (w *world) send(body any) string {
	w.t.Helper()
	return w.uid(w.post("/messages", body))
}

func (w *world) uid(a answer) string {
	w.t.Helper()
	var got struct {
		Data struct {
			MessageUID string `json:"message_uid"`
		}
	}
	w.decode(a, &got)
	return got.Data.MessageUID
}

// decode reads an answer that must be a success.
func (w *world) decode(a answer, into any) {
	w.t.Helper()
	if a.status != http.StatusOK {
		w.t.Fatalf("answered %d %s", a.status, a.body)
	}
	w.must(json.Unmarshal(a.body, into))
}

// data gives the answer's data as plain JSON values.
func (w *world) data(a answer) any {
	w.t.Helper()
	var got struct{ Data any }
	w.decode(a, &got)
	return got.Data
}

// refused checks an error's status, code and blamed fields.
func (w *world) refused(a answer, status int, code string, fields ...string) {
	w.t.Helper()
	checkRefused(w.t, a, status, code, fields...)
}

func checkRefused(t testing.TB, a answer, status int, code string, fields ...string) {
	t.Helper()
	var got struct {
		Status, Message string
		Code            string `json:"error_code"`
		Errors          []struct {
			Fields []string
			Msg    string
		}
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatalf("answered %d %q: %v", a.status, a.body, err)
	}
	var blamed []string
	for _, e := range got.Errors {
		blamed = append(blamed, strings.Join(e.Fields, "."))
	}
	if a.status != status || got.Status != "error" || got.Code != code || got.Message == "" || !cmp.Equal(blamed, fields) {
		t.Errorf("answered %d %s; want %d, %s and the fields %v", a.status, a.body, status, code, fields)
	}
}

// upload uploads a file and gives the answer. Fields are written before the file.
func (w *world) upload(name, content string, fields map[string]string) answer {
	w.t.Helper()
	return w.form("/files_upload", name, content, fields, "")
}

// form posts a form with a file. key is the Idempotency-Key; "" = none.
func (w *world) form(path, name, content string, fields map[string]string, key string) answer {
	w.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for k, v := range fields {
		w.must(form.WriteField(k, v))
	}
	part, err := form.CreateFormFile("file", name)
	w.must(err)
	_, err = io.WriteString(part, content)
	w.must(err)
	w.must(form.Close())
	header := http.Header{"Content-Type": {form.FormDataContentType()}}
	if key != "" {
		header["Idempotency-Key"] = []string{key}
	}
	return w.do(request{method: http.MethodPost, path: path, body: b.String(), header: header})
}

// blobCount counts the files whose bytes are kept.
func (w *world) blobCount() (n int) {
	w.t.Helper()
	w.must(filepath.WalkDir(filepath.Join(w.folder, "files"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// fileUID uploads a file that must be taken.
func (w *world) fileUID(name, content string) string {
	w.t.Helper()
	var got struct{ Data struct{ UID string } }
	w.decode(w.upload(name, content, nil), &got)
	return got.Data.UID
}

// settle ends a message's way to WhatsApp.
func (w *world) settle(uid string, status tideline.Status, reason tideline.Reason, at time.Time) store.MessageView {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	v, err := w.store.MessageByUID(ctx, w.ws.ID, uid)
	w.must(err)
	w.must(w.store.Settle(ctx, store.Settlement{
		WorkspaceID: w.ws.ID, AccountID: v.Account.ID, MessageID: v.Message.ID, Status: status, Reason: reason, At: at, LaneAt: at,
	}))
	return v
}

// sqlite is the path of a fresh SQLite database, for tests that are not about
// storage.
func sqlite(t *testing.T) string {
	t.Helper()
	return migrated.SQLite(t)
}
