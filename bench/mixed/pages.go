package main

import (
	"bufio"
	"context"
	"errors"
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

// pace is how the page's script fetches after a notice: the pause before, and the
// shortest one between two fetches.
type pace struct{ before, between time.Duration }

// internal/web/inbox/assets: lookAgain in inbox.js, changed in conversation.js.
var (
	paceOfList = pace{30 * time.Millisecond, 250 * time.Millisecond}
	paceOfChat = pace{before: 60 * time.Millisecond}
)

// pages are open inbox pages: each follows the stream of changes and fetches what
// the page's script would.
type pages struct {
	addr      string
	http      *http.Client
	recording atomic.Bool
	list      histogram.Histogram // the time of a fetch of the list
	written   histogram.Histogram // from a customer's phone to the page that has the chat open
}

func newPages(addr string) *pages {
	return &pages{addr: addr, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}}
}

// open keeps a page open for each of chats until ctx ends, shared by sessions. An
// error ends all.
func (p *pages) open(ctx context.Context, chats []int64, sessions []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for i, chat := range chats {
		one := &page{pages: p, session: sessions[i%len(sessions)], chat: chat, seen: map[string]bool{}}
		running.Go(func() {
			if err := one.follow(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("page %d: %w", i, err))
			}
		})
	}
	running.Wait()
	p.http.CloseIdleConnections()
	if err := context.Cause(ctx); err != nil && !ended(err) {
		return err
	}
	return nil
}

// ended says that nothing but the end of a context is wrong.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// page is one of them.
type page struct {
	*pages
	session string
	chat    int64           // the one that is open
	seen    map[string]bool // stamps of messages
}

var stampPattern = regexp.MustCompile(`at (\d{19}), `) // network.Stamp

// follow opens the page and keeps it up to date until ctx ends.
func (p *page) follow(ctx context.Context) error {
	if _, err := p.fetch(ctx, fmt.Sprintf("/inbox/%d", p.chat)); err != nil {
		return err
	}
	res, err := p.get(ctx, "/live")
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	changed, here := make(chan struct{}, 1), make(chan struct{}, 1)
	var running sync.WaitGroup
	failed := make(chan error, 2)
	running.Go(func() { failed <- p.refresh(ctx, changed, paceOfList, p.look) })
	running.Go(func() { failed <- p.refresh(ctx, here, paceOfChat, p.lookAtChat) })
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

// refresh fetches when it is told to, at a pace, until the channel is closed.
func (p *page) refresh(ctx context.Context, when <-chan struct{}, at pace, fetch func(context.Context) error) error {
	var last time.Time
	for range when {
		pause := max(at.before, time.Until(last.Add(at.between)))
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
	_, err := p.fetch(ctx, "/inbox/rows?offset=0")
	if err == nil && p.recording.Load() {
		p.list.Add(time.Since(began))
	}
	tally.Wait()
	if err == nil {
		err = tallied
	}
	return err
}

// lookAtChat fetches the last messages of the open chat and notes those of people
// that were not there before.
func (p *page) lookAtChat(ctx context.Context) error {
	shown, err := p.fetch(ctx, fmt.Sprintf("/inbox/%d/messages", p.chat))
	if err != nil {
		return err
	}
	now := time.Now()
	for _, m := range stampPattern.FindAllStringSubmatch(shown, -1) {
		if p.seen[m[1]] {
			continue
		}
		p.seen[m[1]] = true
		if at, err := strconv.ParseInt(m[1], 10, 64); err == nil && p.recording.Load() {
			p.written.Add(now.Sub(time.Unix(0, at)))
		}
	}
	return nil
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
