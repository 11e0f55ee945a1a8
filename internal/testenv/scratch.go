package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	scratchPrefix = "tideline-test-"
	scratchLock   = "lock"
	// scratchGrace keeps the sweep away from folders so young that their owner
	// may not have locked them yet.
	scratchGrace = time.Minute
)

// scratch is this process's temporary folder. It is process-wide, like the
// server and the binary that live in it, because a test binary has no other
// place to share something costly between its tests.
var scratch = &scratchDir{root: os.TempDir()}

// scratchDir is a temporary folder that says whether its owner lives: the owner
// holds a lock on a file in it, and the kernel releases the lock when the owner
// dies, however it dies.
type scratchDir struct {
	root string

	mu   sync.Mutex
	path string
	lock *flock.Flock
}

// dir returns the folder and makes it on first use. Making it also removes
// folders of owners that have died.
func (s *scratchDir) dir() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path != "" {
		return s.path, nil
	}
	// Errors of the sweep are not this run's problem: the folder may be
	// another user's.
	_ = sweepScratch(s.root, time.Now())

	path, err := os.MkdirTemp(s.root, scratchPrefix)
	if err != nil {
		return "", fmt.Errorf("make scratch folder: %w", err)
	}
	lock := flock.New(filepath.Join(path, scratchLock))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return "", errors.Join(fmt.Errorf("lock scratch folder %s: locked by another process or failed", path), err, os.RemoveAll(path))
	}
	// PostgreSQL runs as another user when the tests run as root; it must be
	// able to walk through to its own folder, and no further.
	if err := os.Chmod(path, 0o711); err != nil {
		return "", errors.Join(fmt.Errorf("open scratch folder for traversal: %w", err), lock.Close(), os.RemoveAll(path))
	}
	s.path, s.lock = path, lock
	return path, nil
}

// remove deletes the folder if there is one. A later dir makes a new one.
func (s *scratchDir) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" {
		return nil
	}
	err := errors.Join(os.RemoveAll(s.path), s.lock.Close())
	s.path, s.lock = "", nil
	if err != nil {
		return fmt.Errorf("remove scratch folder: %w", err)
	}
	return nil
}

// sweepScratch removes the scratch folders below root whose owners have died.
func sweepScratch(root string, now time.Time) error {
	paths, err := filepath.Glob(filepath.Join(root, scratchPrefix+"*"))
	if err != nil {
		return fmt.Errorf("list scratch folders: %w", err)
	}
	var errs []error
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || now.Sub(info.ModTime()) < scratchGrace {
			continue
		}
		errs = append(errs, removeIfOrphaned(path))
	}
	return errors.Join(errs...)
}

// removeIfOrphaned removes one scratch folder unless its owner holds the lock.
func removeIfOrphaned(path string) error {
	// Opening must not create the file: a folder without one is not ours.
	lock := flock.New(filepath.Join(path, scratchLock), flock.SetFlag(os.O_RDWR))
	ok, err := lock.TryLock()
	if err != nil || !ok {
		return err
	}
	return errors.Join(os.RemoveAll(path), lock.Close())
}
