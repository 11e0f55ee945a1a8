package account

import (
	"context"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Shared is what a Service needs that holds some of the accounts only, while other
// nodes hold the others. It connects an account from Adopt to Yield; nobody else
// writes that account's state.
type Shared struct {
	Store store.SharedAccounts
	// Took is asked whether this node may hold an account that was just paired here: it
	// takes it if nobody has it, and may call Adopt meanwhile. When another node holds
	// it, which is how it is with a number that is paired again, that one follows.
	Took func(ctx context.Context, accountID int64) bool
}

// reasonHandedOver is for people.
const reasonHandedOver = "another server takes the number over"

// Adopt begins to keep an account connected that this node holds from now on. It is
// connected soon, so many in a second. Adopting twice is fine; the caller does not
// adopt and yield one account at the same time. Only for shared accounts.
func (s *Service) Adopt(ctx context.Context, accountID int64) error {
	s.mu.Lock()
	known := s.held[accountID] || s.taking[accountID]
	s.held[accountID] = true
	s.mu.Unlock()
	if known {
		return nil
	}
	accounts, err := s.deps.Shared.Store.AccountsByID(ctx, []int64{accountID})
	if err != nil {
		s.mu.Lock()
		delete(s.held, accountID)
		s.mu.Unlock()
		return fmt.Errorf("adopt an account: %w", err)
	}
	for _, a := range accounts { // none when it was removed
		if e := s.welcome(ctx, a); e != nil {
			s.lineUp(e)
		}
	}
	return nil
}

// Yield lets go of an account: its connection is closed, and nothing that the
// connector still brings is taken. With orderly, what is being taken in is finished
// and the state is stored; otherwise this node may not store anything any more. What
// WhatsApp was not answered comes again, to the next holder. Yielding what is not held
// is fine.
func (s *Service) Yield(ctx context.Context, accountID int64, orderly bool) error {
	s.mu.Lock()
	delete(s.held, accountID)
	e := s.byID[accountID]
	s.mu.Unlock()
	if e == nil {
		return nil
	}
	e.lose()
	e.link.Lock() // whoever is asking the connector to connect it has done so, or given up
	e.leaving = true
	e.link.Unlock()
	if !orderly {
		s.drop(e)
	}
	if device := e.currentDevice(); device != "" {
		s.deps.Connector.Disconnect(device)
	}
	if !orderly {
		return nil
	}
	e.mu.Lock()
	if e.state.Retryable() && !e.gone {
		e.state, e.reason, e.at, e.stale = tideline.AccountDisconnected, reasonHandedOver, time.Now(), true
	}
	if (e.stale || e.held) && !e.gone {
		s.write(ctx, e)
	}
	e.mu.Unlock()
	s.drop(e)
	return nil
}

// welcome makes an account known that this node holds and did not know, or knew with
// another device; nil when there is nothing to connect now.
func (s *Service) welcome(ctx context.Context, a tideline.Account) *entry {
	if !s.isNews(a) {
		return nil
	}
	e := s.register(a)
	if !s.holds(a.ID) { // yielded meanwhile
		s.drop(e)
		return nil
	}
	switch {
	case a.DeviceJID == "":
		return nil
	case a.State == tideline.AccountBanned && time.Now().Before(a.Hold.BannedUntil):
		e.wait()
		return nil
	case a.State.Retryable():
		s.apply(ctx, e, tideline.AccountConnecting, "", time.Now())
	}
	return e // of the other states the connector knows whether there is a session
}

// reconcileHeld is reconcile for the accounts that this node holds: it follows those
// that were paired again or removed elsewhere.
func (s *Service) reconcileHeld(ctx context.Context) ([]*entry, error) {
	s.mu.Lock()
	ids := make([]int64, 0, len(s.held))
	for id := range s.held {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	accounts, err := s.deps.Shared.Store.AccountsByID(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("accounts: list those that are held: %w", err)
	}
	var connect []*entry
	for _, a := range accounts {
		before := s.deviceOf(a.ID)
		e := s.welcome(ctx, a)
		if e == nil {
			continue
		}
		connect = append(connect, e)
		if before != "" && before != a.DeviceJID {
			if err := s.deps.Connector.Logout(ctx, before); err != nil {
				s.log.WarnContext(ctx, "log out the session that was replaced", "account", a.ID, "err", err)
			}
		}
	}
	s.dropRemoved(ctx, accounts)
	return connect, nil
}

// deviceOf gives the device of an account that is known; "" when it is not.
func (s *Service) deviceOf(accountID int64) string {
	s.mu.Lock()
	e := s.byID[accountID]
	s.mu.Unlock()
	if e == nil {
		return ""
	}
	return e.currentDevice()
}

// lineUp has an account connected when it is its turn.
func (s *Service) lineUp(e *entry) {
	s.mu.Lock()
	s.line = append(s.line, e)
	s.mu.Unlock()
	select {
	case s.lined <- struct{}{}:
	default:
	}
}

func (s *Service) takeLine() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.line
	s.line = nil
	return line
}

// linking keeps an account from being yielded while the connector is asked to connect
// it or to log it out; ok is false when it is being yielded. The context ends when it
// is to be. Call done afterwards.
func (s *Service) linking(ctx context.Context, e *entry) (_ context.Context, done func(), ok bool) {
	if s.deps.Shared == nil {
		return ctx, func() {}, true
	}
	if !e.link.TryRLock() {
		return nil, nil, false
	}
	if e.leaving {
		e.link.RUnlock()
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(e.lost, cancel)
	return ctx, func() {
		unhook()
		cancel()
		e.link.RUnlock()
	}, true
}

// holds reports whether an account is this node's.
func (s *Service) holds(accountID int64) bool {
	if s.deps.Shared == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[accountID]
}

// unknown is what the connector is told that brings something of a device without an
// account: that is done with, unless another node may want it.
func (s *Service) unknown() error {
	if s.deps.Shared == nil {
		return nil
	}
	return tideline.ErrElsewhere
}

// take asks for an account that was paired here; false when another node holds it.
func (s *Service) take(ctx context.Context, accountID int64) bool {
	if s.deps.Shared == nil || s.deps.Shared.Took == nil {
		return true
	}
	s.mu.Lock()
	s.taking[accountID] = true // Adopt leaves it to whoever paired it
	s.mu.Unlock()
	took := s.deps.Shared.Took(ctx, accountID)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taking, accountID)
	if took {
		s.held[accountID] = true
	}
	return took
}

// leaveTo lets the node go on that holds an account which was paired again here. It
// sees that the device is another one, logs the old one out and connects this one.
func (s *Service) leaveTo(ctx context.Context, a tideline.Account, device string) {
	s.deps.Connector.Disconnect(device)
	s.mu.Lock()
	delete(s.early, device)
	delete(s.limits, device)
	s.mu.Unlock()
	if s.deps.Profiles != nil {
		if err := s.deps.Profiles.Linked(ctx, a.WorkspaceID, a.ID); err != nil {
			s.log.WarnContext(ctx, "look at the groups of an account that was linked", "account", a.ID, "err", err)
		}
	}
	s.log.InfoContext(ctx, "account paired; another node holds it", "account", a.ID, "workspace", a.WorkspaceID)
}
