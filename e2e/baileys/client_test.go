package baileys

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/wasim"
)

// patience bounds every wait; it only has to be longer than any stall of a busy machine.
const patience = time.Minute

// program is a running Baileys: client.mjs.
type program struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.WriteCloser
	notes *strings.Builder // standard error; read it after the process has ended

	ended chan struct{} // closed when the program's output has ended

	mu     sync.Mutex
	events []event
	change chan struct{} // closed at the next event
	last   int           // id of the last command
}

// event is a line of the program's output. Which fields are set depends on Event.
type event struct {
	Event  string `json:"event"`
	QR     string `json:"qr"`
	JID    string `json:"jid"`
	LID    string `json:"lid"`
	Code   int    `json:"code"`
	Reason string `json:"reason"`
	Error  string `json:"error"`
	Status string `json:"status"`

	// ID is a message's id, or the number of an answered command.
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`

	Chat        string `json:"chat"`
	Participant string `json:"participant"`
	Text        string `json:"text"`
	Name        string `json:"name"`
	FromMe      bool   `json:"from_me"`
	Media       *struct {
		Kind   string `json:"kind"`
		MIME   string `json:"mime"`
		Name   string `json:"name"`
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`

		Voice   bool `json:"voice"`
		Seconds int  `json:"seconds"`
	} `json:"media"`
	Presences map[string]struct {
		State string `json:"lastKnownPresence"`
	} `json:"presences"`
	Chats    int `json:"chats"`
	Messages int `json:"messages"`
}

func (e event) id() string { return strings.Trim(string(e.ID), `"`) }

// start runs Baileys on a network with the sessions of a folder. It ends with the test.
func start(t testing.TB, n wasim.Network, sessions string) *program {
	t.Helper()
	dir := testenv.NodePackages(t)
	where, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(authority, []byte(n.TLS.Certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &program{t: t, notes: new(strings.Builder), ended: make(chan struct{}), change: make(chan struct{})}
	c.cmd = exec.Command("node", "client.mjs", string(where), sessions)
	c.cmd.Dir = dir
	c.cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+authority, "NODE_NO_WARNINGS=1")
	c.cmd.Stderr = c.notes
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read(out)
	t.Cleanup(c.stop)
	return c
}

func (c *program) read(out io.Reader) {
	defer close(c.ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = event{Event: "failure", Error: fmt.Sprintf("%v in %s", err, lines.Bytes())}
		}
		c.mu.Lock()
		c.events = append(c.events, e)
		close(c.change)
		c.change = make(chan struct{})
		c.mu.Unlock()
	}
}

// stop ends the program and shows its notes when the test has failed. Stopping twice does nothing.
func (c *program) stop() {
	if c.cmd.ProcessState != nil {
		return
	}
	_ = c.stdin.Close() // asks it to leave
	kill := time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	<-c.ended
	err := c.cmd.Wait()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		c.t.Errorf("baileys: %v", err)
	}
	if c.t.Failed() {
		c.t.Logf("baileys said:\n%s", c.notes)
	}
}

// await returns the first event, after the first skip ones, that matches.
func (c *program) await(what string, skip int, match func(event) bool) event {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := skip; ; {
		c.mu.Lock()
		events, change := c.events, c.change
		c.mu.Unlock()
		for ; i < len(events); i++ {
			if e := events[i]; match(e) {
				return e
			}
			if events[i].Event == "failure" || events[i].Event == "undecryptable" {
				c.t.Fatalf("baileys, waiting for %s: %+v", what, events[i])
			}
		}
		select {
		case <-change:
		case <-c.ended:
			c.t.Fatalf("baileys ended before %s", what)
		case <-ctx.Done():
			c.t.Fatalf("baileys: no %s; seen: %+v", what, events[skip:])
		}
	}
}

func (c *program) opened(skip int) event {
	c.t.Helper()
	return c.await("login", skip, func(e event) bool { return e.Event == "open" })
}

func (c *program) message(skip int, text string) event {
	c.t.Helper()
	return c.await("message "+text, skip, func(e event) bool { return e.Event == "message" && !e.FromMe && e.Text == text })
}

func (c *program) status(id, status string) {
	c.t.Helper()
	c.await(status+" of "+id, 0, func(e event) bool { return e.Event == "status" && e.id() == id && e.Status == status })
}

// do runs a command and decodes its result into out.
func (c *program) do(command map[string]any, out any) {
	c.t.Helper()
	c.mu.Lock()
	c.last++
	id := fmt.Sprint(c.last)
	command["id"] = c.last
	c.mu.Unlock()
	line, err := json.Marshal(command)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil {
		c.t.Fatalf("baileys: %v", err)
	}
	e := c.await(fmt.Sprintf("answer to %v", command["do"]), 0, func(e event) bool { return e.Event == "answer" && e.id() == id })
	if e.Error != "" {
		c.t.Fatalf("baileys: %v: %s", command["do"], e.Error)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(e.Result, out); err != nil {
		c.t.Fatal(err)
	}
}

// send runs a command that sends a message and returns the message's id.
func (c *program) send(command map[string]any) string {
	c.t.Helper()
	var sent struct {
		Message string `json:"message"`
	}
	c.do(command, &sent)
	return sent.Message
}
