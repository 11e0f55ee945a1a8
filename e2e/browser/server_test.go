package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

const (
	shop  = "+14840000000" // the sandbox's own number
	ana   = "+14840000001" // a customer who receives, reads and answers
	chloe = "+14840000003" // another one
	dilan = "+14840000004" // a customer who receives and never reads
)

// server is a running sandbox server and its data.
type server struct {
	t       *testing.T
	process *testenv.Process
	dir     string
	URL     string
	Enter   string // a one-time link that signs the owner in
	Token   string
	api     *client.Client
	http    *http.Client
}

var (
	wholeWelcome = regexp.MustCompile(`(?s)^\{\n.*\n\}\n`)
	oneTimeLink  = regexp.MustCompile(`http://[^"\s]+/enter/[^"\s]+`)
)

// start starts a sandbox server with new data. It is stopped when the test ends.
func start(t *testing.T, flags ...string) *server {
	t.Helper()
	s := &server{t: t, dir: filepath.Join(t.TempDir(), "data"), http: &http.Client{Transport: &http.Transport{}}}
	s.launch("127.0.0.1:0", flags...)
	return s
}

// finish stops the server and checks that the network understood all that it was
// told.
func (s *server) finish() {
	s.t.Helper()
	if !s.t.Failed() {
		var got struct{ Unhandled []wasim.Unhandled }
		s.call(http.MethodGet, "/sandbox/unhandled", nil, &got)
		if len(got.Unhandled) > 0 {
			s.t.Errorf("stanzas that the network doesn't know: %+v", got.Unhandled)
		}
	}
	s.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), patience)
	defer cancel()
	if code, err := s.process.Stop(ctx); !s.t.Failed() && (err != nil || code != 0) {
		s.t.Errorf("stop: exit code %d, %v; want 0\n%s", code, err, s.process.Stderr())
	}
}

// launch starts the process on an address and waits until it can be used.
func (s *server) launch(address string, flags ...string) {
	s.t.Helper()
	args := append([]string{"serve", "--sandbox", "--json", "--listen", address, "--rate-limit", "0", "--data", s.dir}, flags...)
	p := testenv.Start(s.t, testenv.Command{Path: testenv.Binary(s.t), Args: args, Dir: s.t.TempDir()})
	s.process = p
	s.t.Cleanup(func() {
		if s.process == p { // and not one that came after it
			s.finish()
		}
	})
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	match, err := s.process.AwaitStdout(ctx, wholeWelcome)
	if err != nil {
		s.t.Fatalf("start the server: %v\n%s", err, s.process.Stderr())
	}
	var welcome struct{ URL, Token string }
	if err := json.Unmarshal([]byte(match[0]), &welcome); err != nil {
		s.t.Fatal(err)
	}
	if s.URL != welcome.URL { // it is on the address that it had after a restart, and tabs may read it
		s.URL = welcome.URL
	}
	s.Token = welcome.Token
	s.Enter = oneTimeLink.FindString(match[0])
	if s.api, err = client.New(s.URL, s.Token, client.WithHTTPClient(s.http), client.WithAttempts(1)); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the process without giving it a chance to do anything.
func (s *server) kill() {
	s.t.Helper()
	if err := s.process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	s.http.CloseIdleConnections()
}

// again starts a killed server on the address that it had.
func (s *server) again() {
	s.t.Helper()
	s.launch(strings.TrimPrefix(s.URL, "http://"))
}

// command runs a command beside the server and gives what it printed.
func (s *server) command(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var out, notes bytes.Buffer
	cmd := exec.CommandContext(ctx, testenv.Binary(s.t), append(args, "--data", s.dir)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.t.TempDir(), &out, &notes
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("tideline %s: %v\n%s", strings.Join(args, " "), err, notes.String())
	}
	return out.String()
}

// fast takes away the pause between two sends.
func (s *server) fast() { s.command("workspace", "set", "--gap", "0s-0s") }

// member adds a member with a role and gives a one-time link for them.
func (s *server) member(email, role string) string {
	s.t.Helper()
	s.command("member", "add", email, "--role", role)
	link := oneTimeLink.FindString(s.command("member", "link", email))
	if link == "" {
		s.t.Fatalf("there is no link for %s", email)
	}
	return link
}

// call makes a request of the sandbox's own API, such as /sandbox/phones, with a
// JSON body unless in is nil, and decodes the answer into out unless that is nil.
func (s *server) call(method, path string, in, out any) {
	s.t.Helper()
	if err := s.try(method, path, in, out); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) try(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), patience)
	defer cancel()
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

// writes lets a customer write to the shop.
func (s *server) writes(from, text string) {
	s.t.Helper()
	s.call(http.MethodPost, "/sandbox/phones/"+from+"/messages", map[string]any{"to": shop, "text": text}, nil)
}

// sends lets a customer send a file to the shop.
func (s *server) sends(from string, f wasim.File) {
	s.t.Helper()
	s.call(http.MethodPost, "/sandbox/phones/"+from+"/messages", map[string]any{"to": shop, "file": map[string]any{
		"kind": f.Kind, "mime": f.MIME, "name": f.Name, "caption": f.Caption, "data": f.Data,
	}}, nil)
}

// quiet makes a phone stop answering by itself.
func (s *server) quiet(number string) {
	s.t.Helper()
	s.call(http.MethodPost, "/sandbox/phones", map[string]any{"number": number, "auto_reply": ""}, nil)
}

// send sends a message by the API and gives its uid.
func (s *server) send(m client.Message) string {
	s.t.Helper()
	sent, err := s.api.Send(s.t.Context(), m)
	if err != nil {
		s.t.Fatalf("send: %v", err)
	}
	return sent.MessageUID
}

// eventually waits until check says that it is so. What check says last tells why
// it never was.
func eventually(t *testing.T, what string, check func() (done bool, now string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		done, now := check()
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

// received waits until a phone has got a message with the text.
func (s *server) received(number, text string) wasim.Received {
	s.t.Helper()
	var found wasim.Received
	eventually(s.t, fmt.Sprintf("%s received %q", number, text), func() (bool, string) {
		var got struct{ Messages []wasim.Received }
		if err := s.try(http.MethodGet, "/sandbox/phones/"+number+"/messages", nil, &got); err != nil {
			return false, err.Error()
		}
		for _, m := range got.Messages {
			if m.Text == text {
				found = m
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d messages", len(got.Messages))
	})
	return found
}

// chat gives the shop's chat with a number; its ID is 0 when there is none yet.
func (s *server) chat(number string) client.Chat {
	s.t.Helper()
	chats, _, err := s.api.Chats(s.t.Context(), client.ChatFilter{Phone: number})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(chats) == 0 {
		return client.Chat{}
	}
	return chats[0]
}

// conversation gives the messages of the shop's chat with a number.
func (s *server) conversation(number string) []client.MessageInfo {
	s.t.Helper()
	chat := s.chat(number)
	if chat.ID == 0 {
		return nil
	}
	list, _, err := s.api.ChatMessages(s.t.Context(), chat.ID, client.MessageFilter{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}
