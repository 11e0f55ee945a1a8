package blobtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/blob"
)

// listed gives the keys that a list shows.
func listed(t *testing.T, s blob.Store, prefix, after string) []string {
	t.Helper()
	var keys []string
	err := s.List(t.Context(), prefix, after, func(e blob.Entry) error {
		keys = append(keys, e.Key)
		return nil
	})
	if err != nil {
		t.Fatalf("list %q after %q: %v", prefix, after, err)
	}
	return keys
}

func listing(t *testing.T, s blob.Store) {
	if got := listed(t, s, "", ""); got != nil {
		t.Errorf("an empty store lists %q", got)
	}
	put(t, s, "files/aa/one", "12345")
	put(t, s, "other", "")
	sizes := map[string]int64{}
	err := s.List(t.Context(), "", "", func(e blob.Entry) error {
		sizes[e.Key] = e.Size
		if e.ModifiedAt.IsZero() {
			t.Errorf("%s has no time", e.Key)
		}
		return nil
	})
	if diff := cmp.Diff(map[string]int64{"files/aa/one": 5, "other": 0}, sizes); err != nil || diff != "" {
		t.Errorf("list: %v, %s", err, diff)
	}
	if err := s.Delete(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, s, "", ""); !slices.Equal(got, []string{"files/aa/one"}) {
		t.Errorf("after a deletion: %q", got)
	}
	stop := errors.New("enough")
	if err := s.List(t.Context(), "", "", func(blob.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("list gives %v, want the caller's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.List(ctx, "", "", func(blob.Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("list gives %v, want context.Canceled", err)
	}
}

// listingFromAnywhere holds every list of a few awkward neighbours against what
// the order of their bytes says. A slash sorts behind a dash and before letters,
// where directories would sort it otherwise.
func listingFromAnywhere(t *testing.T, s blob.Store) {
	keys := []string{"a-b", "a/b", "a/b-c", "a/b-c0", "a0", "aa", "b/-", "b/c/d", "b/c0", "b/cc/d", "c"}
	keys = slices.DeleteFunc(keys, func(k string) bool { return blob.CheckKey(k) != nil })
	for _, k := range keys {
		put(t, s, k, k)
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a/b", "b/c", "x", "/", "b/../a"} {
		for _, after := range append([]string{"", "0", "a/", "a.", "b/c/c", "zz"}, keys...) {
			var want []string
			for _, k := range keys {
				if strings.HasPrefix(k, prefix) && k > after {
					want = append(want, k)
				}
			}
			if got := listed(t, s, prefix, after); !slices.Equal(got, want) {
				t.Errorf("list %q after %q: %q, want %q", prefix, after, got, want)
			}
		}
	}
}
