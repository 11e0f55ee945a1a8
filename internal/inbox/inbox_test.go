package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestMain(m *testing.M) { testenv.Main(m) }

var errAway = errors.New("storage is away")

// world is storage, connector and files in memory.
type world struct {
	mu        sync.Mutex
	away      bool
	received  []store.Reception
	downloads map[int64]store.Download
	due       map[int64]time.Time
	files     map[int64]tideline.File
	ended     map[int64]tideline.AttachmentState
	fetches   []time.Time
	discarded int
	woken     int
	fetch     func(attempt int) ([]byte, error) // nil = one byte
	past      histories
	answered  []string // "account chat"
	postponed int
	leaving   func() // called when a download is about to be noted as done; nil = nothing
}

func newWorld() *world {
	return &world{downloads: map[int64]store.Download{}, due: map[int64]time.Time{}, files: map[int64]tideline.File{}, ended: map[int64]tideline.AttachmentState{}}
}

func (w *world) Receive(_ context.Context, r store.Reception) (store.Received, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return store.Received{}, errAway
	}
	w.received = append(w.received, r)
	id := int64(len(w.received))
	if m := r.Message; m != nil && m.Media != nil {
		w.downloads[id] = store.Download{
			MessageID: id, WorkspaceID: r.WorkspaceID, AccountID: r.AccountID, DeviceJID: "dev", Kind: m.Kind,
			Name: m.Media.Name, MIMEType: m.Media.MIMEType, Size: m.Media.Size, Ref: m.Media.Ref, SentAt: r.At,
		}
		w.due[id] = time.Now()
	}
	return store.Received{MessageID: id, ChatID: 1, NewChat: id == 1, Unnamed: r.Chat.JID.IsGroup() && r.Chat.Name == ""}, nil
}

func (w *world) Wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken++
}

func (w *world) Answered(accountID, chatID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = append(w.answered, fmt.Sprint(accountID, " ", chatID, " of ", len(w.received)))
}

func (w *world) Account(context.Context, int64, int64) (tideline.Account, error) {
	return tideline.Account{DeviceJID: "dev"}, nil
}

func (w *world) DueDownloads(_ context.Context, now time.Time, limit int) (list []store.Download, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return nil, errAway
	}
	for id, at := range w.due {
		if !at.After(now) && len(list) < limit {
			list = append(list, w.downloads[id])
		}
	}
	return list, nil
}

func (w *world) NextDownload(context.Context) (next time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.due {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, nil
}

func (w *world) end(id int64) error {
	if _, ok := w.due[id]; !ok {
		return tideline.Errorf(tideline.CodeNotFound, "download not found")
	}
	delete(w.due, id)
	return nil
}

// FinishDownload commits, like storage, also for a caller who left in the middle.
func (w *world) FinishDownload(ctx context.Context, _, id int64, f tideline.File) error {
	if w.leaving != nil {
		w.leaving()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return errAway
	}
	if err := w.end(id); err != nil {
		return err
	}
	w.files[id] = f
	return ctx.Err()
}

func (w *world) PostponeDownload(_ context.Context, _, id int64, due time.Time, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.downloads[id]
	d.Attempts++
	w.postponed++
	w.downloads[id], w.due[id] = d, due
	return nil
}

func (w *world) AbandonDownload(_ context.Context, _, id int64, why tideline.AttachmentState) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[id] = why
	return w.end(id)
}

func (w *world) Fetch(_ context.Context, _ string, _ []byte, _ int64, to io.Writer) error {
	w.mu.Lock()
	n := len(w.fetches)
	w.fetches = append(w.fetches, time.Now())
	fetch := w.fetch
	w.mu.Unlock()
	data, err := []byte("x"), error(nil)
	if fetch != nil {
		data, err = fetch(n)
	}
	if err != nil {
		return err
	}
	_, err = to.Write(data)
	return err
}

func (w *world) KeepReceived(ctx context.Context, in file.Received) (tideline.File, error) {
	var b bytes.Buffer
	if err := in.Write(ctx, &b); err != nil {
		return tideline.File{}, err
	}
	return tideline.File{UID: "f", Name: in.Name, Size: int64(b.Len())}, nil
}

func (w *world) Discard(context.Context, tideline.File) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.discarded++
}

func (w *world) service(cfg inbox.Config) *inbox.Service {
	return inbox.New(inbox.Deps{Store: w, Connector: w, Files: w, Looker: w, Queue: w}, cfg)
}

var ana = tideline.Peer{JID: "14840000001@s.whatsapp.net", LID: "77@lid", Name: "Ana"}

func picture(size int64) whatsapp.Inbound {
	return whatsapp.Inbound{ID: "P1", Chat: ana, Sender: ana, At: time.Now(), Content: &whatsapp.Content{
		Kind: tideline.KindImage, Media: &whatsapp.Media{Name: "a.jpg", MIMEType: "image/jpeg", Size: size, Ref: []byte("ref")},
	}}
}

// running runs test in virtual time beside a running service.
func running(t *testing.T, w *world, cfg inbox.Config, test func(s *inbox.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := w.service(cfg)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		test(s)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func receive(t *testing.T, s *inbox.Service, m whatsapp.Inbound) {
	t.Helper()
	if err := s.Receive(t.Context(), 3, 5, m); err != nil {
		t.Fatal(err)
	}
}

func TestReceivePassesOnEveryKindOfContent(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	in := func(change func(*whatsapp.Inbound)) whatsapp.Inbound {
		m := whatsapp.Inbound{ID: "A1", Chat: ana, Sender: ana, At: at}
		change(&m)
		return m
	}
	for name, c := range map[string]struct {
		in   whatsapp.Inbound
		want func(*store.Reception)
	}{
		"text": {in(func(m *whatsapp.Inbound) {
			m.Content = &whatsapp.Content{Kind: tideline.KindText, Text: "hi", ReplyTo: "Q", Data: map[string]string{"k": "v"}}
		}), func(r *store.Reception) {
			r.Message = &store.NewInbound{WhatsAppID: "A1", Kind: tideline.KindText, Text: "hi", ReplyTo: "Q", Data: map[string]string{"k": "v"}}
		}},
		"text that no database takes": {in(func(m *whatsapp.Inbound) {
			m.Content = &whatsapp.Content{Kind: tideline.KindText, Text: "a\x00b\xffc" + strings.Repeat("ä", 70000)}
		}), func(r *store.Reception) {
			r.Message = &store.NewInbound{WhatsAppID: "A1", Kind: tideline.KindText, Text: "ab\uFFFDc" + strings.Repeat("ä", 65536-4)}
		}},
		"call": {in(func(m *whatsapp.Inbound) {
			m.Call = &whatsapp.Call{Status: tideline.CallAnswered, Video: true, Duration: 90 * time.Second}
		}), func(r *store.Reception) {
			r.Message = &store.NewInbound{WhatsAppID: "A1", Kind: tideline.KindCall, Status: tideline.CallAnswered, Data: map[string]string{"video": "true", "duration": "90"}}
		}},
		"reaction": {in(func(m *whatsapp.Inbound) { m.Reaction = &whatsapp.Reacted{MessageID: "Q", Emoji: "👍"} }), func(r *store.Reception) {
			r.Reaction = &store.NewReaction{Target: "Q", Emoji: "👍", At: at}
		}},
		"edit":   {in(func(m *whatsapp.Inbound) { m.Edit = &whatsapp.Edited{MessageID: "Q", Text: "x"} }), func(r *store.Reception) { r.Edit = &store.NewEdit{Target: "Q", Text: "x"} }},
		"delete": {in(func(m *whatsapp.Inbound) { m.Delete = &whatsapp.Deleted{MessageID: "Q"} }), func(r *store.Reception) { r.Delete = &store.NewDeletion{Target: "Q"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			receive(t, w.service(inbox.Config{}), c.in)
			want := store.Reception{WorkspaceID: 3, AccountID: 5, Chat: ana, Sender: ana, At: at}
			c.want(&want)
			got := w.received[0]
			got.ReceivedAt = time.Time{}
			if got.Message != nil {
				if got.Message.UID == "" {
					t.Error("the message has no uid")
				}
				got.Message.UID = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("reception (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReceiveDropsWhatCanNeverBeStored(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for _, m := range []whatsapp.Inbound{
		{ID: "A1", Content: &whatsapp.Content{Text: "no chat"}},
		{ID: "A1", Chat: ana, Content: &whatsapp.Content{Text: "no sender"}},
		{Chat: ana, Sender: ana, Content: &whatsapp.Content{Text: "no id"}},
		{ID: "A1", Chat: ana, Sender: ana},
		{ID: "A1", Chat: ana, Sender: ana, Edit: &whatsapp.Edited{Text: "no target"}},
		{ID: strings.Repeat("A", 300), Chat: ana, Sender: ana, Content: &whatsapp.Content{Text: "id too long"}},
	} {
		receive(t, w.service(inbox.Config{}), m)
	}
	if len(w.received) != 0 {
		t.Errorf("stored %+v", w.received)
	}
}

func TestReceiveSaysWhenStorageIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.away = true
	if err := w.service(inbox.Config{}).Receive(t.Context(), 3, 5, picture(1)); !errors.Is(err, errAway) {
		t.Errorf("error %v, want the one of storage", err)
	}
}

func TestAnAttachmentIsFetchedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	running(t, w, inbox.Config{}, func(s *inbox.Service) {
		synctest.Wait()
		start := time.Now()
		receive(t, s, picture(1))
		synctest.Wait()
		if w.files[1].Size != 1 || len(w.fetches) != 1 || !w.fetches[0].Equal(start) {
			t.Errorf("files %+v after %v", w.files, w.fetches)
		}
	})
}

func TestAnAttachmentIsTriedAgainWithGrowingPauses(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.fetch = func(n int) ([]byte, error) {
		if n < 3 {
			return nil, errors.New("reset by peer")
		}
		return []byte("picture"), nil
	}
	running(t, w, inbox.Config{RetryFirst: time.Second, RetryMax: 3 * time.Second}, func(s *inbox.Service) {
		receive(t, s, picture(1))
		<-time.After(time.Minute)
		synctest.Wait()
		var pauses []time.Duration
		for i := 1; i < len(w.fetches); i++ {
			pauses = append(pauses, w.fetches[i].Sub(w.fetches[i-1]))
		}
		if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !cmp.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
		if w.files[1].Size != 7 {
			t.Errorf("file %+v", w.files[1])
		}
	})
}

func TestAnAttachmentThatCantBeHadIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size     int64
		err      error
		after    time.Duration
		want     tideline.AttachmentState
		attempts int
	}{
		"too large, as its sender says": {2000, nil, time.Second, tideline.AttachmentTooLarge, 0},
		"too large, in truth":           {1, whatsapp.ErrMediaTooLarge, time.Second, tideline.AttachmentTooLarge, 1},
		"gone":                          {1, whatsapp.ErrMediaGone, time.Second, tideline.AttachmentGone, 1},
		"broken, also the third time":   {1, whatsapp.ErrMediaBroken, time.Minute, tideline.AttachmentBroken, 3},
		"never there":                   {1, errors.New("timeout"), 8 * 24 * time.Hour, tideline.AttachmentGone, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.fetch = func(int) ([]byte, error) { return nil, c.err }
			running(t, w, inbox.Config{MaxFileBytes: 1000}, func(s *inbox.Service) {
				receive(t, s, picture(c.size))
				<-time.After(c.after)
				synctest.Wait()
				if w.ended[1] != c.want || c.attempts >= 0 && len(w.fetches) != c.attempts {
					t.Errorf("ended as %q after %d attempts, want %q after %d", w.ended[1], len(w.fetches), c.want, c.attempts)
				}
			})
		})
	}
}

func TestAnAttachmentWaitsForItsAccount(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.fetch = func(n int) ([]byte, error) {
		if n < 10 {
			return nil, whatsapp.ErrOffline
		}
		return []byte("x"), nil
	}
	running(t, w, inbox.Config{}, func(s *inbox.Service) {
		receive(t, s, picture(1))
		<-time.After(3 * time.Minute)
		synctest.Wait()
		if w.files[1].UID == "" {
			t.Errorf("not there after %d attempts", len(w.fetches))
		}
	})
}

func TestComplaint25WhatWaitsForALoggedOutAccountSleeps(t *testing.T) {
	t.Parallel()
	w := newWorld()
	running(t, w, inbox.Config{}, func(*inbox.Service) {
		w.mu.Lock()
		w.downloads[1], w.due[1] = store.Download{MessageID: 1, SentAt: time.Now()}, time.Now()
		w.past.chunk, w.past.chunkDue = &store.HistoryChunk{ID: 1, AnnouncedAt: time.Now()}, time.Now()
		w.mu.Unlock()
		<-time.After(24 * time.Hour)
		synctest.Wait()
		if w.postponed == 0 || w.past.chunk.Attempts == 0 || w.postponed+w.past.chunk.Attempts > 150 {
			t.Errorf("in a day an attachment was tried %d times, a history %d times", w.postponed, w.past.chunk.Attempts)
		}
	})
}

func TestDownloadsGoOnWhenStorageIsBack(t *testing.T) {
	t.Parallel()
	w := newWorld()
	running(t, w, inbox.Config{}, func(s *inbox.Service) {
		w.fetch = func(int) ([]byte, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.away = len(w.fetches) == 1
			return []byte("x"), nil
		}
		receive(t, s, picture(1))
		synctest.Wait()
		w.mu.Lock()
		w.away = false
		w.mu.Unlock()
		<-time.After(time.Minute)
		synctest.Wait()
		if w.files[1].UID == "" || w.discarded != 1 {
			t.Errorf("file %+v, %d discarded", w.files[1], w.discarded)
		}
	})
}

func TestAStopInTheMiddleOfACommitLosesNoAttachment(t *testing.T) {
	t.Parallel()
	w := newWorld()
	synctest.Test(t, func(t *testing.T) {
		s := w.service(inbox.Config{})
		ctx, stop := context.WithCancel(t.Context())
		w.leaving = stop
		receive(t, s, picture(1))
		if err := s.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
		if w.files[1].UID == "" || w.discarded != 0 {
			t.Errorf("file %+v, %d discarded: want its record with its bytes", w.files[1], w.discarded)
		}
	})
}

func TestTheQueueHearsOfMessagesOnceTheyAreStored(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := w.service(inbox.Config{})
	receive(t, s, whatsapp.Inbound{ID: "R1", Chat: ana, Sender: ana, At: time.Now(), Reaction: &whatsapp.Reacted{MessageID: "A0", Emoji: "👍"}})
	receive(t, s, picture(1))
	w.away = true
	if err := s.Receive(t.Context(), 3, 5, picture(1)); !errors.Is(err, errAway) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string{"5 1 of 2"}, w.answered); diff != "" {
		t.Errorf("heard of (-want +got):\n%s", diff)
	}
}

func TestChatsOfWhichLittleIsKnownAreLookedAtAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := w.service(inbox.Config{})
	in := func(chat tideline.Peer) whatsapp.Inbound {
		return whatsapp.Inbound{ID: "A1", Chat: chat, Sender: ana, At: time.Now(), Content: &whatsapp.Content{Kind: tideline.KindText, Text: "la"}}
	}
	for i, chat := range []tideline.Peer{ana, {JID: "1@g.us"}} { // a new one, a group without a name
		receive(t, s, in(chat))
		if w.woken != i+1 {
			t.Errorf("woken %d times, want %d", w.woken, i+1)
		}
	}
	receive(t, s, in(ana))
	if w.woken != 2 {
		t.Errorf("woken %d times, want twice", w.woken)
	}
}
