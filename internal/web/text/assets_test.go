package text

import (
	"bytes"
	"compress/gzip"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Weights over the wire, compressed, in bytes. The first page may weigh 100 KB with
// all that it needs; some of that is left for the page itself.
const (
	maxAsset = 24 << 10
	maxInbox = 85 << 10
)

// asset gives the bytes of "section/name" as a browser names it.
func asset(name string) ([]byte, error) {
	section, file, _ := strings.Cut(name, "/")
	return os.ReadFile("../" + section + "/assets/" + file) //nolint:gosec // a file of ours
}

func weight(t *testing.T, data []byte) int {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

var (
	imports   = regexp.MustCompile(`(?m)^\s*(?:import|export)\b[^"';]*?["'](\.[^"']+)["']`)
	lazily    = regexp.MustCompile(`\bimport\(\s*["'](\.[^"']+)["']`)
	assetName = regexp.MustCompile("[\"`]([a-z]+/[A-Za-z0-9_-]+\\.(?:js|css|svg|png|webmanifest))[\"`]")
)

// imported gives the assets that a script imports.
func imported(name, text string, how *regexp.Regexp) []string {
	var names []string
	for _, m := range how.FindAllStringSubmatch(text, -1) {
		names = append(names, path.Join(path.Dir(name), m[1]))
	}
	return names
}

func TestAssetsThatAreUsedAreThere(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t, ".go", ".html") {
		text := withoutComments(s)
		for _, m := range assetName.FindAllStringSubmatch(text, -1) {
			if _, err := asset(m[1]); err != nil && !strings.HasPrefix(m[1], "assets/") { // in its own folder
				t.Errorf("%s uses the asset %s: %v", s.name, m[1], err)
			}
		}
	}
	for _, s := range sources(t, ".js") {
		text := withoutComments(s)
		name := strings.Replace(s.name, "/assets/", "/", 1)
		for _, i := range append(imported(name, text, imports), imported(name, text, lazily)...) {
			if _, err := asset(i); err != nil {
				t.Errorf("%s imports %s: %v", s.name, i, err)
			}
		}
	}
}

func TestIconsThatAreUsedAreThere(t *testing.T) {
	t.Parallel()
	sheet, err := asset("ui/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile("\\bicon \"([^\"]+)\"|(?:Icon:|\\bicon\\()\\s*\"([^\"]+)\"")
	n := 0
	for _, s := range sources(t, ".html", ".go", ".js") {
		for _, m := range used.FindAllStringSubmatch(withoutComments(s), -1) {
			name := m[1] + m[2]
			n++
			if !bytes.Contains(sheet, []byte(`<symbol id="`+name+`"`)) {
				t.Errorf("%s uses the icon %q, which ui/assets/icons.svg has not", s.name, name)
			}
		}
	}
	if n == 0 {
		t.Error("no icon is used: the test looks for the wrong thing")
	}
}

func TestAssetsAreLight(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t, ".js", ".css", ".svg") {
		if w := weight(t, []byte(s.text)); w > maxAsset {
			t.Errorf("%s weighs %d bytes, more than %d: load a part of it only when it is needed", s.name, w, maxAsset)
		}
	}
	// What the inbox names, what every page has, and what these import.
	load := []string{"ui/base.css", "ui/parts.css", "ui/theme.js", "ui/page.js", "ui/mark.svg"}
	for _, s := range sources(t, ".go", ".html") {
		if s.section != "inbox" {
			continue
		}
		for _, m := range assetName.FindAllStringSubmatch(withoutComments(s), -1) {
			load = append(load, m[1])
		}
	}
	total := 0
	for i := 0; i < len(load); i++ { // it grows
		if slices.Contains(load[:i], load[i]) {
			continue
		}
		data, err := asset(load[i])
		if err != nil {
			t.Error(err)
			continue
		}
		total += weight(t, data)
		if path.Ext(load[i]) == ".js" {
			load = append(load, imported(load[i], string(data), imports)...)
		}
	}
	t.Logf("the inbox loads %d bytes", total)
	if total > maxInbox {
		t.Errorf("the inbox loads %d bytes of %q, more than %d", total, load, maxInbox)
	}
}

// A page reads from the right in some languages, so nothing may be said of left
// and right: "inline-start" and "inline-end" turn with it.
func TestStylesReadFromBothSides(t *testing.T) {
	t.Parallel()
	sides := regexp.MustCompile(`\b(left|right)\b`)
	scripted := regexp.MustCompile(`\.style\.(left|right|margin(Left|Right)|padding(Left|Right)|border(Left|Right))\b|setProperty\(\s*"(margin-|padding-|border-)?(left|right)"`)
	for _, s := range sources(t, ".css", ".js") {
		rule := scripted
		if path.Ext(s.name) == ".css" {
			rule = sides
		}
		text := withoutComments(s)
		for _, at := range rule.FindAllStringIndex(text, -1) {
			t.Errorf("%s:%d says %q: use inline-start or inline-end", s.name, line(text, at[0]), text[at[0]:at[1]])
		}
	}
}
