package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// node is a package: one of ours under a path that starts with "./" (or is "."
// for the root), any other under its import path. The dot keeps our internal/…
// apart from the standard library's.
type node struct {
	imports []string // of its ordinary files
	tests   []string // of its test files, in the package and outside it
}

// graph maps the path of every package of ours, and of all that they need, to
// its imports.
type graph map[string]node

// loadGraph asks the go command for the packages below the module's root and
// everything that they depend on. Packages in folders that git ignores are
// somebody's scratch and are left out. Packages that do not compile are part of
// the graph all the same: other tests complain about them better.
func loadGraph(t *testing.T, root string) graph {
	t.Helper()
	type listed struct {
		ImportPath                         string
		Dir                                string
		Imports, TestImports, XTestImports []string
		Module                             *struct {
			Path string
			Main bool
		}
	}
	out := run(t, root, "go", "list", "-e", "-deps",
		"-json=ImportPath,Dir,Imports,TestImports,XTestImports,Module", "./...")
	var ours, others []listed
	var module string
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read the package list: %v", err)
		}
		if p.Module != nil && p.Module.Main {
			module = p.Module.Path
			ours = append(ours, p)
		} else {
			others = append(others, p)
		}
	}
	if module == "" {
		t.Fatal("no package of the main module found")
	}

	dirs := make([]string, len(ours))
	for i, p := range ours {
		dirs[i] = p.Dir
	}
	ignored := gitIgnored(t, root, dirs)
	g := graph{}
	for _, p := range ours {
		if ignored[p.Dir] {
			continue
		}
		g[shortPath(module, p.ImportPath)] = node{
			imports: shortPaths(module, p.Imports),
			tests:   shortPaths(module, append(p.TestImports, p.XTestImports...)),
		}
	}
	for _, p := range others {
		g[p.ImportPath] = node{imports: p.Imports}
	}
	return g
}

func shortPath(module, path string) string {
	if path == module {
		return "."
	}
	if rest, ok := strings.CutPrefix(path, module+"/"); ok {
		return "./" + rest
	}
	return path
}

func shortPaths(module string, paths []string) []string {
	short := make([]string, len(paths))
	for i, path := range paths {
		short[i] = shortPath(module, path)
	}
	return short
}

// gitIgnored says which of the paths git ignores. Without git, or outside a
// checkout, it is none.
func gitIgnored(t *testing.T, root string, paths []string) map[string]bool {
	t.Helper()
	cmd := exec.Command("git", "check-ignore", "-z", "--stdin")
	cmd.Dir = root
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\x00"))
	out, err := cmd.Output()
	if err != nil { // exit code 1 means none
		return nil
	}
	ignored := map[string]bool{}
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		ignored[path] = true
	}
	return ignored
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	var problems bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &problems))
	}
	return out
}
