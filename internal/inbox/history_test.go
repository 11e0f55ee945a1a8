package inbox_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// histories is the part of world that is about history: one chunk, whose parts the
// connector hands out.
type histories struct {
	chunk    *store.HistoryChunk // nil = finished, or not announced
	chunkDue time.Time
	ended    []string // notes of finished chunks
	parts    []whatsapp.HistoryPart
	read     func(attempt int) error // after the parts; nil = it worked
	reads    []time.Time
	stored   []store.History
}

func (w *world) PutHistoryChunk(_ context.Context, c store.HistoryChunk) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return errAway
	}
	if c.DeviceJID = "dev"; w.past.chunk == nil {
		w.past.chunk, w.past.chunkDue = &c, time.Now()
	}
	return nil
}

func (w *world) DueHistoryChunk(_ context.Context, now time.Time) (c store.HistoryChunk, found bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return c, false, errAway
	}
	if w.past.chunk == nil || w.past.chunkDue.After(now) {
		return c, false, nil
	}
	return *w.past.chunk, true, nil
}

func (w *world) NextHistoryChunk(context.Context) (time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.past.chunk == nil {
		return time.Time{}, nil
	}
	return w.past.chunkDue, nil
}

func (w *world) PostponeHistoryChunk(_ context.Context, _, _ int64, due time.Time, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.past.chunk.Attempts++
	w.past.chunkDue = due
	return nil
}

func (w *world) FinishHistoryChunk(_ context.Context, _, _ int64, _ time.Time, note string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return errAway
	}
	w.past.chunk = nil
	w.past.ended = append(w.past.ended, note)
	return nil
}

func (w *world) ReceiveHistory(_ context.Context, h store.History) (store.HistoryReceived, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return store.HistoryReceived{}, errAway
	}
	w.past.stored = append(w.past.stored, h)
	return store.HistoryReceived{}, nil
}

func (w *world) History(ctx context.Context, _ string, _ []byte, take func(context.Context, whatsapp.HistoryPart) error) error {
	w.mu.Lock()
	n := len(w.past.reads)
	w.past.reads = append(w.past.reads, time.Now())
	parts, read := w.past.parts, w.past.read
	w.mu.Unlock()
	for _, p := range parts {
		if err := take(ctx, p); err != nil {
			return err
		}
	}
	if read != nil {
		return read(n)
	}
	return nil
}

func announce(t *testing.T, s *inbox.Service) {
	t.Helper()
	if err := s.History(t.Context(), 3, 5, whatsapp.HistoryChunk{ID: "C1", Ref: []byte("ref")}); err != nil {
		t.Fatal(err)
	}
}

func TestAHistoryIsStoredAsHistory(t *testing.T) {
	t.Parallel()
	w := newWorld()
	old := time.Unix(1_600_000_000, 0)
	entry := func(m whatsapp.Inbound, status tideline.Status) whatsapp.HistoryEntry {
		return whatsapp.HistoryEntry{Inbound: m, Status: status}
	}
	running(t, w, inbox.Config{}, func(s *inbox.Service) {
		oldPicture, newPicture := picture(10), picture(10)
		oldPicture.At, oldPicture.ID = time.Now().Add(-8*24*time.Hour), "P0"
		w.past.parts = []whatsapp.HistoryPart{
			{Contacts: []tideline.Peer{{JID: ana.JID, LID: ana.LID, Name: " Ana\x00 "}}},
			{Chats: []whatsapp.HistoryChat{{Peer: ana, Unread: 2, Entries: []whatsapp.HistoryEntry{
				entry(whatsapp.Inbound{ID: "A1", FromMe: true, At: old, Content: &whatsapp.Content{Kind: tideline.KindText, Text: "hi"}}, tideline.StatusRead),
				entry(whatsapp.Inbound{ID: "", Sender: ana, At: old, Content: &whatsapp.Content{Kind: tideline.KindText}}, ""), // can't be stored
				entry(oldPicture, ""), entry(newPicture, ""),
			}}}},
		}
		announce(t, s)
		synctest.Wait()
		if diff := cmp.Diff([]string{""}, w.past.ended); diff != "" || len(w.past.stored) != 2 {
			t.Fatalf("%d parts stored, chunks ended with (-want +got):\n%s", len(w.past.stored), diff)
		}
		if diff := cmp.Diff([]tideline.Peer{{JID: ana.JID, LID: ana.LID, Name: "Ana"}}, w.past.stored[0].Contacts); diff != "" {
			t.Errorf("contacts (-want +got):\n%s", diff)
		}
		chat := w.past.stored[1].Chats[0]
		if chat.Unread != 2 || len(chat.Receptions) != 3 {
			t.Fatalf("chat %+v", chat)
		}
		own, gone, there := chat.Receptions[0], chat.Receptions[1], chat.Receptions[2]
		if own.Message.Status != tideline.StatusRead || !own.FromMe || own.Chat != ana {
			t.Errorf("own message %+v of %+v", own.Message, own)
		}
		if gone.Message.Media != nil || gone.Message.Data[tideline.DataAttachment] != string(tideline.AttachmentSkipped) {
			t.Errorf("an attachment of last week is %+v", gone.Message)
		}
		if there.Message.Media == nil || there.Message.Data[tideline.DataAttachment] != "" {
			t.Errorf("an attachment of today is %+v", there.Message)
		}
	})
}

func TestAHistoryIsReadUntilItIsStored(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		read  func(attempt int) error
		reads int
		note  string
	}{
		"the account is offline": {func(n int) error {
			if n < 4 {
				return whatsapp.ErrOffline
			}
			return nil
		}, 5, ""},
		"something fails": {func(n int) error {
			if n < 4 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}, 5, ""},
		"WhatsApp has it no more": {func(int) error { return whatsapp.ErrMediaGone }, 1, whatsapp.ErrMediaGone.Error()},
		"it is too large":         {func(int) error { return whatsapp.ErrMediaTooLarge }, 1, whatsapp.ErrMediaTooLarge.Error()},
		"it stays broken":         {func(int) error { return whatsapp.ErrMediaBroken }, 3, whatsapp.ErrMediaBroken.Error()},
		"the account is gone":     {func(int) error { return tideline.Errorf(tideline.CodeNotFound, "account") }, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			running(t, w, inbox.Config{RetryFirst: time.Second, RetryMax: time.Minute}, func(s *inbox.Service) {
				w.past.parts = []whatsapp.HistoryPart{{Contacts: []tideline.Peer{ana}}}
				w.past.read = c.read
				announce(t, s)
				<-time.After(time.Hour) // of virtual time
				synctest.Wait()
				if len(w.past.reads) != c.reads || len(w.past.ended) != 1 || w.past.ended[0] != c.note || len(w.past.stored) != c.reads {
					t.Errorf("%d reads, %d parts stored, ended with %q; want %d reads and %q", len(w.past.reads), len(w.past.stored), w.past.ended, c.reads, c.note)
				}
			})
		})
	}
}

func TestAHistoryIsReadAgainWhenStorageWasAway(t *testing.T) {
	t.Parallel()
	w := newWorld()
	running(t, w, inbox.Config{RetryFirst: time.Second}, func(s *inbox.Service) {
		w.past.parts = []whatsapp.HistoryPart{{Contacts: []tideline.Peer{ana}}}
		w.mu.Lock()
		w.past.chunk, w.away = &store.HistoryChunk{ID: 1, DeviceJID: "dev", AnnouncedAt: time.Now()}, true
		w.mu.Unlock()
		<-time.After(10 * time.Minute) // of virtual time
		synctest.Wait()
		w.mu.Lock()
		w.away = false
		w.mu.Unlock()
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if w.past.chunk != nil || len(w.past.stored) != 1 {
			t.Errorf("%d parts are stored, chunk %+v", len(w.past.stored), w.past.chunk)
		}
	})
}

func TestAHistoryIsNotedOrRefused(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.away = true
	err := w.service(inbox.Config{}).History(t.Context(), 3, 5, whatsapp.HistoryChunk{ID: "C1"})
	if !errors.Is(err, errAway) {
		t.Errorf("error %v, want that storage is away", err)
	}
}
