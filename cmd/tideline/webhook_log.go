package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

type webhookLogCmd struct {
	ID       int64 `arg:"" help:"The webhook, from tideline webhook list."`
	Delivery int64 `placeholder:"ID" help:"Show this delivery with its body and all that was sent and answered."`
	Limit    int   `default:"50" placeholder:"N" help:"How many deliveries to list, the latest first (${default})."`
	deliveryFilter
}

// Help implements kong.HelpProvider.
func (webhookLogCmd) Help() string {
	return `Lists what was delivered to a webhook and what was not, the latest first, or shows one delivery with its requests and answers. The log reaches back ten days.

    tideline webhook log 3 --state dead --state aside
    tideline webhook log 3 --delivery 4711`
}

// Run shows the log.
func (c *webhookLogCmd) Run(ctx context.Context, a *app) error {
	return a.oneWebhook(ctx, c.ID, func(d *desk, s *webhook.Service, p *tideline.Principal) error {
		if c.Delivery != 0 {
			v, attempts, err := deliveryOf(ctx, s, p, c.ID, c.Delivery)
			if err != nil {
				return err
			}
			return a.showDelivery(d, v, attempts)
		}
		if c.Limit < 1 || c.Limit > 1000 {
			return tideline.Errorf(tideline.CodeValidation, "--limit %d is not a number from 1 to 1000", c.Limit)
		}
		list, more, err := s.Deliveries(ctx, p, c.ID, c.filter(), store.Page{Limit: c.Limit})
		if err != nil {
			return err
		}
		views := make([]deliveryJSON, len(list))
		for i := range list {
			views[i] = deliveryView(&list[i])
		}
		return a.show(views, func(w io.Writer) {
			printDeliveries(w, views, d.workspace.Location())
			if more {
				fmt.Fprintf(w, "There are more; see --limit, --after and --before.\n")
			}
		})
	})
}

// deliveryOf gives a delivery of one webhook, with its attempts.
func deliveryOf(ctx context.Context, s *webhook.Service, p *tideline.Principal, webhookID, id int64) (store.Delivery, []store.Attempt, error) {
	v, attempts, err := s.Delivery(ctx, p, id)
	switch {
	case tideline.IsCode(err, tideline.CodeNotFound):
		err = tideline.Errorf(tideline.CodeNotFound, "there is no delivery %d: tideline webhook log %d lists them, for ten days", id, webhookID)
	case err == nil && v.WebhookID != webhookID:
		err = tideline.Errorf(tideline.CodeNotFound, "the delivery %d belongs to the webhook %d", id, v.WebhookID)
	}
	return v, attempts, err
}

type webhookReplayCmd struct {
	ID       int64 `arg:"" help:"The webhook, from tideline webhook list."`
	Delivery int64 `placeholder:"ID" help:"Deliver this one again."`
	All      bool  `help:"Deliver again all that --state, --after and --before select."`
	deliveryFilter
}

// Help implements kong.HelpProvider.
func (webhookReplayCmd) Help() string {
	return `Puts deliveries in line again, with the body and webhook-id that they had, in the order of their events: one, or all of a time range.

    tideline webhook replay 3 --delivery 4711
    tideline webhook replay 3 --all --state dead --after 2026-11-22T00:00:00Z`
}

// Run delivers again.
func (c *webhookReplayCmd) Run(ctx context.Context, a *app) error {
	if (c.Delivery != 0) == c.All {
		return tideline.Errorf(tideline.CodeValidation, "say what to deliver again: --delivery with a number from tideline webhook log, or --all")
	}
	return a.oneWebhook(ctx, c.ID, func(_ *desk, s *webhook.Service, p *tideline.Principal) error {
		n := int64(1)
		var err error
		if c.All {
			n, err = s.ReplayAll(ctx, p, c.ID, c.filter())
		} else if _, _, err = deliveryOf(ctx, s, p, c.ID, c.Delivery); err == nil {
			_, err = s.Replay(ctx, p, c.Delivery)
		}
		if err != nil {
			return err
		}
		return a.show(map[string]int64{"replayed": n}, func(w io.Writer) { fmt.Fprintf(w, "%d in line again.\n", n) })
	})
}

type webhookTestCmd struct {
	ID   int64         `arg:"" help:"The webhook, from tideline webhook list."`
	Wait time.Duration `default:"15s" placeholder:"TIME" help:"How long to wait for the receiver's answer (${default})."`
}

// Help implements kong.HelpProvider.
func (webhookTestCmd) Help() string {
	return `Puts an example event in line for a webhook, with made-up numbers, and shows what the receiver answered. The server must be running.

    tideline webhook test 3`
}

// lookEvery is how often to look whether something has happened by now.
const lookEvery = 200 * time.Millisecond

// Run tests a webhook.
func (c *webhookTestCmd) Run(ctx context.Context, a *app) error {
	return a.oneWebhook(ctx, c.ID, func(d *desk, s *webhook.Service, p *tideline.Principal) error {
		made, err := s.Test(ctx, p, c.ID)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, c.Wait)
		defer cancel()
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		for {
			v, attempts, err := s.Delivery(ctx, p, made.ID)
			if err == nil && len(attempts) > 0 {
				return a.showDelivery(d, v, attempts)
			}
			select {
			case <-look.C:
			case <-ctx.Done():
				return fmt.Errorf("no attempt was made within %s: is the server running? The receiver may also be busy or down, see tideline webhook list; the test stays in line", c.Wait)
			}
		}
	})
}

// deliveryJSON is how a delivery is shown.
type deliveryJSON struct {
	ID       int64         `json:"id"`
	EventUID string        `json:"event_uid"` // its webhook-id
	State    string        `json:"state"`
	Attempts int           `json:"attempts"`
	EventAt  jsonTime      `json:"event_at"`
	DueAt    jsonTime      `json:"due_at"`
	EndedAt  jsonTime      `json:"ended_at"`
	Note     string        `json:"note,omitempty"`
	Body     string        `json:"body,omitempty"`
	Log      []attemptJSON `json:"log,omitempty"`
}

type attemptJSON struct {
	At         jsonTime `json:"at"`
	DurationMS int64    `json:"duration_ms"`
	StatusCode int      `json:"status_code,omitempty"`
	Error      string   `json:"error,omitempty"`
	Request    string   `json:"request"`
	Response   string   `json:"response,omitempty"`
}

func deliveryView(d *store.Delivery) deliveryJSON {
	return deliveryJSON{
		ID: d.ID, EventUID: d.EventUID, State: string(d.State), Attempts: d.Attempts, EventAt: jsonTime{d.EventAt},
		DueAt: jsonTime{d.DueAt}, EndedAt: jsonTime{d.EndedAt}, Note: d.Note, Body: string(d.Body),
	}
}

func (a *app) showDelivery(d *desk, v store.Delivery, attempts []store.Attempt) error {
	view := deliveryView(&v)
	for i := range attempts {
		t := &attempts[i]
		view.Log = append(view.Log, attemptJSON{
			At: jsonTime{t.At}, DurationMS: t.Duration.Milliseconds(), StatusCode: t.StatusCode, Error: t.Error, Request: t.Request, Response: t.Response,
		})
	}
	return a.show(view, func(w io.Writer) {
		loc := d.workspace.Location()
		pairs(w, "Delivery", fmt.Sprint(view.ID), "Webhook-Id", view.EventUID, "State", view.State, "Event", stamp(view.EventAt.Time, loc),
			"Next attempt", stamp(view.DueAt.Time, loc), "Ended", stamp(view.EndedAt.Time, loc), "Note", view.Note, "Body", view.Body)
		for _, t := range view.Log {
			result := t.Error
			if result == "" {
				result = fmt.Sprint(t.StatusCode)
			}
			fmt.Fprintf(w, "\n%s  %s after %d ms\n%s", stamp(t.At.Time, loc), result, t.DurationMS, t.Request)
			if t.Response != "" {
				fmt.Fprintf(w, "\n%s\n", t.Response)
			}
		}
	})
}

func printDeliveries(w io.Writer, views []deliveryJSON, loc *time.Location) {
	rows := make([][]string, len(views))
	for i, v := range views {
		rows[i] = []string{fmt.Sprint(v.ID), stamp(v.EventAt.Time, loc), v.State, fmt.Sprint(v.Attempts), stamp(v.DueAt.Time, loc), v.Note, v.EventUID}
	}
	table(w, []string{"ID", "EVENT AT", "STATE", "ATTEMPTS", "NEXT ATTEMPT", "NOTE", "WEBHOOK-ID"}, rows)
}
