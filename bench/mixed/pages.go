package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tidelinehq/tideline/bench/internal/histogram"
	"github.com/tidelinehq/tideline/bench/internal/node"
)

// Pauses of the page's script: between two looks at the list, and before the first
// one after a notice (internal/web/inbox/assets/inbox.js, lookAgain).
const (
	restful = 250 * time.Millisecond
	soon    = 30 * time.Millisecond
)

// pages are open inbox pages: each follows the stream of changes and fetches what
// the page's script would.
type pages struct {
	addr      string
	http      *http.Client
	recording atomic.Bool
	list      histogram.Histogram // the time of a fetch of the list
	written   histogram.Histogram // from a customer's phone to a page
}

func newPages(addr string) *pages {
	return &pages{addr: addr, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}}
}

// open keeps n pages open until ctx ends, shared by sessions. An error ends all.
func (p *pages) open(ctx context.Context, n int, sessions []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for i := range n {
		one := &page{pages: p, session: sessions[i%len(sessions)], seen: map[string]bool{}}
		running.Go(func() {
			if err := one.follow(ctx, i); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("page %d: %w", i, err))
			}
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil && !ended(err) {
		return err
	}
	return nil
}

func ended(err error) bool { return err == context.Canceled || err == context.DeadlineExceeded }

// page is one of them.
type page struct {
	*pages
	session string
	chat    int64           // the one that is open
	seen    map[string]bool // stamps of messages
}

var (
	rowPattern   = regexp.MustCompile(`data-chat="(\d+)"`)
	stampPattern = regexp.MustCompile(`at (\d{19}), `) // network.Stamp
)

// follow opens the page and keeps it up to date until ctx ends.
func (p *page) follow(ctx context.Context, number int) error {
	rows, err := p.fetch(ctx, "/inbox/rows?offset=0")
	if err != nil {
		return err
	}
	if found := rowPattern.FindAllStringSubmatch(rows, -1); len(found) > 0 {
		p.chat, _ = strconv.ParseInt(found[number%len(found)][1], 10, 64) // digits
	}
	p.note(rows, false)
	res, err := p.get(ctx, "/live")
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	changed, here := make(chan struct{}, 1), make(chan struct{}, 1)
	var running sync.WaitGroup
	failed := make(chan error, 2)
	running.Go(func() { failed <- p.refresh(ctx, changed, p.look) })
	running.Go(func() { failed <- p.refresh(ctx, here, p.lookAtChat) })
	err = p.listen(res.Body, changed, here)
	close(changed)
	close(here)
	running.Wait()
	for range 2 {
		if e := <-failed; e != nil {
			return e
		}
	}
	return err
}

// listen reads the stream and tells what is to be fetched.
func (p *page) listen(stream io.Reader, changed, here chan<- struct{}) error {
	for lines := bufio.NewScanner(stream); ; {
		if !lines.Scan() {
			return fmt.Errorf("the stream ended: %w", lines.Err())
		}
		data, isData := strings.CutPrefix(lines.Text(), "data: ")
		if !isData {
			continue
		}
		var notice struct {
			Kind string `json:"kind"`
			Chat int64  `json:"chat"`
		}
		if err := json.Unmarshal([]byte(data), &notice); err != nil {
			return fmt.Errorf("notice %q: %w", data, err)
		}
		switch notice.Kind {
		case "message", "chat", "account", "resync":
			tell(changed)
			if notice.Chat == p.chat || notice.Kind == "resync" {
				tell(here)
			}
		}
	}
}

func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it will be done anyway
	}
}

// refresh fetches when it is told to, not more often than is restful, until the
// channel is closed.
func (p *page) refresh(ctx context.Context, when <-chan struct{}, fetch func(context.Context) error) error {
	var last time.Time
	for range when {
		pause := max(soon, time.Until(last.Add(restful)))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			continue // until it is closed
		}
		last = time.Now()
		if err := fetch(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// look fetches the list with its tally.
func (p *page) look(ctx context.Context) error {
	var tally sync.WaitGroup
	var tallied error
	tally.Go(func() { _, tallied = p.fetch(ctx, "/inbox/tally") })
	began := time.Now()
	rows, err := p.fetch(ctx, "/inbox/rows?offset=0")
	if err == nil {
		if p.recording.Load() {
			p.list.Add(time.Since(began))
		}
		p.note(rows, true)
	}
	tally.Wait()
	if err == nil {
		err = tallied
	}
	return err
}

func (p *page) lookAtChat(ctx context.Context) error {
	if p.chat == 0 {
		return nil
	}
	_, err := p.fetch(ctx, fmt.Sprintf("/inbox/%d/messages", p.chat))
	return err
}

// note finds messages of people that were not there before.
func (p *page) note(rows string, count bool) {
	now := time.Now()
	for _, m := range stampPattern.FindAllStringSubmatch(rows, -1) {
		if p.seen[m[1]] {
			continue
		}
		p.seen[m[1]] = true
		if at, err := strconv.ParseInt(m[1], 10, 64); err == nil && count && p.recording.Load() {
			p.written.Add(now.Sub(time.Unix(0, at)))
		}
	}
}

func (p *page) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.AddCookie(&http.Cookie{Name: node.Cookie, Value: p.session})
	res, err := p.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		sample, _ := io.ReadAll(io.LimitReader(res.Body, 300)) // for the reader, who has the status too
		_ = res.Body.Close()
		return nil, fmt.Errorf("GET %s: %s: %s", path, res.Status, sample)
	}
	return res, nil
}

func (p *page) fetch(ctx context.Context, path string) (string, error) {
	res, err := p.get(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}
