package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func begin(t *testing.T, path string, aside bool) (Folder, error) {
	t.Helper()
	f, release, err := BeginRestore(t.Context(), path, Production, aside, time.Second)
	if release != nil {
		t.Cleanup(func() { _ = release() })
	}
	return f, err
}

func put(t *testing.T, f Folder, name string) {
	t.Helper()
	if err := WriteFile(f.In(name), []byte("x")); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderIsOpenOnlyAfterItsRestore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	f, release, err := BeginRestore(t.Context(), path, Production, false, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "tideline.db")
	for name, open := range map[string]func() (Folder, error){
		"Open":   func() (Folder, error) { return Open(path) },
		"Create": func() (Folder, error) { return Create(path, Production) },
	} {
		if _, err := open(); !errors.Is(err, ErrUnfinished) {
			t.Errorf("%s: %v, want ErrUnfinished", name, err)
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	// Once more: what the first try left is gone.
	f, release, err = BeginRestore(t.Context(), path, Production, false, time.Second)
	if err != nil {
		t.Fatalf("again: %v", err)
	}
	if _, err := os.Stat(f.In("tideline.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what an unfinished restore left: %v", err)
	}
	put(t, f, "tideline.db")
	if err := errors.Join(f.EndRestore(), release()); err != nil {
		t.Fatal(err)
	}
	if opened, err := Open(path); err != nil || opened != f {
		t.Errorf("Open: %v, %v", opened, err)
	}
}

func TestARestoreTouchesNoFolderInUse(t *testing.T) {
	t.Parallel()
	f, err := Create(t.TempDir(), Production)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "tideline.db")
	if _, err := begin(t, f.Path, false); !errors.Is(err, ErrOccupied) || !strings.Contains(err.Error(), "tideline.db") {
		t.Errorf("a folder with a database: %v", err)
	}
	release, err := f.Lock(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := BeginRestore(t.Context(), f.Path, Production, true, time.Millisecond); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a folder with a server: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(f.Path); err != nil {
		t.Errorf("Open afterwards: %v", err)
	}
	if _, err := os.Stat(f.In("tideline.db")); err != nil {
		t.Errorf("the database: %v", err)
	}
}

func TestWhatARestoreFindsIsMovedAside(t *testing.T) {
	t.Parallel()
	f, err := Create(t.TempDir(), Sandbox)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "tideline.db")
	put(t, f, "tideline.json")
	if _, err := begin(t, f.Path, true); err != nil {
		t.Fatal(err)
	}
	aside, err := filepath.Glob(f.In("before-restore-*/*"))
	if err != nil || len(aside) != 2 {
		t.Errorf("aside are %v, %v; want the database and the kind", aside, err)
	}
	if _, err := os.Stat(f.In("tideline.json")); err != nil {
		t.Errorf("settings that were there: %v", err)
	}
	if kind, err := os.ReadFile(f.In(kindFile)); err != nil || string(kind) != "production\n" {
		t.Errorf("the kind is %q, %v", kind, err)
	}
}
