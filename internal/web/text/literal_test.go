package text

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
)

// What is in templates besides texts of the catalogue, because it means the same
// in every language: the program's name, the form of a pairing code, a second.
// Keys are in kbd, commands in code or pre, or begin with curl, examples in samp.
var untranslated = []string{"Tideline", "ABCD-EFGH", "s"}

// shownAttributes are those that a person reads or hears.
var shownAttributes = []string{"title", "placeholder", "aria-label", "aria-description", "aria-roledescription", "aria-valuetext", "alt", "label", "data-confirm", "summary"}

var (
	action  = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	printed = regexp.MustCompile("\\{\\{-?\\s*(?:print\\s+)?[\"`]([^\"`]*)[\"`]\\s*-?\\}\\}")
)

// words gives what is left of a text without punctuation, numbers and what is the
// same in every language.
func words(text string) string {
	text = strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	if slices.Contains(untranslated, text) || strings.HasPrefix(text, "curl ") {
		return ""
	}
	return text
}

// literals lists the words that a template has itself.
func literals(template string) []string {
	var found []string
	add := func(where, text string) {
		if w := words(text); w != "" {
			found = append(found, where+": "+w)
		}
	}
	for _, m := range printed.FindAllStringSubmatch(template, -1) {
		add("printed", m[1])
	}
	// What is for browsers without scripts is read like everything else.
	template = strings.NewReplacer("<noscript>", "", "</noscript>", "").Replace(action.ReplaceAllString(template, " "))
	z := html.NewTokenizer(strings.NewReader(template))
	hidden := "" // the element whose text nobody sees
	for {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF { //nolint:errorlint // as the tokenizer gives it
				found = append(found, z.Err().Error())
			}
			return found
		case html.TextToken:
			if text := z.Token().Data; hidden == "" {
				add("text", text)
			}
		case html.EndTagToken:
			if z.Token().Data == hidden {
				hidden = ""
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			if hidden == "" && slices.Contains([]string{"script", "style", "kbd", "code", "pre", "samp"}, tag.Data) {
				hidden = tag.Data
			}
			for _, a := range tag.Attr {
				button := a.Key == "value" && tag.Data == "input" && slices.ContainsFunc(tag.Attr, func(b html.Attribute) bool {
					return b.Key == "type" && slices.Contains([]string{"submit", "button", "reset"}, b.Val)
				})
				if slices.Contains(shownAttributes, a.Key) || button {
					add(a.Key, a.Val)
				}
			}
		}
	}
}

func TestTemplatesHaveNoWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t, ".html") {
		for _, found := range literals(withoutComments(s)) {
			t.Errorf("%s has a text of its own: put it into the catalogues and write {{t …}}: %s", s.name, found)
		}
	}
}

func TestWordsInTemplatesAreNoticed(t *testing.T) {
	t.Parallel()
	for template, want := range map[string][]string{
		`<p>{{t "a.b"}} · {{.N}} / 12 &amp; &nbsp;</p>`: nil,
		`<noscript><b class="c">Hi</b></noscript>`:      {"text: Hi"},
		`<p>Hello</p>`:                {"text: Hello"},
		`<p>{{if .X}}Hola{{end}}</p>`: {"text: Hola"},
		`<a title="Go" href="/x" class="y">{{icon "z"}}</a>`:                                  {"title: Go"},
		`<input placeholder="Name" value="v" name="n"><input type="submit" value=OK>`:         {"placeholder: Name", "value: OK"},
		`<button aria-label="{{t "a.b"}}: x">Tideline</button>`:                               {"aria-label: x"},
		`<script>let x = 1</script><style>a{}</style><kbd>k</kbd><code>tideline serve</code>`: nil,
		`{{"Words"}}{{print "more"}}`:                                                         {"printed: Words", "printed: more"},
		`<input{{if .X}} checked{{end}} value="{{.V}}"{{with .P}} title="{{.}}"{{end}}>`:      nil,
	} {
		if got := literals(template); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", template, got, want)
		}
	}
}
