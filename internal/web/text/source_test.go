package text

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// source is a file of the pages.
type source struct {
	name    string // from internal/web: "labels/templates/list.html"
	section string // its first folder: "labels"
	text    string
}

// sources reads the files of all sections whose names end in one of the suffixes,
// without tests.
func sources(t *testing.T, suffixes ...string) []source {
	t.Helper()
	var found []source
	web := os.DirFS("..")
	err := fs.WalkDir(web, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		for _, suffix := range suffixes {
			if path.Ext(name) != suffix {
				continue
			}
			data, err := fs.ReadFile(web, name)
			if err != nil {
				return err
			}
			section, _, _ := strings.Cut(name, "/")
			found = append(found, source{name, section, string(data)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("no file ends in one of %q", suffixes)
	}
	return found
}

// line is the number of the line of text at which offset is.
func line(text string, offset int) int { return 1 + strings.Count(text[:offset], "\n") }

var (
	templateComment = regexp.MustCompile(`(?s)\{\{-?\s*/\*.*?\*/\s*-?\}\}`)
	blockComment    = regexp.MustCompile(`(?s)/\*.*?\*/`)
	lineComment     = regexp.MustCompile(`(?m)(^|\s)//.*$`)
)

// withoutComments blanks the comments of a file, so that lines keep their numbers.
func withoutComments(s source) string {
	blank := func(c string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return ' '
		}, c)
	}
	switch path.Ext(s.name) {
	case ".html":
		return templateComment.ReplaceAllStringFunc(s.text, blank)
	case ".css":
		return blockComment.ReplaceAllStringFunc(s.text, blank)
	}
	return lineComment.ReplaceAllStringFunc(blockComment.ReplaceAllStringFunc(s.text, blank), blank)
}
