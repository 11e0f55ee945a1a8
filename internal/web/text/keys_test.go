package text

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAllLanguagesHaveTheSameTexts(t *testing.T) {
	t.Parallel()
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	places := regexp.MustCompile(`\{\w+\}`)
	distinct := func(text string) []string {
		found := places.FindAllString(text, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	english := all[Default]
	for lang, c := range all {
		for _, key := range c.Keys() {
			if !english.Has(key) {
				t.Errorf("%s has %q, which %s has not", lang, key, Default)
				continue
			}
			want, got := distinct(english.texts[key]), distinct(c.texts[key])
			// One of something may be said without its number.
			if strings.HasSuffix(key, ".one") {
				number := func(place string) bool { return place == "{n}" }
				want, got = slices.DeleteFunc(want, number), slices.DeleteFunc(got, number)
			}
			if !slices.Equal(want, got) {
				t.Errorf("%s: %q has the places %q, in %s it has %q", lang, key, got, Default, want)
			}
			if strings.TrimSpace(c.texts[key]) == "" {
				t.Errorf("%s: %q is empty", lang, key)
			}
		}
		for _, key := range english.Keys() {
			if !c.Has(key) {
				t.Errorf("%s has no %q", lang, key)
			}
		}
	}
}

// literal is a string of Go, JavaScript or a template. A key is one as a whole;
// one that ends with a dot is the beginning of keys that are put together.
var literal = regexp.MustCompile("[\"'`]([a-z][A-Za-z0-9]*(?:\\.[A-Za-z0-9_-]+)+\\.?|[a-z][A-Za-z0-9]*\\.)(?:\\$\\{[^`]*|%[ds])?[\"'`]")

// files that are named like keys.
var fileName = regexp.MustCompile(`\.(js|css|html|json|svg|png|webmanifest|db|txt|pdf|ogg|log)$`)

func TestEveryTextIsUsedAndEveryUsedTextIsThere(t *testing.T) {
	t.Parallel()
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	english := all[Default]
	sections := map[string]bool{}
	for _, key := range english.Keys() {
		section, _, _ := strings.Cut(key, ".")
		sections[section] = true
	}
	used := map[string]bool{}
	var stems []string
	for _, s := range sources(t, ".html", ".go", ".js") {
		text := withoutComments(s)
		for _, at := range literal.FindAllStringSubmatchIndex(text, -1) {
			key := text[at[2]:at[3]]
			section, _, _ := strings.Cut(key, ".")
			if !sections[section] || fileName.MatchString(key) {
				continue
			}
			if strings.HasSuffix(key, ".") {
				stems = append(stems, key)
				continue
			}
			forms := []string{key, key + ".one", key + ".other"}
			known := slices.ContainsFunc(forms, english.Has)
			for _, form := range forms {
				used[form] = true
			}
			if !english.Has(key) && english.Has(key+".one") != english.Has(key+".other") {
				t.Errorf("%s:%d: %q has only one of its forms .one and .other", s.name, line(text, at[2]), key)
			}
			if !known && !slices.ContainsFunc(english.Keys(), func(k string) bool { return strings.HasPrefix(k, key) }) {
				t.Errorf("%s:%d: there is no text %q", s.name, line(text, at[2]), key)
			}
			if strings.HasSuffix(s.name, ".js") && known {
				if _, rest, _ := strings.Cut(key, "."); !strings.HasPrefix(rest, "js.") {
					t.Errorf("%s:%d: the text %q is not sent to scripts; its second part must be js", s.name, line(text, at[2]), key)
				}
			}
		}
	}
	for _, key := range english.Keys() {
		if !used[key] && !slices.ContainsFunc(stems, func(stem string) bool { return len(stem) > len("ui.") && strings.HasPrefix(key, stem) }) {
			t.Errorf("nothing uses the text %q", key)
		}
	}
}
