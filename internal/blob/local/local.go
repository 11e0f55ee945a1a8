// Package local keeps blobs as files in a directory.
//
// A blob is written to a temporary file in the same directory tree, synced,
// renamed to its name, and the directories are synced: after Put returns, a
// power cut loses nothing, and before it a crash leaves only a temporary file,
// which the next Open of the store removes. All access goes through os.Root, so
// neither a key nor a symbolic link leads out of the directory.
package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/tidelinehq/tideline/internal/blob"
)

// incoming is where files are written before they get their names. Keys can't
// begin with a dot, so no blob is ever there.
const incoming = ".incoming"

// Store is a directory of blobs. One process at a time owns it, with Open; others
// work beside it, with Join.
type Store struct {
	root *os.Root
}

var _ blob.Store = (*Store)(nil)

// Open opens the store in dir, making the directory when it is missing and
// removing what an earlier process left half written. Close it when done.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make blob directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	if err := errors.Join(root.RemoveAll(incoming), root.Mkdir(incoming, 0o700)); err != nil {
		return nil, errors.Join(fmt.Errorf("clear half-written blobs: %w", err), root.Close())
	}
	return &Store{root: root}, nil
}

// Join opens the store in dir beside the process that owns it, making the
// directory when it is missing and removing nothing. A Put fails when a new owner
// opens the store meanwhile, and may be repeated. Close it when done.
func Join(dir string) (*Store, error) {
	if err := os.MkdirAll(filepath.Join(dir, incoming), 0o700); err != nil {
		return nil, fmt.Errorf("make blob directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	return &Store{root: root}, nil
}

// Close releases the directory. Blobs that are open stay readable.
func (s *Store) Close() error { return s.root.Close() }

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) (blob.Written, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Written{}, err
	}
	temporary := path.Join(incoming, rand.Text())
	written, err := s.write(ctx, temporary, r)
	if err == nil {
		err = s.publish(temporary, key)
	}
	if err != nil {
		return blob.Written{}, errors.Join(fmt.Errorf("put blob: %w", err), ignoreMissing(s.root.Remove(temporary)))
	}
	return written, nil
}

// write makes the file name with the bytes of r and syncs it.
func (s *Store) write(ctx context.Context, name string, r io.Reader) (w blob.Written, err error) {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	w.Size, err = io.Copy(io.MultiWriter(f, sum), readerContext{ctx, r})
	if err != nil {
		return w, err
	}
	sum.Sum(w.SHA256[:0])
	return w, f.Sync()
}

// publish gives the finished file its name and makes the name durable.
func (s *Store) publish(temporary, key string) error {
	dir := path.Dir(key)
	if err := s.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.root.Rename(temporary, key); err != nil {
		return err
	}
	// Every directory on the way may be new, and then its own name lives in its
	// parent. Which ones are can't be known: another Put may have made one and
	// not have synced it yet.
	for {
		if err := syncDir(s.root, dir); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, error) {
	if err := errors.Join(ctx.Err(), blob.CheckKey(key)); err != nil {
		return nil, err
	}
	if _, err := s.stat(key); err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	f, err := s.root.Open(key)
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", translate(err))
	}
	return f, nil
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := errors.Join(ctx.Err(), blob.CheckKey(key)); err != nil {
		return blob.Info{}, err
	}
	info, err := s.stat(key)
	if err != nil {
		return blob.Info{}, fmt.Errorf("stat blob: %w", err)
	}
	return blob.Info{Size: info.Size(), ModifiedAt: info.ModTime()}, nil
}

// stat finds the file of a blob. A directory, which is the beginning of other
// keys, is no blob; neither is anything else that someone put there.
func (s *Store) stat(key string) (fs.FileInfo, error) {
	info, err := s.root.Lstat(key)
	if err != nil {
		return nil, translate(err)
	}
	if !info.Mode().IsRegular() {
		return nil, blob.ErrNotFound
	}
	return info, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := errors.Join(ctx.Err(), blob.CheckKey(key)); err != nil {
		return err
	}
	if _, err := s.stat(key); errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	if err := ignoreMissing(s.root.Remove(key)); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	if err := syncDir(s.root, path.Dir(key)); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	return nil
}

// translate gives a missing file its name in the contract. A key that goes on
// below another blob is missing too, whatever the system calls it.
func translate(err error) error {
	if errors.Is(err, fs.ErrNotExist) || isNotDir(err) {
		return blob.ErrNotFound
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// readerContext ends a copy when its context ends.
type readerContext struct {
	ctx context.Context
	r   io.Reader
}

func (r readerContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
