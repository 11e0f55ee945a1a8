// Package network runs the emulated WhatsApp network in a process of its own, with
// the people who write on its phones, so that neither is counted as Tideline's.
package network

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tidelinehq/tideline/bench/internal/child"
	"github.com/tidelinehq/tideline/wasim"
)

// Role is the network's, see child.Roles; Serve plays it.
const Role = "emulated network"

// Where is how the network is reached.
type Where struct {
	Addr    string `json:"addr"`
	RootKey string `json:"root_key"` // hexadecimal
	Control string `json:"control"`  // address of the control API
}

// Key is the root key.
func (w Where) Key() (key [32]byte, err error) {
	b, err := hex.DecodeString(w.RootKey)
	if err != nil || len(b) != len(key) {
		return key, fmt.Errorf("root key %q", w.RootKey)
	}
	copy(key[:], b)
	return key, nil
}

// Network is the running network, seen from outside.
type Network struct {
	Where
	*child.Process
}

// Start starts a network that keeps everything in memory.
func Start(ctx context.Context) (*Network, error) {
	n := &Network{}
	var err error
	n.Process, err = child.Start(ctx, Role, struct{}{}, &n.Where)
	return n, err
}

// Serve is the process.
func Serve(ctx context.Context) error {
	sim, err := wasim.Start(ctx, wasim.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = sim.Close() }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/sandbox/", wasim.Control(sim))
	mux.Handle("POST /bench/people", answer(func(ctx context.Context, p People) (Written, error) { return write(ctx, sim, p) }))
	mux.Handle("POST /bench/shown", answer(func(_ context.Context, numbers []string) (Shown, error) { return shown(sim, numbers) }))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	key := sim.RootKey()
	if err := child.Ready(Where{Addr: sim.Addr(), RootKey: hex.EncodeToString(key[:]), Control: l.Addr().String()}); err != nil {
		return err
	}
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// answer serves a call of Network.call.
func answer[In, Out any](do func(context.Context, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		err := json.NewDecoder(r.Body).Decode(&in)
		var out Out
		if err == nil {
			out, err = do(r.Context(), in)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	})
}

// call asks the process; out may be nil.
func (w Where) call(ctx context.Context, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.Control+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // calls are few, and leave nothing open
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		var said struct {
			Error string `json:"error"`
		}
		_ = json.NewDecoder(res.Body).Decode(&said)
		return fmt.Errorf("POST %s: %s: %s", path, res.Status, said.Error)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// AddPhone puts a phone on the network.
func (w Where) AddPhone(ctx context.Context, number string) error {
	return w.call(ctx, "/sandbox/phones", map[string]any{"number": number, "name": "Phone " + number[len(number)-4:], "registered": true}, nil)
}

// Scan has a phone read a QR code.
func (w Where) Scan(ctx context.Context, number, qr string) error {
	return w.call(ctx, "/sandbox/phones/"+number+"/scan", map[string]any{"qr": qr}, nil)
}

// Write lets people write, and returns when all is written.
func (w Where) Write(ctx context.Context, p People) (out Written, err error) {
	return out, w.call(ctx, "/bench/people", p, &out)
}

// Shown gives what the phones of numbers show.
func (w Where) Shown(ctx context.Context, numbers []string) (out Shown, err error) {
	return out, w.call(ctx, "/bench/shown", numbers, &out)
}
