package text

import (
	"slices"
	"testing"
	"testing/fstest"
)

func TestTheCataloguesThatAreBuiltInAreGood(t *testing.T) {
	t.Parallel()
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if all["en"] == nil || all["es"] == nil {
		t.Errorf("languages: %v", all)
	}
}

func TestABrokenCatalogueIsRefused(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fstest.MapFS{
		"no JSON":     {"en/a.json": {Data: []byte("{")}},
		"foreign key": {"en/a.json": {Data: []byte(`{"b.x": "y"}`)}},
		"no default":  {"es/a.json": {Data: []byte(`{"a.x": "y"}`)}},
	} {
		if _, err := load(files); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPlacesAreFilledIn(t *testing.T) {
	t.Parallel()
	c := &Catalogue{Lang: "en", texts: map[string]string{
		"a.hello": "Hello {name}, {name}! {other}", "a.chats.one": "{n} chat", "a.chats.other": "{n} chats in {where}",
		"ui.number.separator": ",",
	}}
	for got, want := range map[string]string{
		c.T("a.hello", "name", "{other}", "other", 3): "Hello {other}, {other}! 3",
		c.T("a.hello"):                           "Hello {name}, {name}! {other}",
		c.T("a.missing"):                         "a.missing",
		c.N("a.chats", 1):                        "1 chat",
		c.N("a.chats", 12345678, "where", "all"): "12,345,678 chats in all",
		c.Number(-1234):                          "-1234",
		c.Number(-12345):                         "-12,345",
		c.Number(0):                              "0",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTheBestLanguageIsChosen(t *testing.T) {
	t.Parallel()
	all := Catalogues{"en": {Lang: "en"}, "es": {Lang: "es"}}
	for header, want := range map[string]string{
		"": "en", "fr": "en", "es": "es", "es-MX,es;q=0.9,en;q=0.8": "es", "fr;q=1, en;q=0.3, ES;q=0.5": "es", "es;q=0, en": "en", "q=;,,;": "en",
	} {
		if got := all.Best(Accepted(header)...).Lang; got != want {
			t.Errorf("%q gives %s, want %s", header, got, want)
		}
	}
}

func FuzzAccepted(f *testing.F) {
	f.Add("es-MX,es;q=0.9,en;q=0.8")
	f.Fuzz(func(t *testing.T, header string) {
		if tags := Accepted(header); slices.Contains(tags, "") || len(tags) > 20 {
			t.Errorf("%q gives %q", header, tags)
		}
	})
}
