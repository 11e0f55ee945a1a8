package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// mainPackage is the command that [Binary] builds, relative to the module.
const mainPackage = "./cmd/tideline"

// binary builds once per process, see [scratch].
var binary = sync.OnceValues(func() (string, error) {
	dir, err := scratch.dir()
	if err != nil {
		return "", err
	}
	return buildBinary(mainPackage, filepath.Join(dir, "tideline"))
})

// Binary returns the path of the tideline command, built from the sources under
// test on first use, once per test binary. It has the race detector when the
// tests have it, and then reports races on its standard error and exits with 66;
// otherwise it is built without cgo, as it is shipped.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatalf("build the binary under test: %v", err)
	}
	return path
}

// buildBinary builds a main package, given relative to the module's folder, and
// returns the path of the executable.
func buildBinary(pkg, target string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	if runtime.GOOS == "windows" {
		target += ".exe"
	}
	// Version control is left out: the tests must run from an exported tree too.
	args := []string{"build", "-buildvcs=false", "-o", target}
	env := os.Environ()
	if raceEnabled {
		args = append(args, "-race")
	} else {
		env = append(env, "CGO_ENABLED=0")
	}
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = root
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return target, nil
}

// ModuleRoot returns the folder of this repository's go.mod.
func ModuleRoot(t testing.TB) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatalf("find the module: %v", err)
	}
	return root
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	path := strings.TrimSpace(string(out))
	if path == "" || path == os.DevNull {
		return "", errors.New("the tests do not run inside a module")
	}
	return filepath.Dir(path), nil
}
