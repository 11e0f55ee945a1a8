package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/blob/blobtest"
	"github.com/tidelinehq/tideline/internal/blob/s3"
	"github.com/tidelinehq/tideline/internal/testenv/fakes3"
	"github.com/tidelinehq/tideline/internal/testenv/flaky"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick makes a store try again a hundred times faster than in earnest. Its timeout
// is one that only what stalls on purpose exceeds, also on a busy machine.
func quick(server *fakes3.Server, dir string) s3.Options {
	return s3.Options{
		Bucket: fakes3.Bucket, Prefix: "some/where/", Endpoint: server.URL, Region: fakes3.Region,
		AccessKey: fakes3.AccessKey, SecretKey: fakes3.SecretKey, SpoolDir: dir, IdleTimeout: 1500 * time.Millisecond,
		Retry: s3.Retry{Attempts: 12, First: time.Millisecond, Max: 10 * time.Millisecond},
	}
}

func open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if o.SpoolDir == "" {
			return
		}
		if left, err := os.ReadDir(o.SpoolDir); err != nil || len(left) > 0 {
			t.Errorf("left in the spool: %v, %v", left, err)
		}
	})
	return s
}

func TestS3KeepsTheContract(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		return open(t, quick(fakes3.Start(t), t.TempDir()))
	})
}

// TestS3KeepsTheContractWhileHalfOfTheRequestsFail runs the same suite: what fails
// for a moment must not be noticed.
func TestS3KeepsTheContractWhileHalfOfTheRequestsFail(t *testing.T) {
	t.Parallel()
	var seed atomic.Uint64
	blobtest.Run(t, func(t *testing.T) blob.Store {
		server := fakes3.Start(t)
		server.FailHalf(seed.Add(1))
		o := quick(server, t.TempDir())
		o.Retry.Attempts = 40
		return open(t, o)
	})
}

// every is every way to fail, by name.
var every = map[string]flaky.Fault{
	"500": flaky.Status500, "slow down": flaky.SlowDown, "no answer": flaky.NoAnswer, "lost answer": flaky.LostAnswer,
	"cut request": flaky.CutRequest, "cut answer": flaky.CutAnswer, "stall": flaky.Stall, "stall in the answer": flaky.StallAnswer,
	"short answer": flaky.ShortAnswer, "wrong length": flaky.LongLength, "slow": flaky.Slow,
}

// TestEveryFailureAloneEndsWithSuccess: after a few failures of one kind in a row
// what was asked for is done, with blobs in memory and in the spool.
func TestEveryFailureAloneEndsWithSuccess(t *testing.T) {
	t.Parallel()
	large := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(large) // never fails
	for name, fault := range every {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := fakes3.Start(t)
			s := open(t, quick(server, t.TempDir()))
			times := 3
			if fault == flaky.Stall || fault == flaky.StallAnswer {
				times = 1 // each takes as long as the timeout
			}
			for _, content := range [][]byte{[]byte("a few bytes"), large} {
				failing(server, fault, times)
				if _, err := s.Put(t.Context(), "k", onlyReader{bytes.NewReader(content)}); err != nil {
					t.Fatalf("put: %v", err)
				}
				if got := server.Objects.Get(t, "some/where/k"); !bytes.Equal(got, content) {
					t.Fatalf("the object has %d bytes, want %d", len(got), len(content))
				}
				failing(server, fault, times)
				if got, err := read(t.Context(), s, "k"); err != nil || !bytes.Equal(got, content) {
					t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(content))
				}
				failing(server, fault, times)
				if info, err := s.Stat(t.Context(), "k"); err != nil || info.Size != int64(len(content)) {
					t.Fatalf("stat: %+v, %v", info, err)
				}
				failing(server, fault, times)
				if err := s.Delete(t.Context(), "k"); err != nil {
					t.Fatalf("delete: %v", err)
				}
				if keys := server.Objects.Keys(t); len(keys) > 0 {
					t.Fatalf("after the deletion there is %q", keys)
				}
			}
			if server.Counts()[fault] < 8 { // four operations on two blobs
				t.Errorf("it failed %d times only", server.Counts()[fault])
			}
		})
	}
}

// failing has the next n requests fail.
func failing(server *fakes3.Server, fault flaky.Fault, n int) {
	server.Fail(func(*http.Request) flaky.Fault {
		if n--; n < 0 {
			return flaky.None
		}
		return fault
	})
}

type onlyReader struct{ io.Reader }

func read(ctx context.Context, s blob.Store, key string) ([]byte, error) {
	r, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

// TestWhatFailsForLongFailsClearlyAndHealsByItself: no kind of failure ends in
// anything but blob.ErrUnavailable, none stores a part, and afterwards the same
// store works.
func TestWhatFailsForLongFailsClearlyAndHealsByItself(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789"), 50_000)
	for name, fault := range every {
		if fault == flaky.Slow {
			continue // no failure
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := fakes3.Start(t)
			o := quick(server, t.TempDir())
			o.Retry.Attempts = 2
			content := content
			if fault == flaky.StallAnswer {
				content = content[:100] // each request brings half of the rest, and takes the timeout
			}
			s := open(t, o)
			if _, err := s.Put(t.Context(), "old", bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			server.Fail(func(*http.Request) flaky.Fault { return fault })
			_, err := s.Put(t.Context(), "new", bytes.NewReader(content))
			mayBeFine(t, "put", err)
			for _, key := range server.Objects.Keys(t) {
				if got := server.Objects.Get(t, key); !bytes.Equal(got, content) {
					t.Errorf("%s has %d bytes of %d", key, len(got), len(content))
				}
			}
			got, err := read(t.Context(), s, "old")
			mayBeFine(t, "read", err)
			if err == nil && !bytes.Equal(got, content) || !bytes.HasPrefix(content, got) {
				t.Errorf("read %d bytes of %d without an error", len(got), len(content))
			}
			mayBeFine(t, "list", s.List(t.Context(), "", "", func(blob.Entry) error { return nil }))
			mayBeFine(t, "delete", s.Delete(t.Context(), "nothing"))

			server.Recover()
			if got, err := read(t.Context(), s, "old"); err != nil || !bytes.Equal(got, content) {
				t.Errorf("after all is well: %d bytes, %v", len(got), err)
			}
			if _, err := s.Put(t.Context(), "new", bytes.NewReader(content)); err != nil {
				t.Errorf("put after all is well: %v", err)
			}
		})
	}
}

// mayBeFine: not every failure touches every operation, but one that fails says
// how.
func mayBeFine(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("%s: %v, want blob.ErrUnavailable", what, err)
	}
}

// TestManyAtOnceLoseNothingWhileHalfOfTheRequestsFail: whatever Put reports as
// stored is there whole, and nothing is there in part.
func TestManyAtOnceLoseNothingWhileHalfOfTheRequestsFail(t *testing.T) {
	t.Parallel()
	server := fakes3.Start(t)
	server.FailHalf(7)
	o := quick(server, t.TempDir())
	o.Retry.Attempts = 2 // so that some operations do fail
	s := open(t, o)
	var mu sync.Mutex
	stored, contents := map[string]bool{}, map[string][]byte{}
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			source := rand.New(rand.NewPCG(1, uint64(w)))
			for i := range 12 {
				key := "files/" + string(rune('a'+w)) + "/" + string(rune('a'+i))
				content := make([]byte, source.IntN(600_000))
				for j := range content {
					content[j] = byte(source.Uint32())
				}
				_, err := s.Put(t.Context(), key, bytes.NewReader(content))
				mayBeFine(t, "put", err)
				kept := err == nil
				mu.Lock()
				stored[key], contents[key] = kept, content
				mu.Unlock()
				got, err := read(t.Context(), s, key)
				if err == nil && !bytes.Equal(got, content) {
					t.Errorf("%s: read %d bytes of %d without an error", key, len(got), len(content))
				}
				if err != nil && !errors.Is(err, blob.ErrUnavailable) && (kept || !errors.Is(err, blob.ErrNotFound)) {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
	workers.Wait()
	kept := 0
	for key, content := range contents {
		object := "some/where/" + key
		present := strings.Contains(strings.Join(server.Objects.Keys(t), "\n")+"\n", object+"\n")
		if stored[key] && !present {
			t.Errorf("%s was stored and is not there", key)
		}
		if present && !bytes.Equal(server.Objects.Get(t, object), content) {
			t.Errorf("%s is not what was put", key)
		}
		if stored[key] {
			kept++
		}
	}
	if kept == 0 || kept == len(contents) {
		t.Errorf("%d of %d puts succeeded: the test wants some of both", kept, len(contents))
	}
}
