package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv"
)

func production(t *testing.T) site {
	t.Helper()
	return site{dir: filepath.Join(t.TempDir(), "data")}
}

var tokenPattern = regexp.MustCompile(`^tla_[0-9A-Za-z]{43}\n$`)

func TestFirstServePrintsATokenOnce(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		s.sandbox = false
		srv := s.start(t)
		if srv.Token == "" || srv.Workspace != "main" || srv.Sandbox {
			t.Fatalf("the first start prints %+v", srv.welcome)
		}
		if w, err := srv.api.Workspace(t.Context()); err != nil || w.ID != "main" {
			t.Errorf("the token opens %+v, %v", w, err)
		}
		if _, err := srv.api.Send(t.Context(), client.Message{Phone: ana, Text: "x"}); !refusedWith(err, "validation_error") || !strings.Contains(err.Error(), "No connected WhatsApp account") {
			t.Errorf("send without an account: %v", err)
		}
		first := srv.Token
		srv.stop(t)
		srv = s.start(t)
		if srv.Token != "" || strings.Contains(srv.Stdout()+srv.Stderr(), first) {
			t.Errorf("the second start prints a token: %s%s", srv.Stdout(), srv.Stderr())
		}
		srv.stop(t)
		if tokens := query[[]map[string]any](t, s, "token", "list"); len(tokens) != 1 {
			t.Errorf("there are tokens %v", tokens)
		}
	})
}

func TestFirstServeTellsAPersonWhatToDo(t *testing.T) {
	t.Parallel()
	s := production(t)
	p := testenv.Start(t, testenv.Command{
		Path: testenv.Binary(t), Dir: t.TempDir(),
		Args: s.args("serve", "--listen", "127.0.0.1:0", "--workspace", "shop"),
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.AwaitStdout(ctx, regexp.MustCompile(`Stop with Ctrl-C\.\n`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^Inbox +http://127\.0\.0\.1:\d+/enter/\w{43}$`, `(?m)^Workspace +shop$`, `(?m)^Token +tla_\w{43}$`,
		`tideline account pair --data `, `(?m)^  curl -sS http://127\.0\.0\.1:\d+/integrations/api/messages `,
	} {
		if !regexp.MustCompile(want).MatchString(p.Stdout()) {
			t.Errorf("nothing matches %s in\n%s", want, p.Stdout())
		}
	}
	if code, err := p.Stop(ctx); err != nil || code != 0 {
		t.Errorf("Ctrl-C: exit code %d, %v", code, err)
	}
}

func TestASandboxRemembersEverything(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		uid := srv.send(t, client.Message{Phone: ana, Text: "before the restart"})
		srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
		token, devices := srv.Token, srv.companions(t)
		srv.stop(t)
		for _, end := range []func(*server){
			func(srv *server) { srv.stop(t) },
			func(srv *server) {
				if err := srv.Kill(); err != nil {
					t.Fatal(err)
				}
			},
			func(srv *server) { srv.stop(t) },
		} {
			srv = s.start(t)
			if srv.Token != token {
				t.Errorf("the token changed")
			}
			if now := srv.companions(t); now != devices {
				t.Errorf("the account was paired again: %s, before %s", now, devices)
			}
			srv.awaitText(t, ana, "before the restart")
			srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
			srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "after it"}), "Sent", "Delivered", "Read")
			end(srv)
		}
	})
}

// companions gives the devices that are linked to the sandbox's own phone.
func (s *server) companions(t *testing.T) string {
	t.Helper()
	var got struct {
		Phones []struct {
			Number     string
			Companions []struct{ JID string }
		}
	}
	s.mustCall(t, http.MethodGet, "/sandbox/phones", nil, &got)
	for _, p := range got.Phones {
		if p.Number == accountNumber && len(p.Companions) == 1 {
			return p.Companions[0].JID
		}
	}
	t.Fatalf("the sandbox's phone has not one companion: %+v", got)
	return ""
}

func TestTokensAndMembersWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "member", "add", "ben@example.com", "--name", "Ben")
		r := s.run(t, "token", "create", "--name", "x", "--member", "ben@example.com")
		if r.code != 0 || !tokenPattern.MatchString(r.out) || r.notes != "" {
			t.Fatalf("token create: exit code %d, prints %q and %q; want a token and nothing else", r.code, r.out, r.notes)
		}
		bens, err := client.New(srv.URL, strings.TrimSpace(r.out), client.WithHTTPClient(srv.http), client.WithAttempts(1))
		if err != nil {
			t.Fatal(err)
		}
		send := func() error {
			_, err := bens.Send(t.Context(), client.Message{Phone: ana, Text: "from Ben"})
			return err
		}
		if err := send(); err != nil {
			t.Errorf("with a new token: %v", err)
		}
		s.must(t, "member", "role", "ben@example.com", "collaborator")
		if err := send(); !refusedWith(err, "permission_denied") {
			t.Errorf("as a collaborator: %v, want permission_denied", err)
		}
		s.must(t, "member", "role", "ben@example.com", "agent")
		if err := send(); err != nil {
			t.Errorf("as an agent again: %v", err)
		}
		s.must(t, "member", "remove", "ben@example.com")
		if err := send(); !refusedWith(err, "member_not_found") {
			t.Errorf("after the member was removed: %v, want member_not_found", err)
		}
		s.must(t, "token", "revoke", "1")
		if _, err := srv.api.Send(t.Context(), client.Message{Phone: ana, Text: "x"}); !refusedWith(err, "invalid_token") {
			t.Errorf("after the token was revoked: %v, want invalid_token", err)
		}
		srv.stop(t)
	})
}

func TestPromise7ASecondServerIsRefused(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		if r := s.run(t, "serve", "--sandbox", "--listen", "127.0.0.1:0"); r.code != 1 || !strings.Contains(r.notes, "is in use by process") || !strings.Contains(r.notes, srv.URL) {
			t.Errorf("on the same folder: exit code %d, %s", r.code, r.notes)
		}
		database := s.database
		if database == "" {
			database = filepath.Join(s.dir, "tideline.db")
		}
		other := site{dir: filepath.Join(t.TempDir(), "data"), database: database, sandbox: true}
		if r := other.run(t, "serve", "--sandbox", "--listen", "127.0.0.1:0"); r.code != 1 || !strings.Contains(r.notes, "another server works with this database") {
			t.Errorf("on the same database: exit code %d, %s", r.code, r.notes)
		}
		srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "unimpressed"}), "Sent", "Delivered", "Read")
		srv.stop(t)
	})
}

func TestASandboxAndAProductionServerKeepApart(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		s.start(t).stop(t)
		if r := s.run(t, "serve", "--listen", "127.0.0.1:0"); r.code != 1 || !strings.Contains(r.notes, "belongs to a sandbox") {
			t.Errorf("production on a sandbox's folder: exit code %d, %s", r.code, r.notes)
		}
		database := s.database
		if database == "" {
			database = filepath.Join(s.dir, "tideline.db")
		}
		other := site{dir: filepath.Join(t.TempDir(), "data"), database: database}
		if r := other.run(t, "serve", "--listen", "127.0.0.1:0"); r.code != 1 || !strings.Contains(r.notes, "the database belongs to a sandbox server") {
			t.Errorf("production on a sandbox's database: exit code %d, %s", r.code, r.notes)
		}

		p := production(t)
		p.start(t).stop(t)
		if r := p.run(t, "serve", "--sandbox", "--listen", "127.0.0.1:0"); r.code != 1 || !strings.Contains(r.notes, "belongs to a production server") {
			t.Errorf("a sandbox on a production folder: exit code %d, %s", r.code, r.notes)
		}
		if r := p.run(t, "token", "list", "--sandbox"); r.code != 1 || !strings.Contains(r.notes, "leave --sandbox out") {
			t.Errorf("a command with --sandbox on a production folder: exit code %d, %s", r.code, r.notes)
		}
	})
}

func TestTwoServersStartAtOnceOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	database := testenv.PostgreSQL(t)
	launched := make([]*testenv.Process, 2)
	for i := range launched {
		s := newSandbox(t)
		s.database = database
		launched[i] = s.launch(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first := make(chan int, len(launched))
	for i, p := range launched {
		go func() {
			if _, err := p.AwaitStdout(ctx, wholeWelcome); err == nil {
				first <- i
			}
		}()
	}
	var winner, loser *testenv.Process
	select {
	case i := <-first:
		winner, loser = launched[i], launched[1-i]
	case <-ctx.Done():
		t.Fatalf("neither started:\n%s\n%s", launched[0].Stderr(), launched[1].Stderr())
	}
	code, err := loser.Wait(ctx)
	if err != nil || code != 1 || !strings.Contains(loser.Stderr(), "another server works with this database: process ") {
		t.Errorf("the second: exit code %d, %v, %s", code, err, loser.Stderr())
	}
	if code, err := winner.Stop(ctx); err != nil || code != 0 {
		t.Errorf("the first: exit code %d, %v", code, err)
	}
}

func TestMigrationsAtOnceOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		results := make(chan result, 4)
		for range cap(results) {
			go func() { results <- s.run(t, "migrate", "--json") }()
		}
		did := 0
		for range cap(results) {
			r := <-results
			var m struct{ From, To int64 }
			if err := json.Unmarshal([]byte(r.out), &m); r.code != 0 || err != nil || m.To == 0 {
				t.Errorf("migrate: exit code %d, %v: %s%s", r.code, err, r.out, r.notes)
			}
			if m.From == 0 {
				did++
			}
		}
		if did == 0 {
			t.Error("nobody migrated the database")
		}
		s.must(t, "workspace", "create", "main")
	})
}

func TestServeTakesSettingsFromFileAndEnvironment(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.start(t).stop(t)
	file := filepath.Join(s.dir, "tideline.json")
	if err := os.WriteFile(file, []byte(`{"sandbox": true, "listen": "127.0.0.2:0", "log-format": "json", "log-level": "error"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := testenv.Start(t, testenv.Command{
		Path: testenv.Binary(t), Dir: t.TempDir(), Args: []string{"serve", "--json"},
		Env: []string{"TIDELINE_DATA=" + s.dir, "TIDELINE_LOG_LEVEL=info"},
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	srv, err := s.ready(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(srv.URL, "http://127.0.0.2:") || !srv.Sandbox {
		t.Errorf("the file is not followed: %+v", srv.welcome)
	}
	line, _, _ := strings.Cut(p.Stderr(), "\n")
	var entry struct{ Level string }
	if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level != "INFO" {
		t.Errorf("the log begins %s (%v); want JSON, as the file says, from level info on, as the environment says", line, err)
	}
	srv.stop(t)
	if err := os.WriteFile(file, []byte(`{"lissten": "127.0.0.2:0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.run(t, "serve"); r.code != 2 || !strings.Contains(r.notes, `sets "lissten"`) {
		t.Errorf("a misspelt key: exit code %d, %s", r.code, r.notes)
	}
}

func TestLogsNameNobody(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	s.must(t, "workspace", "set", "--gap", "0s-0s")
	srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "between you and me"}), "Sent", "Delivered", "Read")
	srv.awaitHistory(t, srv.send(t, client.Message{Phone: nobody, Text: "between you and me"}), "Failed")
	srv.stop(t)
	for _, private := range []string{"4840000000", "4840000001", "4840000009", "between you", srv.Token[8:]} {
		if strings.Contains(srv.Stderr(), private) {
			t.Errorf("the log shows %q:\n%s", private, srv.Stderr())
		}
	}
}

func TestProbesAndPages(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "counted"}), "Sent", "Delivered", "Read")
	for path, wants := range map[string][]string{
		"/healthz": {`"status":"ok"`, `"sandbox":true`},
		"/readyz":  {`"status":"ready"`, `"reasons":[]`},
		"/metrics": {
			`tideline_messages_accepted_total 1`, `tideline_outbox_settled_total{reason="",status="Sent"} 1`, `tideline_outbox_messages 0`,
			`tideline_accounts{state="active"} 1`, `tideline_outbox_lateness_seconds_count 1`, "go_goroutines ", "tideline_build_info{",
		},
		"/docs":              {"<html", "swagger"},
		"/docs/openapi.yaml": {"openapi: 3.0", "/messages"},
		"/":                  {"<html", "sign in"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		res, err := srv.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		if _, err := copyAll(&body, res); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", path, res.Status, err)
		}
		for _, want := range wants {
			if !strings.Contains(strings.ToLower(body.String()), strings.ToLower(want)) {
				t.Errorf("%s lacks %s:\n%.2000s", path, want, body.String())
			}
		}
	}
	srv.stop(t)

	p := production(t)
	srv = p.start(t)
	if text, err := srv.fetch(t.Context(), "/healthz"); err != nil || !strings.Contains(text, `"sandbox":false`) {
		t.Errorf("/healthz of a production server: %s, %v", text, err)
	}
	if err := srv.call(t.Context(), http.MethodGet, "/sandbox/phones", nil, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("/sandbox/ of a production server: %v, want 404", err)
	}
	srv.stop(t)
}
