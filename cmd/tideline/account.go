package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/operator"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type accountCmd struct {
	Pair      accountPairCmd      `cmd:"" help:"Pair a WhatsApp number."`
	List      accountListCmd      `cmd:"" help:"List the numbers of a workspace and their state."`
	Reconnect accountReconnectCmd `cmd:"" help:"Connect a number at once instead of at the time that is planned."`
	Logout    accountLogoutCmd    `cmd:"" help:"Unlink a number at WhatsApp and keep it in the workspace."`
	Remove    accountRemoveCmd    `cmd:"" help:"Take a number out of the workspace."`
}

type accountListCmd struct {
	apiFlags
}

// Help implements kong.HelpProvider.
func (accountListCmd) Help() string {
	return `Lists the workspace's WhatsApp numbers, the most recently connected first: that one sends when a request names none. A number is active only while its connection is proven alive. With a token it lists what the API answers.

    tideline account list`
}

// Run lists accounts.
func (c *accountListCmd) Run(ctx context.Context, a *app) error {
	return c.choose(a,
		func(api *client.Client) error { return askAccounts(ctx, a, api) },
		func() error { return c.direct(ctx, a) })
}

func (accountListCmd) direct(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		accounts, _, err := d.store.AccountsOf(ctx, d.workspace.ID)
		if err != nil {
			return err
		}
		a.correct(accounts)
		views := make([]accountJSON, len(accounts))
		rows := make([][]string, len(accounts))
		for i, acc := range accounts {
			views[i] = accountView(acc)
			rows[i] = []string{string(acc.Phone), acc.Name, string(acc.State), whyAccount(acc, time.Now(), d.workspace.Location()), stamp(acc.ConnectedOn, d.workspace.Location()), acc.OwnerEmail}
		}
		return a.show(views, func(w io.Writer) {
			if len(rows) == 0 {
				fmt.Fprintln(w, "No number is paired yet: tideline account pair")
				return
			}
			table(w, []string{"PHONE", "NAME", "STATE", "WHY", "CONNECTED", "PAIRED BY"}, rows)
		})
	})
}

type accountLogoutCmd struct {
	Account string `arg:"" help:"Its phone number, or its id such as 14840000000@s.whatsapp.net."`
}

// Help implements kong.HelpProvider.
func (accountLogoutCmd) Help() string {
	return `The phone's list of linked devices loses the entry. Chats and messages stay; queued messages wait until the number is paired again or their deadline passes. The server must be running.

    tideline account logout +14840000000`
}

// Run logs an account out.
func (c *accountLogoutCmd) Run(ctx context.Context, a *app) error {
	return a.onAccount(ctx, c.Account, func(o *operator.Client, q operator.AccountRequest, acc tideline.Account) error {
		if err := o.Logout(ctx, q); err != nil {
			return err
		}
		return a.show(map[string]string{"phone": string(acc.Phone), "state": string(tideline.AccountLoggedOut)}, func(w io.Writer) {
			fmt.Fprintf(w, "%s is logged out. Pair it again with tideline account pair.\n", acc.Phone)
		})
	})
}

type accountRemoveCmd struct {
	Account string `arg:"" help:"Its phone number, or its id such as 14840000000@s.whatsapp.net."`
}

// Help implements kong.HelpProvider.
func (accountRemoveCmd) Help() string {
	return `Queued messages of the number fail and their credits come back; the number is unlinked at WhatsApp; nothing that was said is deleted. The server must be running.

    tideline account remove +14840000000`
}

// Run removes an account.
func (c *accountRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.onAccount(ctx, c.Account, func(o *operator.Client, q operator.AccountRequest, acc tideline.Account) error {
		if err := o.Remove(ctx, q); err != nil {
			return err
		}
		return a.show(map[string]string{"phone": string(acc.Phone), "state": "removed"}, func(w io.Writer) {
			fmt.Fprintf(w, "%s is removed.\n", acc.Phone)
		})
	})
}

// onAccount finds an account in the database and the server that holds its
// connection, and calls do.
func (a *app) onAccount(ctx context.Context, ref string, do func(*operator.Client, operator.AccountRequest, tideline.Account) error) error {
	o, err := a.operator(ctx)
	if err != nil {
		return err
	}
	return a.with(ctx, func(d *desk) error {
		accounts, _, err := d.store.AccountsOf(ctx, d.workspace.ID)
		if err != nil {
			return err
		}
		acc, ok := account.Find(accounts, ref)
		if !ok {
			return tideline.Errorf(tideline.CodeNotFound, "the workspace %s has no account %s: tideline account list shows them", d.workspace.Slug, ref)
		}
		return do(o, operator.AccountRequest{WorkspaceID: d.workspace.ID, AccountID: acc.ID}, acc)
	})
}

// correct makes the states of accounts true when no server runs: one that was
// killed could not note that its connections ended.
func (a *app) correct(accounts []tideline.Account) {
	f, err := a.folder()
	if err != nil {
		return // the server may be on another machine
	}
	if running, err := f.Locked(); err != nil || running {
		return
	}
	for i := range accounts {
		if s := accounts[i].State; s == tideline.AccountActive || s == tideline.AccountConnecting {
			accounts[i].State, accounts[i].StateReason = tideline.AccountDisconnected, "the server is not running"
		}
	}
}

// accountJSON is how an account is shown.
type accountJSON struct {
	ID          string    `json:"id"`
	Phone       string    `json:"phone"`
	Name        string    `json:"account_name"`
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	BannedUntil *jsonTime `json:"banned_until,omitempty"`            // the server connects again by itself then
	ReachOut    *jsonTime `json:"reach_out_limited_until,omitempty"` // until then it writes to nobody new
	PausedBy    string    `json:"paused_by,omitempty"`               // who stopped its sending
	PausedSince *jsonTime `json:"paused_since,omitempty"`            // null while it sends
	ConnectedOn jsonTime  `json:"connected_on"`
	Owner       string    `json:"owner_email"`
	CreatedAt   jsonTime  `json:"created_at"`
	Metrics     int64     `json:"metrics_account"` // its label in /metrics
}

func accountView(a tideline.Account) accountJSON {
	v := accountJSON{
		ID: string(a.JID), Phone: string(a.Phone), Name: a.Name, State: string(a.State), Reason: a.StateReason,
		ConnectedOn: jsonTime{a.ConnectedOn}, Owner: a.OwnerEmail, CreatedAt: jsonTime{a.CreatedAt},
		Metrics: a.ID,
	}
	if a.State == tideline.AccountBanned && !a.Hold.BannedUntil.IsZero() {
		v.BannedUntil = &jsonTime{a.Hold.BannedUntil}
	}
	if a.Pause.Paused() {
		v.PausedBy, v.PausedSince = a.Pause.By, &jsonTime{a.Pause.Since}
	}
	if a.Hold.ReachOutLimited(time.Now()) {
		v.ReachOut = &jsonTime{a.Hold.ReachOutUntil}
	}
	return v
}

// whyAccount says in one line why an account is in its state, and what WhatsApp
// restricts and until when.
func whyAccount(a tideline.Account, now time.Time, in *time.Location) string {
	var parts []string
	if a.StateReason != "" {
		parts = append(parts, a.StateReason)
	}
	if a.State == tideline.AccountBanned && now.Before(a.Hold.BannedUntil) {
		parts = append(parts, "banned until "+stamp(a.Hold.BannedUntil, in))
	}
	if a.Hold.ReachOutLimited(now) {
		parts = append(parts, "may write to nobody new until "+stamp(a.Hold.ReachOutUntil, in))
	}
	if a.Pause.Paused() {
		parts = append(parts, "paused by "+a.Pause.By+" since "+stamp(a.Pause.Since, in))
	}
	return strings.Join(parts, "; ")
}
