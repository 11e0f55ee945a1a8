// Package node runs a whole server in a process of its own, wired as the product
// is, with its API, its pages, its webhooks and its metrics, on the emulated
// network of another process. Beside what the product serves, it answers what a
// benchmark asks of it.
package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/bench/internal/child"
	"github.com/tidelinehq/tideline/bench/internal/histogram"
	"github.com/tidelinehq/tideline/bench/internal/network"
)

// Role is the server's, see child.Roles; Serve plays it.
const Role = "server"

const (
	// Token is the owner's, for the API.
	Token = "bench-token"
	// Cookie is the name of the cookie with a session.
	Cookie = "tideline"
)

// Setup is what a server is told.
type Setup struct {
	Dir      string        `json:"dir"`
	Database string        `json:"database"` // PostgreSQL; "" = SQLite in Dir
	Network  network.Where `json:"network"`
	GapMin   time.Duration `json:"gap_min"`
	GapMax   time.Duration `json:"gap_max"`
	Webhook  string        `json:"webhook"` // receiver of received messages; "" = none
	// Members are who is signed in, beside the owner; each has a session.
	Members int `json:"members"`
}

// ready is what the server says first.
type ready struct {
	Addr     string   `json:"addr"`
	Sessions []string `json:"sessions"` // of members
}

// Node is a running server, seen from outside.
type Node struct {
	Addr     string
	Sessions []string
	*child.Process
	http *http.Client
}

// Start starts a server and waits until it is ready.
func Start(ctx context.Context, s Setup) (*Node, error) {
	var r ready
	p, err := child.Start(ctx, Role, s, &r)
	if err != nil {
		return nil, err
	}
	return &Node{Addr: r.Addr, Sessions: r.Sessions, Process: p, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}, nil
}

// Stop stops the server. Doing it twice is fine.
func (n *Node) Stop() error {
	n.http.CloseIdleConnections()
	return n.Process.Stop()
}

// State is what a server holds and did.
type State struct {
	Heap       int64         `json:"heap"` // bytes; live ones when it was asked to collect
	RSS        int64         `json:"rss"`
	CPU        time.Duration `json:"cpu"`
	GC         time.Duration `json:"gc"` // of CPU
	Goroutines int           `json:"goroutines"`

	Active   int              `json:"active"` // accounts
	Queued   int              `json:"queued"` // messages
	Lateness histogram.Spread `json:"lateness"`
	Delivery histogram.Spread `json:"delivery"` // event to delivery, of webhooks
	Sent     int64            `json:"sent"`
	Failed   int64            `json:"failed"`
	Retried  int64            `json:"retried"`
	// Received is how many messages people wrote that are stored, Receipts how many
	// receipts were handled.
	Received int64 `json:"received"`
	Receipts int64 `json:"receipts"`
	Errors   int64 `json:"errors"` // lines of the log at level error or warning

	Accounts []Account `json:"accounts,omitempty"` // when they are asked for
}

// Account is what one account did, by its metrics.
type Account struct {
	ID       string        `json:"id"`
	Busy     time.Duration `json:"busy"`
	Sent     int64         `json:"sent"`
	Failed   int64         `json:"failed"`
	Received int64         `json:"received"`
	Late     time.Duration `json:"late"` // mean
	MostLate time.Duration `json:"most_late"`
}

// State looks at the server. collect has it collect garbage first, accounts adds
// what each account did.
func (n *Node) State(ctx context.Context, collect, accounts bool) (s State, err error) {
	q := url.Values{"collect": {strconv.FormatBool(collect)}, "accounts": {strconv.FormatBool(accounts)}}
	b, err := n.ask(ctx, http.MethodGet, "/bench/state?"+q.Encode(), nil)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

// Record turns the counting of lateness and of deliveries on or off. The server
// starts with it off.
func (n *Node) Record(ctx context.Context, on bool) error {
	_, err := n.ask(ctx, http.MethodPost, "/bench/record?on="+strconv.FormatBool(on), nil)
	return err
}

// Profile begins a CPU profile, or ends it and gives it.
func (n *Node) Profile(ctx context.Context, begin bool) ([]byte, error) {
	return n.ask(ctx, http.MethodPost, "/bench/profile?begin="+strconv.FormatBool(begin), nil)
}

func (n *Node) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.Addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := n.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, b)
	}
	return b, err
}

// Pair puts a phone with each number on the network and links an account to it, a
// few at a time, and returns when all are connected.
func (n *Node) Pair(ctx context.Context, w network.Where, numbers []string) error {
	var running sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := make(chan string)
	for range 8 {
		running.Go(func() {
			for number := range next {
				if err := n.pair(ctx, w, number); err != nil {
					mu.Lock()
					if first == nil {
						first = fmt.Errorf("pair %s: %w", number, err)
					}
					mu.Unlock()
				}
			}
		})
	}
	for _, number := range numbers {
		next <- number
	}
	close(next)
	running.Wait()
	if first != nil {
		return first
	}
	return n.AwaitActive(ctx, len(numbers))
}

func (n *Node) pair(ctx context.Context, w network.Where, number string) error {
	if err := w.AddPhone(ctx, number); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.Addr+"/bench/pair", http.NoBody)
	if err != nil {
		return err
	}
	res, err := n.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return readPairing(res, func(qr string) error { return w.Scan(ctx, number, qr) })
}

// AwaitActive waits until so many accounts are connected.
func (n *Node) AwaitActive(ctx context.Context, accounts int) error {
	return n.await(ctx, func(s State) (string, bool) {
		return fmt.Sprintf("%d of %d accounts are active", s.Active, accounts), s.Active >= accounts
	})
}

// AwaitSettled waits until the queue is empty.
func (n *Node) AwaitSettled(ctx context.Context) error {
	return n.await(ctx, func(s State) (string, bool) { return fmt.Sprintf("%d messages are queued", s.Queued), s.Queued == 0 })
}

// AwaitReceived waits until so many messages of people are stored.
func (n *Node) AwaitReceived(ctx context.Context, messages int64) error {
	return n.await(ctx, func(s State) (string, bool) {
		return fmt.Sprintf("%d of %d messages are received", s.Received, messages), s.Received >= messages
	})
}

func (n *Node) await(ctx context.Context, done func(State) (doing string, ok bool)) error {
	for {
		s, err := n.State(ctx, false, false)
		if err != nil {
			return err
		}
		doing, ok := done(s)
		if ok {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		}
	}
}
