package browser

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/testenv"
)

// checkTypes runs tsc over the scripts in a folder and gives what it complains of.
func checkTypes(t *testing.T, dir string) string {
	t.Helper()
	tsc := filepath.Join(testenv.NodePackages(t), "node_modules", ".bin", "tsc")
	args := []string{
		"--noEmit", "--allowJs", "--checkJs", "--strict", "--noImplicitOverride", "--noFallthroughCasesInSwitch", "--pretty", "false",
		"--target", "es2024", "--lib", "es2024,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler", "--types", "",
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".js" {
			args = append(args, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tsc, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatalf("tsc: %v", err)
	}
	return string(out)
}

// TestScriptsKeepTheirTypes checks all scripts of the pages, laid out as they are
// served: a script of one section imports its neighbours' by relative paths.
func TestScriptsKeepTheirTypes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sections, err := filepath.Glob(filepath.Join(testenv.ModuleRoot(t), "internal", "web", "*", "assets"))
	if err != nil || len(sections) < 2 {
		t.Fatalf("found the assets of %v: %v", sections, err)
	}
	for _, assets := range sections {
		name := filepath.Base(filepath.Dir(assets))
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(assets)); err != nil {
			t.Fatal(err)
		}
	}
	if out := checkTypes(t, dir); out != "" {
		t.Error(out)
	}
}

func TestAScriptWithWrongTypesIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ui/dom.js":    "/** @param {string} selector @returns {Element|null} */\nexport const $ = (selector) => document.querySelector(selector);\n",
		"inbox/bad.js": "import { $ } from \"../ui/dom.js\";\n$(1).remove();\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := checkTypes(t, dir)
	for _, want := range []string{"bad.js(2,3): error TS2345", "is possibly 'null'"} {
		if !strings.Contains(out, want) {
			t.Errorf("tsc does not say %q:\n%s", want, out)
		}
	}
}
