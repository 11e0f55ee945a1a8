package live

import (
	"cmp"
	"context"
	"slices"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Subscription collects notices for one reader. One goroutine may call Next at a
// time.
type Subscription struct {
	hub   *Hub
	ready chan struct{} // holds one element while there may be something to read

	// Guarded by hub.mu.
	who     Subscriber
	closed  bool
	lost    bool // a resync is due, and nothing else matters until it is read
	pending map[subject]waiting
	scenes  map[place]struct{} // in which activity changed
}

// subject is what a notice is about.
type subject struct {
	kind                tideline.ChangeKind
	account, chat, item int64
}

// waiting is a notice that was not read yet.
type waiting struct {
	seq     uint64 // of the last change of the subject
	account int64
	gone    bool // the reader was responsible for the chat until then
}

// subjectOf makes changes of one thing one: the message, the chat, the account, or
// the settings.
func subjectOf(c tideline.Change) subject {
	switch c.Kind {
	case tideline.ChangeMessage:
		return subject{kind: c.Kind, chat: c.ChatID, item: c.MessageID}
	case tideline.ChangeChat:
		return subject{kind: c.Kind, chat: c.ChatID}
	default:
		return subject{kind: c.Kind, account: c.AccountID}
	}
}

// push notes a change; hub.mu is held.
func (s *Subscription) push(seq uint64, c tideline.Change) {
	if s.lost {
		return
	}
	k := subjectOf(c)
	w, known := s.pending[k]
	if !known && len(s.pending) >= s.hub.cfg.Pending {
		s.lose()
		return
	}
	w.seq, w.account = seq, c.AccountID
	w.gone = w.gone || c.Formerly != 0 && c.Formerly == s.who.MemberID
	s.pending[k] = w
	s.signal()
}

// lose gives up what waits: the reader has to fetch everything anew. hub.mu is
// held.
func (s *Subscription) lose() {
	s.lost = true
	clear(s.pending)
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Close ends the subscription. Doing it twice is fine.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.closed = true
	subs := s.hub.subs[s.who.WorkspaceID]
	delete(subs, s)
	if len(subs) == 0 {
		delete(s.hub.subs, s.who.WorkspaceID)
	}
	s.signal()
}

// SetViewer changes which chats the reader may see, nil = all. When that is not
// what it was, the reader is told to resync.
func (s *Subscription) SetViewer(v *store.Viewer) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if !sameViewer(s.who.Viewer, v) {
		s.who.Viewer = v
		s.lose()
	}
}

func sameViewer(a, b *store.Viewer) bool {
	if a == nil || b == nil {
		return a == b
	}
	as, bs := slices.Sorted(slices.Values(a.Accounts)), slices.Sorted(slices.Values(b.Accounts))
	return a.MemberID == b.MemberID && slices.Equal(as, bs)
}

// Next waits until there are notices and gives all there are, in the order of the
// changes. Errors: ErrClosed, or that of ctx.
func (s *Subscription) Next(ctx context.Context) ([]Notice, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ready:
		}
		taken, viewer, err := s.take()
		if err != nil {
			return nil, err
		}
		notices, err := s.visible(ctx, taken, viewer)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			// Who may know of it can't be told now; fetching it will, later.
			s.hub.mu.Lock()
			notices = []Notice{{ID: s.hub.id(s.hub.seq), Kind: KindResync}}
			s.hub.mu.Unlock()
		}
		if len(notices) > 0 {
			return notices, nil
		}
	}
}

// noticed is a notice with what decides who may know of it.
type noticed struct {
	Notice
	seq  uint64
	gone bool
}

// take gives what waits, in order.
func (s *Subscription) take() ([]noticed, *store.Viewer, error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || s.closed {
		s.signal() // for whoever asks again
		return nil, nil, ErrClosed
	}
	var taken []noticed
	if s.lost {
		s.lost = false
		taken = append(taken, noticed{Notice: Notice{ID: h.id(h.seq), Kind: KindResync}})
	}
	for k, w := range s.pending {
		taken = append(taken, noticed{seq: w.seq, gone: w.gone, Notice: Notice{
			ID: h.id(w.seq), Kind: k.kind, AccountID: w.account, ChatID: k.chat, MessageID: k.item}})
	}
	clear(s.pending)
	slices.SortFunc(taken, func(a, b noticed) int { return cmp.Compare(a.seq, b.seq) })
	for p := range s.scenes {
		taken = append(taken, noticed{Notice: h.scene(p)})
	}
	clear(s.scenes)
	return taken, s.who.Viewer, nil
}

// visible leaves out what the reader may not know of.
func (s *Subscription) visible(ctx context.Context, taken []noticed, v *store.Viewer) ([]Notice, error) {
	notices := make([]Notice, 0, len(taken))
	for _, n := range taken {
		if n.ChatID != 0 && v != nil && !n.gone && !slices.Contains(v.Accounts, n.AccountID) {
			id, err := s.hub.responsibleFor(ctx, s.who.WorkspaceID, n.ChatID)
			if err != nil {
				return nil, err
			}
			if id == 0 || id != v.MemberID {
				continue
			}
		}
		notices = append(notices, n.Notice)
	}
	return notices, nil
}
