package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// ErrNotRunning says that no server answers on the socket.
var ErrNotRunning = errors.New("no server is running on this data folder: start one with tideline serve")

// Client asks a running server.
type Client struct{ http *http.Client }

// Connect makes a Client of the server on the socket at path; ErrNotRunning
// when nobody listens there.
func Connect(ctx context.Context, path string) (*Client, error) {
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	first, err := dial(ctx)
	if err != nil {
		return nil, ErrNotRunning
	}
	if err := first.Close(); err != nil {
		return nil, fmt.Errorf("operator socket: %w", err)
	}
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableKeepAlives: true,
	}}}, nil
}

// Status asks the server about itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	body, err := c.do(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return s, err
	}
	defer body.Close()
	return s, json.NewDecoder(body).Decode(&s)
}

// Pair links a phone and calls each for every event, the last one included. It
// returns each's error as it is; when ctx ends, the pairing ends.
func (c *Client) Pair(ctx context.Context, q PairRequest, each func(Event) error) error {
	body, err := c.do(ctx, http.MethodPost, "/pair", q)
	if err != nil {
		return err
	}
	defer body.Close()
	for dec := json.NewDecoder(body); ; {
		var e Event
		if err := dec.Decode(&e); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("the server went away during the pairing: %w", err)
		}
		if err := each(e); err != nil || e.Last() {
			return err
		}
	}
}

// Logout unlinks an account and keeps what was said.
func (c *Client) Logout(ctx context.Context, q AccountRequest) error {
	return c.ask(ctx, "/logout", q)
}

// Remove takes an account out of its workspace.
func (c *Client) Remove(ctx context.Context, q AccountRequest) error {
	return c.ask(ctx, "/remove", q)
}

func (c *Client) ask(ctx context.Context, path string, q any) error {
	body, err := c.do(ctx, http.MethodPost, path, q)
	if err != nil {
		return err
	}
	return body.Close()
}

func (c *Client) do(ctx context.Context, method, path string, q any) (io.ReadCloser, error) {
	var in io.Reader
	if q != nil {
		data, err := json.Marshal(q)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://operator"+path, in)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	var f failure
	if err := json.NewDecoder(res.Body).Decode(&f); err != nil {
		return nil, fmt.Errorf("ask the server: %s", res.Status)
	}
	return nil, tideline.Errorf(f.Code, "%s", f.Message)
}
