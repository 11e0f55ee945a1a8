// Package text holds every word that the pages show, by language. A text has a
// key of the form "section.name" and is in the file en/section.json, and in the
// same place for every other language; a key whose second part is "js" is sent to
// the scripts of the section. Texts may have places in braces, such as "{name}",
// which the caller fills in.
//
// To add a language, add a folder named by its BCP 47 tag with the same files.
package text

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed */*.json
var files embed.FS

// Default is the language of whoever asked for none that there is.
const Default = "en"

// Catalogue has the texts of one language.
type Catalogue struct {
	// Lang is the language's BCP 47 tag.
	Lang  string
	texts map[string]string
}

// Catalogues has those of all languages, by tag.
type Catalogues map[string]*Catalogue

// Load reads the catalogues. It fails only when the files that were built in are
// wrong: a test loads them.
func Load() (Catalogues, error) { return load(files) }

func load(in fs.FS) (Catalogues, error) {
	names, err := fs.Glob(in, "*/*.json")
	if err != nil {
		return nil, err
	}
	all := Catalogues{}
	for _, name := range names {
		data, err := fs.ReadFile(in, name)
		if err != nil {
			return nil, err
		}
		var texts map[string]string
		if err := json.Unmarshal(data, &texts); err != nil {
			return nil, fmt.Errorf("read texts %s: %w", name, err)
		}
		lang, section := path.Dir(name), strings.TrimSuffix(path.Base(name), ".json")
		c := all[lang]
		if c == nil {
			c = &Catalogue{Lang: lang, texts: map[string]string{}}
			all[lang] = c
		}
		for key, text := range texts {
			if !strings.HasPrefix(key, section+".") {
				return nil, fmt.Errorf("read texts %s: the key %q does not begin with %q", name, key, section+".")
			}
			c.texts[key] = text
		}
	}
	if all[Default] == nil {
		return nil, fmt.Errorf("read texts: there is no language %q", Default)
	}
	return all, nil
}

// Has reports whether there is a text for the key.
func (c *Catalogue) Has(key string) bool { _, ok := c.texts[key]; return ok }

// Keys gives all keys in alphabetical order.
func (c *Catalogue) Keys() []string { return slices.Sorted(maps.Keys(c.texts)) }

// T gives the text of a key with its places filled in: args are names and
// values in turn. A key without a text is given back as it is.
func (c *Catalogue) T(key string, args ...any) string {
	text, ok := c.texts[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return text
	}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		pairs = append(pairs, fmt.Sprintf("{%v}", args[i]), fmt.Sprint(args[i+1]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// N is T for a count: of "key.one" and "key.other" it takes the one that the
// language uses for n, which fills in {n}.
func (c *Catalogue) N(key string, n int64, args ...any) string {
	form := ".other"
	if n == 1 {
		form = ".one"
	}
	return c.T(key+form, append([]any{"n", c.Number(n)}, args...)...)
}

// Number writes n with the language's separator of thousands.
func (c *Catalogue) Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	separator := c.T("ui.number.separator")
	if len(digits) < 5 { // four digits are read at a glance
		return sign + digits
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + separator + digits[i:]
	}
	return sign + digits
}

// Scripts gives the texts that the scripts of the sections need.
func (c *Catalogue) Scripts(sections ...string) map[string]string {
	out := map[string]string{}
	for key, text := range c.texts {
		section, rest, _ := strings.Cut(key, ".")
		if strings.HasPrefix(rest, "js.") && slices.Contains(sections, section) {
			out[key] = text
		}
	}
	return out
}

// Best gives the catalogue of the first tag that there is one for, also when the
// tag names a region that we don't tell apart ("es-MX"), else Default's.
func (all Catalogues) Best(tags ...string) *Catalogue {
	for _, tag := range tags {
		tag = strings.ToLower(strings.TrimSpace(tag))
		if c := all[tag]; c != nil {
			return c
		}
		if base, _, ok := strings.Cut(tag, "-"); ok && all[base] != nil {
			return all[base]
		}
	}
	return all[Default]
}

// Accepted gives the tags of an Accept-Language header, the most wanted first.
func Accepted(header string) []string {
	type wish struct {
		tag string
		q   float64
	}
	var wishes []wish
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				q = f
			}
		}
		if tag != "" && q > 0 && len(wishes) < 20 {
			wishes = append(wishes, wish{tag, q})
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int {
		switch {
		case a.q > b.q:
			return -1
		case a.q < b.q:
			return 1
		}
		return 0
	})
	tags := make([]string, len(wishes))
	for i, w := range wishes {
		tags[i] = w.tag
	}
	return tags
}
