package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/tidelinehq/tideline/internal/operator"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type queuePauseCmd struct {
	Account string `arg:"" help:"Its phone number, or its id such as 14840000000@s.whatsapp.net."`
}

// Help implements kong.HelpProvider.
func (queuePauseCmd) Help() string {
	return `Nothing of the number is sent until it is resumed; a message that is being sent right now is not called back. Messages are accepted meanwhile. They don't expire: their deadlines count anew from the end of the pause. A restart changes nothing.

    tideline queue pause +14840000000`
}

// Run pauses an account.
func (c *queuePauseCmd) Run(ctx context.Context, a *app) error {
	return a.onQueue(ctx, func(d *desk, q queueHands) error {
		acc, err := d.account(ctx, c.Account)
		if err != nil {
			return err
		}
		if err := q.PauseAccount(ctx, operator.AccountRequest{WorkspaceID: d.workspace.ID, AccountID: acc.ID}); err != nil {
			return err
		}
		return a.show(map[string]any{"phone": acc.Phone, "paused": true}, func(w io.Writer) {
			fmt.Fprintf(w, "%s sends nothing until tideline queue resume %s\n", acc.Phone, acc.Phone)
		})
	})
}

type queueResumeCmd struct {
	Account string `arg:"" help:"Its phone number, or its id such as 14840000000@s.whatsapp.net."`
}

// Help implements kong.HelpProvider.
func (queueResumeCmd) Help() string {
	return `The number goes on where it stopped, with its gaps.

    tideline queue resume +14840000000`
}

// Run resumes an account.
func (c *queueResumeCmd) Run(ctx context.Context, a *app) error {
	return a.onQueue(ctx, func(d *desk, q queueHands) error {
		acc, err := d.account(ctx, c.Account)
		if err != nil {
			return err
		}
		if err := q.ResumeAccount(ctx, operator.AccountRequest{WorkspaceID: d.workspace.ID, AccountID: acc.ID}); err != nil {
			return err
		}
		return a.show(map[string]any{"phone": acc.Phone, "paused": false}, func(w io.Writer) {
			fmt.Fprintf(w, "%s sends again.\n", acc.Phone)
		})
	})
}

type queueCancelCmd struct {
	UID     string `arg:"" optional:"" name:"message" help:"The message_uid."`
	Account string `placeholder:"NUMBER" help:"Cancel everything that waits for this number."`
}

// Help implements kong.HelpProvider.
func (queueCancelCmd) Help() string {
	return `The message fails as cancelled and its credits come back. What is being sent right now can't be cancelled.

    tideline queue cancel 0193a1b2-7c5d-7e3f-8a1b-2c3d4e5f6071
    tideline queue cancel --account +14840000000`
}

// Run cancels messages.
func (c *queueCancelCmd) Run(ctx context.Context, a *app) error {
	if (c.UID == "") == (c.Account == "") {
		return tideline.Errorf(tideline.CodeValidation, "name one message, or a number with --account")
	}
	return a.onQueue(ctx, func(d *desk, q queueHands) error {
		if c.UID != "" {
			m, err := d.message(ctx, c.UID)
			if err != nil {
				return err
			}
			if err := q.Cancel(ctx, m); err != nil {
				return err
			}
			return a.show(map[string]any{"message_uid": c.UID, "cancelled": 1}, func(w io.Writer) {
				fmt.Fprintln(w, "It is cancelled, and its credits are back.")
			})
		}
		acc, err := d.account(ctx, c.Account)
		if err != nil {
			return err
		}
		done, err := q.CancelAll(ctx, operator.AccountRequest{WorkspaceID: d.workspace.ID, AccountID: acc.ID})
		if err != nil {
			return err
		}
		return a.show(done, func(w io.Writer) {
			fmt.Fprintf(w, "%d cancelled; %d not, because they are being sent or were sent.\n", done.Cancelled, done.Kept)
		})
	})
}

type queueFirstCmd struct {
	UID string `arg:"" name:"message" help:"The message_uid."`
}

// Help implements kong.HelpProvider.
func (queueFirstCmd) Help() string {
	return `The message goes before all others that wait for its number, also before those that were put first earlier. The gap between two sends stays.

    tideline queue first 0193a1b2-7c5d-7e3f-8a1b-2c3d4e5f6071`
}

// Run puts a message first.
func (c *queueFirstCmd) Run(ctx context.Context, a *app) error {
	return a.onQueue(ctx, func(d *desk, q queueHands) error {
		m, err := d.message(ctx, c.UID)
		if err != nil {
			return err
		}
		if err := q.PutFirst(ctx, m); err != nil {
			return err
		}
		return a.show(map[string]any{"message_uid": c.UID, "messages_before": 0}, func(w io.Writer) { fmt.Fprintln(w, "It goes next.") })
	})
}

// message finds a message of the workspace.
func (d *desk) message(ctx context.Context, uid string) (operator.MessageRequest, error) {
	m, err := d.store.MessageByUID(ctx, d.workspace.ID, uid)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		err = tideline.Errorf(tideline.CodeNotFound, "the workspace %s has no message %s", d.workspace.Slug, uid)
	}
	return operator.MessageRequest{WorkspaceID: d.workspace.ID, MessageID: m.Message.ID}, err
}

// queueHands does what is asked of the queue: the running server, which knows what
// it is sending, or, when none runs, this process.
type queueHands interface {
	PauseAccount(ctx context.Context, q operator.AccountRequest) error
	ResumeAccount(ctx context.Context, q operator.AccountRequest) error
	PutFirst(ctx context.Context, q operator.MessageRequest) error
	Cancel(ctx context.Context, q operator.MessageRequest) error
	CancelAll(ctx context.Context, q operator.AccountRequest) (operator.CancelledAll, error)
}

// onQueue calls do with a running server, or, when there is none, with the database
// claimed so that none can start meanwhile.
func (a *app) onQueue(ctx context.Context, do func(*desk, queueHands) error) error {
	return a.with(ctx, func(d *desk) (err error) {
		o, err := a.operator(ctx)
		if err == nil {
			return do(d, o)
		}
		if !errors.Is(err, operator.ErrNotRunning) {
			return err
		}
		claim, err := sqlstore.TakeClaim(ctx, sqlstore.Options{Database: a.config.DatabaseURL()}, fmt.Sprintf("tideline queue, process %d", os.Getpid()), time.Second)
		if errors.Is(err, sqlstore.ErrClaimed) {
			return fmt.Errorf("%w: run this on the machine of that server", err)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, claim.Release()) }()
		return do(d, localQueue{outbox.New(outbox.Deps{Store: d.store, Logger: slog.New(slog.DiscardHandler)}, outbox.Config{})})
	})
}

// localQueue is queueHands without a server: an outbox that sends nothing.
type localQueue struct{ outbox *outbox.Service }

func (l localQueue) PauseAccount(ctx context.Context, q operator.AccountRequest) error {
	return l.outbox.Pause(ctx, q.WorkspaceID, q.AccountID, "operator")
}

func (l localQueue) ResumeAccount(ctx context.Context, q operator.AccountRequest) error {
	return l.outbox.Resume(ctx, q.WorkspaceID, q.AccountID)
}

func (l localQueue) PutFirst(ctx context.Context, q operator.MessageRequest) error {
	return l.outbox.PutFirst(ctx, q.WorkspaceID, q.MessageID)
}

func (l localQueue) Cancel(ctx context.Context, q operator.MessageRequest) error {
	return l.outbox.Cancel(ctx, q.WorkspaceID, q.MessageID, "by the operator")
}

func (l localQueue) CancelAll(ctx context.Context, q operator.AccountRequest) (operator.CancelledAll, error) {
	cancelled, kept, err := l.outbox.CancelAll(ctx, q.WorkspaceID, q.AccountID, "by the operator")
	return operator.CancelledAll{Cancelled: cancelled, Kept: kept}, err
}
