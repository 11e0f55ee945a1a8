package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// look is a size of the window and an appearance.
type look struct {
	name          string
	width, height int64
	scheme        string
}

var looks = []look{
	{"desktop, light", 1280, 800, "light"},
	{"desktop, dark", 1280, 800, "dark"},
	{"phone, dark", 360, 740, "dark"},
	{"phone, light", 360, 740, "light"},
}

// wear gives the person's window the look.
func (p *person) wear(l look) {
	p.t.Helper()
	p.do("look: "+l.name, chromedp.EmulateViewport(l.width, l.height))
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}); err != nil {
		p.t.Fatal(err)
	}
}

// finding is a rule of axe-core that a page breaks.
type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		Target         []any // selectors; lists of them for what is in shadow roots
		FailureSummary string
	}
}

// bad are the impacts that nothing on a page may have.
var bad = []string{"serious", "critical"}

// runAxe is JavaScript that gives the findings of what is shown.
const runAxe = `axe.run(document, {
	resultTypes: ["violations"],
	runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
	rules: {"target-size": {enabled: true}},
}).then((r) => r.violations.map((v) => ({ID: v.id, Impact: v.impact, Help: v.help,
	Nodes: v.nodes.map((n) => ({Target: n.target, FailureSummary: n.failureSummary}))})))`

// examiner looks at pages with axe-core.
type examiner struct {
	*person
	axe  string
	seen map[string]bool // patterns of the paths that were looked at
}

// examiner makes one of a person whose pages let foreign scripts run from now on.
func newExaminer(p *person) *examiner {
	p.t.Helper()
	source, err := os.ReadFile(filepath.Join(testenv.NodePackages(p.t), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}); err != nil {
		p.t.Fatal(err)
	}
	return &examiner{p, string(source) + "; 0", map[string]bool{}}
}

// examine looks at what is shown in every look, and at each dialog of the page in
// two of them.
func (x *examiner) examine(name string) {
	x.t.Helper()
	read[int](x.person, x.axe)
	for _, l := range looks {
		x.wear(l)
		x.report(name, l)
	}
	for _, id := range read[[]string](x.person, `[...document.querySelectorAll("dialog[id]")].map((d) => d.id)`) {
		for _, l := range []look{looks[0], looks[2]} {
			x.wear(l)
			read[bool](x.person, fmt.Sprintf(`(document.getElementById(%s).showModal(), true)`, quote(id)))
			x.report(name+", dialog "+id, l)
			read[bool](x.person, fmt.Sprintf(`(document.getElementById(%s).close(), true)`, quote(id)))
		}
	}
}

func (x *examiner) report(name string, l look) {
	x.t.Helper()
	for _, f := range read[[]finding](x.person, runAxe) {
		if !slices.Contains(bad, f.Impact) {
			continue
		}
		for _, n := range f.Nodes {
			x.t.Errorf("%s (%s): %s, %s: %s: %v\n%s", name, l.name, f.Impact, f.ID, f.Help, n.Target, n.FailureSummary)
		}
	}
	// Nothing may be cut off at the side, on a phone above all.
	if over := read[int](x.person, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 1 {
		x.t.Errorf("%s (%s): the page is %d pixels wider than the window", name, l.name, over)
	}
}

var (
	inPath = regexp.MustCompile(`/([0-9]+|[0-9a-f]{8}-[0-9a-f-]{27})(/|$)`)
	// What is no page: files, and what leaves the pages.
	noPage = regexp.MustCompile(`^/(docs|sandbox|integrations|assets|media|signout|live)(/|$)|/files/|\.csv$`)
)

// pattern is a path with its ids left out.
func pattern(path string) string {
	for {
		next := inPath.ReplaceAllString(path, "/{id}$2")
		if next == path {
			return path
		}
		path = next
	}
}

// crawl looks at the paths and at all pages that they lead to, one of each kind.
func (x *examiner) crawl(paths ...string) {
	x.t.Helper()
	for len(paths) > 0 {
		path := paths[0]
		paths = paths[1:]
		if x.seen[pattern(path)] || noPage.MatchString(path) {
			continue
		}
		x.seen[pattern(path)] = true
		x.open(path)
		x.until("the page is there", `document.readyState === "complete" && document.querySelector("main")`)
		x.examine(path)
		paths = append(paths, read[[]string](x.person, `[...document.querySelectorAll("a[href]:not([download])")]
			.map((a) => new URL(a.href)).filter((u) => u.origin === location.origin).map((u) => u.pathname)`)...)
	}
}

func TestPathsOfOneKindAreOnePattern(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/inbox": "/inbox", "/inbox/12": "/inbox/{id}", "/webhooks/3/4": "/webhooks/{id}/{id}",
		"/media/0198c2de-1111-7000-8000-0123456789ab": "/media/{id}", "/usage/queue": "/usage/queue",
	} {
		if got := pattern(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// accessibility looks at every page, signed in and not.
func accessibility(t *testing.T, s *server, owner *person) {
	t.Helper()
	guest := newExaminer(s.person("guest"))
	guest.crawl("/signin")
	x := newExaminer(owner)
	x.crawl("/inbox", "/start", "/phones", "/me")
	var missed []string
	for _, must := range everyPage {
		if !x.seen[must] && !guest.seen[must] {
			missed = append(missed, must)
		}
	}
	if len(missed) > 0 {
		t.Errorf("no link leads to %s", strings.Join(missed, ", "))
	}
	x.expect("status 404", "status of 404")
	x.open("/nowhere")
	x.examine("a page that is not there")
}
