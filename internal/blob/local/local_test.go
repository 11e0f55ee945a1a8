package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/blob/blobtest"
	"github.com/tidelinehq/tideline/internal/blob/local"
)

func open(t *testing.T, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestLocalKeepsTheContract(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, filepath.Join(t.TempDir(), "not", "yet")) })
}

func TestLocalKeepsBlobsAndForgetsHalfWrittenOnes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	if _, err := first.Put(t.Context(), "files/a", strings.NewReader("kept")); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(dir, ".incoming", "HALF")
	if err := os.WriteFile(leftover, []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir)
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-written file is still there: %v", err)
	}
	if info, err := second.Stat(t.Context(), "files/a"); err != nil || info.Size != 4 {
		t.Errorf("the blob: %+v, %v", info, err)
	}
}

func TestLocalLeavesNothingBehindAfterAPut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Put(t.Context(), "a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".incoming")); err != nil || len(left) > 0 {
		t.Errorf("left in .incoming: %v, %v", left, err)
	}
}

func TestLocalFollowsNoLinkOutOfItsDirectory(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := open(t, dir)
	for link, target := range map[string]string{"folder": outside, "file": filepath.Join(outside, "secret")} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"folder/secret", "file"} {
		if r, err := s.Open(t.Context(), key); err == nil {
			r.Close()
			t.Errorf("%s was opened", key)
		}
	}
	if _, err := s.Put(t.Context(), "folder/new", strings.NewReader("x")); err == nil {
		t.Error("a blob was put outside")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside there is %v, %v", entries, err)
	}
}
