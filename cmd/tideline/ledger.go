package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type ledgerCmd struct {
	Last  int   `default:"20" help:"How many of the newest entries to show; 0 = all (${default})."`
	After int64 `placeholder:"ID" help:"Only entries after this one, for a program that follows the ledger."`
}

// Help implements kong.HelpProvider.
func (ledgerCmd) Help() string {
	return `Every change of a workspace's credits is an entry, and none is ever changed: charges of accepted messages, refunds of failed ones, what a month brought and what expired, and what an operator changed. The columns PERIOD, EXTRA and UNLIMITED say what each pool gained or lost; LEFT is what could be spent afterwards.

    tideline ledger --last 50
    tideline ledger --after 1042 --last 0 --json`
}

// Run shows the ledger.
func (c *ledgerCmd) Run(ctx context.Context, a *app) error {
	if c.Last < 0 {
		return tideline.Errorf(tideline.CodeValidation, "--last %d is negative; use 0 for all entries", c.Last)
	}
	return a.with(ctx, func(d *desk) error {
		entries, err := lastEntries(ctx, d.store, d.workspace.ID, c.After, c.Last)
		if err != nil {
			return err
		}
		b, err := d.store.Balance(ctx, d.workspace.ID, time.Now())
		if err != nil {
			return err
		}
		v := ledgerJSON{Workspace: d.workspace.Slug, Available: b.Available(), Entries: make([]entryJSON, len(entries))}
		rows := make([][]string, len(entries))
		for i, e := range entries {
			v.Entries[i] = entryView(e)
			message := ""
			if e.MessageID != 0 {
				message = fmt.Sprint(e.MessageID)
			}
			rows[i] = []string{
				fmt.Sprint(e.ID), stamp(e.At, d.workspace.Location()), string(e.Kind), message,
				change(e.Period), change(e.Extra), change(e.Unmetered), fmt.Sprint(e.After.Period + e.After.Extra), e.Note,
			}
		}
		return a.show(v, func(w io.Writer) {
			table(w, []string{"ID", "WHEN", "WHAT", "MESSAGE", "PERIOD", "EXTRA", "UNLIMITED", "LEFT", "WHY"}, rows)
			fmt.Fprintf(w, "\nNow %s credits can be spent.\n", spendable(b))
		})
	})
}

// ledgerPage is how many entries are read at once.
const ledgerPage = 1000

// lastEntries gives the newest entries after one, at most last of them, oldest
// first; all when last is 0.
func lastEntries(ctx context.Context, s *sqlstore.Store, workspaceID, after int64, last int) ([]tideline.Entry, error) {
	var kept []tideline.Entry
	for {
		page, err := s.LedgerEntries(ctx, workspaceID, after, ledgerPage)
		if err != nil {
			return nil, err
		}
		kept = append(kept, page...)
		if last > 0 && len(kept) > last {
			kept = append(kept[:0], kept[len(kept)-last:]...)
		}
		if len(page) < ledgerPage {
			return kept, nil
		}
		after = page[len(page)-1].ID
	}
}

func change(n tideline.Credits) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%+d", n)
}

// ledgerJSON is how a ledger is shown.
type ledgerJSON struct {
	Workspace string           `json:"workspace"`
	Available tideline.Credits `json:"credits_available"` // -1 = unlimited
	Entries   []entryJSON      `json:"entries"`
}

type entryJSON struct {
	ID             int64            `json:"id"`
	At             jsonTime         `json:"at"`
	Kind           string           `json:"kind"`
	MessageID      int64            `json:"message_id,omitempty"`
	Period         tideline.Credits `json:"period"`
	Extra          tideline.Credits `json:"extra"`
	Unmetered      tideline.Credits `json:"unmetered"`
	AfterPeriod    tideline.Credits `json:"after_period"`
	AfterExtra     tideline.Credits `json:"after_extra"`
	AfterUnmetered tideline.Credits `json:"after_unmetered"`
	Note           string           `json:"note,omitempty"`
}

func entryView(e tideline.Entry) entryJSON {
	return entryJSON{
		ID: e.ID, At: jsonTime{e.At}, Kind: string(e.Kind), MessageID: e.MessageID,
		Period: e.Period, Extra: e.Extra, Unmetered: e.Unmetered,
		AfterPeriod: e.After.Period, AfterExtra: e.After.Extra, AfterUnmetered: e.After.Unmetered, Note: e.Note,
	}
}
