package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tidelinehq/tideline/client"
)

// requestTimeout is how patient programs are with a node.
const requestTimeout = 4 * time.Second

// node is one server: a folder, a way to the database, and the process that
// runs there now.
type node struct {
	o       *options
	number  int
	dir     string
	network string
	path    *proxy
	url     string // of the database, by way of the proxy
	log     *os.File

	mu   sync.Mutex
	life *life // nil while no process runs
}

// life is one process of a node.
type life struct {
	cmd    *exec.Cmd
	exited chan struct{}
	url    string
	token  string
	api    *client.Client
	http   *http.Client
	ready  atomic.Bool // as of the last look at /readyz
	frozen atomic.Bool
}

func newNode(ctx context.Context, o *options, number int, network string) (*node, error) {
	db, err := url.Parse(o.Database)
	if err != nil {
		return nil, err
	}
	n := &node{o: o, number: number, dir: filepath.Join(o.Dir, fmt.Sprintf("node-%d", number)), network: network}
	if n.path, err = newProxy(ctx, db.Host); err != nil {
		return nil, err
	}
	db.Host = n.path.addr()
	n.url = db.String()
	n.log, err = os.OpenFile(n.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return n, err
}

// args adds what names the node's folder and database.
func (n *node) args(command ...string) []string {
	return append(command, "--data", n.dir, "--database", n.url)
}

// start runs a process and waits until it is ready.
func (n *node) start(ctx context.Context) error {
	out, err := os.CreateTemp(n.o.Dir, "out-")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(out.Close(), os.Remove(out.Name())) }()
	l := &life{exited: make(chan struct{})}
	l.cmd = exec.Command(n.o.Binary, n.args("serve", "--sandbox", "--network", n.network, "--json", //nolint:noctx // it ends by stop or kill
		"--listen", "127.0.0.1:0", "--rate-limit", "0", "--drain-delay", "700ms", "--log-level", "info")...)
	l.cmd.Stdout, l.cmd.Stderr = out, n.log
	l.cmd.SysProcAttr = withParent()
	if err := l.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = l.cmd.Wait() // how it ended is asked of the process's state
		close(l.exited)
	}()
	if err := n.await(ctx, l, out.Name()); err != nil {
		_ = l.cmd.Process.Kill()
		<-l.exited
		return fmt.Errorf("start node %d: %w", n.number, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.life = l
	return nil
}

// await waits until a process has said where it is and answers.
func (n *node) await(ctx context.Context, l *life, out string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.exited:
			return fmt.Errorf("it exited: %s; see %s", l.cmd.ProcessState, n.log.Name())
		case <-tick.C:
		}
		text, err := os.ReadFile(out)
		var w struct {
			URL   string `json:"url"`
			Token string `json:"token"`
		}
		if err != nil || !bytes.HasSuffix(text, []byte("}\n")) || json.Unmarshal(text, &w) != nil {
			continue
		}
		l.url, l.token = w.URL, w.Token
		l.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: requestTimeout}
		l.api, err = client.New(w.URL, w.Token, client.WithHTTPClient(l.http), client.WithAttempts(1))
		l.ready.Store(err == nil)
		return err
	}
}

// current gives the process that runs; nil when none does.
func (n *node) current() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life
}

// take gives the process that runs and forgets it: nobody sends it anything more.
func (n *node) take() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.life
	n.life = nil
	return l
}

// kill ends the process as a power cut would.
func (n *node) kill() {
	l := n.take()
	if l == nil {
		return
	}
	_ = l.cmd.Process.Kill()
	<-l.exited
	l.http.CloseIdleConnections()
}

// freeze stops the process where it is; it goes on after thaw.
func (n *node) freeze() error {
	l := n.current()
	l.frozen.Store(true)
	return l.cmd.Process.Signal(syscall.SIGSTOP)
}

func (n *node) thaw() error {
	l := n.current()
	l.frozen.Store(false)
	return l.cmd.Process.Signal(syscall.SIGCONT)
}

// stop asks the process to end in good order. Programs may go on using it until
// /readyz tells them not to.
func (n *node) stop(ctx context.Context) error {
	l := n.current()
	if l == nil {
		return nil
	}
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-l.exited:
	case <-ctx.Done():
		return fmt.Errorf("stop node %d: %w", n.number, ctx.Err())
	}
	n.take()
	l.http.CloseIdleConnections()
	if code := l.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("node %d stopped with exit code %d; see %s", n.number, code, n.log.Name())
	}
	return nil
}

// alive reports whether the process that should run does.
func (n *node) alive() bool {
	l := n.current()
	if l == nil {
		return false
	}
	select {
	case <-l.exited:
		return false
	default:
		return true
	}
}

// probe asks /readyz, as a load balancer does.
func (l *life) probe(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	res, err := l.http.Do(r)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// command runs another command of the program on the node's folder to its end.
func (n *node) command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, n.o.Binary, n.args(args...)...)
	var notes bytes.Buffer
	cmd.Stderr = &notes
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("tideline %s: %w: %s", args[0], err, notes.Bytes())
	}
	return out, nil
}
