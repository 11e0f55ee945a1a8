package browser

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// person is somebody with a browser of their own, and what went on in it.
type person struct {
	t    *testing.T
	name string
	ctx  context.Context
	s    *server

	mu       sync.Mutex
	expected []string // parts of problems that belong to the test
	problems []string
}

// person opens a browser for somebody who is not signed in. Their problems fail
// the test when it ends.
func (s *server) person(name string) *person {
	s.t.Helper()
	browser, err := chrome()
	if err != nil {
		s.t.Fatal(err)
	}
	p := &person{t: s.t, name: name, s: s}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	s.t.Cleanup(func() {
		p.check()
		if s.t.Failed() {
			p.screenshot()
		}
		cancel()
	})
	p.ctx = ctx
	// The tab lives as long as the context of its first step, which has no bound.
	if err := chromedp.Do(ctx); err != nil {
		s.t.Fatalf("open a tab: %v", err)
	}
	p.do("open a tab", chromedp.EmulateViewport(1280, 800))
	return p
}

// enter signs in with a one-time link.
func (s *server) enter(name, link string) *person {
	s.t.Helper()
	p := s.person(name)
	p.open(link)
	p.click(`main form button`)
	p.until("signed in", `!location.pathname.startsWith("/enter")`)
	return p
}

// owner is the owner, signed in with the link that the server printed. It works
// once for a server.
func (s *server) owner() *person {
	s.t.Helper()
	if s.Enter == "" {
		s.t.Fatalf("the server printed no one-time link:\n%s", s.process.Stdout())
	}
	return s.enter("owner", s.Enter)
}

// do does something in the tab.
func (p *person) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %s: %v\n%s", p.name, what, err, p.situation())
	}
}

// open goes to a path of the server, or to a whole address.
func (p *person) open(path string) {
	p.t.Helper()
	address := path
	if strings.HasPrefix(path, "/") {
		address = p.s.URL + path
	}
	p.do("open "+path, chromedp.Navigate(address))
}

// click clicks the first element that a CSS selector finds, once it is there.
func (p *person) click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// write types into a field, which loses what was in it.
func (p *person) write(selector, text string) {
	p.t.Helper()
	p.do("write into "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
	read[bool](p, fmt.Sprintf(`((e) => { e.focus(); e.select(); return true; })(document.querySelector(%s))`, quote(selector)))
	p.do("write into "+selector, chromedp.KeyEvent(cmp.Or(text, kb.Delete)))
}

// press presses keys, one after the other, where the focus is.
func (p *person) press(keys string) {
	p.t.Helper()
	p.do(fmt.Sprintf("press %q", keys), chromedp.KeyEvent(keys))
}

// sees waits until an element that a CSS selector finds is visible and shows the
// text.
func (p *person) sees(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s shows %q", selector, text), fmt.Sprintf(
		`[...document.querySelectorAll(%s)].some(e => e.checkVisibility() && e.innerText.includes(%s))`, quote(selector), quote(text)))
}

// seesNot waits until no visible element that a CSS selector finds shows the text.
func (p *person) seesNot(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("no %s shows %q", selector, text), fmt.Sprintf(
		`![...document.querySelectorAll(%s)].some(e => e.checkVisibility() && e.innerText.includes(%s))`, quote(selector), quote(text)))
}

// at waits until the page's path, with its query, is this one.
func (p *person) at(path string) {
	p.t.Helper()
	p.until("at "+path, fmt.Sprintf(`location.pathname + location.search === %s`, quote(path)))
}

// until waits until an expression of JavaScript is true, in whatever page is
// shown then.
func (p *person) until(what, expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("%s waited in vain: %s (%s: %v)\n%s", p.name, what, expression, err, p.situation())
		}
	}
}

// read gives the value of an expression of JavaScript, awaited.
func read[T any](p *person, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %s: %v\n%s", p.name, expression, err, p.situation())
	}
	return v
}

// quote writes a string as JavaScript does.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can be marshalled
	}
	return string(b)
}

// situation is where the person is and what they see, for a failure.
func (p *person) situation() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	seen, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.body?.innerText ?? "").slice(0, 1500)`))
	if err != nil {
		seen = err.Error()
	}
	return fmt.Sprintf("%s sees:\n%s\nproblems: %q\nscreenshot: %s", p.name, seen, p.trouble(), p.screenshot())
}

// screenshot keeps what is shown in a file that outlives the test, and gives its
// path.
func (p *person) screenshot() string {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err.Error()
	}
	dir, err := os.MkdirTemp("", "tideline-screenshots-") //nolint:usetesting // whoever looks into the failure reads it after the test
	if err != nil {
		return err.Error()
	}
	path := filepath.Join(dir, strings.NewReplacer("/", "-", " ", "-").Replace(p.t.Name()+"-"+p.name)+".png")
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		return err.Error()
	}
	return path
}

// hear keeps what a page must not do.
func (p *person) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.asked(e.Request.URL)
	case *network.EventWebSocketCreated:
		p.asked(e.URL)
	case *network.EventLoadingFailed:
		if !e.Canceled { // a page that is left cancels what it still loads
			p.note("loading failed: %s %s", e.Type, e.ErrorText)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			p.note("%s: status %d", e.Response.URL, e.Response.Status)
		}
	case *runtime.EventExceptionThrown:
		p.note("exception: %s %s", e.ExceptionDetails.Text, consoleText(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			p.note("console.%s: %s", e.Type, consoleText(e.Args...))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.note("console: %s %s", e.Entry.Text, e.Entry.URL)
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

// asked notes a request to another host.
func (p *person) asked(address string) {
	u, err := url.Parse(address)
	if err == nil && (u.Scheme == "data" || u.Scheme == "blob" || u.Scheme == "about") {
		return
	}
	if err != nil || !strings.HasPrefix(address, p.s.URL+"/") {
		p.note("request to %s", address)
	}
}

func (p *person) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// expect says that problems with one of the parts in their text belong to the
// test.
func (p *person) expect(parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, parts...)
}

// trouble gives the problems that were not expected.
func (p *person) trouble() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
problems:
	for _, one := range p.problems {
		for _, part := range p.expected {
			if strings.Contains(one, part) {
				continue problems
			}
		}
		out = append(out, one)
	}
	return out
}

// check fails the test if something went wrong in the browser.
func (p *person) check() {
	p.t.Helper()
	if found := p.trouble(); len(found) > 0 {
		p.t.Errorf("in the browser of %s:\n%s", p.name, strings.Join(found, "\n"))
	}
}
