package durable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs a test on both stores.
func each(t *testing.T, test func(t *testing.T, s Store)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) Store{
		"memory": func(*testing.T) Store { return NewMemory(0) },
		"sqlite": func(t *testing.T) Store {
			s, err := OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "with space?.db"))
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() {
				if err := errors.Join(s.Close(), s.Close()); err != nil {
					t.Error(err)
				}
			})
			test(t, s)
		})
	}
}

func commit(t testing.TB, s Store, fill func(b *Batch)) int64 {
	t.Helper()
	var b Batch
	fill(&b)
	ticket := s.Submit(&b)
	if err := ticket.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return ticket.Last
}

func TestMessageLog(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s Store) {
		for i := range 5 {
			commit(t, s, func(b *Batch) {
				b.Append("a", &Message{Chat: "c", ID: fmt.Sprint(i), Body: []byte{byte(i)}, Attempts: 1})
				b.Append("b", &Message{Chat: "c", ID: fmt.Sprint(i), Body: []byte{byte(i)}, Attempts: 1})
			})
		}
		commit(t, s, func(b *Batch) { b.Bump("a", "c", "3"); b.Bump("a", "c", "none") })
		list, err := s.Messages(t.Context(), "a", 0, 100)
		if err != nil || len(list) != 5 || list[3].Attempts != 2 || list[4].ID != "4" {
			t.Fatalf("%+v, %v", list, err)
		}
		rest, err := s.Messages(t.Context(), "a", list[1].Seq, 2)
		if err != nil || cmp.Diff(rest, list[2:4]) != "" {
			t.Errorf("%+v, %v", rest, err)
		}
		last, err := s.Last(t.Context(), "a", 2)
		if err != nil || cmp.Diff(last, list[3:]) != "" {
			t.Errorf("%+v, %v", last, err)
		}
		for id, want := range map[string]bool{"0": true, "9": false} {
			if got, err := s.Find(t.Context(), "a", "c", id); got != want || err != nil {
				t.Errorf("find %s: %v, %v", id, got, err)
			}
		}
		if got, err := s.Find(t.Context(), "nobody", "c", "0"); got || err != nil {
			t.Errorf("find on unknown phone: %v, %v", got, err)
		}
		if got, err := s.Messages(t.Context(), "nobody", 0, 1); len(got) != 0 || err != nil {
			t.Errorf("log of unknown phone: %v, %v", got, err)
		}
	})
}

// TestQueueBehavesLikeAList compares a queue with a plain list under random operations.
func TestQueueBehavesLikeAList(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s Store) {
		n := 0
		rapid.Check(t, func(r *rapid.T) {
			n++
			device := fmt.Sprint("device", n) // a new queue each time
			var want []string
			for range rapid.IntRange(1, 20).Draw(r, "operations") {
				key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "key")
				if rapid.Bool().Draw(r, "ack") {
					commit(t, s, func(b *Batch) { b.Ack(device, key) })
					if i := slices.Index(want, key); i >= 0 {
						want = slices.Delete(want, i, i+1)
					}
				} else {
					commit(t, s, func(b *Batch) { b.Enqueue(device, &Entry{Key: key, Payload: []byte(key)}) })
					want = append(want, key)
				}
			}
			last := commit(t, s, func(*Batch) {})
			var got []string
			for after := int64(0); ; {
				page, err := s.Queue(context.Background(), device, after, last, 3)
				if err != nil {
					r.Fatal(err)
				}
				for _, e := range page {
					got, after = append(got, string(e.Payload)), e.Seq
				}
				if len(page) < 3 {
					break
				}
			}
			counts := map[string]int{}
			for _, key := range want {
				counts[key]++
			}
			if kinds, err := s.QueueKinds(context.Background(), device, last); !maps.Equal(kinds, counts) || err != nil || !slices.Equal(got, want) {
				r.Fatalf("got %v (%v, %v), want %v", got, kinds, err, want)
			}
			commit(t, s, func(b *Batch) { b.DropQueue(device) })
			if kinds, _ := s.QueueKinds(context.Background(), device, last); len(kinds) != 0 {
				r.Fatalf("%v are left", kinds)
			}
		})
	})
}

func TestLogInMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := NewMemory(3)
	for i := range 10 {
		commit(t, s, func(b *Batch) {
			b.Append("a", &Message{Chat: "c", ID: fmt.Sprint(i), Attempts: 1})
			b.Append("b", &Message{Chat: "c", ID: fmt.Sprint(i), Attempts: 1})
		})
	}
	commit(t, s, func(b *Batch) { b.Bump("a", "c", "8"); b.Bump("a", "c", "2") })
	list, err := s.Messages(t.Context(), "a", 0, 100)
	if err != nil || len(list) != 3 || list[0].ID != "7" || list[1].Attempts != 2 || list[2].Attempts != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if found, _ := s.Find(t.Context(), "a", "c", "2"); found {
		t.Error("a message that is gone was found")
	}
}

func TestQueueIsCountedByKind(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s Store) {
		last := commit(t, s, func(b *Batch) {
			for _, key := range []string{"message|1|x", "message|2|x", "receipt|1|x", "odd"} {
				b.Enqueue("d", &Entry{Key: key, Payload: []byte("p")})
			}
			b.Enqueue("other", &Entry{Key: "message|1|x", Payload: []byte("p")})
		})
		commit(t, s, func(b *Batch) { b.Enqueue("d", &Entry{Key: "message|3|x", Payload: []byte("p")}) })
		got, err := s.QueueKinds(t.Context(), "d", last)
		if diff := cmp.Diff(map[string]int{"message": 2, "receipt": 1, "odd": 1}, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
	})
}

func TestBatchesTakeEffectInOrderOfSubmission(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 50
	var mu sync.Mutex
	var last [2]string
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				mu.Lock()
				var b Batch
				key, value := fmt.Sprint(w%2), fmt.Sprintf("%d-%d", w, i)
				b.Put("bucket", key, []byte(value))
				last[w%2] = value
				ticket := s.Submit(&b)
				mu.Unlock()
				if err := ticket.Wait(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err = s.Close(); err != nil {
		t.Fatal(err)
	}
	if err = s.Submit(new(Batch)).Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("submit after close: %v", err)
	}
	s, err = OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := map[string]string{}
	if err = s.Load(t.Context(), "bucket", func(k string, v []byte) error { got[k] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"0": last[0], "1": last[1]}; cmp.Diff(got, want) != "" {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStateSurvivesReopening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	before := commit(t, s, func(b *Batch) {
		b.Put("k", "a/1", []byte("one"))
		b.Put("k", "a/2", []byte("two"))
		b.Put("k", "ab", []byte("three"))
		b.Put("other", "a/1", []byte("four"))
		b.DeleteAll("k", "a/")
		b.Put("k", "z", []byte("gone"))
		b.Delete("k", "z")
		b.Enqueue("d", &Entry{Key: "x", Payload: []byte("p")})
		b.Append("p", &Message{Chat: "c", ID: "i", Body: []byte("m"), Attempts: 1})
	})
	if err = s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenSQLite(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := map[string]string{}
	for _, bucket := range []string{"k", "other", "none"} {
		if err = s.Load(t.Context(), bucket, func(k string, v []byte) error { got[bucket+" "+k] = string(v); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if want := map[string]string{"k ab": "three", "other a/1": "four"}; cmp.Diff(got, want) != "" {
		t.Errorf("got %v, want %v", got, want)
	}
	var e Entry
	after := commit(t, s, func(b *Batch) { b.Enqueue("d", &e) })
	if after <= before || e.Seq <= before {
		t.Errorf("sequence fell back from %d to %d", before, e.Seq)
	}
	errStop := errors.New("stop")
	if err = s.Load(t.Context(), "k", func(string, []byte) error { return errStop }); !errors.Is(err, errStop) {
		t.Errorf("load: %v", err)
	}
}
