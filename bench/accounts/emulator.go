package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tidelinehq/tideline/wasim"
)

// network is the emulator's process.
type network struct {
	cmd *exec.Cmd

	Addr    string `json:"addr"`
	RootKey string `json:"root_key"` // hexadecimal
	Control string `json:"control"`  // address of the control API
}

// emulate is the other process: a WhatsApp network in memory and its control
// API, whose addresses are the first line that it prints.
func emulate(ctx context.Context) error {
	srv, err := wasim.Start(ctx, wasim.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = srv.Close() }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	key := srv.RootKey()
	line, err := json.Marshal(network{Addr: srv.Addr(), RootKey: hex.EncodeToString(key[:]), Control: l.Addr().String()})
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	control := &http.Server{Handler: wasim.Control(srv), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = control.Close()
	}()
	if err := control.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func startNetwork(ctx context.Context) (*network, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n := &network{cmd: exec.CommandContext(ctx, self, "--emulator")}
	n.cmd.Stderr = os.Stderr
	n.cmd.Cancel = func() error { return n.cmd.Process.Signal(os.Interrupt) }
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the emulator did not start: %w", err)
	}
	return n, json.Unmarshal(line, n)
}

func (n *network) stop() {
	_ = n.cmd.Process.Signal(os.Interrupt)
	_ = n.cmd.Wait()
}

func (n *network) rootKey() (key [32]byte, err error) {
	b, err := hex.DecodeString(n.RootKey)
	if err != nil || len(b) != len(key) {
		return key, fmt.Errorf("root key %q", n.RootKey)
	}
	copy(key[:], b)
	return key, nil
}

// post calls the control API.
func (n *network) post(ctx context.Context, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.Control+path, strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		var said struct {
			Error string `json:"error"`
		}
		_ = json.UnmarshalRead(res.Body, &said)
		return fmt.Errorf("POST %s: %s: %s", path, res.Status, said.Error)
	}
	return nil
}

func (n *network) addPhone(ctx context.Context, number string) error {
	return n.post(ctx, "/sandbox/phones", map[string]any{"number": number, "name": "Phone " + number[len(number)-4:], "registered": true})
}

func (n *network) scan(ctx context.Context, number, qr string) error {
	return n.post(ctx, "/sandbox/phones/"+number+"/scan", map[string]any{"qr": qr})
}
