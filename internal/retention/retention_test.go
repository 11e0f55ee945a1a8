package retention_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/retention"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestASweepDeletesWhatIsTooOldAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, theirs := w.workspace("other")
	var old, young []string
	for range 20 {
		old = append(old, w.send(w.ws, w.acc, then, 0))
		young = append(young, w.send(w.ws, w.acc, now.Add(-20*day), 0))
		w.send(other, theirs, then, 0)
	}
	s := w.service(w.store, w.blobs)
	w.must(s.Sweep(t.Context(), now)) // nobody asked for anything
	if !w.there(old[0]) {
		t.Fatal("a message was deleted although nobody set a limit")
	}
	w.keep(w.ws, tideline.Retention{Messages: 30})
	for range 2 {
		w.must(s.Sweep(t.Context(), now))
		for i := range old {
			if w.there(old[i]) || !w.there(young[i]) {
				t.Fatalf("old there: %v, young there: %v", w.there(old[i]), w.there(young[i]))
			}
		}
	}
	page, err := w.store.OldMessages(t.Context(), other.ID, store.OldMessages{Before: now, Ended: now, Limit: 100})
	w.must(err)
	if len(page.Messages) != 20 {
		t.Errorf("another workspace, which keeps all, has %d of 20 messages", len(page.Messages))
	}
	w.audit()
}

func TestTheServersSettingHoldsForWhoeverSetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, acc := w.workspace("own")
	uid, theirs := w.send(w.ws, w.acc, then, 0), w.send(own, acc, then, 0)
	w.keep(own, tideline.Retention{Messages: tideline.KeepForever, Files: tideline.KeepDefault})
	s := retention.New(retention.Deps{Store: w.store, Blobs: w.blobs}, retention.Config{Default: tideline.Retention{Messages: 30}})
	w.must(s.Sweep(t.Context(), now))
	if w.there(uid) {
		t.Error("the server's limit does not hold")
	}
	if _, err := w.store.MessageByUID(t.Context(), own.ID, theirs); err != nil {
		t.Errorf("a workspace that keeps for ever lost a message: %v", err)
	}
}

// TestACrashAnywhereArchivesEveryMessageOnce fails every single write of a sweep,
// before or after it is done, goes on with another sweep, and looks at what the archive
// holds in the end.
func TestACrashAnywhereArchivesEveryMessageOnce(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for calls, finished := 1, false; !finished; calls += 3 {
			t.Run(fmt.Sprintf("%d %v", calls, after), func(t *testing.T) {
				w := newWorld(t)
				f := w.file("a file")
				var want []string
				for i := range 24 {
					at := then.Add(time.Duration(i) * 6 * time.Hour) // over the end of a month
					if i%6 == 0 {
						want = append(want, w.send(w.ws, w.acc, at, f.ID))
					} else {
						want = append(want, w.send(w.ws, w.acc, at, 0))
					}
				}
				w.keep(w.ws, tideline.Retention{Messages: 30, Archive: tideline.ArchiveFiles})
				put := make(map[string][]byte)
				burning := &fuse{left: calls, after: after}
				err := w.service(crashing{w.store, burning}, crashingBlobs{w.blobs, burning, put}).Sweep(t.Context(), now)
				finished = err == nil
				if err != nil && !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				w.send(w.ws, w.acc, then.Add(time.Hour), 0) // comes to be archived too, but not to a part that is planned
				whole := &fuse{left: 1 << 30}
				w.must(w.service(crashing{w.store, whole}, crashingBlobs{w.blobs, whole, put}).Sweep(t.Context(), now.Add(day)))
				records, _ := w.lines()
				var got []string
				for _, r := range records {
					got = append(got, r.UID)
				}
				slices.Sort(got)
				if len(got) != 25 || len(slices.Compact(got)) != 25 {
					t.Fatalf("25 messages were sent, %d are archived", len(got))
				}
				for _, uid := range want {
					if w.there(uid) || !slices.Contains(got, uid) {
						t.Errorf("message %s: there %v, archived %v", uid, w.there(uid), slices.Contains(got, uid))
					}
				}
				w.audit()
			})
		}
	}
}

func TestTheArchiveTellsAllOfAMessageAndNeedsNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("the bytes")
	for range 3 {
		w.send(w.ws, w.acc, then, f.ID)
	}
	w.keep(w.ws, tideline.Retention{Messages: 30, Archive: tideline.ArchiveFiles})
	w.must(w.service(w.store, w.blobs).Sweep(t.Context(), now))
	records, parts := w.lines()
	if len(parts) != 1 || len(records) != 3 {
		t.Fatalf("%d parts with %d messages", len(parts), len(records))
	}
	r := records[0]
	const sum = "e3c8b9c0e02fd9f7ea6cd3fe1aa9bc05f7c0e4dcce8cd8d31f9c7a0b0a0d9f6c"
	r.File.SHA256, r.File.Key = sum, strings.ReplaceAll(r.File.Key, records[0].File.Key, "key")
	want := retention.Record{
		Format: 1, Workspace: "shop", UID: r.UID, Account: retention.AccountRecord{JID: string(w.acc.JID), Phone: string(w.acc.Phone)},
		Chat: r.Chat, WhatsAppID: r.WhatsAppID, FromMe: true, Text: r.Text, Status: "Sent", Origin: r.Origin, Credits: 1,
		AcceptedAt: "2026-07-30T12:00:00.000Z", SentAt: "2026-07-30T12:00:00.000Z",
		History: []retention.StatusRecord{{Status: "Sent", At: "2026-07-30T12:00:00.000Z"}},
		File:    &retention.FileRecord{UID: f.UID, Name: "a.txt", MIMEType: "text/plain", Size: 9, SHA256: sum, Key: "key", Kept: true},
	}
	if diff := cmp.Diff(want, r); diff != "" || r.Text == "" || r.Chat.JID == "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	// The file has no message any more; its copy in the archive stays.
	if _, err := w.store.FileByUID(t.Context(), w.ws.ID, f.UID); !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("the file of deleted messages: %v", err)
	}
	records, _ = w.lines()
	if _, err := w.blobs.Stat(t.Context(), records[0].File.Key); err != nil {
		t.Errorf("the archive's copy: %v", err)
	}
}

func TestADamagedPartIsNotGivenOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.send(w.ws, w.acc, then, 0)
	w.keep(w.ws, tideline.Retention{Messages: 30, Archive: tideline.ArchiveMessages})
	w.must(w.service(w.store, w.blobs).Sweep(t.Context(), now))
	_, parts := w.lines()
	_, err := w.blobs.Put(t.Context(), parts[0].Blob, strings.NewReader("another"))
	w.must(err)
	var text strings.Builder
	err = retention.Export(t.Context(), w.blobs, parts[0], &text)
	if err == nil || !strings.Contains(err.Error(), "damaged") || text.Len() > 0 {
		t.Errorf("error %v, and %q", err, text.String())
	}
}

func TestNothingIsDeletedWhileItCantBeArchived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, acc := w.workspace("other")
	uid, theirs := w.send(w.ws, w.acc, then, 0), w.send(other, acc, then, 0)
	w.keep(w.ws, tideline.Retention{Messages: 30, Archive: tideline.ArchiveMessages})
	w.keep(other, tideline.Retention{Messages: 30})
	err := w.service(w.store, crashingBlobs{w.blobs, &fuse{left: 1}, nil}).Sweep(t.Context(), now)
	if !errors.Is(err, errCrash) || !strings.Contains(err.Error(), "shop") {
		t.Errorf("error %v", err)
	}
	if !w.there(uid) {
		t.Error("a message was deleted that is in no archive")
	}
	if _, err := w.store.MessageByUID(t.Context(), other.ID, theirs); !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("another workspace's turn: %v", err)
	}
}

// turns notes whose messages are deleted.
type turns struct {
	store.Keeper
	of []int64
}

func (s *turns) DropMessages(ctx context.Context, ws, acc int64, ids []int64, at time.Time) (store.DroppedMessages, error) {
	s.of = append(s.of, ws)
	return s.Keeper.DropMessages(ctx, ws, acc, ids, at)
}

func TestAWorkspaceWithMuchKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	small, acc := w.workspace("small")
	for range 60 {
		w.send(w.ws, w.acc, then, 0)
	}
	w.send(small, acc, then, 0)
	w.keep(w.ws, tideline.Retention{Messages: 30})
	w.keep(small, tideline.Retention{Messages: 30})
	s := &turns{Keeper: w.store}
	w.must(w.service(s, w.blobs).Sweep(t.Context(), now))
	if at := slices.Index(s.of, small.ID); at < 0 || at > 3 || len(s.of) < 20 {
		t.Errorf("the small workspace came %d. of %d", at, len(s.of))
	}
}

func TestASweepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 30 {
		w.send(w.ws, w.acc, then, 0)
	}
	w.keep(w.ws, tideline.Retention{Messages: 30})
	ctx, cancel := context.WithCancel(t.Context())
	s := retention.New(retention.Deps{Store: w.store, Blobs: w.blobs}, retention.Config{Piece: 5,
		Rest: func(context.Context, time.Duration) { cancel() }})
	if err := s.Sweep(ctx, now); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	page, err := w.store.OldMessages(t.Context(), w.ws.ID, store.OldMessages{Before: now, Ended: now, Limit: 100})
	w.must(err)
	if len(page.Messages) != 25 {
		t.Errorf("%d messages are left, want 25: one transaction was done", len(page.Messages))
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.must(<-done)
}

func TestFilesGoFirstByTheirRecordsAndThenByTheirBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.file("once")
	w.send(w.ws, w.acc, then, f.ID)
	w.keep(w.ws, tideline.Retention{Files: 30})
	w.must(w.service(w.store, w.blobs).Sweep(t.Context(), now))
	lost, err := w.store.LostBlobs(t.Context(), 10)
	w.must(err)
	if !slices.Equal(lost, []string{f.Blob}) {
		t.Errorf("lost %v, want %s", lost, f.Blob)
	}
	if _, err := w.blobs.Stat(t.Context(), f.Blob); errors.Is(err, blob.ErrNotFound) {
		t.Error("the bytes are gone before anybody could know that the record is")
	}
}
