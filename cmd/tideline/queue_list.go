package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type queueListCmd struct {
	Account string `placeholder:"NUMBER" help:"Only what this number sends."`
	Limit   int    `default:"50" help:"How many messages to show (${default})."`
	Offset  int    `help:"How many to leave out before them."`
}

// Help implements kong.HelpProvider.
func (queueListCmd) Help() string {
	return `Shows what waits: its place in the lane of its number, when it is expected to go if nothing stops the number, and why it has not gone yet.

    tideline queue list
    tideline queue list --account +14840000000 --limit 10`
}

// Run lists the queue.
func (c *queueListCmd) Run(ctx context.Context, a *app) error {
	if c.Limit < 1 || c.Limit > 1000 || c.Offset < 0 {
		return tideline.Errorf(tideline.CodeValidation, "--limit must be from 1 to 1000, and --offset not negative")
	}
	return a.with(ctx, func(d *desk) error {
		var f store.QueueFilter
		if c.Account != "" {
			acc, err := d.account(ctx, c.Account)
			if err != nil {
				return err
			}
			f.AccountID = acc.ID
		}
		items, more, err := d.store.Queue(ctx, d.workspace.ID, f, store.Page{Offset: c.Offset, Limit: c.Limit})
		if err != nil {
			return err
		}
		v := queueListJSON{Workspace: d.workspace.Slug, Messages: make([]queuedJSON, len(items)), More: more}
		rows := make([][]string, len(items))
		for i := range items {
			q := queuedView(&items[i])
			v.Messages[i] = q
			rows[i] = []string{q.UID, q.Account, fmt.Sprint(q.Before), stamp(q.Expected.Time, d.workspace.Location()), q.WhyText, q.Chat}
		}
		return a.show(v, func(w io.Writer) {
			if len(rows) == 0 {
				fmt.Fprintln(w, "Nothing waits.")
				return
			}
			table(w, []string{"MESSAGE", "FROM", "BEFORE IT", "EXPECTED", "WHY IT WAITS", "CHAT"}, rows)
			if more {
				fmt.Fprintf(w, "\nThere is more: --offset %d\n", c.Offset+len(rows))
			}
		})
	})
}

// account finds an account of the workspace by what an operator wrote.
func (d *desk) account(ctx context.Context, ref string) (tideline.Account, error) {
	accounts, _, err := d.store.AccountsOf(ctx, d.workspace.ID)
	if err != nil {
		return tideline.Account{}, err
	}
	acc, ok := account.Find(accounts, ref)
	if !ok {
		return acc, tideline.Errorf(tideline.CodeNotFound, "the workspace %s has no account %s: tideline account list shows them", d.workspace.Slug, ref)
	}
	return acc, nil
}

// queueListJSON is how a queue is shown.
type queueListJSON struct {
	Workspace string       `json:"workspace"`
	Messages  []queuedJSON `json:"messages"`
	More      bool         `json:"has_more_pages"`
}

type queuedJSON struct {
	UID        string    `json:"message_uid"`
	Account    string    `json:"whatsapp_account_phone"`
	Chat       string    `json:"chat"`
	Before     int       `json:"messages_before"`
	Expected   jsonTime  `json:"expected_at"` // null: at once
	Why        string    `json:"why"`
	WhyText    string    `json:"why_text"`
	Until      *jsonTime `json:"until,omitempty"`
	Attempts   int       `json:"attempts"`
	Note       string    `json:"last_attempt,omitempty"`
	First      bool      `json:"first,omitempty"` // somebody put it first
	AcceptedAt jsonTime  `json:"accepted_at"`
}

func queuedView(i *store.QueueItem) queuedJSON {
	why, until := i.Why()
	v := queuedJSON{
		UID: i.View.Message.UID, Account: string(i.View.Account.Phone), Chat: i.View.Chat.Name,
		Before: i.Place.Position, Expected: jsonTime{i.Place.Expected}, Why: string(why), WhyText: whyQueued(i, why),
		Attempts: i.Attempts, Note: i.Place.Note, First: i.First, AcceptedAt: jsonTime{i.View.Message.AcceptedAt},
	}
	if why == store.WaitBanned || why == store.WaitReachOut {
		if !until.IsZero() {
			v.Until = &jsonTime{until}
		}
	}
	return v
}

// whyQueued says why a message waits.
func whyQueued(i *store.QueueItem, why store.Wait) string {
	acc := &i.View.Account
	switch why {
	case store.WaitPaused:
		return "paused by " + acc.Pause.By
	case store.WaitLoggedOut:
		return "the number is logged out: tideline account pair"
	case store.WaitBanned:
		return whyAccount(*acc, time.Now(), time.UTC)
	case store.WaitOutdated:
		return "WhatsApp refuses this version: tideline whatsapp-version"
	case store.WaitOffline:
		return "the number is not connected"
	case store.WaitReachOut:
		return "WhatsApp lets the number write to nobody new until " + stamp(i.Place.HeldUntil, time.UTC)
	case store.WaitRetry:
		return "it is tried again: " + i.Place.Note
	case store.WaitTurn:
		return "others go before it"
	default:
		return "it is next, after the gap"
	}
}
