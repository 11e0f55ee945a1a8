package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/wasim"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const (
	accountNumber = "+14840000000" // the sandbox's own account
	ana           = "+14840000001" // a customer who receives, reads and answers
	// A customer who receives and reads, once a test has added the phone. An answer
	// that crosses with a message on its way can make a phone ask for the message
	// again, which then comes after the next one: the order on the phone is the
	// order of sending only where nobody answers.
	quiet  = "+14840000077"
	nobody = "+14840000009" // a number that is not on WhatsApp
)

// patience bounds every wait. Nothing takes nearly as long; it only has to be
// longer than any stall of a busy machine.
const patience = 2 * time.Minute

// site is an installation: a data folder and a database, which outlive the
// servers that run on them.
type site struct {
	dir      string
	database string // "" = SQLite in dir
	sandbox  bool
}

// onBothDatabases runs a test on a new sandbox with SQLite and on one with
// PostgreSQL.
func onBothDatabases(t *testing.T, test func(t *testing.T, s site)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newSandbox(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t)
		s.database = testenv.PostgreSQL(t)
		test(t, s)
	})
}

func newSandbox(t *testing.T) site {
	t.Helper()
	return site{dir: filepath.Join(t.TempDir(), "data"), sandbox: true}
}

// args adds what names the site to a command line.
func (s site) args(command ...string) []string {
	args := append(command, "--data", s.dir)
	if s.database != "" {
		args = append(args, "--database", s.database)
	}
	return args
}

// server is a running server of a site.
type server struct {
	site
	*testenv.Process
	welcome
	api  *client.Client
	http *http.Client
}

// welcome is what serve --json prints.
type welcome struct {
	Sandbox   bool     `json:"sandbox"`
	URL       string   `json:"url"`
	API       string   `json:"api"`
	Workspace string   `json:"workspace"`
	Accounts  []string `json:"whatsapp_accounts"`
	Token     string   `json:"token"`
	Curl      string   `json:"curl"`
}

var wholeWelcome = regexp.MustCompile(`(?s)^\{\n.*\n\}\n`)

// launch starts a server and doesn't wait for it.
func (s site) launch(t testing.TB, flags ...string) *testenv.Process {
	t.Helper()
	args := s.args("serve", "--json", "--listen", "127.0.0.1:0", "--rate-limit", "0")
	if s.sandbox {
		args = append(args, "--sandbox")
	}
	return testenv.Start(t, testenv.Command{Path: testenv.Binary(t), Args: append(args, flags...), Dir: t.TempDir()})
}

// ready waits until a launched server can be used.
func (s site) ready(ctx context.Context, p *testenv.Process) (*server, error) {
	match, err := p.AwaitStdout(ctx, wholeWelcome)
	if err != nil {
		return nil, fmt.Errorf("%w; on standard error:\n%s", err, p.Stderr())
	}
	srv := &server{site: s, Process: p, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	if err := json.Unmarshal([]byte(match[0]), &srv.welcome); err != nil {
		return nil, err
	}
	if srv.Token != "" {
		srv.api, err = client.New(srv.URL, srv.Token, client.WithHTTPClient(srv.http), client.WithAttempts(1))
	}
	return srv, err
}

// start starts a server and waits until it can be used.
func (s site) start(t testing.TB, flags ...string) *server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	srv, err := s.ready(ctx, s.launch(t, flags...))
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(srv.http.CloseIdleConnections)
	return srv
}

// stop ends a server as Ctrl-C does.
func (s *server) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if s.sandbox {
		s.understood(t)
	}
	s.http.CloseIdleConnections()
	if code, err := s.Stop(ctx); err != nil || code != 0 {
		t.Fatalf("stop: exit code %d, %v; want 0\n%s", code, err, s.Stderr())
	}
}

// understood fails the test if the sandbox's network was told something that it
// doesn't know: what was tested then is not what WhatsApp would do.
func (s *server) understood(t testing.TB) {
	t.Helper()
	var got struct{ Unhandled []wasim.Unhandled }
	s.mustCall(t, http.MethodGet, "/sandbox/unhandled", nil, &got)
	if len(got.Unhandled) > 0 {
		t.Errorf("stanzas that the network doesn't know: %+v", got.Unhandled)
	}
}

// result is what a command printed and how it ended.
type result struct {
	out, notes string
	code       int
}

// run runs a command of the site to its end.
func (s site) run(t testing.TB, command ...string) result {
	t.Helper()
	return runWith(t, nil, s.args(command...)...)
}

func runWith(t testing.TB, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, notes bytes.Buffer
	cmd := exec.CommandContext(ctx, testenv.Binary(t), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &notes
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatalf("tideline %s: %v", strings.Join(args, " "), err)
	}
	return result{out: out.String(), notes: notes.String(), code: cmd.ProcessState.ExitCode()}
}

// must runs a command that has to succeed and gives its output.
func (s site) must(t testing.TB, command ...string) string {
	t.Helper()
	r := s.run(t, command...)
	if r.code != 0 {
		t.Fatalf("tideline %s: exit code %d: %s", strings.Join(command, " "), r.code, r.notes)
	}
	return r.out
}

// query runs a command with --json and decodes what it printed.
func query[T any](t testing.TB, s site, command ...string) T {
	t.Helper()
	var v T
	out := s.must(t, append(command, "--json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("tideline %s --json: %v in %s", strings.Join(command, " "), err, out)
	}
	return v
}

// healthy fails the test unless doctor finds nothing wrong.
func (s site) healthy(t testing.TB) {
	t.Helper()
	if r := s.run(t, "doctor", "--json"); r.code != 0 {
		t.Errorf("doctor: exit code %d\n%s%s", r.code, r.out, r.notes)
	}
}

// call makes a request of the server's own API, such as /sandbox/phones, with a
// JSON body unless in is nil, and decodes the answer into out unless that is nil.
func (s *server) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

func (s *server) mustCall(t testing.TB, method, path string, in, out any) {
	t.Helper()
	if err := s.call(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// addPhone adds a phone to the sandbox's network.
func (s *server) addPhone(t testing.TB, number string) {
	t.Helper()
	s.mustCall(t, http.MethodPost, "/sandbox/phones", map[string]any{"number": number, "name": "Phone " + number}, nil)
}

// received gives all that a phone has decrypted, oldest first.
func (s *server) received(ctx context.Context, number string) ([]wasim.Received, error) {
	const page = 500
	var all []wasim.Received
	for after := int64(0); ; {
		var got struct {
			Messages []wasim.Received `json:"messages"`
		}
		path := fmt.Sprintf("/sandbox/phones/%s/messages?after=%d&limit=%d", number, after, page)
		if err := s.call(ctx, http.MethodGet, path, nil, &got); err != nil {
			return nil, err
		}
		all = append(all, got.Messages...)
		if len(got.Messages) < page {
			return all, nil
		}
		after = all[len(all)-1].Seq
	}
}

// fault makes something go wrong in the sandbox's network.
func (s *server) fault(t testing.TB, f wasim.Fault) {
	t.Helper()
	s.mustCall(t, http.MethodPost, "/sandbox/faults", f, nil)
}

// eventually waits until check reports that it is so. What check says last tells
// why it never was.
func eventually(t testing.TB, what string, check func(ctx context.Context) (done bool, now string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done, now := check(ctx)
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s; now: %s", what, now)
		}
	}
}

// awaitText waits until a phone has decrypted a message with the text.
func (s *server) awaitText(t testing.TB, number, text string) wasim.Received {
	t.Helper()
	var found wasim.Received
	eventually(t, fmt.Sprintf("%s received %q", number, text), func(ctx context.Context) (bool, string) {
		all, err := s.received(ctx, number)
		if err != nil {
			return false, err.Error()
		}
		for _, m := range all {
			if m.Text == text {
				found = m
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d messages", len(all))
	})
	return found
}

// awaitHistory waits until a message has gone through the statuses.
func (s *server) awaitHistory(t testing.TB, uid string, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s was %v", uid, want), func(ctx context.Context) (bool, string) {
		history, err := s.api.StatusHistory(ctx, uid)
		if err != nil {
			return false, err.Error()
		}
		var got []string
		for _, h := range history {
			got = append(got, h.Status)
		}
		return strings.Join(got, " ") == strings.Join(want, " "), fmt.Sprint(got)
	})
}

// send sends a message that has to be accepted and gives its uid.
func (s *server) send(t testing.TB, m client.Message) string {
	t.Helper()
	sent, err := s.api.Send(t.Context(), m)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return sent.MessageUID
}

// pair pairs a new number with the site's workspace, through the command, as a
// person with a phone in hand would.
func (s *server) pair(t testing.TB, number string) {
	t.Helper()
	s.addPhone(t, number)
	s.link(t, number)
}

// pairWith pairs a new number with what the flags name, such as a workspace.
func (s *server) pairWith(t testing.TB, number string, flags ...string) {
	t.Helper()
	s.addPhone(t, number)
	s.link(t, number, flags...)
}

// link pairs the phone with a number, which the network has, with what the flags
// name, such as a workspace.
func (s *server) link(t testing.TB, number string, flags ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p := testenv.Start(t, testenv.Command{Path: testenv.Binary(t), Args: s.args(append([]string{"account", "pair", "--json"}, flags...)...), Dir: t.TempDir()})
	match, err := p.AwaitStdout(ctx, regexp.MustCompile(`(?m)^(\{"event":"qr".*\})$`))
	if err != nil {
		t.Fatalf("pair %s: %v\n%s", number, err, p.Stderr())
	}
	var e struct{ QR string }
	if err := json.Unmarshal([]byte(match[1]), &e); err != nil {
		t.Fatal(err)
	}
	s.mustCall(t, http.MethodPost, "/sandbox/phones/"+number+"/scan", map[string]string{"qr": e.QR}, nil)
	if code, err := p.Wait(ctx); err != nil || code != 0 {
		t.Fatalf("pair %s: exit code %d, %v\n%s%s", number, code, err, p.Stdout(), p.Stderr())
	}
	if !strings.Contains(p.Stdout(), `{"event":"paired","whatsapp_account_id":"`+strings.TrimPrefix(number, "+")) {
		t.Errorf("pair %s printed %s", number, p.Stdout())
	}
}

// fetch gives the text at a path of the server.
func (s *server) fetch(ctx context.Context, path string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return "", err
	}
	res, err := s.http.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, res.Status, body)
	}
	return string(body), err
}
