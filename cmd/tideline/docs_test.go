package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// documents gives the pages for operators by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, path := range append(paths, "../../README.md", "../../CHANGELOG.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(path)] = string(text)
	}
	if len(pages) < 5 {
		t.Fatalf("only %d pages found", len(pages))
	}
	return pages
}

func commandLine(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := newParser(&cli{}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

// command goes down from node along the words of a command line, and gives the
// command that they name with what follows.
func command(node *kong.Node, words []string) (*kong.Node, []string) {
	for len(words) > 0 {
		var next *kong.Node
		for _, child := range node.Children {
			if child.Name == words[0] {
				next = child
			}
		}
		if next == nil {
			break
		}
		node, words = next, words[1:]
	}
	return node, words
}

var (
	codeSpan    = regexp.MustCompile("`tideline ([^`]+)`")
	codeLine    = regexp.MustCompile(`(?m)^(?:\$ )?(?:go run \./cmd/)?tideline (.+)$`)
	flagInLine  = regexp.MustCompile(`--([a-z][a-z0-9-]*)`)
	quotedWords = regexp.MustCompile(`"[^"]*"`)
)

func TestDocumentsNameCommandsAndFlagsThatExist(t *testing.T) {
	t.Parallel()
	app := commandLine(t)
	seen := 0
	for page, text := range documents(t) {
		for _, found := range append(codeSpan.FindAllStringSubmatch(text, -1), codeLine.FindAllStringSubmatch(text, -1)...) {
			line, _, _ := strings.Cut(found[1], " #")
			words := strings.Fields(quotedWords.ReplaceAllString(strings.ReplaceAll(line, "\n", " "), "TEXT"))
			node, rest := command(app.Node, words)
			if len(node.Children) > 0 && len(rest) > 0 && !strings.HasPrefix(rest[0], "--") {
				t.Errorf("%s: there is no command %q", page, line)
				continue
			}
			seen++
			known := map[string]bool{}
			for _, group := range node.AllFlags(true) {
				for _, flag := range group {
					known[flag.Name] = true
				}
			}
			for _, flag := range flagInLine.FindAllStringSubmatch(line, -1) {
				if !known[flag[1]] {
					t.Errorf("%s: %s has no flag --%s", page, node.FullPath(), flag[1])
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d command lines were found; is the pattern right?", seen)
	}
}

func TestEverySettingOfTheServerIsDocumented(t *testing.T) {
	t.Parallel()
	app := commandLine(t)
	serve, _ := command(app.Node, []string{"serve"})
	page := documents(t)["operations.md"]
	for _, group := range serve.AllFlags(true) {
		for _, flag := range group {
			if flag.Name != "help" && !strings.Contains(page, "`--"+flag.Name) {
				t.Errorf("docs/operations.md says nothing about --%s", flag.Name)
			}
		}
	}
}
