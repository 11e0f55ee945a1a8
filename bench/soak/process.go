package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tidelinehq/tideline/client"
)

// process is a server in a process of its own.
type process struct {
	cmd  *exec.Cmd
	out  *bufio.Reader
	url  string
	http *http.Client
	api  *client.Client
}

// launch starts a server and waits until it is ready.
func launch(ctx context.Context, s *setup) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self)} //nolint:noctx // it ends by stop or kill
	p.cmd.Env = append(os.Environ(), serverEnv+"="+string(config))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	// One that doesn't become ready is killed, which ends the reading.
	unwatch := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	line, err := p.out.ReadBytes('\n')
	var first struct {
		ready
		goodbye
	}
	if err == nil {
		err = json.Unmarshal(line, &first)
	}
	if !unwatch() {
		err = ctx.Err()
	}
	if err == nil && first.Addr == "" {
		err = errors.New(first.Err)
	}
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("start the server: %w", err)
	}
	p.url = "http://" + first.Addr
	p.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 30 * time.Second}
	if p.api, err = client.New(p.url, token, client.WithHTTPClient(p.http), client.WithAttempts(1)); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// stop asks the server to stop in good order and gives its last words.
func (p *process) stop() (goodbye, error) {
	defer p.http.CloseIdleConnections()
	var bye goodbye
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return bye, err
	}
	// A server that hangs is asked for its stacks, which end it.
	patience := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Signal(syscall.SIGQUIT) })
	defer patience.Stop()
	line, err := p.out.ReadBytes('\n')
	if err := errors.Join(err, p.cmd.Wait()); err != nil {
		return bye, fmt.Errorf("stop the server: %w", err)
	}
	return bye, json.Unmarshal(line, &bye)
}

// kill ends the server as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was killed
	if p.http != nil {
		p.http.CloseIdleConnections()
	}
}

// sample looks at the server's memory.
func (p *process) sample(ctx context.Context) (sample, error) {
	var got sample
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/soak/sample", http.NoBody)
	if err != nil {
		return got, err
	}
	res, err := p.http.Do(req)
	if err != nil {
		return got, err
	}
	defer func() { _ = res.Body.Close() }()
	err = json.UnmarshalRead(res.Body, &got)
	got.At = time.Now()
	return got, err
}

// profile writes the server's heap profile to a file.
func (p *process) profile(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/soak/heap", http.NoBody)
	if err != nil {
		return err
	}
	res, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, res.Body)
	return errors.Join(err, f.Close())
}

// pair links one phone, which scan makes read the code.
func (p *process) pair(ctx context.Context, scan func(qr string) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/soak/pair", http.NoBody)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: p.http.Transport}).Do(req) // no time limit but the context's
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	lines.Scan()
	if res.StatusCode != http.StatusOK {
		return errors.New(lines.Text())
	}
	if err := scan(lines.Text()); err != nil {
		return err
	}
	lines.Scan()
	if lines.Text() != "paired" {
		return fmt.Errorf("pairing: %s", lines.Text())
	}
	return lines.Err()
}

// sendTo asks for a message to a JID, for which the client has no call.
func (p *process) sendTo(ctx context.Context, jid, account, text, key string) (uid string, err error) {
	body, err := json.Marshal(map[string]string{"jid": jid, "whatsapp_account_phone": account, "text": text})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/integrations/api/messages/to_jid", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	res, err := p.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Message string `json:"message"`
		Data    struct {
			UID string `json:"message_uid"`
		} `json:"data"`
	}
	if err := json.UnmarshalRead(res.Body, &answer); err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", &client.Error{Status: res.StatusCode, Message: strings.TrimSpace(answer.Message)}
	}
	return answer.Data.UID, nil
}

// host holds the server that is up, if one is.
type host struct {
	setup *setup

	mu      sync.Mutex
	up      *process
	life    int           // servers so far
	changed chan struct{} // closed and replaced when up changes
}

func newHost(s *setup) *host { return &host{setup: s, changed: make(chan struct{})} }

func (h *host) set(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up = p
	if p != nil {
		h.life++
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

// start launches a server.
func (h *host) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p, err := launch(ctx, h.setup)
	if err != nil {
		return err
	}
	h.set(p)
	return nil
}

// stop ends the server in good order.
func (h *host) stop() (goodbye, error) {
	p, _ := h.now()
	if p == nil {
		return goodbye{}, errors.New("no server is up")
	}
	h.set(nil)
	return p.stop()
}

// kill ends the server at once; none is fine.
func (h *host) kill() {
	if p, _ := h.now(); p != nil {
		h.set(nil)
		p.kill()
	}
}

// now gives the server that is up, nil when none is, and how many there were.
func (h *host) now() (*process, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.up, h.life
}

// wait gives the server that is up, as soon as one is.
func (h *host) wait(ctx context.Context) (*process, error) {
	for {
		h.mu.Lock()
		p, changed := h.up, h.changed
		h.mu.Unlock()
		if p != nil {
			return p, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
