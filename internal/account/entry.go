package account

import (
	"context"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// entry is what is known about one account. Its lock is held while the state is
// written, so that what storage has last is what happened last.
type entry struct {
	id          int64
	workspaceID int64

	mu     sync.Mutex
	device string
	state  tideline.AccountState
	reason string
	at     time.Time
	hold   tideline.Hold
	resume time.Time // when Run connects a banned account of an earlier run; zero = not planned
	stale  bool      // storage does not have the state yet
	held   bool      // storage does not have the hold yet
	unread bool      // the outbox was told of a limit before storage had it
	gone   bool      // the account was removed, or is not held any more

	// Only when the accounts are shared: link is held, for reading, while the connector
	// is asked to connect or log out; leaving says that it isn't asked any more.
	link    sync.RWMutex
	leaving bool
	lost    context.Context // ends when the account is yielded; nil when accounts are not shared
	lose    context.CancelFunc
}

func (e *entry) currentDevice() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.device
}

// current gives the state and its reason.
func (e *entry) current() (tideline.AccountState, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state, e.reason
}

// register gives the entry of an account, making it when the account is new here
// and following its device when that changed.
func (s *Service) register(a tideline.Account) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byID[a.ID]
	if e == nil {
		e = &entry{id: a.ID, workspaceID: a.WorkspaceID, device: a.DeviceJID, state: a.State, reason: a.StateReason, hold: a.Hold}
		if s.deps.Shared != nil {
			e.lost, e.lose = context.WithCancel(context.Background())
		}
		s.byID[a.ID] = e
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.device != a.DeviceJID {
		if s.byDevice[e.device] == e {
			delete(s.byDevice, e.device)
		}
		// What was known is about the device before. That storage has a.State now must
		// be known, or the same state as before would not be written again.
		e.device, e.state, e.reason = a.DeviceJID, a.State, a.StateReason
	}
	if e.device != "" {
		s.byDevice[e.device] = e
	}
	return e
}

// drop forgets a removed account; what the connector still says about it is ignored.
func (s *Service) drop(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	if s.deps.Observer != nil {
		s.deps.Observer.Forget(e.id)
	}
	delete(s.byID, e.id)
	if s.byDevice[e.device] == e {
		delete(s.byDevice, e.device)
	}
}

// entries gives all of them at this moment.
func (s *Service) entries() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*entry, 0, len(s.byID))
	for _, e := range s.byID {
		all = append(all, e)
	}
	return all
}

// State implements whatsapp.Handler.
func (s *Service) State(ctx context.Context, ev whatsapp.StateEvent) {
	s.mu.Lock()
	e := s.byDevice[ev.DeviceJID]
	if e == nil && len(s.pairing) > 0 {
		// It may be the device that is just being paired: its account is stored
		// after its first login.
		s.early[ev.DeviceJID] = ev
	}
	s.mu.Unlock()
	if e == nil || e.lost != nil && e.lost.Err() != nil {
		return
	}
	s.log.InfoContext(ctx, "account state", "account", e.id, "state", ev.State, "reason", ev.Reason)
	defer s.heard(e, EventState)()
	s.applyUntil(ctx, e, ev.State, ev.Reason, ev.At, ev.Until)
	if ev.State == tideline.AccountActive && s.deps.Presence != nil {
		s.deps.Presence.Connected(e.id)
	}
}

// Receipts implements whatsapp.Handler. Receipts of a device without an account
// are done with: it has sent nothing for Tideline.
func (s *Service) Receipts(ctx context.Context, device string, ids []string, status tideline.Status, at time.Time) error {
	s.mu.Lock()
	e := s.byDevice[device]
	s.mu.Unlock()
	if e == nil {
		return s.unknown()
	}
	defer s.heard(e, EventReceipt)()
	return s.deps.Store.ApplyReceipts(ctx, receipts(e.id, ids, status, at))
}

// Message implements whatsapp.Handler. While a device is being paired its account
// may not be stored yet: then the message has to come again. Of a device without
// an account nobody wants to know.
func (s *Service) Message(ctx context.Context, device string, m whatsapp.Inbound) error {
	e, err := s.owner(device)
	if e == nil || s.deps.Inbox == nil {
		return err
	}
	defer s.heard(e, EventMessage)()
	err = s.deps.Inbox.Receive(ctx, e.workspaceID, e.id, m)
	if err == nil && m.Content != nil && !m.FromMe && s.deps.Presence != nil {
		s.deps.Presence.Composing(e.workspaceID, e.id, whatsapp.ComposingEvent{Chat: m.Chat, Sender: m.Sender}) // it is written
	}
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil // the account was removed
	}
	return err
}

// owner gives the account of a device; nil without an error when it has none, and
// whatsapp.ErrAccountPending while it may be on its way into storage.
func (s *Service) owner(device string) (*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byDevice[device]
	if e == nil && len(s.pairing) > 0 {
		return nil, whatsapp.ErrAccountPending
	}
	if e == nil {
		return nil, s.unknown()
	}
	return e, nil
}

// History implements whatsapp.Handler. A phone begins to pass its history on right
// after the first login, when the account may not be stored yet.
func (s *Service) History(ctx context.Context, device string, c whatsapp.HistoryChunk) error {
	e, err := s.owner(device)
	if e == nil || s.deps.Inbox == nil {
		return err
	}
	err = s.deps.Inbox.History(ctx, e.workspaceID, e.id, c)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil // the account was removed
	}
	return err
}

// Name implements whatsapp.Handler.
func (s *Service) Name(ctx context.Context, device, name string) {
	s.mu.Lock()
	e := s.byDevice[device]
	s.mu.Unlock()
	if e == nil {
		return
	}
	// WhatsApp repeats the name with the next full sync; not worth a retry.
	if err := s.deps.Store.SetAccountName(ctx, e.id, name); err != nil {
		s.log.WarnContext(ctx, "store an account's name", "account", e.id, "err", err)
	}
}

// Composing implements whatsapp.Handler.
func (s *Service) Composing(_ context.Context, device string, ev whatsapp.ComposingEvent) {
	s.mu.Lock()
	e := s.byDevice[device]
	s.mu.Unlock()
	if e != nil && s.deps.Presence != nil {
		s.deps.Presence.Composing(e.workspaceID, e.id, ev)
	}
}

// News implements whatsapp.Handler. As with messages, what comes before the account
// is stored has to come again.
func (s *Service) News(ctx context.Context, device string, n whatsapp.News) error {
	e, err := s.owner(device)
	if e == nil || s.deps.Profiles == nil {
		return err
	}
	err = s.deps.Profiles.News(ctx, e.workspaceID, e.id, n)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil // the account was removed
	}
	return err
}

// apply makes a state known: in memory, in storage, and to the outbox when
// messages can be sent. News that is older than what is known is dropped.
func (s *Service) apply(ctx context.Context, e *entry, state tideline.AccountState, reason string, at time.Time) {
	s.applyUntil(ctx, e, state, reason, at, time.Time{})
}

// applyUntil makes a state known that ends at until; see apply.
func (s *Service) applyUntil(ctx context.Context, e *entry, state tideline.AccountState, reason string, at, until time.Time) {
	e.mu.Lock()
	if e.gone || s.stopped.Load() || at.Before(e.at) {
		e.mu.Unlock()
		return
	}
	e.at, e.resume = at, time.Time{}
	if e.state != state || e.reason != reason || !e.hold.BannedUntil.Equal(until) {
		e.held = e.held || !e.hold.BannedUntil.Equal(until)
		e.hold.BannedUntil = until
		e.state, e.reason, e.stale = state, reason, true
		s.write(ctx, e)
	}
	e.mu.Unlock()
	if state == tideline.AccountActive && s.deps.Waker != nil {
		s.deps.Waker.Wake(e.id)
	}
}

// write puts the entry's state and hold into storage, or arranges that Run does.
// The hold comes first: a state that needs one never stands alone. It is called
// with the entry's lock held.
func (s *Service) write(ctx context.Context, e *entry) {
	var err error
	if e.held {
		err = s.deps.Store.SetAccountHold(ctx, e.id, e.hold)
	}
	if err == nil && e.stale {
		err = s.deps.Store.SetAccountState(ctx, e.id, e.state, e.reason, e.at)
	}
	switch {
	case err == nil, tideline.IsCode(err, tideline.CodeNotFound):
		e.stale, e.held = false, false
		if e.unread && s.deps.Waker != nil {
			s.deps.Waker.Limited(e.id) // it read the limit before
		}
		e.unread = false
	default:
		s.log.ErrorContext(ctx, "store an account's state; trying again", "account", e.id, "state", e.state, "err", err)
		s.warn()
	}
}

// warn lets Run know that something waits to be written again.
func (s *Service) warn() {
	select {
	case s.trouble <- struct{}{}:
	default:
	}
}

// flush writes what waits; it reports whether all of it could be written.
func (s *Service) flush(ctx context.Context) bool {
	clean := true
	for _, e := range s.entries() {
		e.mu.Lock()
		if (e.stale || e.held) && !e.gone {
			s.write(ctx, e)
		}
		clean = clean && !e.stale && !e.held
		e.mu.Unlock()
	}
	return clean
}
