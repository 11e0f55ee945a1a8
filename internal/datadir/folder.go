package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Kind says which WhatsApp the accounts of a folder are paired with.
type Kind string

// The kinds.
const (
	Production Kind = "production" // the real one
	Sandbox    Kind = "sandbox"    // the emulated one inside the server's process
)

// KindOf gives the kind of a server that runs as a sandbox or not.
func KindOf(sandbox bool) Kind {
	if sandbox {
		return Sandbox
	}
	return Production
}

const kindFile = "tideline.kind"

// Folder is a data folder whose kind is known.
type Folder struct {
	Path string
	Kind Kind
}

// In names a file or folder inside f.
func (f Folder) In(name string) string { return filepath.Join(f.Path, name) }

// Open finds the folder that a server made. The error is fs.ErrNotExist when
// there is none.
func Open(path string) (Folder, error) {
	text, err := os.ReadFile(filepath.Join(path, kindFile))
	if err != nil {
		return Folder{}, fmt.Errorf("open data folder %s: %w", path, err)
	}
	if err := checkRestored(path); err != nil {
		return Folder{}, fmt.Errorf("open data folder %s: %w", path, err)
	}
	kind := Kind(strings.TrimSpace(string(text)))
	if kind != Production && kind != Sandbox {
		return Folder{}, fmt.Errorf("open data folder %s: %s says %q, neither %s nor %s", path, kindFile, kind, Production, Sandbox)
	}
	return Folder{Path: path, Kind: kind}, nil
}

// Create opens the folder for a server of the given kind and makes it when it
// isn't there. Only its owner may look into a new one.
func Create(path string, kind Kind) (Folder, error) {
	f, err := Open(path)
	if err == nil {
		return f, f.check(kind)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Folder{}, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return Folder{}, fmt.Errorf("make data folder: %w: name another one with --data", err)
	}
	f = Folder{Path: path, Kind: kind}
	if err := WriteFile(f.In(kindFile), []byte(string(kind)+"\n")); err != nil {
		return Folder{}, fmt.Errorf("mark data folder: %w", err)
	}
	return f, nil
}

// check reports a folder of the other kind.
func (f Folder) check(kind Kind) error {
	if f.Kind == kind {
		return nil
	}
	if f.Kind == Sandbox {
		return fmt.Errorf("%s belongs to a sandbox, whose phones exist only there: start it with --sandbox, or name another folder with --data", f.Path)
	}
	return fmt.Errorf("%s belongs to a production server, whose accounts a sandbox would log out: start it without --sandbox, or name another folder with --data", f.Path)
}

// WriteFile replaces a file that only its owner may read. When it returns nil
// the file is on disk; a process that dies meanwhile leaves the old one.
func WriteFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // it may be gone
		}
	}()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}
