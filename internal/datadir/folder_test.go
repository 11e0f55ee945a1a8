package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOpenDoesNotMakeAFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	if _, err := Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v, want fs.ErrNotExist", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestAFolderKeepsItsKind(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Production, Sandbox} {
		path := filepath.Join(t.TempDir(), "data")
		made, err := Create(path, kind)
		if err != nil {
			t.Fatalf("Create: %v", err)
		}
		opened, err := Open(path)
		if err != nil || opened != made {
			t.Errorf("Open gives %v, %v; want %v", opened, err, made)
		}
		if _, err := Create(path, kind); err != nil {
			t.Errorf("Create again: %v", err)
		}
		if _, err := Create(path, KindOf(kind != Sandbox)); err == nil || !strings.Contains(err.Error(), "belongs to a "+string(kind)) {
			t.Errorf("Create as the other kind: %v", err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("folder has mode %v, %v; want 0700", info.Mode().Perm(), err)
		}
	}
}

func TestOnlyOneOwner(t *testing.T) {
	t.Parallel()
	f, err := Create(t.TempDir(), Production)
	if err != nil {
		t.Fatal(err)
	}
	release, err := f.Lock(t.Context(), time.Second)
	if err != nil {
		t.Fatalf("first Lock: %v", err)
	}
	want := Server{PID: 4711, Host: "box", URL: "http://127.0.0.1:8080", Operator: "/x/operator.sock", Started: time.Now().Round(0).UTC()}
	if err := f.SetServer(want); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Server(); err != nil || !cmp.Equal(got, want) {
		t.Errorf("Server: %v %s", err, cmp.Diff(want, got))
	}
	if locked, err := f.Locked(); err != nil || !locked {
		t.Errorf("Locked = %v, %v; want true", locked, err)
	}
	if _, err := f.Lock(t.Context(), time.Millisecond); err == nil || !strings.Contains(err.Error(), "process 4711 on box") {
		t.Errorf("second Lock: %v; want it to name the owner", err)
	}
	if err := errors.Join(f.ClearServer(), f.ClearServer(), release()); err != nil {
		t.Fatal(err)
	}
	release, err = f.Lock(t.Context(), time.Second)
	if err != nil {
		t.Fatalf("Lock after release: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}
