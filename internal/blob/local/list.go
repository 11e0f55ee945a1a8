package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/tidelinehq/tideline/internal/blob"
)

// List implements blob.Store. Files that are no blobs, whoever put them there,
// are not listed.
func (s *Store) List(ctx context.Context, prefix, after string, fn func(blob.Entry) error) error {
	return s.list(ctx, "", prefix, after, fn)
}

// list lists the blobs in dir, which is "" or ends in a slash.
func (s *Store) list(ctx context.Context, dir, prefix, after string, fn func(blob.Entry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := s.entries(dir)
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for _, e := range entries {
		key := dir + e.name
		switch {
		case e.dir && (!strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key) || key < after && !strings.HasPrefix(after, key)):
			continue // nothing below it is wanted
		case e.dir:
			if err := s.list(ctx, key, prefix, after, fn); err != nil {
				return err
			}
			continue
		case !strings.HasPrefix(key, prefix) || key <= after || blob.CheckKey(key) != nil:
			continue
		}
		info, err := s.stat(key)
		if errors.Is(err, blob.ErrNotFound) {
			continue // deleted meanwhile, or no file
		}
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		if err := fn(blob.Entry{Key: key, Info: blob.Info{Size: info.Size(), ModifiedAt: info.ModTime()}}); err != nil {
			return err
		}
	}
	return nil
}

// entry is a name in a directory; those of directories end in a slash, which
// puts them where the keys below them belong.
type entry struct {
	name string
	dir  bool
}

// entries reads a directory, sorted; none when it is gone.
func (s *Store) entries(dir string) ([]entry, error) {
	list, err := fs.ReadDir(s.root.FS(), cmp.Or(strings.TrimSuffix(dir, "/"), "."))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(list))
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if e.IsDir() {
			entries = append(entries, entry{e.Name() + "/", true})
		} else {
			entries = append(entries, entry{e.Name(), false})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries, nil
}
