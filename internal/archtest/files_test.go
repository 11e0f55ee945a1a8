package archtest

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/testenv"
)

const (
	aimedLines = 400 // longer files are named in the test's log
	mostLines  = 500 // longer files fail
)

// generated is the mark of generated files (https://go.dev/s/generatedcode).
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// emptyNames are package names that say nothing about what is inside, so that
// anything ends up inside.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "misc"}

// sourceFile is a Go file of this repository that a person has written.
type sourceFile struct {
	path  string // relative to the root, with slashes
	lines int
	pkg   string // its package clause
}

// sourceFiles reads the repository. Left out are generated files, folders that
// the go command does not see, and folders that git ignores.
func sourceFiles(t *testing.T, root string) []sourceFile {
	t.Helper()
	var paths, dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "node_modules"):
			return filepath.SkipDir
		case entry.IsDir():
			dirs = append(dirs, path)
		case strings.HasSuffix(name, ".go"):
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ignored := gitIgnored(t, root, dirs)
	var files []sourceFile
	for _, path := range paths {
		if ignored[filepath.Dir(path)] {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if generated.Match(text) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, text, parser.PackageClauseOnly)
		if err != nil {
			t.Errorf("not a Go file: %v", err)
			continue
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, sourceFile{
			path:  filepath.ToSlash(relative),
			lines: bytes.Count(text, []byte("\n")),
			pkg:   parsed.Name.Name,
		})
	}
	return files
}

func TestFilesAreShortEnoughToReadAtOnce(t *testing.T) {
	t.Parallel()
	for _, file := range sourceFiles(t, testenv.ModuleRoot(t)) {
		switch {
		case file.lines > mostLines:
			t.Errorf("%s has %d lines, at most %d are allowed: split it by what it is about", file.path, file.lines, mostLines)
		case file.lines > aimedLines:
			t.Logf("%s has %d lines, %d are aimed at", file.path, file.lines, aimedLines)
		}
	}
}

func TestPackagesAreNamedAfterWhatTheyDo(t *testing.T) {
	t.Parallel()
	for _, file := range sourceFiles(t, testenv.ModuleRoot(t)) {
		if name := emptyName(file); name != "" {
			t.Errorf("%s: the name %s does not say what is inside", file.path, name)
		}
	}
}

// emptyName returns the package name or folder of file that says nothing, or "".
func emptyName(file sourceFile) string {
	names := append(strings.Split(file.path, "/"), strings.TrimSuffix(file.pkg, "_test"))
	for _, name := range names {
		if slices.Contains(emptyNames, name) {
			return name
		}
	}
	return ""
}

func TestEmptyNamesAreFoundInFoldersAndPackageClauses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file sourceFile
		want string
	}{
		{sourceFile{path: "internal/util/time.go", pkg: "clock"}, "util"},
		{sourceFile{path: "internal/clock/time_test.go", pkg: "helpers_test"}, "helpers"},
		{sourceFile{path: "internal/clock/common.go", pkg: "clock"}, ""}, // a file may be called so, its folder may not
	} {
		if got := emptyName(test.file); got != test.want {
			t.Errorf("%s, package %s: %q, want %q", test.file.path, test.file.pkg, got, test.want)
		}
	}
}
