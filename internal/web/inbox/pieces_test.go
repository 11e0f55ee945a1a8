package inbox

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOnlyWebAddressesBecomeLinks(t *testing.T) {
	t.Parallel()
	link := func(text string, href ...string) piece {
		if len(href) > 0 {
			return piece{text, href[0]}
		}
		return piece{text, text}
	}
	plain := func(text string) piece { return piece{Text: text} }
	for text, want := range map[string][]piece{
		"":                                   nil,
		"no link":                            {plain("no link")},
		"https://a.example":                  {link("https://a.example")},
		"see https://a.example/x?y=1#z, ok?": {plain("see "), link("https://a.example/x?y=1#z"), plain(", ok?")},
		"(https://a.example/b(c))":           {plain("("), link("https://a.example/b(c)"), plain(")")},
		"www.a.example!":                     {link("www.a.example", "https://www.a.example"), plain("!")},
		"HTTP://A.example":                   {link("HTTP://A.example", "http://A.example")},
		"javascript:alert(1)":                {plain("javascript:alert(1)")},
		"https://user:pass@bank.example":     {plain("https://user:pass@bank.example")}, // hides where it leads
		"https://x":                          {plain("https://x")},
		"https://":                           {plain("https://")},
		"data:text/html,https://a.example/":  {plain("data:text/html,"), link("https://a.example/")},
	} {
		if diff := cmp.Diff(want, pieces(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func FuzzPieces(f *testing.F) {
	for _, s := range []string{"see https://a.example/x, ok", "www.a.b", "http://[::1]:80/%zz", "https://é.example)", "javascript:https://x.y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var whole strings.Builder
		for _, p := range pieces(text) {
			whole.WriteString(p.Text)
			if p.Href == "" {
				continue
			}
			u, err := url.Parse(p.Href)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
				t.Errorf("%q leads to %q", p.Text, p.Href)
			}
		}
		if whole.String() != text {
			t.Errorf("%q became %q", text, whole.String())
		}
	})
}

func TestAFewEmojiAreShownLarge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"👍": true, " ❤️ ": true, "👩‍💼👍🏽😂": true, "😂😂😂😂": false, "ok 👍": false, "": false, "7": false, "🇪🇸": true,
	} {
		if got := onlyEmoji(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestInitialsAreOfTheFirstAndTheLastName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Ana Lima": "AL", "ana maria de la cruz": "AC", "étienne": "É", "+1484": "", "李 小龍": "李小", "": "", "  ": "", "A-1": "A",
	} {
		if got := initials(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
