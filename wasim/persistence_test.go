package wasim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

func TestFolderRemembersEverything(t *testing.T) {
	t.Parallel()
	dir, clientPath := t.TempDir(), filepath.Join(t.TempDir(), "wa.db")
	stores := openStore(t, clientPath)

	srv := network(t, wasim.Options{Dir: dir})
	addPhone(t, srv, wasim.PhoneOptions{Number: ana, Name: "Ana", AutoReply: "ok"})
	root := srv.RootKey()
	c := clientOf(t, srv, stores.NewDevice())
	pair(t, srv, c, business)
	first := c.sendText(ana, "before the restart")
	c.text(0, "ok")
	c.receipt(0, first.ID, types.ReceiptTypeRead)
	settle(t, c)
	c.Disconnect()
	missed, err := phone(t, srv, ana).Send(timeout(t), business, "while you were away")
	if err != nil {
		t.Fatal(err)
	}
	if err = srv.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := wasim.Start(t.Context(), wasim.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if again.RootKey() != root {
		t.Error("the root key changed")
	}
	if o := phone(t, again, ana).Options(); o.Name != "Ana" || o.AutoReply != "ok" {
		t.Errorf("options %+v", o)
	}
	device, err := stores.GetFirstDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c2 := clientOf(t, again, device)
	if err = c2.Connect(); err != nil {
		t.Fatal(err)
	}
	if m := c2.text(0, "while you were away"); m.Info.ID != missed {
		t.Errorf("%+v", m.Info)
	}
	event[*events.Connected](c2, 0, nil)
	skip := c2.mark()
	second := c2.sendText(ana, "after the restart")
	await(t, phone(t, again, ana), hasText("after the restart"))
	c2.text(skip, "ok")
	c2.receipt(skip, second.ID, types.ReceiptTypeRead)

	// The log continues, and a duplicate from before the restart is recognised.
	if _, err = c2.SendMessage(timeout(t), jid(ana), &waE2E.Message{Conversation: proto.String("before the restart")},
		whatsmeow.SendRequestExtra{ID: first.ID}); err != nil {
		t.Fatal(err)
	}
	await(t, phone(t, again, ana), func(r wasim.Received) bool { return r.ID == first.ID && r.Attempts == 2 })
	all, err := phone(t, again, ana).Messages()
	if err != nil || len(all) != 2 || all[0].Text != "before the restart" || all[1].Text != "after the restart" {
		t.Errorf("log %+v, %v", all, err)
	}
	last, err := phone(t, again, ana).Last(1)
	if err != nil || len(last) != 1 || last[0].Text != "after the restart" {
		t.Errorf("last %+v, %v", last, err)
	}
	if s := again.Stats(); s.Retries != 0 {
		t.Errorf("stats %+v", s)
	}
	if u := again.Unhandled(); len(u) != 0 {
		t.Errorf("unhandled %+v", u)
	}
}

func TestFolderBelongsToOneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	network(t, wasim.Options{Dir: dir})
	if srv, err := wasim.Start(t.Context(), wasim.Options{Dir: dir}); err == nil {
		_ = srv.Close()
		t.Error("two servers share a folder")
	}
}

func TestSeedDecidesTheRootKey(t *testing.T) {
	t.Parallel()
	seed, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	dir := t.TempDir()
	var keys [][32]byte
	for _, opts := range []wasim.Options{{Seed: seed}, {Seed: seed, Dir: dir}, {Dir: dir}, {Seed: other}, {}} {
		srv, err := wasim.Start(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, srv.RootKey())
		if err = srv.Close(); err != nil {
			t.Error(err)
		}
	}
	if keys[0] != keys[1] || keys[1] != keys[2] || keys[0] == keys[3] || keys[4] != whatsmeow.WACertPubKey {
		t.Errorf("root keys %x", keys)
	}
	for _, opts := range []wasim.Options{{Seed: other, Dir: dir}, {Seed: []byte("short")}, {Latency: -1}} {
		if srv, err := wasim.Start(t.Context(), opts); err == nil {
			_ = srv.Close()
			t.Errorf("%+v was accepted", opts)
		}
	}
}

func TestClosedServerEndsWaiting(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	p := phone(t, srv, ana)
	done := make(chan error)
	go func() {
		_, err := p.Await(context.Background(), hasText("never"))
		done <- err
	}()
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("a message was found")
	}
	if _, err := p.Send(t.Context(), bruno, "too late"); err == nil {
		t.Error("a closed server took a message")
	}
}

// serveChild is what the test binary does as the child process of TestKilledServerForgetsNothing: it
// serves a folder, and the control API on a port of its own, until it is killed.
func serveChild(dir, listen string) error {
	srv, err := wasim.Start(context.Background(), wasim.Options{Dir: dir, Listen: listen})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("%s %s\n", srv.Addr(), l.Addr())
	return http.Serve(l, wasim.Control(srv))
}

// child is a running server process.
type child struct {
	cmd           *exec.Cmd
	addr, control string
}

func startChild(t *testing.T, dir, listen string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		panic(err) // may run beside the test's own goroutine, as all of this function
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), "WASIM_SERVE_DIR="+dir, "WASIM_SERVE_LISTEN="+listen)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err = cmd.Start(); err != nil {
		panic(err)
	}
	c := &child{cmd: cmd}
	if _, err = fmt.Fscanln(out, &c.addr, &c.control); err != nil {
		panic(fmt.Sprintf("server process: %v", err))
	}
	return c
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// post makes a request to the child's control API.
func (c *child) post(t *testing.T, path, body string, out any) {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+c.control+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err = json.NewDecoder(resp.Body).Decode(out); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %v %v", method, path, resp.StatusCode, out, err)
	}
}

func TestKilledServerForgetsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := network(t, wasim.Options{Dir: dir}) // leaves this process's authority in the folder
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	srv := startChild(t, dir, "127.0.0.1:0")
	listen := srv.addr
	defer func() { srv.kill() }()

	stores := openStore(t, filepath.Join(t.TempDir(), "wa.db"))
	c := clientAt(t, listen, stores.NewDevice())
	c.EnableAutoReconnect = false
	c.DisableLoginAutoReconnect = true
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	qr, _ := json.Marshal(map[string]string{"qr": event[*events.QR](c, 0, nil).Codes[0]})
	srv.post(t, "/sandbox/phones/"+business+"/scan", string(qr), new(any))
	srv.kill() // at once: the link must hold

	const rounds, perRound = 8, 25
	want := map[string]string{}
	reconnect := func() error {
		c.Disconnect()
		skip := c.mark()
		if err := c.Connect(); err != nil {
			return err
		}
		event[*events.Connected](c, skip, nil)
		return nil
	}
	srv = startChild(t, dir, listen)
	if err := reconnect(); err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		killAt := rand.IntN(perRound)
		restarted := make(chan error, 1)
		for i := range perRound {
			id := fmt.Sprintf("ROUND%dN%d", round, i)
			want[id] = "text " + id
			if i == killAt {
				go func() { // while messages are on their way
					srv.kill()
					srv = startChild(t, dir, listen)
					restarted <- reconnect()
				}()
			}
			err := c.sendOnce(id, want[id])
			for ; err != nil; err = c.sendOnce(id, want[id]) {
				if err := <-restarted; err != nil {
					t.Fatal(err)
				}
				restarted <- nil
			}
		}
		if err := <-restarted; err != nil {
			t.Fatal(err)
		}
	}
	srv.kill()
	srv = startChild(t, dir, listen)
	var log struct{ Messages []wasim.Received }
	srv.post(t, "/sandbox/phones/"+ana+"/messages", "", &log)
	for _, m := range log.Messages {
		if want[m.ID] != m.Text {
			t.Errorf("message %s: %q, want %q", m.ID, m.Text, want[m.ID])
		}
		delete(want, m.ID)
	}
	if len(want) != 0 || len(log.Messages) != rounds*perRound {
		t.Errorf("%d of %d messages are lost: %v", len(want), rounds*perRound, want)
	}
	var unhandled struct{ Unhandled []any }
	srv.post(t, "/sandbox/unhandled", "", &unhandled)
	if len(unhandled.Unhandled) != 0 {
		t.Errorf("unhandled: %v", unhandled.Unhandled)
	}
}

func (c *testClient) sendOnce(id, text string) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), wait)
	defer cancel()
	_, err := c.SendMessage(ctx, jid(ana), &waE2E.Message{Conversation: proto.String(text)},
		whatsmeow.SendRequestExtra{ID: id, Timeout: 2 * time.Second})
	return err
}
