package profile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/profile"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("away")

const group = tideline.JID("1@g.us")

// world is storage, connector and files in memory.
type world struct {
	mu      sync.Mutex
	away    bool  // storage
	silent  error // what WhatsApp's silence looks like
	due     map[int64]time.Time
	chats   map[int64]store.Profile
	looked  []tideline.Peer
	asked   []string // "chat at second"
	start   time.Time
	groups  []tideline.Group
	pics    map[int64]string // id by chat
	bytes   []byte           // of every picture
	stored  map[int64]*store.Picture
	kept    int
	dropped int
	lost    []string
	removed []string
	named   []tideline.Peer
	fresh   []store.NewChat
	seen    int64
	gone    bool   // chats, by the time WhatsApp has answered
	leaving func() // called when an answer is about to be stored; nil = nothing
}

func newWorld() *world {
	return &world{due: map[int64]time.Time{}, chats: map[int64]store.Profile{}, pics: map[int64]string{}, stored: map[int64]*store.Picture{},
		bytes: []byte("\xff\xd8\xff\xe0 a picture")}
}

// chat adds a chat that is due.
func (w *world) chat(id, account int64, jid tideline.JID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chats[id] = store.Profile{ChatID: id, WorkspaceID: 3, AccountID: account, DeviceJID: fmt.Sprint("dev", account), Chat: tideline.Peer{JID: jid}}
	w.due[id] = time.Now()
}

func (w *world) change(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

func (w *world) locked(fn func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return errAway
	}
	return fn()
}

func (w *world) NameContacts(_ context.Context, _, _ int64, contacts []tideline.Peer) error {
	return w.locked(func() error { w.named = append(w.named, contacts...); return nil })
}

func (w *world) PutGroup(_ context.Context, _, _ int64, g tideline.Group) error {
	return w.locked(func() error { w.groups = append(w.groups, g); return nil })
}

func (w *world) LookAgain(_ context.Context, _, _ int64, chat tideline.Peer, at time.Time, _ time.Duration) error {
	return w.locked(func() error {
		w.looked = append(w.looked, chat)
		for id, p := range w.chats {
			if p.Chat.JID == chat.JID {
				p.Generation++
				p.Attempts = 0
				w.chats[id], w.due[id] = p, at
			}
		}
		return nil
	})
}

func (w *world) LookAtGroups(context.Context, int64, int64, time.Time) error {
	return w.locked(func() error { return nil })
}

func (w *world) DueProfiles(_ context.Context, now time.Time, resting []int64, limit int) (list []store.Profile, err error) {
	err = w.locked(func() error {
		for id, at := range w.due {
			if !at.After(now) && !slices.Contains(resting, w.chats[id].AccountID) {
				list = append(list, w.chats[id])
			}
		}
		slices.SortFunc(list, func(a, b store.Profile) int { return int(a.ChatID - b.ChatID) })
		list = list[:min(len(list), limit)]
		return nil
	})
	return list, err
}

// FinishProfile commits, like storage, also for a caller who left in the middle.
func (w *world) FinishProfile(ctx context.Context, p store.Profile, _ time.Time, news *store.Picture) error {
	if w.leaving != nil {
		w.leaving()
	}
	return w.locked(func() error {
		if w.gone {
			return tideline.Errorf(tideline.CodeNotFound, "gone")
		}
		if news != nil {
			w.stored[p.ChatID] = news
		}
		now := w.chats[p.ChatID]
		if now.Generation == p.Generation {
			delete(w.due, p.ChatID)
		}
		if now.Attempts = 0; news != nil {
			now.PictureID = news.ID
		}
		w.chats[p.ChatID] = now
		return ctx.Err()
	})
}

func (w *world) PostponeProfile(_ context.Context, p store.Profile, due time.Time) error {
	return w.locked(func() error {
		p.Attempts++
		w.chats[p.ChatID], w.due[p.ChatID] = p, due
		return nil
	})
}

func (w *world) LostBlobs(context.Context, int) (list []string, err error) {
	err = w.locked(func() error { list = slices.Clone(w.lost); return nil })
	return list, err
}

func (w *world) ForgetBlob(_ context.Context, blob string) error {
	return w.locked(func() error {
		w.lost = slices.DeleteFunc(w.lost, func(b string) bool { return b == blob })
		return nil
	})
}

func (w *world) NewChats(context.Context, int) (list []store.NewChat, err error) {
	err = w.locked(func() error {
		for _, c := range w.fresh {
			if c.ChatID > w.seen {
				list = append(list, c)
			}
		}
		return nil
	})
	return list, err
}

func (w *world) SeenChats(_ context.Context, last int64, _ time.Time) error {
	return w.locked(func() error { w.seen = last; return nil })
}

func (w *world) note(device string, chat tideline.JID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprintf("%s %s at %d", device, chat, int(time.Since(w.start).Seconds())))
	return w.silent
}

func (w *world) Group(_ context.Context, device string, g tideline.JID) (tideline.Group, error) {
	return tideline.Group{JID: g, Subject: " Choir\x00 ", Members: []tideline.GroupMember{{Peer: tideline.Peer{JID: "2@s.whatsapp.net", Name: "\xffAna "}}}}, w.note(device, g)
}

func (w *world) Picture(_ context.Context, device string, of tideline.Peer, known string, limit int64, to io.Writer) (string, error) {
	if !of.JID.IsGroup() {
		if err := w.note(device, of.JID); err != nil {
			return "", err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, p := range w.chats {
		if p.Chat.JID == of.JID && w.pics[id] != "" {
			if w.pics[id] == known {
				return known, nil
			}
			if int64(len(w.bytes)) > limit {
				return "", whatsapp.ErrMediaTooLarge
			}
			_, err := to.Write(w.bytes)
			return w.pics[id], err
		}
	}
	return "", whatsapp.ErrNoPicture
}

func (w *world) ContactNames(_ context.Context, device string, contacts []tideline.Peer) ([]string, error) {
	if device == "dev9" {
		return nil, whatsapp.ErrNoSession
	}
	names := make([]string, len(contacts))
	for i := range contacts {
		names[i] = " Ana\x00"
	}
	return names, nil
}

func (w *world) KeepReceived(ctx context.Context, in file.Received) (tideline.File, error) {
	var b bytes.Buffer
	if err := in.Write(ctx, &b); err != nil {
		return tideline.File{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept++
	f := tideline.File{UID: fmt.Sprint("f", w.kept), Size: int64(b.Len()), MIMEType: "image/jpeg"}
	if !bytes.HasPrefix(b.Bytes(), []byte("\xff\xd8")) {
		f.MIMEType = "text/html"
	}
	return f, nil
}

func (w *world) Discard(context.Context, tideline.File) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped++
}

func (w *world) RemoveBytes(_ context.Context, blob string) error {
	return w.locked(func() error { w.removed = append(w.removed, blob); return nil })
}

// running runs test in virtual time beside a running service.
func running(t *testing.T, w *world, test func(s *profile.Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.change(func() { w.start = time.Now() })
		s := profile.New(profile.Deps{Store: w, Connector: w, Files: w}, profile.Config{})
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

// after lets time pass. What the test looked at before is looked at before what
// happens meanwhile.
func (w *world) after(d time.Duration) {
	w.change(func() {})
	<-time.After(d)
	synctest.Wait()
}

func contact(n int64) tideline.JID { return tideline.JID(fmt.Sprintf("%d@s.whatsapp.net", n)) }

func TestAccountsAreAskedForPolitelyAndBesideEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld()
	running(t, w, func(*profile.Service) {
		synctest.Wait() // it looks again in five seconds
		for id := int64(1); id <= 3; id++ {
			w.chat(id, 1, contact(id))
			w.chat(10+id, 2, contact(10+id))
		}
		w.after(time.Minute)
		slices.Sort(w.asked)
		want := []string{"dev1 1@s.whatsapp.net at 5", "dev1 2@s.whatsapp.net at 6", "dev1 3@s.whatsapp.net at 7",
			"dev2 11@s.whatsapp.net at 5", "dev2 12@s.whatsapp.net at 6", "dev2 13@s.whatsapp.net at 7"}
		if diff := cmp.Diff(want, w.asked); diff != "" || len(w.due) != 0 {
			t.Errorf("asked (-want +got):\n%s\nstill due: %v", diff, w.due)
		}
	})
}

func TestAGroupAndItsPictureAreStoredCleaned(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.pics[1] = "p1"
	running(t, w, func(*profile.Service) {
		w.chat(1, 1, group)
		w.after(time.Minute)
		want := []tideline.Group{{JID: group, Subject: "Choir", Members: []tideline.GroupMember{{Peer: tideline.Peer{JID: "2@s.whatsapp.net", Name: "\uFFFDAna"}}}}}
		if diff := cmp.Diff(want, w.groups); diff != "" {
			t.Errorf("groups (-want +got):\n%s", diff)
		}
		if p := w.stored[1]; p == nil || p.ID != "p1" || p.File == nil || p.File.Size != int64(len(w.bytes)) {
			t.Errorf("picture %+v", p)
		}
	})
}

func TestAPictureIsFetchedOnceAndGoesWhenItIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.pics[1] = "p1"
	running(t, w, func(s *profile.Service) {
		w.chat(1, 1, contact(1))
		news := func() {
			if err := s.News(t.Context(), 3, 1, whatsapp.News{Changed: []tideline.Peer{{JID: contact(1)}}}); err != nil {
				t.Error(err)
			}
			w.after(time.Minute)
		}
		w.after(time.Minute)
		news()
		if w.kept != 1 || w.stored[1].File == nil {
			t.Errorf("kept %d files, stored %+v", w.kept, w.stored[1])
		}
		w.change(func() { delete(w.pics, 1) })
		news()
		if w.kept != 1 || w.stored[1].ID != "" || w.stored[1].File != nil {
			t.Errorf("kept %d files, stored %+v", w.kept, w.stored[1])
		}
	})
}

func TestWhatIsNoPictureIsNotKept(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{"a page": []byte("<html>"), "too large": append([]byte("\xff\xd8"), make([]byte, 1<<20)...)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.pics[1], w.bytes = "p1", data
			running(t, w, func(*profile.Service) {
				w.chat(1, 1, contact(1))
				w.after(time.Hour)
				if p := w.stored[1]; p != nil && p.File != nil || w.kept != w.dropped || len(w.asked) != 1 {
					t.Errorf("stored %+v; %d kept, %d dropped; asked %v", p, w.kept, w.dropped, w.asked)
				}
			})
		})
	}
}

func TestAChatThatIsNotAnsweredIsAskedAboutWithGrowingPausesAndThenLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.silent = errors.New("no answer")
	running(t, w, func(s *profile.Service) {
		w.chat(1, 1, group)
		w.after(10 * time.Minute)
		if n := len(w.asked); n < 3 || n > 4 {
			t.Errorf("asked %d times in ten minutes: %v", n, w.asked)
		}
		w.after(30 * 24 * time.Hour)
		if n := len(w.asked); n != 12 || len(w.due) != 0 {
			t.Errorf("asked %d times in a month, due %v", n, w.due)
		}
		w.change(func() { w.silent = nil })
		if err := s.News(t.Context(), 3, 1, whatsapp.News{Changed: []tideline.Peer{{JID: group}}}); err != nil {
			t.Error(err)
		}
		w.after(time.Second)
		if len(w.groups) != 1 {
			t.Errorf("groups %+v after news, want one", w.groups)
		}
	})
}

func TestChatsOfAnAccountThatIsNotConnectedStayDue(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.silent = whatsapp.ErrOffline
	running(t, w, func(*profile.Service) {
		w.chat(1, 1, group)
		w.after(time.Hour)
		if n := len(w.asked); n < 100 {
			t.Errorf("tried %d times in an hour", n)
		}
		w.change(func() { w.silent = nil })
		w.after(time.Minute)
		if len(w.groups) != 1 || len(w.due) != 0 {
			t.Errorf("groups %+v, due %v", w.groups, w.due)
		}
	})
}

func TestStorageThatIsAwayStopsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.pics[1] = "p1"
	w.lost = []string{"old"}
	running(t, w, func(s *profile.Service) {
		w.chat(1, 1, contact(1))
		w.change(func() { w.away = true })
		w.after(time.Minute)
		if err := s.News(t.Context(), 3, 1, whatsapp.News{Changed: []tideline.Peer{{JID: contact(1)}}}); !errors.Is(err, errAway) {
			t.Errorf("news that can't be stored: error %v", err)
		}
		w.change(func() { w.away = false })
		w.after(time.Minute)
		if w.stored[1] == nil || !slices.Equal(w.removed, []string{"old"}) || len(w.lost) != 0 {
			t.Errorf("stored %+v, removed %v, lost %v", w.stored[1], w.removed, w.lost)
		}
	})
}

func TestAPictureOfAChatThatWasTakenOverIsDiscarded(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.pics[1] = "p1"
	running(t, w, func(*profile.Service) {
		w.change(func() { w.gone = true })
		w.chat(1, 1, contact(1))
		w.after(6 * time.Second)
		w.change(func() { delete(w.due, 1) })
		w.after(time.Minute)
		if w.kept == 0 || w.kept != w.dropped {
			t.Errorf("%d kept, %d discarded", w.kept, w.dropped)
		}
	})
}

func TestAStopInTheMiddleOfACommitLosesNoPicture(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.pics[1] = "p1"
	synctest.Test(t, func(t *testing.T) {
		w.chat(1, 1, contact(1))
		s := profile.New(profile.Deps{Store: w, Connector: w, Files: w}, profile.Config{})
		ctx, stop := context.WithCancel(t.Context())
		w.leaving = stop
		if err := s.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
		if w.stored[1] == nil || w.dropped != 0 {
			t.Errorf("stored %+v, %d discarded: want a picture with its bytes", w.stored[1], w.dropped)
		}
	})
}

func TestChatsThatSendsMadeGetTheNamesOfTheAddressBook(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.fresh = []store.NewChat{
		{ChatID: 1, AccountID: 1, DeviceJID: "dev1", Chat: tideline.Peer{JID: contact(1)}},
		{ChatID: 2, AccountID: 1, DeviceJID: "dev1", Chat: tideline.Peer{JID: group}},
		{ChatID: 3, AccountID: 9, DeviceJID: "dev9", Chat: tideline.Peer{JID: contact(3)}},
		{ChatID: 4, AccountID: 2, Chat: tideline.Peer{JID: contact(4)}},
		{ChatID: 5, AccountID: 1, DeviceJID: "dev1", Chat: tideline.Peer{JID: contact(5)}, Named: true}, // by a message
	}
	running(t, w, func(*profile.Service) {
		w.after(time.Minute)
		want := []tideline.Peer{{JID: contact(1), Name: "Ana"}}
		if diff := cmp.Diff(want, w.named); diff != "" || w.seen != 5 || len(w.asked) != 0 {
			t.Errorf("named (-want +got):\n%s\nseen %d, asked %v", diff, w.seen, w.asked)
		}
	})
}
