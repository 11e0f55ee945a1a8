package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv"
)

// TestCommands runs the scripts in testdata: what commands print, and how they
// end, without a server.
func TestCommands(t *testing.T) {
	t.Parallel()
	binary := testenv.Binary(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("USER", "tester")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// exits CODE COMMAND... runs a command that ends with the exit code.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exits CODE COMMAND...")
				}
				err := ts.Exec(args[1], args[2:]...)
				code := "0"
				if err != nil {
					code = strings.TrimPrefix(err.Error(), "exit status ")
				}
				if code != args[0] {
					ts.Fatalf("exit code %s, want %s", code, args[0])
				}
			},
		},
	})
}

func TestSendCommand(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	if r := s.run(t, "send", ana, "hello"); r.code != 1 || !strings.Contains(r.notes, "there is no data folder") {
		t.Errorf("without a server: exit code %d, %s", r.code, r.notes)
	}
	srv := s.start(t)
	s.must(t, "workspace", "set", "--gap", "0s-0s")
	uid := strings.TrimSpace(s.must(t, "send", ana, "hello from the shell"))
	srv.awaitText(t, ana, "hello from the shell")
	srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")

	file := filepath.Join(t.TempDir(), "menu.png")
	if err := os.WriteFile(file, picture(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "send", ana, "look", "--file", file, "--from", accountNumber)
	if m := srv.awaitText(t, ana, "look"); m.Media == nil || m.Media.Kind != "image" {
		t.Errorf("the phone shows %+v", m)
	}
	if r := s.run(t, "send", "12", "hello"); r.code != 1 || !strings.Contains(r.notes, "hone number") {
		t.Errorf("to a bad number: exit code %d, %s", r.code, r.notes)
	}
	if r := s.run(t, "send", ana); r.code != 2 {
		t.Errorf("nothing to send: exit code %d, %s", r.code, r.notes)
	}
	made := 0
	for _, token := range query[[]struct{ Name, State string }](t, s, "token", "list", "--all") {
		if token.Name != "tideline send" {
			continue
		}
		made++
		if token.State != "revoked" {
			t.Errorf("the command left a token behind: %+v", token)
		}
	}
	if made == 0 {
		t.Error("no token of the command is in the list")
	}
	if out := s.must(t, "token", "list"); strings.Contains(out, "tideline send") {
		t.Errorf("the list shows tokens that have ended:\n%s", out)
	}
	r := runWith(t, []string{"TIDELINE_TOKEN=" + srv.Token, "TIDELINE_SERVER=" + srv.URL}, "send", ana, "without a data folder", "--json")
	var sent struct {
		MessageUID string `json:"message_uid"`
	}
	if err := json.Unmarshal([]byte(r.out), &sent); r.code != 0 || err != nil || sent.MessageUID == "" {
		t.Errorf("with a token and a server: exit code %d, %v: %s%s", r.code, err, r.out, r.notes)
	}
	left, err := os.ReadFile(filepath.Join(s.dir, "server.json"))
	if err != nil {
		t.Fatal(err)
	}
	srv.stop(t)
	if r := s.run(t, "send", ana, "hello"); r.code != 1 || !strings.Contains(r.notes, "no server is running") {
		t.Errorf("with the server stopped: exit code %d, %s", r.code, r.notes)
	}
	// A server that is killed leaves behind where it was.
	if err := os.WriteFile(filepath.Join(s.dir, "server.json"), left, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := s.run(t, "send", ana, "hello"); r.code != 1 || !strings.Contains(r.notes, "no server is running") {
		t.Errorf("with the server killed: exit code %d, %s", r.code, r.notes)
	}
}

func TestTemplateCommand(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	file := filepath.Join(t.TempDir(), "price list.png")
	if err := os.WriteFile(file, picture(t), 0o600); err != nil {
		t.Fatal(err)
	}
	made := query[struct {
		ID   int64
		Name string
	}](t, s, "template", "add", file)
	if made.ID == 0 || made.Name != "price list.png" {
		t.Errorf("made %+v", made)
	}
	if out := s.must(t, "template", "list"); !strings.Contains(out, "image/png") {
		t.Errorf("the list shows %s", out)
	}
	srv.send(t, client.Message{Phone: ana, Text: "our prices", TemplateID: made.ID})
	if m := srv.awaitText(t, ana, "our prices"); m.Media == nil || m.Media.Size != int64(len(picture(t))) {
		t.Errorf("the phone shows %+v", m)
	}
	srv.stop(t)
}

func TestPairingCommands(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		const byQR, byCode = "+14840003001", "+14840003002"
		if r := s.run(t, "account", "pair"); r.code != 1 {
			t.Errorf("without a server: exit code %d, %s", r.code, r.notes)
		}
		srv := s.start(t)
		srv.pair(t, byQR)

		srv.addPhone(t, byCode)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		p := testenv.Start(t, testenv.Command{Path: testenv.Binary(t), Args: s.args("account", "pair", "--phone", byCode), Dir: t.TempDir()})
		code, err := p.AwaitStdout(ctx, regexp.MustCompile(`(?m)^    ([0-9A-Z]{4}-?[0-9A-Z]{4})$`))
		if err != nil {
			t.Fatalf("pair by code: %v\n%s", err, p.Stderr())
		}
		srv.mustCall(t, http.MethodPost, "/sandbox/phones/"+byCode+"/code", map[string]string{"code": code[1]}, nil)
		if exit, err := p.Wait(ctx); err != nil || exit != 0 || !strings.Contains(p.Stdout(), "Paired: "+byCode) {
			t.Errorf("pair by code: exit code %d, %v\n%s%s", exit, err, p.Stdout(), p.Stderr())
		}

		for _, number := range []string{byQR, byCode} {
			srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "from " + number, AccountPhone: number}), "Sent", "Delivered", "Read")
		}
		uid := srv.send(t, client.Message{Phone: ana, Text: "the most recent one sends"})
		srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
		if m := srv.awaitText(t, ana, "the most recent one sends"); m.From != byCode {
			t.Errorf("by default %s sends, want %s, which was connected last", m.From, byCode)
		}

		s.must(t, "account", "logout", byQR)
		waiting := srv.send(t, client.Message{Phone: ana, Text: "never sent", AccountPhone: byCode})
		s.must(t, "account", "remove", byCode)
		eventually(t, "the queued message has ended", func(ctx context.Context) (bool, string) {
			m, err := srv.api.Message(ctx, waiting)
			return err == nil && m.Status != "Pending", m.Status
		})
		states := map[string]string{}
		for _, a := range query[[]accountShown](t, s, "account", "list") {
			states[a.Phone] = a.State
		}
		if len(states) != 2 || states[byQR] != "logged_out" || states[accountNumber] != "active" {
			t.Errorf("the accounts are %v", states)
		}
		if r := s.run(t, "account", "remove", byCode); r.code != 1 || !strings.Contains(r.notes, "has no account") {
			t.Errorf("remove twice: exit code %d, %s", r.code, r.notes)
		}
		srv.pair(t, byQR) // a number that was logged out comes back under its id
		srv.stop(t)
	})
}

func TestPairingIsDrawn(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	p := testenv.Start(t, testenv.Command{Path: testenv.Binary(t), Args: s.args("account", "pair"), Dir: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.AwaitStdout(ctx, regexp.MustCompile(`(?s)█.*Scan it on the phone.*\n`)); err != nil {
		t.Errorf("%v: %s", err, p.Stdout())
	}
	if _, err := p.Stop(ctx); err != nil { // Ctrl-C gives up the pairing
		t.Error(err)
	}
	srv.stop(t)
}

// copyAll reads an answer to its end and closes it.
func copyAll(w io.Writer, res *http.Response) (int64, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(res.Body)
	if err == nil {
		err = res.Body.Close()
	}
	n, _ := b.WriteTo(w)
	return n, err
}
