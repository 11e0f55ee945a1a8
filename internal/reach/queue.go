package reach

import (
	"context"
	"fmt"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Lanes is what people change about queues: outbox.Service.
type Lanes interface {
	Pause(ctx context.Context, workspaceID, accountID int64, by string) error
	Resume(ctx context.Context, workspaceID, accountID int64) error
	PutFirst(ctx context.Context, workspaceID, messageID int64) error
	Cancel(ctx context.Context, workspaceID, messageID int64, note string) error
	CancelAll(ctx context.Context, workspaceID, accountID int64, note string) (cancelled, kept int, err error)
}

// QueuedMessages tells whose queued messages are, see store.QueueControl.
type QueuedMessages interface {
	QueuedMessage(ctx context.Context, workspaceID, messageID int64) (store.QueuedMessage, error)
}

// laneArgs are the arguments of all that is done to lanes.
type laneArgs struct {
	WorkspaceID int64
	MessageID   int64
	Text        string // who, or the note
}

type cancelledAll struct{ Cancelled, Kept int }

// Queue changes queues wherever their accounts are held. Its methods are those of
// outbox.Service.
type Queue struct {
	messages  QueuedMessages
	pause     *route[laneArgs, none]
	resume    *route[laneArgs, none]
	putFirst  *route[laneArgs, none]
	cancel    *route[laneArgs, none]
	cancelAll *route[laneArgs, cancelledAll]
}

// NewQueue makes a Queue and lets other nodes ask this one.
func NewQueue(nodes Nodes, lanes Lanes, messages QueuedMessages) *Queue {
	return &Queue{
		messages: messages,
		pause: newRoute(nodes, "queue.pause", func(ctx context.Context, accountID int64, a laneArgs) (none, error) {
			return none{}, lanes.Pause(ctx, a.WorkspaceID, accountID, a.Text)
		}),
		resume: newRoute(nodes, "queue.resume", func(ctx context.Context, accountID int64, a laneArgs) (none, error) {
			return none{}, lanes.Resume(ctx, a.WorkspaceID, accountID)
		}),
		putFirst: newRoute(nodes, "queue.first", func(ctx context.Context, _ int64, a laneArgs) (none, error) {
			return none{}, lanes.PutFirst(ctx, a.WorkspaceID, a.MessageID)
		}),
		cancel: newRoute(nodes, "queue.cancel", func(ctx context.Context, _ int64, a laneArgs) (none, error) {
			return none{}, lanes.Cancel(ctx, a.WorkspaceID, a.MessageID, a.Text)
		}),
		cancelAll: newRoute(nodes, "queue.cancel_all", func(ctx context.Context, accountID int64, a laneArgs) (c cancelledAll, err error) {
			c.Cancelled, c.Kept, err = lanes.CancelAll(ctx, a.WorkspaceID, accountID, a.Text)
			if err != nil && c.Cancelled+c.Kept > 0 {
				// What was done already must be told, and an error carries no numbers to another node.
				err = &tideline.Error{
					Code: tideline.ErrorCode(err), Err: err,
					Message: fmt.Sprintf("only %d messages were cancelled; try again for the others", c.Cancelled),
				}
			}
			return c, err
		}),
	}
}

// Pause is outbox.Service's.
func (q *Queue) Pause(ctx context.Context, workspaceID, accountID int64, by string) error {
	_, err := q.pause.do(ctx, accountID, laneArgs{WorkspaceID: workspaceID, Text: by})
	return err
}

// Resume is outbox.Service's.
func (q *Queue) Resume(ctx context.Context, workspaceID, accountID int64) error {
	_, err := q.resume.do(ctx, accountID, laneArgs{WorkspaceID: workspaceID})
	return err
}

// PutFirst is outbox.Service's.
func (q *Queue) PutFirst(ctx context.Context, workspaceID, messageID int64) error {
	return q.ofMessage(ctx, q.putFirst, laneArgs{WorkspaceID: workspaceID, MessageID: messageID})
}

// Cancel is outbox.Service's.
func (q *Queue) Cancel(ctx context.Context, workspaceID, messageID int64, note string) error {
	return q.ofMessage(ctx, q.cancel, laneArgs{WorkspaceID: workspaceID, MessageID: messageID, Text: note})
}

// ofMessage does something to a message, of whichever account it is.
func (q *Queue) ofMessage(ctx context.Context, r *route[laneArgs, none], a laneArgs) error {
	m, err := q.messages.QueuedMessage(ctx, a.WorkspaceID, a.MessageID)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		// The service has better words for what is not queued, and needs no lane for them.
		_, err = r.local(ctx, 0, a)
		return err
	}
	if err != nil {
		return err
	}
	_, err = r.do(ctx, m.AccountID, a)
	return err
}

// CancelAll is outbox.Service's.
func (q *Queue) CancelAll(ctx context.Context, workspaceID, accountID int64, note string) (cancelled, kept int, err error) {
	c, err := q.cancelAll.do(ctx, accountID, laneArgs{WorkspaceID: workspaceID, Text: note})
	return c.Cancelled, c.Kept, err
}
