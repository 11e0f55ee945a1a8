// Package blobtest is the suite that every implementation of blob.Store must
// pass.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/tidelinehq/tideline/internal/blob"
)

// Run runs the suite. open gives a new, empty store; it is called once per test,
// from parallel tests.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s blob.Store)
	}{
		{"what was put comes back", roundTrip},
		{"seeking", seeking},
		{"empty blob", empty},
		{"missing blob", missing},
		{"replacing", replacing},
		{"a failed put leaves what was there", failedPut},
		{"a put ends with its context", cancelledPut},
		{"deleting", deleting},
		{"an open blob is read as it was or not at all", openOutlives},
		{"bad keys", badKeys},
		{"a key below a blob", belowBlob},
		{"concurrent puts", concurrent},
		{"listing", listing},
		{"listing from anywhere", listingFromAnywhere},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

func put(t *testing.T, s blob.Store, key, content string) {
	t.Helper()
	w, err := s.Put(t.Context(), key, strings.NewReader(content))
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	want := blob.Written{Size: int64(len(content)), SHA256: sha256.Sum256([]byte(content))}
	if w != want {
		t.Fatalf("put %s wrote %+v, want %+v", key, w, want)
	}
}

func get(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open %s: %v", key, err)
	}
	content, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return string(content)
}

func wantMissing(t *testing.T, s blob.Store, key string) {
	t.Helper()
	if r, err := s.Open(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open %s gives %v, %v; want blob.ErrNotFound", key, r, err)
	}
	if _, err := s.Stat(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("stat %s gives %v, want blob.ErrNotFound", key, err)
	}
}

func roundTrip(t *testing.T, s blob.Store) {
	large := strings.Repeat("0123456789abcdef", 1<<16)
	contents := map[string]string{"a": "x", "files/0a/one": "hello\x00world", "files/0a/two": large, "files/0b/one": "other"}
	for key, content := range contents {
		put(t, s, key, content)
	}
	for key, content := range contents {
		if got := get(t, s, key); got != content {
			t.Errorf("%s: %d bytes came back, not the %d put", key, len(got), len(content))
		}
		info, err := s.Stat(t.Context(), key)
		if err != nil || info.Size != int64(len(content)) || info.ModifiedAt.IsZero() {
			t.Errorf("stat %s: %+v, %v", key, info, err)
		}
	}
}

func seeking(t *testing.T, s blob.Store) {
	put(t, s, "k", "0123456789")
	r, err := s.Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, at := range []int64{7, 0, 3} {
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var b [3]byte
		if _, err := io.ReadFull(r, b[:]); err != nil || string(b[:]) != "0123456789"[at:at+3] {
			t.Errorf("at %d: %q, %v", at, b, err)
		}
	}
	if end, err := r.Seek(0, io.SeekEnd); err != nil || end != 10 {
		t.Errorf("the end is at %d, %v", end, err)
	}
}

func empty(t *testing.T, s blob.Store) {
	put(t, s, "k", "")
	if got := get(t, s, "k"); got != "" {
		t.Errorf("got %q", got)
	}
}

func missing(t *testing.T, s blob.Store) {
	wantMissing(t, s, "k")
	wantMissing(t, s, "some/where/else")
	put(t, s, "some/where/there", "x")
	wantMissing(t, s, "some/where") // a beginning of keys is no key
	wantMissing(t, s, "some")
}

func replacing(t *testing.T, s blob.Store) {
	put(t, s, "k", "the old and longer one")
	put(t, s, "k", "the new")
	if got := get(t, s, "k"); got != "the new" {
		t.Errorf("got %q", got)
	}
}

func failedPut(t *testing.T, s blob.Store) {
	broken := errors.New("the sender hung up")
	half := io.MultiReader(strings.NewReader("half of"), iotest.ErrReader(broken))
	if _, err := s.Put(t.Context(), "new", half); !errors.Is(err, broken) {
		t.Fatalf("put gives %v, want the reader's error", err)
	}
	wantMissing(t, s, "new")

	put(t, s, "old", "whole")
	half = io.MultiReader(strings.NewReader("half of"), iotest.ErrReader(broken))
	if _, err := s.Put(t.Context(), "old", half); !errors.Is(err, broken) {
		t.Fatalf("put gives %v, want the reader's error", err)
	}
	if got := get(t, s, "old"); got != "whole" {
		t.Errorf("after a failed put: %q", got)
	}
}

func cancelledPut(t *testing.T, s blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	endless := readerFunc(func(p []byte) (int, error) {
		cancel()
		return copy(p, "more "), nil
	})
	if _, err := s.Put(ctx, "k", endless); !errors.Is(err, context.Canceled) {
		t.Fatalf("put gives %v, want context.Canceled", err)
	}
	wantMissing(t, s, "k")
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func deleting(t *testing.T, s blob.Store) {
	put(t, s, "a/one", "1")
	put(t, s, "a/two", "2")
	for range 2 {
		if err := s.Delete(t.Context(), "a/one"); err != nil {
			t.Fatal(err)
		}
	}
	wantMissing(t, s, "a/one")
	if got := get(t, s, "a/two"); got != "2" {
		t.Errorf("the neighbour is %q", got)
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Errorf("delete of what is no blob: %v", err)
	}
	if got := get(t, s, "a/two"); got != "2" {
		t.Errorf("the neighbour is %q", got)
	}
}

// openOutlives: what was opened gives the bytes that it had, however little of
// them, and never others.
func openOutlives(t *testing.T, s blob.Store) {
	large := strings.Repeat("the old bytes ", 1<<17)
	for name, change := range map[string]func() error{
		"deleted": func() error { return s.Delete(t.Context(), "k") },
		"replaced": func() error {
			_, err := s.Put(t.Context(), "k", strings.NewReader(strings.Repeat("NEW AND LONGER ", 1<<17)))
			return err
		},
	} {
		for _, content := range []string{"still here", large} {
			put(t, s, "k", content)
			r, err := s.Open(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			first := make([]byte, 5)
			if _, err := io.ReadFull(r, first); err != nil {
				t.Fatal(err)
			}
			if err := change(); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(r)
			got := string(first) + string(rest)
			if !strings.HasPrefix(content, got) || err == nil && got != content || err != nil && !errors.Is(err, blob.ErrGone) {
				t.Errorf("%s: read %d bytes of %d, the right ones: %v; %v", name, len(got), len(content), strings.HasPrefix(content, got), err)
			}
			if _, err := r.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			again, err := io.ReadAll(r)
			if !strings.HasPrefix(content, string(again)) || err == nil && string(again) != content || err != nil && !errors.Is(err, blob.ErrGone) {
				t.Errorf("%s, from the beginning: read %d bytes of %d; %v", name, len(again), len(content), err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func badKeys(t *testing.T, s blob.Store) {
	for _, key := range []string{
		"", ".", "..", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".hidden", "a/.hidden",
		`a\b`, "a b", "A", "ä", "a\x00b", "c:a", "a/nul", "com1", "-a", strings.Repeat("a", blob.MaxKey+1),
	} {
		if _, err := s.Put(t.Context(), key, strings.NewReader("x")); !errors.Is(err, blob.ErrBadKey) {
			t.Errorf("put %q gives %v, want blob.ErrBadKey", key, err)
		}
		if _, err := s.Open(t.Context(), key); !errors.Is(err, blob.ErrBadKey) {
			t.Errorf("open %q gives %v, want blob.ErrBadKey", key, err)
		}
		if _, err := s.Stat(t.Context(), key); !errors.Is(err, blob.ErrBadKey) {
			t.Errorf("stat %q gives %v, want blob.ErrBadKey", key, err)
		}
		if err := s.Delete(t.Context(), key); !errors.Is(err, blob.ErrBadKey) {
			t.Errorf("delete %q gives %v, want blob.ErrBadKey", key, err)
		}
	}
	put(t, s, "0-_/"+strings.Repeat("a", 200), "the widest form of a good one")
}

// belowBlob: a store may keep a key that goes on below another one, as object
// stores do, or refuse it, as directories must; it may not harm the other.
func belowBlob(t *testing.T, s blob.Store) {
	put(t, s, "a", "1")
	wantMissing(t, s, "a/b")
	if _, err := s.Put(t.Context(), "a/b", strings.NewReader("2")); err == nil {
		if got := get(t, s, "a/b"); got != "2" {
			t.Errorf("a/b is %q", got)
		}
	}
	if got := get(t, s, "a"); got != "1" {
		t.Errorf("a is %q", got)
	}
}

func concurrent(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			content := bytes.Repeat([]byte{byte('a' + i)}, 10_000)
			if _, err := s.Put(t.Context(), "shared", bytes.NewReader(content)); err != nil {
				t.Error(err)
			}
			if _, err := s.Put(t.Context(), fmt.Sprintf("deep/%d/own", i), bytes.NewReader(content)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := get(t, s, "shared")
	if len(got) != 10_000 || strings.Trim(got, got[:1]) != "" {
		t.Error("two puts mixed")
	}
	for i := range 8 {
		if got := get(t, s, fmt.Sprintf("deep/%d/own", i)); strings.Trim(got, string(rune('a'+i))) != "" {
			t.Errorf("deep/%d/own has another's bytes", i)
		}
	}
}
