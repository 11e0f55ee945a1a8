package live

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// KindResync is the kind of a notice that says: fetch everything that is shown
// anew, some notices are lost. KindActivity is that of one about who types or
// looks. All others are a tideline.ChangeKind.
const (
	KindResync   tideline.ChangeKind = "resync"
	KindActivity tideline.ChangeKind = "typing"
)

// Notice says that something changed.
type Notice struct {
	// ID is what a reader names when it comes back, see Subscriber.After. "" for
	// what is not remembered: activity.
	ID        string
	Kind      tideline.ChangeKind
	AccountID int64 // 0 = none; so are the next two
	ChatID    int64
	MessageID int64
	// People are, with KindActivity, all who type or look in the chat now, by name.
	People []Person
}

// Subscriber is who wants notices.
type Subscriber struct {
	WorkspaceID int64
	MemberID    int64
	Viewer      *store.Viewer // nil = sees every chat of the workspace
	// After is the id of the last notice that was seen, or Hub.Position from before
	// what is shown was read; "" = from now on.
	After string
}

// Chats finds chats, see store.Chats.
type Chats interface {
	Chat(ctx context.Context, workspaceID, chatID int64) (tideline.Chat, error)
}

// ErrClosed says that the hub is closed and no notice will follow.
var ErrClosed = errors.New("live: closed")

// The sizes of a Hub.
const (
	defaultRing    = 8192
	defaultPending = 256
	cachedChats    = 4096
)

// Config changes the sizes of a Hub; the zero value is right for a server.
type Config struct {
	Ring    int              // changes that are remembered, of all workspaces
	Pending int              // notices that wait for one reader
	Now     func() time.Time // default time.Now
}

// Hub tells subscriptions what changed. Its methods may be called at the same time.
type Hub struct {
	chats Chats
	cfg   Config
	epoch string
	wake  chan struct{} // tells Run that something expires sooner

	mu       sync.Mutex
	closed   bool
	seq      uint64 // of the last change
	ring     []tideline.Change
	subs     map[int64]map[*Subscription]struct{}
	activity map[place]*scene

	// Who is responsible for chats, as far as somebody had to know. A number that
	// was read before a change is not kept after it.
	responsible map[int64]int64
	reassigned  uint64 // counts changes of chats
}

// New makes a Hub. Run must run for activity to end.
func New(chats Chats, cfg Config) *Hub {
	if cfg.Ring <= 0 {
		cfg.Ring = defaultRing
	}
	if cfg.Pending <= 0 {
		cfg.Pending = defaultPending
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Hub{
		chats: chats, cfg: cfg, epoch: newEpoch(), wake: make(chan struct{}, 1),
		ring: make([]tideline.Change, cfg.Ring), subs: make(map[int64]map[*Subscription]struct{}),
		activity: make(map[place]*scene), responsible: make(map[int64]int64),
	}
}

// newEpoch draws what tells the ids of one run from those of others.
func newEpoch() string {
	const length = 10
	return strings.ToLower(rand.Text()[:length])
}

// Resync says that changes may have been missed, such as those that other servers told
// while they could not be heard: every subscription is told to fetch anew, and so is
// everybody who comes back with an id of before.
func (h *Hub) Resync() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch = newEpoch()
	clear(h.responsible)
	h.reassigned++
	for _, subs := range h.subs {
		for s := range subs {
			s.lose()
		}
	}
}

// Close ends all subscriptions: their readers get ErrClosed. Doing it twice is
// fine.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, subs := range h.subs {
		for s := range subs {
			s.signal()
		}
	}
}

// Publish tells of changes, which must be committed. It does not block and does
// not keep the slice, as store.Changes wants.
func (h *Hub) Publish(changes []tideline.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range changes {
		h.seq++
		h.ring[h.seq%uint64(len(h.ring))] = c
		if c.Kind == tideline.ChangeChat {
			h.reassigned++
			delete(h.responsible, c.ChatID)
		}
		for s := range h.subs[c.WorkspaceID] {
			s.push(h.seq, c)
		}
	}
}

// Position is the id of the last change. Read it before what a page shows, and
// subscribe after it: then nothing falls in between.
func (h *Hub) Position() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.id(h.seq)
}

func (h *Hub) id(seq uint64) string { return h.epoch + "." + strconv.FormatUint(seq, 10) }

// seen reads an id of this run; false when it is none, or too old for the ring.
func (h *Hub) seen(id string) (uint64, bool) {
	epoch, number, _ := strings.Cut(id, ".")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || epoch != h.epoch || seq > h.seq || h.seq-seq > uint64(len(h.ring)) {
		return 0, false
	}
	return seq, true
}

// Subscribe begins to collect notices for s. The caller reads them with Next and
// ends with Close. After Hub.Close, Next says so.
func (h *Hub) Subscribe(s Subscriber) *Subscription {
	sub := &Subscription{hub: h, who: s, ready: make(chan struct{}, 1), pending: make(map[subject]waiting), scenes: make(map[place]struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs[s.WorkspaceID] == nil {
		h.subs[s.WorkspaceID] = make(map[*Subscription]struct{})
	}
	h.subs[s.WorkspaceID][sub] = struct{}{}
	if s.After != "" {
		if from, ok := h.seen(s.After); ok {
			for seq := from + 1; seq <= h.seq; seq++ {
				if c := h.ring[seq%uint64(len(h.ring))]; c.WorkspaceID == s.WorkspaceID {
					sub.push(seq, c)
				}
			}
		} else {
			sub.lose()
		}
	}
	for p := range h.activity {
		if p.workspaceID == s.WorkspaceID {
			sub.scenes[p] = struct{}{}
		}
	}
	sub.signal()
	return sub
}

// responsibleFor gives the member who is responsible for a chat; 0 = nobody, or
// there is no such chat.
func (h *Hub) responsibleFor(ctx context.Context, workspaceID, chatID int64) (int64, error) {
	h.mu.Lock()
	id, known := h.responsible[chatID]
	asOf := h.reassigned
	h.mu.Unlock()
	if known {
		return id, nil
	}
	c, err := h.chats.Chat(ctx, workspaceID, chatID)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reassigned == asOf {
		if len(h.responsible) >= cachedChats {
			clear(h.responsible)
		}
		h.responsible[chatID] = c.Responsible
	}
	return c.Responsible, nil
}
