package outbox

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// recall is a planned Recall of a lane.
type recall struct {
	at    time.Time
	timer *time.Timer
}

// holdBack deals with a message of an account that may write to nobody new for
// now; false when it may be sent all the same. A first contact is set aside until
// the limit ends, and so lets the lane's conversations go on. When the message's
// own deadline comes before that, it fails now: waiting would only keep its
// credits, and the bad news, back.
func (a *attempt) holdBack(ctx context.Context) (held bool, err error) {
	first, err := a.deps.Store.FirstContact(ctx, a.out.Message.WorkspaceID, a.out.Message.ChatID)
	if err != nil || !first {
		return false, err
	}
	until := a.out.Account.Hold.ReachOutUntil
	if !until.Before(a.deadline()) {
		a.log.WarnContext(ctx, "message failed", "reason", tideline.ReasonReachOutLimited, "limited_until", until)
		a.settle(ctx, store.Settlement{
			Status: tideline.StatusFailed, Reason: tideline.ReasonReachOutLimited, At: a.started,
			Note: "the limit ends after its deadline",
		})
		return true, nil
	}
	if a.out.Note != store.NoteReachOutLimited {
		if err := a.deps.Store.Settle(ctx, a.fill(store.Settlement{At: a.started, Note: store.NoteReachOutLimited})); err != nil {
			a.log.ErrorContext(ctx, "note why a message waits", "err", err)
		}
		a.log.InfoContext(ctx, "message held back", "limited_until", until)
	}
	a.calm(a.account)
	a.recallAt(a.account, until)
	a.pacer.SetAside(a.account)
	return true, nil
}

// recallAt plans to bring a lane's set aside messages back.
func (s *Service) recallAt(accountID int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, planned := s.recalls[accountID]
	if planned && r.at.Equal(at) {
		return
	}
	if planned {
		r.timer.Stop()
	}
	s.recalls[accountID] = recall{at, time.AfterFunc(time.Until(at), func() {
		s.mu.Lock()
		if s.recalls[accountID].at.Equal(at) {
			delete(s.recalls, accountID)
		}
		s.mu.Unlock()
		s.pacer.Recall(accountID)
	})}
}

// stopRecalls forgets what is planned; the next start plans it anew.
func (s *Service) stopRecalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.recalls {
		r.timer.Stop()
	}
	clear(s.recalls)
}
