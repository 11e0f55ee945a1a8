package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// atHand notes when the page can be used: the list shows chats, the composer of
// the open chat takes text, and then the processor is idle for the first time.
const atHand = `
addEventListener("DOMContentLoaded", () => {
	const look = setInterval(() => {
		const rows = document.querySelectorAll(".chat-row .name").length;
		const text = document.querySelector("chat-conversation:defined .composer textarea");
		if (rows < 5 || !text || text.disabled || !document.querySelector(".thread .message")) return;
		clearInterval(look);
		requestIdleCallback(() => { window.__interactive = performance.now(); });
	}, 4);
});`

// change opens the chat of the row with a number and gives the milliseconds until
// it is painted.
const change = `(async (row) => {
	const link = document.querySelectorAll(".chat-row a")[row];
	const id = link.closest(".chat-row").dataset.chat;
	const began = performance.now();
	await new Promise((go, fail) => {
		const there = () => {
			const shown = document.querySelector('chat-conversation[data-chat="' + id + '"]');
			if (!shown?.checkVisibility() || !shown.querySelector(".thread .message")) return;
			seen.disconnect();
			go();
		};
		const seen = new MutationObserver(there);
		seen.observe(document.getElementById("inbox"), {subtree: true, childList: true, attributes: true});
		setTimeout(() => fail(new Error("chat " + id + " is not shown")), 20000);
		link.click();
		there();
	});
	await new Promise((go) => requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = go; c.port2.postMessage(0); }));
	return performance.now() - began;
})`

// tab is a profile of its own that is signed in and slow, and what it has loaded.
type tab struct {
	ctx   context.Context
	close context.CancelFunc

	mu       sync.Mutex
	bytes    int64
	requests int
}

// browse measures the server's inbox.
func browse(ctx context.Context, s *server, o *options) (r result, err error) {
	path, err := testenv.Chromium()
	if err != nil {
		return r, err
	}
	allocated, stop := chromedp.NewExecAllocator(ctx,
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("no-proxy-server", true),
	)
	defer stop()
	browser, end := chromedp.NewContext(allocated)
	defer end()
	if err := chromedp.Do(browser); err != nil {
		return r, fmt.Errorf("start %s: %w", path, err)
	}
	for load := range max(1, o.Loads) {
		link, err := s.link(ctx)
		if err != nil {
			return r, fmt.Errorf("make a one-time link: %w", err)
		}
		t, err := newTab(browser, link, o.Throttle)
		if err != nil {
			return r, err
		}
		took, err := t.load(s)
		if err == nil && load == o.Loads-1 {
			r.Bytes, r.Requests = t.weight()
			r.Slow, err = t.changes(o)
		}
		t.close()
		if err != nil {
			return r, err
		}
		r.Interactive = append(r.Interactive, took)
	}
	r.Full, err = atFullSpeed(ctx, browser, s, o)
	return r, err
}

// atFullSpeed measures changes in a tab of a processor that is not slowed down.
func atFullSpeed(ctx, browser context.Context, s *server, o *options) (c changes, err error) {
	link, err := s.link(ctx)
	if err != nil {
		return c, fmt.Errorf("make a one-time link: %w", err)
	}
	t, err := newTab(browser, link, 1)
	if err != nil {
		return c, err
	}
	defer t.close()
	if _, err = t.load(s); err != nil {
		return c, err
	}
	return t.changes(o)
}

// newTab opens a tab of the browser with a new profile and signs in.
func newTab(browser context.Context, link string, throttle float64) (t *tab, err error) {
	t = &tab{}
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(t.hear))
	t.ctx, t.close = ctx, end
	defer func() {
		if err != nil {
			end()
		}
	}()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(link), chromedp.Click(chromedp.CSS("main form button"))); err != nil {
		return nil, err
	}
	if err := until(ctx, `!location.pathname.startsWith("/enter") && document.readyState === "complete"`); err != nil {
		return nil, err
	}
	if _, err := chromedp.Call(ctx, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: throttle}); err != nil {
		return nil, err
	}
	if _, err := chromedp.Call(ctx, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}); err != nil {
		return nil, err
	}
	_, err = chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: atHand})
	return t, err
}

// load opens the inbox with its newest chat and gives the time until it can be
// used.
func (t *tab) load(s *server) (time.Duration, error) {
	newest, err := chromedp.Run(t.ctx, chromedp.Evaluate[string](
		`fetch("/inbox").then((r) => r.text()).then((h) => h.match(/href="(\/inbox\/\d+)[^"]*" data-open/)[1])`, chromedp.EvalAwaitPromise))
	if err != nil {
		return 0, fmt.Errorf("find the newest chat: %w", err)
	}
	// What signing in has loaded does not count: the cache is emptied.
	if _, err := chromedp.Call(t.ctx, network.ClearBrowserCache, cdp.Empty{}); err != nil {
		return 0, err
	}
	t.mu.Lock()
	t.bytes, t.requests = 0, 0
	t.mu.Unlock()
	if err := chromedp.Do(t.ctx, chromedp.Navigate(s.url+newest)); err != nil {
		return 0, err
	}
	if err := until(t.ctx, `window.__interactive > 0`); err != nil {
		return 0, fmt.Errorf("the inbox is never at hand: %w", err)
	}
	at, err := chromedp.Run(t.ctx, chromedp.Evaluate[float64](`window.__interactive`))
	return time.Duration(at * float64(time.Millisecond)), err
}

// changes opens one chat after the other, and then a few of them again.
func (t *tab) changes(o *options) (c changes, err error) {
	if c.LoadCPU, err = t.cpu(); err != nil {
		return c, err
	}
	rows, err := chromedp.Run(t.ctx, chromedp.Evaluate[int](`document.querySelectorAll(".chat-row a").length`))
	if err != nil {
		return c, err
	}
	n := min(o.Switches, rows-1)
	for round := range 2 {
		for row := 1; row <= n; row++ {
			took, err := chromedp.Run(t.ctx, chromedp.Evaluate[float64](fmt.Sprintf("%s(%d)", change, row), chromedp.EvalAwaitPromise))
			if err != nil {
				return c, err
			}
			d := time.Duration(took * float64(time.Millisecond))
			if round == 0 {
				c.First = append(c.First, d)
			} else {
				c.Again = append(c.Again, d)
			}
		}
		if round == 0 && n > 0 {
			after, err := t.cpu()
			if err != nil {
				return c, err
			}
			c.ChangeCPU = (after - c.LoadCPU) / time.Duration(n)
		}
		n = min(n, 5) // as many as somebody goes to and fro between
	}
	return c, nil
}

// cpu is the processor time that the page's main thread has used since it was
// opened, what slows it down included. On a busy machine it says more than how long
// things took.
func (t *tab) cpu() (time.Duration, error) {
	got, err := chromedp.Call(t.ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		return 0, err
	}
	for _, m := range got.Metrics {
		if m.Name == "TaskDuration" {
			return time.Duration(m.Value * float64(time.Second)), nil
		}
	}
	return 0, errors.New("the browser does not tell the processor time")
}

// hear counts what is loaded.
func (t *tab) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if strings.HasPrefix(e.Request.URL, "http") {
			t.mu.Lock()
			t.requests++
			t.mu.Unlock()
		}
	case *network.EventLoadingFinished:
		t.mu.Lock()
		t.bytes += int64(e.EncodedDataLength)
		t.mu.Unlock()
	}
}

func (t *tab) weight() (bytes int64, requests int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes, t.requests
}

// until waits until an expression is true.
func until(ctx context.Context, expression string) error {
	deadline := time.After(time.Minute)
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return errors.Join(fmt.Errorf("never true within a minute: %s", expression), err)
		}
	}
}
