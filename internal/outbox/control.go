package outbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	// cancelPause is when a head is looked at again that is just being cancelled.
	cancelPause = 20 * time.Millisecond
	// pausedPause is when a head is looked at again whose account is noted as paused
	// while its lane is not.
	pausedPause = time.Second
	// cancelBatch is how many messages CancelAll ends in one transaction, so that
	// nobody waits long for it.
	cancelBatch = 500
)

// loadControl takes over what people changed before this start.
func (s *Service) loadControl(ctx context.Context) error {
	first := make(map[int64][]int64)
	if err := s.deps.Store.Firsts(ctx, func(q store.Queued) error {
		first[q.AccountID] = append(first[q.AccountID], q.MessageID)
		return nil
	}); err != nil {
		return fmt.Errorf("load what goes first: %w", err)
	}
	for account, messages := range first {
		s.pacer.PutFirst(account, messages...)
	}
	paused, err := s.deps.Store.PausedAccounts(ctx)
	if err != nil {
		return fmt.Errorf("load paused accounts: %w", err)
	}
	for _, account := range paused {
		s.pacer.Pause(account)
	}
	return nil
}

// Pause stops an account's lane until Resume, over restarts too; by says who did
// it, for people. Messages are accepted meanwhile. One that is in flight is not
// called back. Pausing twice is fine. Errors: not_found; tideline.ErrElsewhere, as
// with all that people do to a lane, when it is not held here.
func (s *Service) Pause(ctx context.Context, workspaceID, accountID int64, by string) error {
	_, release, err := s.use(ctx, accountID)
	if err != nil {
		return err
	}
	defer release()
	s.control.Lock()
	defer s.control.Unlock()
	if err := s.deps.Store.PauseAccount(ctx, workspaceID, accountID, by, time.Now()); err != nil {
		return err
	}
	s.pacer.Pause(accountID)
	s.deps.Logger.InfoContext(ctx, "account paused", "account", accountID)
	return nil
}

// Resume ends a pause; the lane goes on where it stood, with its gaps. Doing it
// twice is fine. Errors: not_found.
func (s *Service) Resume(ctx context.Context, workspaceID, accountID int64) error {
	_, release, err := s.use(ctx, accountID)
	if err != nil {
		return err
	}
	defer release()
	s.control.Lock()
	defer s.control.Unlock()
	if err := s.deps.Store.ResumeAccount(ctx, workspaceID, accountID, time.Now()); err != nil {
		return err
	}
	s.pacer.Resume(accountID)
	s.deps.Logger.InfoContext(ctx, "account resumed", "account", accountID)
	return nil
}

// PutFirst moves a queued message to the head of its lane. Errors: not_found (it is
// not queued), conflict (it is being sent).
func (s *Service) PutFirst(ctx context.Context, workspaceID, messageID int64) error {
	q, err := s.deps.Store.QueuedMessage(ctx, workspaceID, messageID)
	if err != nil {
		return notQueued(err)
	}
	_, release, err := s.use(ctx, q.AccountID)
	if err != nil {
		return err
	}
	defer release()
	s.control.Lock()
	defer s.control.Unlock()
	if s.pacer.InFlight(q.AccountID) == messageID {
		return errInFlight
	}
	if err := s.deps.Store.PutFirst(ctx, workspaceID, messageID); err != nil {
		return notQueued(err)
	}
	s.pacer.PutFirst(q.AccountID, messageID)
	return nil
}

// Cancel takes a message out of the queue: it fails with tideline.ReasonCancelled
// and its credits come back, once, in one transaction. note says who did it, for
// the ledger. A message whose last attempt got no answer may have gone out all the
// same; its credits come back too, unless the recipient's phone has told that it
// is there. Errors: not_found (it is not queued), conflict (it is being sent, or was
// sent already).
func (s *Service) Cancel(ctx context.Context, workspaceID, messageID int64, note string) error {
	q, err := s.deps.Store.QueuedMessage(ctx, workspaceID, messageID)
	if err != nil {
		return notQueued(err)
	}
	done, busy, err := s.cancel(ctx, workspaceID, q.AccountID, []int64{messageID}, note)
	switch {
	case err != nil:
		return err
	case busy > 0:
		return errInFlight
	case len(done.Gone) == 0:
		return notQueued(tideline.Errorf(tideline.CodeNotFound, "the message ended meanwhile"))
	case len(done.Sent) > 0:
		return tideline.Errorf(tideline.CodeConflict, "the message was sent already: the recipient's phone has it")
	}
	return nil
}

// CancelAll cancels what is queued for an account, as Cancel does, in batches, so
// that others don't wait for it. It gives how many were cancelled, also after an
// error, and how many were not because they are being sent or were sent already.
func (s *Service) CancelAll(ctx context.Context, workspaceID, accountID int64, note string) (cancelled, kept int, err error) {
	lengths, err := s.deps.Store.QueueLengths(ctx, workspaceID)
	if err != nil {
		return 0, 0, err
	}
	// No more than there were: messages go on being accepted meanwhile.
	left, after := int(lengths[accountID]), int64(0)
	for left > 0 {
		ids, err := s.deps.Store.QueuedOf(ctx, workspaceID, accountID, after, min(cancelBatch, left))
		if err != nil || len(ids) == 0 {
			return cancelled, kept, err
		}
		left -= len(ids)
		after = ids[len(ids)-1]
		done, busy, err := s.cancel(ctx, workspaceID, accountID, ids, note)
		if err != nil {
			return cancelled, kept, err
		}
		cancelled += len(done.Gone) - len(done.Sent)
		kept += busy + len(done.Sent)
	}
	return cancelled, kept, nil
}

// cancel ends queued messages of an account but for the one that is in flight;
// busy is 1 when that was among them.
//
// A message is noted as being cancelled before it is looked whether it is in flight.
// An attempt looks for that note after its message came into flight, and before it
// sends anything. So either the attempt sees the note, or this sees the attempt.
func (s *Service) cancel(ctx context.Context, workspaceID, accountID int64, messages []int64, note string) (done store.Cancelled, busy int, err error) {
	// Whoever asked may leave; the note must stay until it is known what was stored.
	lane, release, err := s.use(ctx, accountID)
	if err != nil {
		return done, 0, err
	}
	defer release()
	s.mu.Lock()
	for _, id := range messages {
		if _, other := s.cancels[id]; other {
			s.mu.Unlock()
			return done, 0, tideline.Errorf(tideline.CodeConflict, "the message is being cancelled already")
		}
	}
	for _, id := range messages {
		s.cancels[id] = struct{}{}
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, id := range messages {
			delete(s.cancels, id)
		}
	}()
	wanted := messages
	if at := slices.Index(messages, s.pacer.InFlight(accountID)); at >= 0 {
		wanted = slices.Delete(slices.Clone(messages), at, at+1)
		busy = 1
	}
	if len(wanted) == 0 {
		return done, busy, nil
	}
	done, err = s.deps.Store.CancelQueued(tideline.WithActor(lane, tideline.ActorOf(ctx)), workspaceID, accountID, wanted, note, time.Now())
	if err != nil {
		return done, busy, err
	}
	s.pacer.Drop(accountID, done.Gone)
	s.deps.Logger.InfoContext(ctx, "messages cancelled", "account", accountID, "messages", len(done.Gone)-len(done.Sent))
	return done, busy, nil
}

// cancelling reports whether a message is just being cancelled.
func (s *Service) cancelling(messageID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, yes := s.cancels[messageID]
	return yes
}

var errInFlight = tideline.Errorf(tideline.CodeConflict, "the message is being sent right now; look again in a moment")

// notQueued says a not_found of storage to whoever asked about the message.
func notQueued(err error) error {
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return &tideline.Error{Code: tideline.CodeNotFound, Message: "the message does not wait in the queue: it was sent, failed or cancelled, or there is none", Err: err}
	}
	return err
}
