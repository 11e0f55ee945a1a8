package baileys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
	"github.com/tidelinehq/tideline/wasim"
)

const sandboxAccount = "+14840000000" // the number that a sandbox's account is paired with

// sandbox is a running server with an emulated network.
type sandbox struct {
	t       testing.TB
	url     string
	api     *client.Client
	network wasim.Network
}

var wholeWelcome = regexp.MustCompile(`(?s)^\{\n.*\n\}\n`)

// serve starts the real binary.
func serve(t *testing.T) *sandbox {
	t.Helper()
	p := testenv.Start(t, testenv.Command{Path: testenv.Binary(t), Args: []string{
		"serve", "--sandbox", "--json", "--listen", "127.0.0.1:0", "--rate-limit", "0", "--data", filepath.Join(t.TempDir(), "data"),
	}, Dir: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	match, err := p.AwaitStdout(ctx, wholeWelcome)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Stderr())
	}
	var welcome struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(match[0]), &welcome); err != nil {
		t.Fatal(err)
	}
	s := &sandbox{t: t, url: welcome.URL}
	if s.api, err = client.New(welcome.URL, welcome.Token, client.WithAttempts(1)); err != nil {
		t.Fatal(err)
	}
	s.control(http.MethodGet, "/sandbox/network", nil, &s.network)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if code, err := p.Stop(ctx); err != nil || code != 0 {
			t.Errorf("stop: exit code %d, %v\n%s", code, err, p.Stderr())
		}
	})
	return s
}

// control uses the sandbox's control API.
func (s *sandbox) control(method, path string, in, out any) {
	s.t.Helper()
	if status := s.try(method, path, in, out); status != http.StatusOK {
		s.t.Fatalf("%s %s: status %d", method, path, status)
	}
}

// try is control for requests that may be refused. It decodes what was answered in either case.
func (s *sandbox) try(method, path string, in, out any) (status int) {
	s.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if res.StatusCode != http.StatusOK {
		s.t.Logf("%s %s: %s", method, path, data)
	}
	return res.StatusCode
}

// until asks again and again, as programs that use the API do, until done is true.
func (s *sandbox) until(what string, done func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("not so in time: %s", what)
		}
	}
}

// became waits for a message's status.
func (s *sandbox) became(uid, status string) {
	s.t.Helper()
	s.until(uid+" is "+status, func() bool {
		history, err := s.api.StatusHistory(s.t.Context(), uid)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, h := range history {
			if h.Status == status {
				return true
			}
		}
		return false
	})
}

// accepted waits until the account's linked device, which Tideline holds, has said that it could decrypt
// a message. One that it can't decrypt it asks to have again.
func (s *sandbox) accepted(id string) {
	s.t.Helper()
	s.until("Tideline has decrypted "+id, func() bool {
		var got struct {
			Receipts []wasim.Receipt `json:"receipts"`
		}
		s.control(http.MethodGet, "/sandbox/phones/"+theirs+"/receipts", nil, &got)
		for _, r := range got.Receipts {
			if r.MessageID == id && r.From == sandboxAccount {
				if r.Type == "retry" {
					s.t.Fatalf("Tideline could not decrypt %s", id)
				}
				return true
			}
		}
		return false
	})
}

// TestBaileysTalksToTideline lets a customer whose client is Baileys talk to an account of the real server.
func TestBaileysTalksToTideline(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.control(http.MethodPost, "/sandbox/phones", map[string]any{
		"number": theirs, "name": "Bea", "reads": false, "history": "external",
	}, &struct{}{})
	b := pair(t, s.network, t.TempDir(), func(qr string) {
		s.control(http.MethodPost, "/sandbox/phones/"+theirs+"/scan", map[string]string{"qr": qr}, &struct{}{})
	})

	if e := b.await("history", 0, func(e event) bool { return e.Event == "history" }); e.Chats != 0 {
		t.Errorf("history of a new phone: %+v", e)
	}

	// From the API to Baileys, text and file; what Baileys says of them comes back as statuses.
	sent, err := s.api.Send(t.Context(), client.Message{Phone: theirs, Text: "Your order is ready 📦"})
	if err != nil {
		t.Fatal(err)
	}
	got := b.message(0, "Your order is ready 📦")
	s.became(sent.MessageUID, "Delivered")
	b.do(map[string]any{"do": "read", "chat": got.Chat, "message": got.id()}, nil)
	s.became(sent.MessageUID, "Read")

	image := "\x89PNG\r\n\x1a\n" + strings.Repeat("pixels ", 10_000)
	file, err := s.api.Upload(t.Context(), "parcel.png", "image/png", strings.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	if sent, err = s.api.Send(t.Context(), client.Message{Phone: theirs, Text: "your parcel", FileUID: file.UID}); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(image))
	if e := b.message(0, "your parcel"); e.Media == nil || e.Media.Kind != "image" || e.Media.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("Baileys received %+v", e)
	}
	s.became(sent.MessageUID, "Delivered")

	info, err := s.api.Message(t.Context(), sent.MessageUID)
	if err != nil {
		t.Fatal(err)
	}
	note := voicetest.Opus(4 * time.Second)
	if sent, err = s.api.SendVoice(t.Context(), info.ChatID, client.Recording{Name: "note.ogg", File: bytes.NewReader(note)}); err != nil {
		t.Fatal(err)
	}
	sum = sha256.Sum256(note)
	e := b.await("voice note", 0, func(e event) bool { return e.Event == "message" && e.Media != nil && e.Media.Kind == "audio" })
	if !e.Media.Voice || e.Media.Seconds != 4 || e.Media.MIME != "audio/ogg; codecs=opus" || e.Media.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("Baileys received %+v", e.Media)
	}
	s.became(sent.MessageUID, "Delivered")
	sum = sha256.Sum256([]byte(image))

	// From Baileys to the account, text and file: the account's phone shows them, and Tideline's linked
	// device acknowledges them.
	id := b.send(map[string]any{"do": "text", "to": jidOf(sandboxAccount), "text": "Thank you!"})
	s.accepted(id)
	path := filepath.Join(t.TempDir(), "receipt.txt")
	if err := os.WriteFile(path, []byte(image), 0o600); err != nil {
		t.Fatal(err)
	}
	fileID := b.send(map[string]any{
		"do": "file", "to": jidOf(sandboxAccount), "kind": "document", "path": path, "mime": "text/plain", "name": "receipt.txt", "text": "the receipt",
	})
	s.accepted(fileID)
	var log struct {
		Messages []wasim.Received `json:"messages"`
	}
	s.control(http.MethodGet, "/sandbox/phones/"+sandboxAccount+"/messages", nil, &log)
	found := map[string]wasim.Received{}
	for _, m := range log.Messages {
		found[m.ID] = m
	}
	if m := found[id]; m.Text != "Thank you!" || m.From != theirs {
		t.Errorf("the account's phone shows %+v", m)
	}
	if m := found[fileID]; m.Media == nil || m.Media.Error != "" || m.Media.SHA256 != hex.EncodeToString(sum[:]) || m.Text != "the receipt" {
		t.Errorf("the account's phone shows %+v", m)
	}
	var refused struct {
		Unhandled []any `json:"unhandled"`
	}
	s.control(http.MethodGet, "/sandbox/unhandled", nil, &refused)
	if len(refused.Unhandled) != 0 {
		t.Errorf("not emulated: %v", refused.Unhandled)
	}
}

// TestWasimRunsByItself uses the network that the command "tideline wasim" runs, as a stranger would.
func TestWasimRunsByItself(t *testing.T) {
	t.Parallel()
	p := testenv.Start(t, testenv.Command{
		Path: testenv.Binary(t), Args: []string{"wasim", "--listen", "127.0.0.1:0", "--tls", "--dir", filepath.Join(t.TempDir(), "network")}, Dir: t.TempDir(),
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	line, err := p.AwaitStdout(ctx, regexp.MustCompile(`^\{.*\}\n`))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Stderr())
	}
	s := &sandbox{t: t}
	if err := json.Unmarshal([]byte(line[0]), &s.network); err != nil {
		t.Fatal(err)
	}
	s.url = strings.TrimSuffix(s.network.Control, "/sandbox/")
	for _, number := range []string{ours, theirs} {
		s.control(http.MethodPost, "/sandbox/phones", map[string]any{"number": number, "auto_reply": "yes, this is " + number, "history": "inline"}, &struct{}{})
	}
	// Linked by a code that is typed on the phone, this time.
	b := start(t, s.network, t.TempDir())
	b.await("QR code", 0, func(e event) bool { return e.Event == "qr" })
	var shown struct {
		Code string `json:"code"`
	}
	b.do(map[string]any{"do": "code", "phone": theirs[1:]}, &shown)
	s.until("the code can be typed", func() bool {
		var answer struct{ Error string }
		s.try(http.MethodPost, "/sandbox/phones/"+theirs+"/code", map[string]string{"code": shown.Code}, &answer)
		if answer.Error != "" && !strings.Contains(answer.Error, "has asked this phone") {
			t.Fatal(answer.Error)
		}
		return answer.Error == ""
	})
	b.opened(0)
	b.send(map[string]any{"do": "text", "to": jidOf(ours), "text": "anybody there?"})
	b.message(0, "yes, this is "+ours)
	b.stop()
	http.DefaultClient.CloseIdleConnections()
	if code, err := p.Stop(ctx); err != nil || code != 0 {
		t.Errorf("stop: exit code %d, %v\n%s", code, err, p.Stderr())
	}
}
