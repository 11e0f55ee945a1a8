// Package blob says where the bytes of files live. blob/local keeps them in a
// directory; blobtest is the suite that every implementation must pass.
//
// Storage knows names, types and owners (store.Files); a blob is bytes under a
// key and nothing else.
package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"
)

// ErrNotFound says that there is no blob under the key.
var ErrNotFound = errors.New("blob not found")

// ErrBadKey says that a key is not of the form that CheckKey describes.
var ErrBadKey = errors.New("bad blob key")

// Store keeps blobs. It is safe for concurrent use. Every method checks its key
// and fails with ErrBadKey, before anything is touched.
type Store interface {
	// Put stores everything that r gives under key and returns when the bytes and
	// the name are on disk (fsync). It replaces what was there in one step: a
	// reader sees the old bytes or the new, never a mixture. When r or the write
	// fails, or ctx ends, nothing is stored and what was there stays.
	Put(ctx context.Context, key string, r io.Reader) (Written, error)
	// Open opens a blob for reading and seeking; the caller closes it. What was
	// opened stays readable when the blob is replaced or deleted. ErrNotFound.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, error)
	// Stat describes a blob without reading it. ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
	// Delete removes a blob. Deleting what is not there is fine.
	Delete(ctx context.Context, key string) error
}

// Written is what Put stored.
type Written struct {
	Size   int64 // bytes
	SHA256 [sha256.Size]byte
}

// Info describes a blob.
type Info struct {
	Size       int64 // bytes
	ModifiedAt time.Time
}

// MaxKey is the length of the longest key, in bytes.
const MaxKey = 255

var keyPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*$`)

// CheckKey reports with ErrBadKey a key that is not one to MaxKey bytes of
// segments of a-z, 0-9, "-" and "_", joined by single slashes and each beginning
// with a letter or digit. Dots are not allowed, so a key can't climb out of a
// directory, hide in it or end in a suffix that means something to it. Neither
// are capital letters, which some file systems can't tell from small ones.
func CheckKey(key string) error {
	if len(key) > MaxKey || !keyPattern.MatchString(key) {
		return ErrBadKey
	}
	// Names that Windows keeps for devices would open those.
	for segment := range strings.SplitSeq(key, "/") {
		if reserved(segment) {
			return ErrBadKey
		}
	}
	return nil
}

func reserved(segment string) bool {
	switch segment {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(segment) == 4 && (strings.HasPrefix(segment, "com") || strings.HasPrefix(segment, "lpt")) && segment[3] >= '0' && segment[3] <= '9'
}
