package e2e

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// TestPagesInABrowser opens what the server shows to people in a real browser
// that can reach nothing but the server.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	srv := newSandbox(t).start(t)
	b := openTab(t, srv.URL)

	postMessages := chromedp.CSS(`.opblock-post .opblock-summary-path[data-path="/messages"]`)
	b.do(t, "the API reference",
		chromedp.Navigate(srv.URL+"/docs"),
		chromedp.WaitVisible(postMessages),
		chromedp.Click(postMessages), // opens it
		chromedp.WaitVisible(chromedp.CSS(`.opblock-post.is-open .opblock-section-request-body`)),
	)
	if title := show(t, b, chromedp.Title()); !strings.HasPrefix(title, "Tideline API") {
		t.Errorf("the API reference has the title %q", title)
	}
	b.check(t)

	b.do(t, "the API's own address", chromedp.Navigate(srv.URL+"/integrations/api/"))
	// To the tokens, and there nobody is signed in yet.
	if at, want := show(t, b, chromedp.Location()), srv.URL+"/signin?next=%2Ftokens"; at != want {
		t.Errorf("it leads to %s, not to %s", at, want)
	}
	b.check(t)
	srv.stop(t)
}

// tab is a tab of a browser that was started for it, and what went on in it.
type tab struct {
	ctx    context.Context
	server string

	mu       sync.Mutex
	requests int
	problems []string
}

// openTab starts a browser with a new profile, for pages of the server, and
// stops it when the test ends.
func openTab(t *testing.T, server string) *tab {
	t.Helper()
	// The test's own context ends before the browser can be asked to close.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	allocated, stop := chromedp.NewExecAllocator(bounded,
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("disable-dev-shm-usage", true), // small in containers
		// Whatever a page or the browser itself looks for elsewhere does not exist.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("no-proxy-server", true),
	)
	t.Cleanup(stop) // in any case
	ctx, _ := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits until the browser is gone
			t.Errorf("close the browser: %v", err)
		}
	})
	b := &tab{ctx: ctx, server: server}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatalf("start %s: %v", chromium(t), err)
	}
	return b
}

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	path, err := testenv.Chromium()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// do does something in the tab, within the time that the test has.
func (b *tab) do(t *testing.T, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatalf("%s: %v; in the browser: %q", what, err, b.trouble())
	}
}

// show reads something from the tab.
func show(t *testing.T, b *tab, what chromedp.Action[string]) string {
	t.Helper()
	text, err := chromedp.Run(b.ctx, what)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// hear keeps what a page must not do: speak to another host, fail to load
// something, or complain on the console.
func (b *tab) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked(e.Request.URL)
	case *network.EventWebSocketCreated:
		b.asked(e.URL)
	case *network.EventLoadingFailed:
		b.note("loading failed: %s %s", e.Type, e.ErrorText)
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			b.note("%s: status %d", e.Response.URL, e.Response.Status)
		}
	case *runtime.EventExceptionThrown:
		b.note("exception: %s %s", e.ExceptionDetails.Text, consoleText(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			b.note("console.%s: %s", e.Type, consoleText(e.Args...))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.note("console: %s %s", e.Entry.Text, e.Entry.URL)
		}
	}
}

// consoleText shows values as the console does, more or less.
func consoleText(values ...*runtime.RemoteObject) string {
	var text []string
	for _, v := range values {
		if v != nil {
			text = append(text, string(v.Value)+v.Description)
		}
	}
	return strings.Join(text, " ")
}

// asked notes a request. What stands in the address itself is none.
func (b *tab) asked(address string) {
	u, err := url.Parse(address)
	if err == nil && (u.Scheme == "data" || u.Scheme == "blob" || u.Scheme == "about") {
		return
	}
	if err != nil || !strings.HasPrefix(address, b.server+"/") {
		b.note("request to %s", address)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
}

func (b *tab) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

func (b *tab) trouble() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.problems
}

// check fails the test if something went wrong in the tab so far.
func (b *tab) check(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.requests == 0 {
		t.Error("no request was seen")
	}
	if len(b.problems) > 0 {
		t.Errorf("in the browser:\n%s", strings.Join(b.problems, "\n"))
	}
	b.requests, b.problems = 0, nil
}
