package live_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// memory is storage that knows who is responsible for chats.
type memory struct {
	mu          sync.Mutex
	responsible map[int64]int64
	reads       int
	fail        error
}

func (m *memory) Chat(_ context.Context, _, chatID int64) (tideline.Chat, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.fail != nil {
		return tideline.Chat{}, m.fail
	}
	id, ok := m.responsible[chatID]
	if !ok {
		return tideline.Chat{}, tideline.Errorf(tideline.CodeNotFound, "no chat")
	}
	return tideline.Chat{ID: chatID, Responsible: id}, nil
}

const workspace = 1

func message(chat, id int64) tideline.Change {
	return tideline.Change{WorkspaceID: workspace, Kind: tideline.ChangeMessage, AccountID: 7, ChatID: chat, MessageID: id}
}

func chat(id int64, formerly ...int64) tideline.Change {
	c := tideline.Change{WorkspaceID: workspace, Kind: tideline.ChangeChat, AccountID: 7, ChatID: id}
	if len(formerly) > 0 {
		c.Formerly = formerly[0]
	}
	return c
}

// read gives what waits for a subscription; nothing when that is nothing. It must
// run in a bubble.
func read(t *testing.T, s *live.Subscription) []live.Notice {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []live.Notice
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		got, err = s.Next(ctx)
	}()
	synctest.Wait()
	cancel()
	<-done
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return got
}

// wants compares what waits for a subscription, but for ids.
func wants(t *testing.T, what string, s *live.Subscription, want ...live.Notice) {
	t.Helper()
	if diff := cmp.Diff(want, read(t, s), cmpopts.IgnoreFields(live.Notice{}, "ID"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func notice(c tideline.Change) live.Notice {
	return live.Notice{Kind: c.Kind, AccountID: c.AccountID, ChatID: c.ChatID, MessageID: c.MessageID}
}

var resync = live.Notice{Kind: live.KindResync}

func TestManyChangesOfOneThingAreOneNotice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := live.New(&memory{}, live.Config{})
		s := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
		for range 100 {
			h.Publish([]tideline.Change{message(1, 10), chat(1), message(1, 11), {WorkspaceID: workspace, Kind: tideline.ChangeSettings}})
		}
		h.Publish([]tideline.Change{message(1, 10), {WorkspaceID: 2, Kind: tideline.ChangeSettings}})
		wants(t, "notices", s, notice(chat(1)), notice(message(1, 11)), live.Notice{Kind: tideline.ChangeSettings}, notice(message(1, 10)))
		wants(t, "after they were read", s)
		h.Publish([]tideline.Change{message(1, 10)})
		wants(t, "another change of one that was read", s, notice(message(1, 10)))
	})
}

func TestASlowReaderIsToldToResyncAndHoldsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := live.New(&memory{}, live.Config{Pending: 4})
		slow := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
		for i := range int64(1000) {
			h.Publish([]tideline.Change{message(1, i)})
		}
		got := read(t, slow)
		if len(got) != 1 || got[0].Kind != live.KindResync || got[0].ID != h.Position() {
			t.Errorf("a slow reader got %+v, want a resync with the position %s", got, h.Position())
		}
		h.Publish([]tideline.Change{message(1, 5)})
		wants(t, "after it", slow, notice(message(1, 5)))
	})
}

func TestAReaderThatComesBackMissesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := live.New(&memory{}, live.Config{Ring: 8})
		begin := h.Position()
		first := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
		h.Publish([]tideline.Change{message(1, 1), message(1, 2)})
		last := read(t, first)[1].ID
		first.Close()
		h.Publish([]tideline.Change{message(1, 3), {WorkspaceID: 2, Kind: tideline.ChangeSettings}, message(1, 4)})

		after := func(id string) *live.Subscription {
			return h.Subscribe(live.Subscriber{WorkspaceID: workspace, After: id})
		}
		wants(t, "after the last notice", after(last), notice(message(1, 3)), notice(message(1, 4)))
		wants(t, "after the beginning", after(begin), notice(message(1, 1)), notice(message(1, 2)), notice(message(1, 3)), notice(message(1, 4)))
		wants(t, "after now", after(h.Position()))
		wants(t, "without an id", after(""))
		for range 4 {
			h.Publish([]tideline.Change{chat(2)})
		}
		wants(t, "with a full ring", after(last), notice(message(1, 3)), notice(message(1, 4)), notice(chat(2)))
		wants(t, "when the ring has forgotten", after(begin), resync)
		other := live.New(&memory{}, live.Config{})
		for what, id := range map[string]string{"of another run": other.Position(), "from the future": begin[:len(begin)-1] + "999", "that is none": "x", "of half": begin[:5]} {
			wants(t, "an id "+what, after(id), resync)
		}
	})
}

func TestAMemberGetsNoticesOfTheirChatsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{responsible: map[int64]int64{1: 5, 2: 6, 3: 0}}
		h := live.New(m, live.Config{})
		ann := h.Subscribe(live.Subscriber{WorkspaceID: workspace, MemberID: 5, Viewer: &store.Viewer{MemberID: 5, Accounts: []int64{8}}})
		theirs := tideline.Change{WorkspaceID: workspace, Kind: tideline.ChangeChat, AccountID: 8, ChatID: 4}
		h.Publish([]tideline.Change{message(1, 1), message(2, 2), message(3, 3), theirs, message(99, 4)})
		wants(t, "her account's and those she is responsible for", ann, notice(message(1, 1)), notice(theirs))
		reads := m.reads
		h.Publish([]tideline.Change{message(1, 1), message(2, 2)})
		wants(t, "again", ann, notice(message(1, 1)))
		if m.reads != reads {
			t.Errorf("chats were read %d times more although nothing changed", m.reads-reads)
		}

		m.responsible[1] = 6
		h.Publish([]tideline.Change{chat(1, 5), message(1, 7)})
		wants(t, "the chat that was taken from her, once more", ann, notice(chat(1, 5)))
		h.Publish([]tideline.Change{chat(1), message(1, 8)})
		wants(t, "and never again", ann)
		m.responsible[2] = 5
		h.Publish([]tideline.Change{chat(2, 6)})
		wants(t, "one that was given to her", ann, notice(chat(2)))

		m.fail = errors.New("no storage")
		h.Publish([]tideline.Change{chat(2)})
		wants(t, "when nobody can tell", ann, resync)
		m.fail = nil
		ann.SetViewer(&store.Viewer{MemberID: 5, Accounts: []int64{8}})
		wants(t, "the same rights", ann)
		ann.SetViewer(nil)
		wants(t, "other rights", ann, resync)
		h.Publish([]tideline.Change{message(3, 3)})
		wants(t, "of all chats", ann, notice(message(3, 3)))
	})
}

func TestAReadOfWhoIsResponsibleThatAChangePassesIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &passed{memory: memory{responsible: map[int64]int64{1: 5}}}
		h := live.New(m, live.Config{})
		m.during = func() {
			m.responsible[1] = 6
			h.Publish([]tideline.Change{chat(1, 5)})
		}
		ann := h.Subscribe(live.Subscriber{WorkspaceID: workspace, MemberID: 5, Viewer: &store.Viewer{MemberID: 5}})
		h.Publish([]tideline.Change{message(1, 1)})
		read(t, ann) // was looked up before the change
		wants(t, "that it was taken", ann, notice(chat(1)))
		h.Publish([]tideline.Change{message(1, 2)})
		wants(t, "after the change", ann)
	})
}

// passed is a memory in which something happens between a read and its answer.
type passed struct {
	memory
	once   sync.Once
	during func()
}

func (p *passed) Chat(ctx context.Context, workspaceID, chatID int64) (tideline.Chat, error) {
	c, err := p.memory.Chat(ctx, workspaceID, chatID)
	p.once.Do(p.during)
	return c, err
}

func TestClosingEndsEveryReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := live.New(&memory{}, live.Config{})
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- h.Run(ctx) }()
		var ended []error
		var mu sync.Mutex
		for range 3 {
			s := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
			go func() {
				_, err := s.Next(context.Background())
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, err)
			}()
		}
		closed := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
		synctest.Wait()
		closed.Close()
		closed.Close()
		if _, err := closed.Next(t.Context()); !errors.Is(err, live.ErrClosed) {
			t.Errorf("a closed subscription gives %v", err)
		}
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		for _, err := range append(ended, func() error {
			_, err := h.Subscribe(live.Subscriber{WorkspaceID: workspace}).Next(t.Context())
			return err
		}()) {
			if !errors.Is(err, live.ErrClosed) {
				t.Errorf("a reader of a closed hub gets %v", err)
			}
		}
		if len(ended) != 3 {
			t.Errorf("%d readers ended, want 3", len(ended))
		}
		h.Publish([]tideline.Change{chat(1)})
	})
}

// However publishing, reading, going away and coming back are mixed, a reader that
// fetches what its notices name, and everything on a resync, ends with what is
// there.
func TestWhoeverFollowsNoticesEndsWithWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		cfg := live.Config{Ring: rapid.IntRange(1, 12).Draw(rt, "ring"), Pending: rapid.IntRange(1, 6).Draw(rt, "pending")}
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 60).Draw(rt, "steps")
		breaks := rapid.Uint64().Draw(rt, "breaks")
		var there, seen map[int64]int
		synctest.Test(t, func(t *testing.T) { there, seen = follow(t, cfg, steps, breaks) })
		if diff := cmp.Diff(there, seen); diff != "" {
			rt.Errorf("shown at the end (-there +shown):\n%s", diff)
		}
	})
}

// follow runs steps: 0 reads, 1 comes back, the others change a message. It gives
// how often each message changed, and which of its changes the reader has seen.
func follow(t *testing.T, cfg live.Config, steps []int, breaks uint64) (there, seen map[int64]int) {
	r := rand.New(rand.NewPCG(breaks, 1))
	h := live.New(&memory{}, cfg)
	there, seen = make(map[int64]int), make(map[int64]int)
	last := h.Position()
	s := h.Subscribe(live.Subscriber{WorkspaceID: workspace, After: last})
	comeBack := func() {
		s.Close()
		s = h.Subscribe(live.Subscriber{WorkspaceID: workspace, After: last})
	}
	next := func(mayBreak bool) bool {
		notices := read(t, s)
		for _, n := range notices {
			last = n.ID
			if n.Kind == live.KindResync {
				maps.Copy(seen, there)
			} else {
				seen[n.MessageID] = there[n.MessageID]
			}
			if mayBreak && r.IntN(3) == 0 {
				comeBack()
				break
			}
		}
		return len(notices) > 0
	}
	for _, step := range steps {
		switch step {
		case 0:
			next(true)
		case 1:
			comeBack()
		default:
			there[int64(step)]++
			h.Publish([]tideline.Change{message(1, int64(step)), {WorkspaceID: 2, Kind: tideline.ChangeMessage, MessageID: int64(step)}})
		}
	}
	comeBack()
	for next(false) {
	}
	s.Close()
	return there, seen
}

// Whoever follows is told when changes may have been missed, and whoever comes back
// with an id of before too.
func TestAfterAResyncEverybodyFetchesAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := live.New(&memory{}, live.Config{})
		here := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
		before := h.Position()
		h.Resync()
		if got := read(t, here); len(got) != 1 || got[0].Kind != live.KindResync {
			t.Errorf("who follows got %+v", got)
		}
		if got := read(t, h.Subscribe(live.Subscriber{WorkspaceID: workspace, After: before})); len(got) != 1 || got[0].Kind != live.KindResync {
			t.Errorf("who comes back got %+v", got)
		}
		h.Publish([]tideline.Change{message(1, 5)})
		wants(t, "after it", here, notice(message(1, 5)))
	})
}
