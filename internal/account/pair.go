package account

import (
	"context"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// finishTimeout bounds what has to be done after the phone has linked the
// device, when the caller may have gone away.
const finishTimeout = 30 * time.Second

// errStopping is given while the server stops.
var errStopping = errors.New("the server is stopping; start the pairing again when it is back")

// Pair links a phone with a workspace on behalf of a member. Codes come on the
// channel as the connector gives them; Paired comes after the account is stored.
// The last event is Paired or Failed, then the channel is closed; read it to its
// end or end ctx.
//
// A number that the workspace has already is linked anew: it keeps its id and
// history, and the session that it had is logged out. A number that another
// workspace has is refused with conflict, and the device just linked is
// unlinked.
//
// Errors: rate_limit_exceeded (too many pairings at the same time).
func (s *Service) Pair(ctx context.Context, workspaceID int64, member tideline.Member, req whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	if err := s.beginPairing(workspaceID); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	//nolint:contextcheck // it is the service's own end that is watched here
	unhook := context.AfterFunc(s.stop, func() { cancel(errStopping) })
	events, err := s.deps.Connector.Pair(ctx, req)
	if err != nil {
		unhook()
		cancel(nil)
		s.endPairing(workspaceID)
		return nil, err
	}
	out := make(chan whatsapp.PairEvent, 1)
	go func() {
		defer s.endPairing(workspaceID)
		defer cancel(nil)
		defer unhook()
		defer close(out)
		s.follow(ctx, events, out, workspaceID, member)
	}()
	return out, nil
}

// beginPairing takes one of the places; endPairing gives it back.
func (s *Service) beginPairing(workspaceID int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped.Load() {
		return errStopping
	}
	total := 0
	for _, n := range s.pairing {
		total += n
	}
	if total >= s.cfg.MaxPairings || s.pairing[workspaceID] >= s.cfg.MaxPairingsPerWorkspace {
		return tideline.Errorf(tideline.CodeRateLimitExceeded, "too many pairings are going on; finish one of them or wait three minutes")
	}
	s.pairing[workspaceID]++
	s.pairings.Add(1)
	return nil
}

// Pairings counts the pairings that are going on.
func (s *Service) Pairings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for _, n := range s.pairing {
		total += n
	}
	return total
}

func (s *Service) endPairing(workspaceID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pairing[workspaceID]--; s.pairing[workspaceID] == 0 {
		delete(s.pairing, workspaceID)
	}
	if len(s.pairing) == 0 {
		clear(s.early)
		clear(s.limits)
	}
	s.pairings.Done()
}

// follow passes events on. It reads the connector's channel to its end even if
// nobody listens any more, so that a linked phone always becomes an account.
func (s *Service) follow(ctx context.Context, events <-chan whatsapp.PairEvent, out chan<- whatsapp.PairEvent, workspaceID int64, member tideline.Member) {
	for ev := range events {
		if p := ev.Paired; p != nil {
			if err := s.adopt(ctx, *p, workspaceID, member); err != nil {
				ev = whatsapp.PairEvent{Failed: err}
			}
		}
		select {
		case out <- ev:
		case <-ctx.Done():
			// A last word for a caller who is still there.
			select {
			case out <- ev:
			default:
			}
		}
	}
}

// adopt makes an account of a linked phone.
func (s *Service) adopt(ctx context.Context, p whatsapp.Paired, workspaceID int64, member tideline.Member) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	before, err := s.deviceBefore(ctx, workspaceID, p.JID)
	if err != nil {
		return s.unlink(ctx, p.DeviceJID, err)
	}
	a, err := s.deps.Store.PutAccount(ctx, tideline.Account{
		WorkspaceID: workspaceID, JID: p.JID, DeviceJID: p.DeviceJID, Phone: p.Phone, Name: p.Name,
		State:     tideline.AccountConnecting,
		OwnerName: member.DisplayName, OwnerEmail: member.Email,
		CreatedAt: time.Now(),
	})
	if err != nil {
		return s.unlink(ctx, p.DeviceJID, err)
	}
	a.DeviceJID = p.DeviceJID
	if !s.take(ctx, a.ID) {
		s.leaveTo(ctx, a, p.DeviceJID)
		return nil
	}
	e := s.register(a)
	s.mu.Lock()
	ev, seen := s.early[p.DeviceJID]
	delete(s.early, p.DeviceJID)
	limit, limited := s.limits[p.DeviceJID]
	delete(s.limits, p.DeviceJID)
	s.mu.Unlock()
	if !seen {
		ev = whatsapp.StateEvent{State: tideline.AccountConnecting, At: time.Now()}
	}
	s.applyUntil(ctx, e, ev.State, ev.Reason, ev.At, ev.Until)
	if s.deps.Profiles != nil {
		// Not worth failing the pairing: groups are looked at when they change next.
		if err := s.deps.Profiles.Linked(ctx, workspaceID, a.ID); err != nil {
			s.log.WarnContext(ctx, "look at the groups of an account that was linked", "account", a.ID, "err", err)
		}
	}
	if limited {
		s.ReachOut(ctx, p.DeviceJID, limit)
	}
	if before != "" && before != p.DeviceJID {
		if err := s.deps.Connector.Logout(ctx, before); err != nil {
			s.log.WarnContext(ctx, "log out the session that was replaced", "account", a.ID, "err", err)
		}
	}
	s.log.InfoContext(ctx, "account paired", "account", a.ID, "workspace", workspaceID)
	return nil
}

// deviceBefore gives the device with which the workspace had the number so far.
func (s *Service) deviceBefore(ctx context.Context, workspaceID int64, jid tideline.JID) (string, error) {
	accounts, err := s.List(ctx, workspaceID)
	if err != nil {
		return "", err
	}
	for _, a := range accounts {
		if a.JID == jid {
			return a.DeviceJID, nil
		}
	}
	return "", nil
}

// unlink undoes a linking that could not become an account, and gives the
// reason back.
func (s *Service) unlink(ctx context.Context, device string, cause error) error {
	if err := s.deps.Connector.Logout(ctx, device); err != nil {
		s.log.WarnContext(ctx, "unlink a phone that could not be stored", "err", err)
	}
	if tideline.IsCode(cause, tideline.CodeConflict) {
		return &tideline.Error{Code: tideline.CodeConflict, Message: "this number belongs to another workspace; remove it there first", Err: cause}
	}
	return cause
}
