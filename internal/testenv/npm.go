package testenv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

const (
	leastNode  = 20 // the packages' own demand
	npmTimeout = 5 * time.Minute
)

// nodeFolders are the folders whose packages this process has made sure of.
var nodeFolders sync.Map // string → func() error

// NodePackages makes sure, once per test run, that the npm packages are there
// which the lock file in the test's own folder names, and gives that folder.
// node_modules is in it. The packages are tools of tests; nothing of them gets
// into the binary.
func NodePackages(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd() // a test runs in its package's folder
	if err != nil {
		t.Fatal(err)
	}
	once, _ := nodeFolders.LoadOrStore(dir, sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), npmTimeout)
		defer cancel()
		if err := checkNode(ctx); err != nil {
			return err
		}
		return npmCI(ctx, dir)
	}))
	if err := once.(func() error)(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func checkNode(ctx context.Context) error {
	const advice = "this test uses npm packages: install Node.js 20 or later with npm, by scripts/setup-test or from nodejs.org, and put both on PATH"
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return fmt.Errorf("%s: %w", advice, err)
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < leastNode {
		return fmt.Errorf("%s: node is %s", advice, version)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("%s: %w", advice, err)
	}
	return nil
}

// npmCI runs npm, unless what the lock file names was installed before. Test runs
// that share the folder take turns.
func npmCI(ctx context.Context, dir string) (err error) {
	lockFile, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(lockFile)
	want := []byte(hex.EncodeToString(sum[:]))
	place := sha256.Sum256([]byte(dir))
	turn := flock.New(filepath.Join(os.TempDir(), "tideline-npm-"+hex.EncodeToString(place[:8])+".lock"))
	if _, err := turn.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return fmt.Errorf("wait for another test run's npm: %w", err)
	}
	defer func() { err = errors.Join(err, turn.Unlock()) }()

	stamp := filepath.Join(dir, "node_modules", ".tideline-lock")
	have, err := os.ReadFile(stamp)
	switch {
	case err == nil && bytes.Equal(have, want):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// No script of a package runs: none is needed.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return os.WriteFile(stamp, want, 0o600)
}
