package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/workspace"
)

type planCmd struct {
	List planListCmd `cmd:"" help:"List plans."`
	Set  planSetCmd  `cmd:"" help:"Change a plan, or make one."`
}

type planListCmd struct{}

// Help implements kong.HelpProvider.
func (planListCmd) Help() string {
	return "Lists what the plans allow.\n\n    tideline plan list"
}

// Run lists plans.
func (planListCmd) Run(ctx context.Context, a *app) (err error) {
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	plans, err := s.ListPlans(ctx)
	if err != nil {
		return err
	}
	views := make([]planJSON, len(plans))
	for i, p := range plans {
		views[i] = planView(p)
	}
	return a.show(views, func(w io.Writer) { printPlans(w, views...) })
}

type planSetCmd struct {
	Plan          string  `arg:"" help:"Name of the plan. A new one starts as a copy of self-hosted."`
	Credits       *string `placeholder:"N" help:"Message credits per month: a number, or unlimited."`
	APICalls      *int64  `name:"api-calls" placeholder:"N" help:"API calls per month; -1 = unlimited."`
	Seats         *int    `placeholder:"N" help:"Members; -1 = unlimited."`
	Webhooks      *int    `placeholder:"N" help:"Webhook subscriptions; -1 = unlimited."`
	MaxFileBytes  *int64  `placeholder:"N" help:"Largest upload in bytes."`
	API           *bool   `name:"api" negatable:"" help:"The public API may be used."`
	Attachments   *bool   `negatable:"" help:"Files may be sent."`
	GapAdjustable *bool   `negatable:"" help:"The pause between messages may be changed."`
}

// Help implements kong.HelpProvider.
func (planSetCmd) Help() string {
	return `Changes what you name and keeps the rest. Workspaces of the plan go by it at once, except that the running month keeps the credits it was granted.

    tideline plan set trial --credits 100 --seats 2 --no-gap-adjustable
    tideline workspace set --workspace shop --plan trial`
}

// Run changes a plan.
func (c *planSetCmd) Run(ctx context.Context, a *app) (err error) {
	change := workspace.PlanChange{
		APICalls: c.APICalls, Seats: c.Seats, Webhooks: c.Webhooks, MaxFileBytes: c.MaxFileBytes,
		API: c.API, Attachments: c.Attachments, GapAdjustable: c.GapAdjustable,
	}
	if c.Credits != nil {
		n, err := workspace.ParseCredits(*c.Credits)
		if err != nil {
			return err
		}
		change.Credits = &n
	}
	s, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	p, err := workspace.New(s, nil).SetPlan(ctx, c.Plan, change)
	if err != nil {
		return err
	}
	v := planView(p)
	return a.show(v, func(w io.Writer) { printPlans(w, v) })
}

// planJSON is how a plan is shown. -1 means unlimited.
type planJSON struct {
	Name          string           `json:"name"`
	Credits       tideline.Credits `json:"credits_per_period"`
	APICalls      int64            `json:"api_calls_per_period"`
	Seats         int              `json:"seats"`
	Webhooks      int              `json:"webhooks"`
	MaxFileBytes  int64            `json:"max_file_bytes"`
	API           bool             `json:"api"`
	Attachments   bool             `json:"attachments"`
	GapAdjustable bool             `json:"gap_adjustable"`
}

func planView(p tideline.Plan) planJSON {
	return planJSON{
		Name: p.Name, Credits: p.Credits, APICalls: p.APICalls, Seats: p.Seats, Webhooks: p.Webhooks,
		MaxFileBytes: p.MaxFileBytes, API: p.API, Attachments: p.Attachments, GapAdjustable: p.GapAdjustable,
	}
}

func printPlans(w io.Writer, plans ...planJSON) {
	yes := map[bool]string{true: "yes", false: "no"}
	rows := make([][]string, len(plans))
	for i, p := range plans {
		rows[i] = []string{
			p.Name, limit(p.Credits), limit(p.APICalls), limit(p.Seats), limit(p.Webhooks),
			fmt.Sprintf("%.1f MB", float64(p.MaxFileBytes)/1e6), yes[p.API], yes[p.Attachments], yes[p.GapAdjustable],
		}
	}
	table(w, []string{"PLAN", "CREDITS", "API CALLS", "SEATS", "WEBHOOKS", "LARGEST FILE", "API", "ATTACHMENTS", "GAP ADJUSTABLE"}, rows)
}
