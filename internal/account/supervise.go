package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Reasons for people.
const (
	reasonNoSession = "the server has no session for this number; pair it again"
	reasonStopped   = "the server is stopped"
	reasonOperator  = "logged out by tideline account logout"
)

// stopTimeout bounds the writing of the last states.
const stopTimeout = 15 * time.Second

// Run connects the accounts and keeps what is stored about them true until ctx
// ends. Call it once. It fails only when storage or the sessions can't be read at start. The
// connector stays open; close it after Run has returned.
func (s *Service) Run(ctx context.Context) error {
	defer s.finish(ctx)
	version, err := s.deps.Store.Version(ctx)
	if err != nil {
		return fmt.Errorf("accounts: read version: %w", err)
	}
	reconcile := s.reconcile
	var waiting []*entry
	if s.deps.Shared != nil {
		reconcile = s.reconcileHeld
	} else if waiting, err = s.reconcile(ctx); err != nil {
		return err
	}
	close(s.compared)
	if s.deps.Shared == nil {
		s.countStrays(ctx)
	}
	connected := make(chan struct{})
	queue := make(chan []*entry, 64)
	go func() {
		defer close(connected)
		s.connectAll(ctx, queue)
	}()
	defer func() { <-connected }()
	queue <- waiting

	refresh := time.NewTicker(s.cfg.Refresh)
	defer refresh.Stop()
	var again <-chan time.Time // when storage is tried again
	pause := s.cfg.RetryFirst
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.trouble:
			if again == nil {
				again = time.After(pause)
			}
		case <-again:
			again = nil
			if s.flush(ctx) {
				pause = s.cfg.RetryFirst
				continue
			}
			pause = min(2*pause, s.cfg.RetryMax)
			again = time.After(pause)
		case <-refresh.C:
			more := s.release(ctx)
			if now, err := s.deps.Store.Version(ctx); err == nil && now != version {
				changed, err := reconcile(ctx)
				if err != nil {
					s.log.WarnContext(ctx, "look for changed accounts", "err", err)
				} else {
					version, more = now, append(more, changed...)
				}
			}
			if len(more) > 0 {
				select {
				case queue <- more:
				case <-ctx.Done():
				}
			}
		}
	}
}

// reconcile compares the accounts with what is known here and with the sessions
// that the connector has. It gives the entries to connect, the one that was
// connected last at the end, so that it is the most recent one again.
func (s *Service) reconcile(ctx context.Context) ([]*entry, error) {
	// Sessions first: an account that is paired in between has one, and is seen.
	devices, err := s.deps.Connector.Devices(ctx)
	if err != nil {
		return nil, fmt.Errorf("accounts: list sessions: %w", err)
	}
	accounts, err := s.deps.Store.AllAccounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("accounts: list accounts: %w", err)
	}
	slices.SortStableFunc(accounts, func(a, b tideline.Account) int { return a.ConnectedOn.Compare(b.ConnectedOn) })
	session := make(map[string]bool, len(devices))
	for _, d := range devices {
		session[d] = true
	}
	var connect []*entry
	for _, a := range accounts {
		if !s.isNews(a) {
			continue
		}
		e := s.register(a)
		switch {
		case session[a.DeviceJID] && a.State == tideline.AccountBanned && time.Now().Before(a.Hold.BannedUntil):
			e.wait()
		case session[a.DeviceJID]:
			s.apply(ctx, e, tideline.AccountConnecting, "", time.Now())
			connect = append(connect, e)
		case a.State != tideline.AccountLoggedOut && a.State != tideline.AccountBanned:
			s.apply(ctx, e, tideline.AccountLoggedOut, reasonNoSession, time.Now())
		}
	}
	s.dropRemoved(ctx, accounts)
	return connect, nil
}

// isNews reports whether an account, with its device, is not known here yet. One
// that is stored but still being paired is adopt's to register: it knows the
// state that the connector has reported already and won't repeat.
func (s *Service) isNews(a tideline.Account) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, pairing := s.early[a.DeviceJID]; pairing {
		return false
	}
	e := s.byID[a.ID]
	return e == nil || a.DeviceJID != "" && s.byDevice[a.DeviceJID] != e
}

// dropRemoved lets go of the accounts that another process removed.
func (s *Service) dropRemoved(ctx context.Context, accounts []tideline.Account) {
	present := make(map[int64]bool, len(accounts))
	for _, a := range accounts {
		present[a.ID] = true
	}
	for _, e := range s.entries() {
		if present[e.id] {
			continue
		}
		// Paired since the list was read, perhaps: ask about this one.
		if _, err := s.deps.Store.Account(ctx, e.workspaceID, e.id); !tideline.IsCode(err, tideline.CodeNotFound) {
			continue
		}
		s.drop(e)
		if device := e.currentDevice(); device != "" {
			if err := s.deps.Connector.Logout(ctx, device); err != nil {
				s.log.WarnContext(ctx, "log out a removed account", "account", e.id, "err", err)
			}
		}
	}
}

// countStrays mentions sessions that belong to no account: a process was killed
// between linking a phone and storing its account, or between removing an account
// and unlinking it. They are left alone. Unlinking what storage does not know
// would be fatal when storage is the wrong one.
func (s *Service) countStrays(ctx context.Context) {
	devices, err := s.deps.Connector.Devices(ctx)
	if err != nil {
		return // reconcile has just succeeded in this; it is only a note
	}
	strays := 0
	s.mu.Lock()
	for _, d := range devices {
		if s.byDevice[d] == nil {
			strays++
		}
	}
	s.mu.Unlock()
	if strays > 0 {
		s.log.WarnContext(ctx, "whatsapp sessions without an account; their phones still list this server as a linked device", "count", strays)
	}
}

// connectAll connects what comes in, so many per second, and tries again what
// the connector could not even start.
func (s *Service) connectAll(ctx context.Context, queue <-chan []*entry) {
	limit := rate.NewLimiter(rate.Limit(s.cfg.ConnectPerSecond), 1)
	pause := s.cfg.RetryFirst
	var failed []*entry
	for {
		var again <-chan time.Time
		if len(failed) > 0 {
			again = time.After(pause)
			pause = min(2*pause, s.cfg.RetryMax)
		} else {
			pause = s.cfg.RetryFirst
		}
		var batch []*entry
		select {
		case <-ctx.Done():
			return
		case batch = <-queue:
		case <-s.lined:
			batch = s.takeLine()
		case <-again:
			batch, failed = failed, nil
		}
		for _, e := range batch {
			if limit.Wait(ctx) != nil {
				return
			}
			if !s.connect(ctx, e) {
				failed = append(failed, e)
			}
		}
	}
}

// connect starts one account; false when it should be tried again.
func (s *Service) connect(ctx context.Context, e *entry) bool {
	ctx, done, ok := s.linking(ctx, e)
	if !ok {
		return true // yielded meanwhile
	}
	defer done()
	device := e.currentDevice()
	if device == "" {
		return true // removed or logged out meanwhile
	}
	err := s.deps.Connector.Connect(ctx, device)
	switch {
	case err == nil, ctx.Err() != nil:
		return true
	case errors.Is(err, whatsapp.ErrNoSession):
		if state, _ := e.current(); state == tideline.AccountLoggedOut || state == tideline.AccountBanned {
			return true // which is why
		}
		s.apply(ctx, e, tideline.AccountLoggedOut, reasonNoSession, time.Now())
		return true
	}
	s.log.ErrorContext(ctx, "connect an account; trying again", "account", e.id, "err", err)
	return false
}

// finish stops pairings and notes that nothing is proven any more.
func (s *Service) finish(ctx context.Context) {
	s.mu.Lock() // a pairing begins before, and is waited for, or not at all
	s.stopped.Store(true)
	s.mu.Unlock()
	s.stopNow()
	s.pairings.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	for _, e := range s.entries() {
		e.mu.Lock()
		if e.state.Retryable() && !e.gone {
			e.state, e.reason, e.at, e.stale = tideline.AccountDisconnected, reasonStopped, time.Now(), true
		}
		if e.stale || e.held {
			s.write(ctx, e)
		}
		e.mu.Unlock()
	}
}

func receipts(accountID int64, ids []string, status tideline.Status, at time.Time) store.Receipts {
	return store.Receipts{AccountID: accountID, WhatsAppIDs: ids, Status: status, At: at}
}
