package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/workspace"
)

type workspaceCmd struct {
	Create workspaceCreateCmd `cmd:"" help:"Create a workspace and its owner."`
	List   workspaceListCmd   `cmd:"" help:"List workspaces."`
	Show   workspaceShowCmd   `cmd:"" help:"Show a workspace, its plan and its credits."`
	Set    workspaceSetCmd    `cmd:"" help:"Change a workspace."`
}

type workspaceCreateCmd struct {
	Slug       string `arg:"" help:"Its name in commands: lower-case letters, digits and dashes."`
	Name       string `placeholder:"NAME" help:"Its name for people. Default: the slug."`
	TimeZone   string `default:"UTC" help:"Decides when a month begins and how times are shown, e.g. Europe/Berlin (${default})."`
	Plan       string `default:"self-hosted" help:"Its plan, from tideline plan list (${default})."`
	OwnerName  string `placeholder:"NAME" help:"Name of the owner. Default: Owner."`
	OwnerEmail string `help:"E-mail of the owner."`
}

// Help implements kong.HelpProvider.
func (workspaceCreateCmd) Help() string {
	return `A workspace is a tenant: its accounts, chats, credits and tokens are its own. The server makes the first one by itself.

    tideline workspace create shop --name "The Shop" --owner-email ana@example.com --time-zone Europe/Lisbon
    tideline token create --workspace shop --name "shop system"`
}

// Run creates a workspace.
func (c *workspaceCreateCmd) Run(ctx context.Context, a *app) (err error) {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	w, _, err := workspace.New(s, nil).Create(ctx, workspace.Creation{
		Slug: c.Slug, DisplayName: c.Name, TimeZone: c.TimeZone, Plan: c.Plan, OwnerName: c.OwnerName, OwnerEmail: c.OwnerEmail,
	})
	if err != nil {
		return err
	}
	return showWorkspace(ctx, a, s, w)
}

type workspaceListCmd struct{}

// Help implements kong.HelpProvider.
func (workspaceListCmd) Help() string {
	return "Lists all workspaces.\n\n    tideline workspace list"
}

// Run lists workspaces.
func (workspaceListCmd) Run(ctx context.Context, a *app) (err error) {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all, err := s.ListWorkspaces(ctx)
	if err != nil {
		return err
	}
	views := make([]workspaceJSON, len(all))
	rows := make([][]string, len(all))
	for i, w := range all {
		if views[i], err = workspaceView(ctx, s, w); err != nil {
			return err
		}
		rows[i] = []string{w.Slug, w.DisplayName, w.Plan.Name, limit(views[i].Available), fmt.Sprint(views[i].Queued), w.Gap.String()}
	}
	return a.show(views, func(w io.Writer) {
		table(w, []string{"WORKSPACE", "NAME", "PLAN", "CREDITS", "QUEUED", "GAP"}, rows)
	})
}

type workspaceShowCmd struct{}

// Help implements kong.HelpProvider.
func (workspaceShowCmd) Help() string {
	return "Shows a workspace, its plan, its credits and how many messages wait.\n\n    tideline workspace show --workspace shop"
}

// Run shows a workspace.
func (workspaceShowCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error { return showWorkspace(ctx, a, d.store, d.workspace) })
}

type workspaceSetCmd struct {
	Name       *string `help:"Its name for people."`
	TimeZone   *string `help:"E.g. Europe/Berlin."`
	Plan       *string `help:"From tideline plan list. Its credits replace --credits set earlier."`
	Credits    *string `placeholder:"N" help:"Credits per month: a number, or unlimited."`
	AddCredits *int64  `placeholder:"N" help:"Credits to add once. They are used after the month's and never expire. A negative number takes some away."`
	Gap        *string `placeholder:"MIN-MAX" help:"Range of the random pause between two messages of one account, e.g. 1s-3s."`
	retentionFlags
}

// Help implements kong.HelpProvider.
func (workspaceSetCmd) Help() string {
	return `Changes what you name and keeps the rest. The running server goes by it at once; queued messages get the new gap.

    tideline workspace set --credits 5000 --gap 2s-6s
    tideline workspace set --credits unlimited
    tideline workspace set --add-credits=-100
    tideline workspace set --keep-messages 365d --keep-files 90d --archive messages

Older messages are deleted for good by the running server, within an hour, and only what --archive says is written to the archive before. Files are deleted once no message used them for that long. Nothing is deleted unless somebody asks for it here or by the server's flags of the same names.

Pauses shorter than a second or two make WhatsApp suspicious of a number.`
}

// Run changes a workspace.
func (c *workspaceSetCmd) Run(ctx context.Context, a *app) error {
	change := workspace.Change{DisplayName: c.Name, TimeZone: c.TimeZone, Plan: c.Plan, By: operatorName()}
	if c.Credits != nil {
		n, err := workspace.ParseCredits(*c.Credits)
		if err != nil {
			return err
		}
		change.Credits = &n
	}
	if c.AddCredits != nil {
		n := tideline.Credits(*c.AddCredits)
		change.AddCredits = &n
	}
	if c.Gap != nil {
		g, err := tideline.ParseGap(*c.Gap)
		if err != nil {
			return err
		}
		change.Gap = &g
	}
	if change == (workspace.Change{By: change.By}) && c.retentionFlags == (retentionFlags{}) {
		return tideline.Errorf(tideline.CodeValidation, "nothing to change: name at least one of --name, --time-zone, --plan, --credits, --add-credits, --gap, --keep-messages, --keep-files, --archive")
	}
	keep, err := c.change()
	if err != nil {
		return err
	}
	return a.with(ctx, func(d *desk) error {
		w := d.workspace
		if change != (workspace.Change{By: change.By}) {
			if w, err = d.workspaces.Set(ctx, w, change); err != nil {
				return err
			}
		}
		if err := d.workspaces.SetRetention(ctx, w, keep); err != nil {
			return err
		}
		return showWorkspace(ctx, a, d.store, w)
	})
}

// operatorName says who made a change at the command line, for the ledger.
func operatorName() string {
	if name := os.Getenv("USER"); name != "" {
		return "tideline workspace set, by " + name
	}
	return "tideline workspace set"
}

// workspaceJSON is how a workspace is shown. -1 means unlimited.
type workspaceJSON struct {
	Workspace   string           `json:"workspace"`
	Name        string           `json:"name"`
	TimeZone    string           `json:"time_zone"`
	Plan        planJSON         `json:"plan"`
	Gap         string           `json:"gap"`
	Granted     tideline.Credits `json:"credits_per_period"`
	Used        tideline.Credits `json:"credits_used"`
	PeriodLeft  tideline.Credits `json:"credits_left_of_period"`
	Extra       tideline.Credits `json:"credits_non_recurring"`
	Available   tideline.Credits `json:"credits_available"`
	PeriodStart jsonTime         `json:"period_start"`
	PeriodEnd   jsonTime         `json:"period_end"`
	Queued      int64            `json:"queued"`
	CreatedAt   jsonTime         `json:"created_at"`

	KeepMessages string `json:"keep_messages"`
	KeepFiles    string `json:"keep_files"`
	Archive      string `json:"archive"`
}

// workspaceStore is what showing a workspace reads.
type workspaceStore interface {
	Balance(ctx context.Context, workspaceID int64, now time.Time) (tideline.Balance, error)
	QueueLength(ctx context.Context, workspaceID int64) (int64, error)
	Retention(ctx context.Context, workspaceID int64) (tideline.Retention, error)
}

func workspaceView(ctx context.Context, s workspaceStore, w tideline.Workspace) (workspaceJSON, error) {
	b, err := s.Balance(ctx, w.ID, time.Now())
	if err != nil {
		return workspaceJSON{}, err
	}
	queued, err := s.QueueLength(ctx, w.ID)
	if err != nil {
		return workspaceJSON{}, err
	}
	keep, err := s.Retention(ctx, w.ID)
	if err != nil {
		return workspaceJSON{}, err
	}
	return workspaceJSON{
		KeepMessages: keep.Messages.String(), KeepFiles: keep.Files.String(), Archive: keep.Archive.String(),
		Workspace: w.Slug, Name: w.DisplayName, TimeZone: w.TimeZone, Plan: planView(w.Plan), Gap: w.Gap.String(),
		Granted: b.Granted, Used: b.Used, PeriodLeft: b.Period, Extra: b.Extra, Available: b.Available(),
		PeriodStart: jsonTime{b.PeriodStart}, PeriodEnd: jsonTime{b.PeriodEnd}, Queued: queued, CreatedAt: jsonTime{w.CreatedAt},
	}, nil
}

func showWorkspace(ctx context.Context, a *app, s workspaceStore, ws tideline.Workspace) error {
	v, err := workspaceView(ctx, s, ws)
	if err != nil {
		return err
	}
	loc := ws.Location()
	return a.show(v, func(w io.Writer) {
		pairs(w,
			"Workspace", v.Workspace,
			"Name", v.Name,
			"Plan", v.Plan.Name,
			"Time zone", v.TimeZone,
			"Gap", fmt.Sprintf("%s (mean %s)", v.Gap, ws.Gap.Mean()),
			"Credits", fmt.Sprintf("%s available: %d of this month's %s used, %d non-recurring", limit(v.Available), v.Used, limit(v.Granted), v.Extra),
			"Month ends", stamp(v.PeriodEnd.Time, loc),
			"Queued", fmt.Sprint(v.Queued),
			"Kept", fmt.Sprintf("messages %s, files %s, archive %s", v.KeepMessages, v.KeepFiles, v.Archive),
		)
	})
}
