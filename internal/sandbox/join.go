package sandbox

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/wasim"
)

// joinTimeout bounds the question to a network that another process runs.
const joinTimeout = 10 * time.Second

// Joined is an emulated network that another process runs: tideline wasim, or
// another server's sandbox. Several servers can be in one.
type Joined struct {
	addr    string
	rootKey [32]byte
	control *url.URL
}

// Join asks the network whose control API is at base, such as
// http://127.0.0.1:4433, how clients reach it. It must be on this machine.
func Join(ctx context.Context, base string) (*Joined, error) {
	control, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("join the sandbox's network: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	n, err := describe(ctx, control)
	if err != nil {
		return nil, fmt.Errorf("join the sandbox's network at %s; is tideline wasim running there? %w", base, err)
	}
	j := &Joined{addr: n.Addr, control: control}
	if k, err := hex.DecodeString(n.RootKey); err != nil || copy(j.rootKey[:], k) != len(j.rootKey) {
		return nil, fmt.Errorf("join the sandbox's network at %s: it gives no root key; is that another kind of server?", base)
	}
	return j, nil
}

// describe reads how clients reach a network.
func describe(ctx context.Context, control *url.URL) (n wasim.Network, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, control.JoinPath("/sandbox/network").String(), http.NoBody)
	if err != nil {
		return n, err
	}
	transport := Transport()
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return n, fmt.Errorf("it answers %s", res.Status)
	}
	const most = 1 << 20
	return n, json.NewDecoder(io.LimitReader(res.Body, most)).Decode(&n)
}

// Addr is the address of the network, on this machine.
func (j *Joined) Addr() string { return j.addr }

// RootKey is the key by which clients know the network.
func (j *Joined) RootKey() [32]byte { return j.rootKey }

// Control passes requests on to the network's own control API.
func (j *Joined) Control() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(j.control) },
		Transport: Transport(),
	}
}
