package testenv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestTheScratchFolderOfADeadOwnerIsRemovedAndThatOfALivingOneIsNot(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	living := &scratchDir{root: root}
	path, err := living.dir()
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(2 * scratchGrace)
	if err := sweepScratch(root, later); err != nil {
		t.Fatal(err)
	}
	if !exists(t, path) {
		t.Fatal("the folder of a living owner was removed")
	}

	// The kernel releases the lock of a process that dies.
	if err := living.lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sweepScratch(root, time.Now()); err != nil {
		t.Fatal(err)
	}
	if !exists(t, path) {
		t.Fatal("a folder was removed that is too young to be judged")
	}
	if err := sweepScratch(root, later); err != nil {
		t.Fatal(err)
	}
	if exists(t, path) {
		t.Error("the folder of a dead owner was not removed")
	}
}

func TestTheSweepTouchesNothingThatTestenvHasNotMade(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	others := []string{"tideline-data", scratchPrefix + "notes"} // the second has our prefix but no lock
	for _, name := range others {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A folder without a lock is reported, but not removed.
	_ = sweepScratch(root, time.Now().Add(2*scratchGrace))
	for _, name := range others {
		if !exists(t, filepath.Join(root, name)) {
			t.Errorf("%s was removed", name)
		}
	}
}

func TestTheScratchFolderIsMadeOnceAndAgainAfterItsRemoval(t *testing.T) {
	t.Parallel()
	s := &scratchDir{root: t.TempDir()}
	first, err := s.dir()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.dir(); err != nil || again != first {
		t.Errorf("second call: %s, %v; want %s", again, err, first)
	}
	if err := s.remove(); err != nil {
		t.Fatal(err)
	}
	if exists(t, first) {
		t.Error("the folder is still there")
	}
	if err := s.remove(); err != nil {
		t.Errorf("removing twice: %v", err)
	}
	if next, err := s.dir(); err != nil || next == first {
		t.Errorf("after removal: %s, %v; want a new folder", next, err)
	}
}
