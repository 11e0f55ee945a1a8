package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// restoreFile is in a folder from the beginning of a restore to its end.
	restoreFile  = "restore.unfinished"
	settingsFile = "tideline.json" // which may be put there first
	// asideFolder begins the name of the folder for what a restore found.
	asideFolder = "before-restore-"
)

// ErrUnfinished says that a restore into a folder began and did not end: nothing
// in it may be used.
var ErrUnfinished = errors.New("a restore into it did not end")

// ErrOccupied says that a folder holds something already.
var ErrOccupied = errors.New("the folder is not empty")

// checkRestored reports a folder into which a restore did not end.
func checkRestored(path string) error {
	_, err := os.Lstat(filepath.Join(path, restoreFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: run tideline restore once more, with the same folder", ErrUnfinished)
}

// BeginRestore makes path the folder of a server of the given kind, locks it, and
// marks it, so that nothing but another restore opens it until EndRestore. What an
// unfinished restore left there is deleted. Anything else is ErrOccupied, or, with
// aside, moved to a folder of its own below path. Settings that are there already
// stay. Call release when done, with or without EndRestore.
func BeginRestore(ctx context.Context, path string, kind Kind, aside bool, wait time.Duration) (f Folder, release func() error, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return f, nil, fmt.Errorf("make data folder: %w: name another one with --data", err)
	}
	f = Folder{Path: path, Kind: kind}
	if release, err = f.Lock(ctx, wait); err != nil {
		return f, nil, err
	}
	if err := f.makeRoom(aside); err != nil {
		return f, nil, errors.Join(err, release())
	}
	err = WriteFile(f.In(restoreFile), []byte("A restore into this folder has begun and not ended.\n"))
	if err == nil {
		err = WriteFile(f.In(kindFile), []byte(string(kind)+"\n"))
	}
	if err != nil {
		return f, nil, errors.Join(fmt.Errorf("mark data folder: %w", err), release())
	}
	return f, release, nil
}

// makeRoom deletes, moves or refuses what is in the folder.
func (f Folder) makeRoom(aside bool) error {
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return err
	}
	var found []string
	unfinished, kind := false, false
	for _, e := range entries {
		switch name := e.Name(); {
		case name == restoreFile:
			unfinished = true
		case name == kindFile:
			kind = true
		case name == settingsFile, name == "lost+found", strings.HasSuffix(name, ".lock"), strings.HasPrefix(name, asideFolder):
		default:
			found = append(found, name)
		}
	}
	switch {
	case unfinished:
		for _, name := range found {
			if err := os.RemoveAll(f.In(name)); err != nil {
				return fmt.Errorf("delete what an unfinished restore left: %w", err)
			}
		}
		return nil
	case len(found) == 0:
		return nil
	case !aside:
		slices.Sort(found)
		return fmt.Errorf("%s: %w: it has %s: name another folder with --data, or add --replace, which moves what is there aside",
			f.Path, ErrOccupied, strings.Join(found[:min(len(found), 5)], ", "))
	}
	if kind {
		found = append(found, kindFile)
	}
	dir := f.In(asideFolder + time.Now().UTC().Format("20060102T150405Z"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, name := range found {
		if err := os.Rename(f.In(name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("move aside what is there: %w", err)
		}
	}
	return errors.Join(syncDir(dir), syncDir(f.Path))
}

// EndRestore opens the folder to everybody: what was restored is whole and on disk.
func (f Folder) EndRestore() error {
	if err := syncDir(f.Path); err != nil {
		return err
	}
	if err := os.Remove(f.In(restoreFile)); err != nil {
		return err
	}
	return syncDir(f.Path)
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error { return syncDir(dir) }
