package file_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/blob/s3"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/testenv/fakes3"
	"github.com/tidelinehq/tideline/internal/testenv/flaky"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// book is records of files in memory.
type book []tideline.File

func (b book) AllFiles(_ context.Context, after int64, limit int) ([]tideline.File, error) {
	i := slices.IndexFunc(b, func(f tideline.File) bool { return f.ID > after })
	if i < 0 {
		return nil, nil
	}
	return b[i:min(len(b), i+limit)], nil
}

func (b book) LatestFiles(context.Context, int) ([]tideline.File, error) { return b, nil }

func (b book) RecordedFiles(_ context.Context, uids []string) ([]string, error) {
	var known []string
	for _, f := range b {
		if slices.Contains(uids, f.UID) {
			known = append(known, f.UID)
		}
	}
	return known, nil
}

func folder(t *testing.T) *local.Store {
	t.Helper()
	s, err := local.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func bucket(t *testing.T, server *fakes3.Server) *s3.Store {
	t.Helper()
	s, err := s3.Open(s3.Options{
		Bucket: fakes3.Bucket, Endpoint: server.URL, Region: fakes3.Region, AccessKey: fakes3.AccessKey, SecretKey: fakes3.SecretKey,
		SpoolDir: t.TempDir(), IdleTimeout: 1500 * time.Millisecond,
		Retry: s3.Retry{Attempts: 30, First: time.Millisecond, Max: 10 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func keep(t *testing.T, s blob.Store, key, content string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	defer r.Close()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestInspectFindsWhatIsMissingAndWhatIsForgotten(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]blob.Store{"folder": folder(t), "bucket": bucket(t, fakes3.Start(t))} {
		records := book{
			{ID: 1, UID: "fine", Blob: "files/aa/fine", Size: 4},
			{ID: 2, UID: "lost", Blob: "files/bb/lost", Size: 4},
			{ID: 5, UID: "cut", Blob: "files/cc/cut", Size: 4},
		}
		for key, bytes := range map[string]string{"files/aa/fine": "1234", "files/cc/cut": "123", "files/dd/orphan": "12345", "archive/x": "not of a file"} {
			keep(t, s, key, bytes)
		}
		young, err := file.Inspect(t.Context(), records, s, time.Now(), true)
		if err != nil || young.Orphans != 0 || young.Removed != 0 {
			t.Errorf("%s: what has no record yet counts as forgotten: %+v, %v", name, young, err)
		}
		old, err := file.Inspect(t.Context(), records, s, time.Now().Add(25*time.Hour), false)
		if err != nil || old.Files != 3 || old.Missing != 1 || old.WrongSize != 1 || old.Blobs != 4 ||
			old.Orphans != 1 || old.OrphanBytes != 5 || old.Removed != 0 || !slices.Equal(old.OrphanKeys, []string{"files/dd/orphan"}) {
			t.Errorf("%s: %+v, %v", name, old, err)
		}
		if len(old.Bad) != 2 || old.Bad[0].UID != "lost" || old.Bad[1].UID != "cut" {
			t.Errorf("%s: bad are %+v", name, old.Bad)
		}
		removed, err := file.Inspect(t.Context(), records, s, time.Now().Add(25*time.Hour), true)
		if err != nil || removed.Removed != 1 {
			t.Errorf("%s: %+v, %v", name, removed, err)
		}
		if again, err := file.Inspect(t.Context(), records, s, time.Now().Add(25*time.Hour), true); err != nil || again.Orphans != 0 || again.Blobs != 3 {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
	}
}

// TestFilesAreCopiedWholeHoweverOftenItBreaksOff copies there and back while half
// of the requests fail, with breaks in between.
func TestFilesAreCopiedWholeHoweverOftenItBreaksOff(t *testing.T) {
	t.Parallel()
	server := fakes3.Start(t)
	from, middle, back := folder(t), bucket(t, server), folder(t)
	want := map[string]string{}
	for i := range 40 {
		key := "files/" + string(rune('a'+i%7)) + "/" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		want[key] = strings.Repeat(key, 1+i*3000)
		keep(t, from, key, want[key])
	}
	// The first try ends in the middle.
	ctx, cancel := context.WithCancel(t.Context())
	puts := 0
	server.Fail(func(r *http.Request) flaky.Fault {
		if r.Method == http.MethodPut {
			if puts++; puts == 10 {
				cancel()
			}
		}
		return flaky.None
	})
	if done, err := file.Copy(ctx, from, middle, false, nil); err == nil || done.Copied >= 40 {
		t.Fatalf("%+v, %v; want an end in the middle", done, err)
	}
	server.FailHalf(4)
	done, err := file.Copy(t.Context(), from, middle, false, nil)
	if err != nil || done.Copied == 0 || done.Copied+done.Same != 40 {
		t.Fatalf("%+v, %v", done, err)
	}
	if again, err := file.Copy(t.Context(), from, middle, false, nil); err != nil || again.Copied != 0 || again.Same != 40 {
		t.Fatalf("%+v, %v", again, err)
	}
	if done, err := file.Copy(t.Context(), middle, back, false, nil); err != nil || done.Copied != 40 {
		t.Fatalf("%+v, %v", done, err)
	}
	for key, bytes := range want {
		if content(t, back, key) != bytes || content(t, middle, key) != bytes {
			t.Errorf("%s is not what it was", key)
		}
	}
}

func TestAThoroughCopyMendsWhatHasTheRightSizeOnly(t *testing.T) {
	t.Parallel()
	server := fakes3.Start(t)
	from, to := folder(t), bucket(t, server)
	keep(t, from, "files/a/a", "right")
	keep(t, from, "files/b/b", "right")
	keep(t, to, "files/a/a", "wrong")
	keep(t, to, "files/b/b", "right")
	server.Objects.Spoil(t, "files/b/b", []byte("spoil"))
	if done, err := file.Copy(t.Context(), from, to, false, nil); err != nil || done.Same != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	if done, err := file.Copy(t.Context(), from, to, true, nil); err != nil || done.Copied != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	for _, key := range []string{"files/a/a", "files/b/b"} {
		if got := content(t, to, key); got != "right" {
			t.Errorf("%s is %q", key, got)
		}
	}
}

// TestAnUploadThatS3DoesNotTakeIsRefusedAndLeavesNothing: also when S3 stored it
// and its answer got lost.
func TestAnUploadThatS3DoesNotTakeIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, fault := range []flaky.Fault{flaky.Status500, flaky.SlowDown, flaky.NoAnswer, flaky.LostAnswer} {
		server := fakes3.Start(t)
		w := newWorld(t)
		service := file.New(file.Config{LinkKey: []byte("k")}, file.Deps{Storage: w.records, Blobs: bucket(t, server), Log: slog.New(slog.DiscardHandler)})
		server.Fail(func(r *http.Request) flaky.Fault {
			if r.Method == http.MethodPut {
				return fault
			}
			return flaky.None
		})
		_, err := service.Upload(t.Context(), principal(nil), file.Upload{Body: bytes.NewReader([]byte("bytes"))})
		if !tideline.IsCode(err, tideline.CodeUnavailable) {
			t.Errorf("fault %d: %v, want unavailable", fault, err)
		}
		if keys := server.Objects.Keys(t); len(keys) > 0 || len(w.records.files) > 0 {
			t.Errorf("fault %d: left %q and %d records", fault, keys, len(w.records.files))
		}
	}
}
