// Package blob says where the bytes of files live. blob/local keeps them in a
// directory, blob/s3 in a bucket of an S3 service; blobtest is the suite that
// every implementation must pass.
//
// # Keys are written once
//
// Whoever puts a blob draws a new key for it (internal/file makes one of the
// file's uid), so in a running server no key is ever given other bytes. Blobs are
// deleted when their file is withdrawn, deleted or superseded. What Put promises
// about replacing is for copies that are made again.
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

// ErrUnavailable says that the place where blobs are kept did not answer, or
// refused: nothing is wrong with the blob or its bytes, and later it may work.
// What failed so is to be tried again, never to be given up.
var ErrUnavailable = errors.New("the place where files are kept can't be used now")

// ErrGone says that a blob was replaced or deleted while it was being read, so
// that the rest of what was opened can't be had any more.
var ErrGone = errors.New("blob was replaced or deleted while it was read")

// ErrDamaged says that a blob's bytes are not those that were put.
var ErrDamaged = errors.New("blob is damaged")

// Store keeps blobs. It is safe for concurrent use. Every method checks its key
// and fails with ErrBadKey, before anything is touched.
type Store interface {
	// Put stores everything that r gives under key and returns when the bytes and
	// the name are durable: on disk (fsync), or acknowledged by the service. It
	// replaces what was there in one step: a reader sees the old bytes or the new,
	// never a mixture or a part. When r fails, or ctx ends before r does, nothing is
	// stored and what was there stays. When the store fails after that, the same
	// holds in a directory. A service may have stored everything although its answer
	// was lost; so a caller that drew a new key deletes it after an error.
	Put(ctx context.Context, key string, r io.Reader) (Written, error)
	// Open opens a blob for reading and seeking; the caller closes it. ctx bounds
	// the reading too. Only the bytes that the blob had when it was opened are ever
	// read. When it is replaced or deleted meanwhile, a directory still gives all of
	// them; a service gives what is on its way and then ErrGone. A Read may
	// also fail with ErrUnavailable, and with ErrDamaged at the end of a blob
	// that was read from its beginning. ErrNotFound.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, error)
	// Stat describes a blob without reading it. ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
	// Delete removes a blob. Deleting what is not there is fine.
	Delete(ctx context.Context, key string) error
	// List calls fn for each blob whose key begins with prefix and comes after the
	// key after, in the order of the keys' bytes; "" for both means all. It can so
	// be resumed. What is put or deleted meanwhile may be listed or not. An error of
	// fn ends it and is returned as it is.
	List(ctx context.Context, prefix, after string, fn func(Entry) error) error
}

// Entry is a blob in a list.
type Entry struct {
	Key string
	Info
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
