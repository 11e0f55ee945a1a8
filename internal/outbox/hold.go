package outbox

import (
	"context"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// plannedRecall is a Recall of a lane at a time.
type plannedRecall struct {
	at    time.Time
	timer *time.Timer
}

// holdBack deals with a message of an account that may write to nobody new for
// now; false when it may be sent all the same. A first contact is set aside until
// the limit ends, and so lets the lane's conversations go on. When the message's
// own deadline comes before that, it fails now: waiting would only keep its
// credits, and the bad news, back.
func (a *attempt) holdBack(ctx context.Context) (held bool, err error) {
	chat := a.out.Message.ChatID
	// Before storage is asked: a conversation that begins meanwhile is told to Answered.
	others := a.await(a.account, chat)
	first, err := a.deps.Store.FirstContact(ctx, a.out.Message.WorkspaceID, chat)
	if err == nil && !first && others {
		return a.giveWay(), nil // a conversation by now, and what was said first comes first
	}
	until := a.out.Account.Hold.ReachOutUntil
	waits := err == nil && first && until.Before(a.deadline())
	if !waits && !others {
		a.unawait(a.account, chat)
	}
	if err != nil || !first {
		return false, err
	}
	if !waits {
		a.log.WarnContext(ctx, "message failed", "reason", tideline.ReasonReachOutLimited, "limited_until", until)
		a.settle(ctx, store.Settlement{
			Status: tideline.StatusFailed, Reason: tideline.ReasonReachOutLimited, At: a.started,
			Note: "the limit ends after its deadline",
		})
		return true, nil
	}
	if a.out.Note != store.NoteReachOutLimited {
		if err := a.deps.Store.Settle(ctx, a.fill(store.Settlement{At: a.started, Note: store.NoteReachOutLimited})); errors.Is(err, store.ErrExpelled) {
			return true, nil // the lane goes no further here
		} else if err != nil {
			a.log.ErrorContext(ctx, "note why a message waits", "err", err)
		}
		a.log.InfoContext(ctx, "message held back", "limited_until", until)
	}
	a.calm(a.account)
	a.recallAt(a.account, until)
	a.pacer.SetAside(a.account)
	return true, nil
}

// giveWay lets what the lane has set aside go first; it reports whether there may
// be something.
func (a *attempt) giveWay() bool {
	if !a.forgetAwaited(a.account) {
		return false
	}
	a.calm(a.account)
	a.pacer.GiveWay(a.account)
	return true
}

// await notes that a message of a chat is about to be set aside, and reports
// whether that was noted before.
func (s *Service) await(accountID, chatID int64) (before bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	chats := s.awaited[accountID]
	if chats == nil {
		chats = make(map[int64]struct{})
		s.awaited[accountID] = chats
	}
	_, before = chats[chatID]
	chats[chatID] = struct{}{}
	return before
}

// unawait takes the note back.
func (s *Service) unawait(accountID, chatID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.awaited[accountID], chatID)
	if len(s.awaited[accountID]) == 0 {
		delete(s.awaited, accountID)
	}
}

// forgetAwaited takes back all notes of a lane, which is about to be looked at
// anew, and reports whether there were any.
func (s *Service) forgetAwaited(accountID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, any := s.awaited[accountID]
	delete(s.awaited, accountID)
	return any
}

// awaits reports whether a message of the chat is set aside, or about to be.
func (s *Service) awaits(accountID, chatID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, yes := s.awaited[accountID][chatID]
	return yes
}

// recall brings back what a lane has set aside, to be looked at anew.
func (s *Service) recall(accountID int64) {
	s.forgetAwaited(accountID)
	if s.holds(accountID) {
		s.pacer.Recall(accountID)
	}
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
	s.recalls[accountID] = plannedRecall{at, time.AfterFunc(time.Until(at), func() {
		s.mu.Lock()
		if s.recalls[accountID].at.Equal(at) {
			delete(s.recalls, accountID)
		}
		s.mu.Unlock()
		s.recall(accountID)
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
