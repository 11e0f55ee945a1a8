package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

type webhookCmd struct {
	List         webhookListCmd   `cmd:"" help:"List webhooks."`
	Add          webhookAddCmd    `cmd:"" help:"Subscribe a URL to events."`
	Remove       webhookRemoveCmd `cmd:"" help:"End a subscription."`
	Test         webhookTestCmd   `cmd:"" help:"Post an example event to a webhook."`
	Log          webhookLogCmd    `cmd:"" help:"Show deliveries, and what was sent and answered."`
	Replay       webhookReplayCmd `cmd:"" help:"Deliver again."`
	RotateSecret webhookRotateCmd `cmd:"" help:"Replace the secret that signs deliveries."`
}

// webhooks runs do with the subscriptions of the workspace, as its owner. A
// server that runs notices changes within seconds.
func (a *app) webhooks(ctx context.Context, do func(d *desk, s *webhook.Service, p *tideline.Principal) error) error {
	return a.with(ctx, func(d *desk) error {
		p := &tideline.Principal{Workspace: d.workspace, Member: tideline.Member{Email: "command line", Role: tideline.RoleOwner}}
		// Only examples are rendered here, and they have no files.
		return do(d, webhook.NewService(d.store, &webhook.Renderer{PublicURL: "http://" + a.config.Listen}, nil, nil), p)
	})
}

// oneWebhook runs do as webhooks does, when the workspace has the webhook id.
func (a *app) oneWebhook(ctx context.Context, id int64, do func(d *desk, s *webhook.Service, p *tideline.Principal) error) error {
	return a.webhooks(ctx, func(d *desk, s *webhook.Service, p *tideline.Principal) error {
		_, err := s.Get(ctx, p, id)
		if tideline.IsCode(err, tideline.CodeNotFound) {
			return tideline.Errorf(tideline.CodeNotFound, "the workspace %s has no webhook %d: tideline webhook list shows them", d.workspace.Slug, id)
		}
		if err != nil {
			return err
		}
		return do(d, s, p)
	})
}

type webhookListCmd struct {
	Secrets bool `help:"Show the secrets that sign deliveries. Not with a token: the API keeps them to itself."`
	apiFlags
}

// Help implements kong.HelpProvider.
func (webhookListCmd) Help() string {
	return "Lists the workspace's webhooks, and how their receivers do.\n\n    tideline webhook list\n    tideline webhook list --secrets --json"
}

// Run lists webhooks.
func (c *webhookListCmd) Run(ctx context.Context, a *app) error {
	return c.choose(a,
		func(api *client.Client) error { return askWebhooks(ctx, a, api, c.Secrets) },
		func() error { return c.direct(ctx, a) })
}

func (c *webhookListCmd) direct(ctx context.Context, a *app) error {
	return a.webhooks(ctx, func(d *desk, s *webhook.Service, p *tideline.Principal) error {
		hooks, err := s.List(ctx, p)
		if err != nil {
			return err
		}
		views := make([]webhookJSON, len(hooks))
		for i := range hooks {
			if views[i], err = d.webhookView(ctx, &hooks[i], c.Secrets); err != nil {
				return err
			}
		}
		return a.show(views, func(w io.Writer) { printWebhooks(w, d.workspace.Location(), views...) })
	})
}

type webhookAddCmd struct {
	EventType string   `arg:"" help:"What to be told of, e.g. message:new."`
	URL       string   `arg:"" help:"Where to post to."`
	Account   []string `placeholder:"NUMBER" help:"Only events of this account, by its phone number; may be given several times. Default: all accounts. Not with a token."`
	apiFlags
}

// Help implements kong.HelpProvider.
func (webhookAddCmd) Help() string {
	return `Subscribes a URL to events and prints the secret that signs deliveries (Standard Webhooks). Asking again for one that exists changes nothing but enables it. URLs in private networks need --allow-network on the server.

Event types are message:new, message:sent:new, message:received:new, message:reaction, chat:new, chat:incoming:new, chat:outgoing:new, whatsapp:account:connected, whatsapp:account:disconnected, call:incoming:missed and others; docs/compatibility.md says when each happens.

    tideline webhook add message:received:new https://example.com/hooks/whatsapp
    tideline webhook add message:new http://127.0.0.1:9000/ --account +14840000000`
}

// Run adds a webhook.
func (c *webhookAddCmd) Run(ctx context.Context, a *app) error {
	return c.choose(a,
		func(api *client.Client) error { return c.asked(ctx, a, api) },
		func() error { return c.direct(ctx, a) })
}

func (c *webhookAddCmd) direct(ctx context.Context, a *app) error {
	return a.webhooks(ctx, func(d *desk, s *webhook.Service, p *tideline.Principal) error {
		accounts, err := d.accountIDs(ctx, c.Account)
		if err != nil {
			return err
		}
		w, err := s.Create(ctx, p, webhook.Subscription{EventType: tideline.EventType(c.EventType), URL: c.URL, Accounts: accounts})
		if err != nil {
			return err
		}
		v, err := d.webhookView(ctx, &w, true)
		if err != nil {
			return err
		}
		return a.show(v, func(out io.Writer) {
			fmt.Fprintf(out, "Webhook %d posts %s to %s.\nDeliveries are signed with %s\n", v.ID, v.EventType, v.URL, v.Secret)
		})
	})
}

// accountIDs finds accounts by their numbers.
func (d *desk) accountIDs(ctx context.Context, numbers []string) ([]int64, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	accounts, _, err := d.store.AccountsOf(ctx, d.workspace.ID)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, n := range numbers {
		phone, err := tideline.ParsePhone(n)
		if err != nil {
			return nil, err
		}
		found := false
		for i := range accounts {
			if accounts[i].Phone == phone {
				ids, found = append(ids, accounts[i].ID), true
			}
		}
		if !found {
			return nil, tideline.Errorf(tideline.CodeNotFound, "the workspace %s has no WhatsApp account %s; see tideline account list", d.workspace.Slug, phone)
		}
	}
	return ids, nil
}

type webhookRemoveCmd struct {
	ID int64 `arg:"" help:"The webhook, from tideline webhook list."`
	apiFlags
}

// Help implements kong.HelpProvider.
func (webhookRemoveCmd) Help() string {
	return "Ends a subscription. What waits for delivery is given up; adding the same event type and URL again brings it back.\n\n    tideline webhook remove 3"
}

// Run removes a webhook.
func (c *webhookRemoveCmd) Run(ctx context.Context, a *app) error {
	err := c.choose(a,
		func(api *client.Client) error { return api.DeleteWebhook(ctx, c.ID) },
		func() error {
			return a.oneWebhook(ctx, c.ID, func(_ *desk, s *webhook.Service, p *tideline.Principal) error { return s.Delete(ctx, p, c.ID) })
		})
	if err != nil {
		return err
	}
	return a.show(map[string]int64{"removed": c.ID}, func(w io.Writer) { fmt.Fprintf(w, "Webhook %d is gone.\n", c.ID) })
}

type webhookRotateCmd struct {
	ID      int64         `arg:"" help:"The webhook, from tideline webhook list."`
	Overlap time.Duration `default:"24h" placeholder:"TIME" help:"For how long the secret before it goes on to sign as well (${default})."`
}

// Help implements kong.HelpProvider.
func (webhookRotateCmd) Help() string {
	return `Draws a new secret and prints it. For the time of --overlap deliveries carry a signature of each, so that the receiver can change over without losing any.

    tideline webhook rotate-secret 3 --overlap 48h`
}

// Run rotates a secret.
func (c *webhookRotateCmd) Run(ctx context.Context, a *app) error {
	if c.Overlap < 0 {
		return tideline.Errorf(tideline.CodeValidation, "--overlap %s is negative; use 0s to end the old secret at once", c.Overlap)
	}
	return a.oneWebhook(ctx, c.ID, func(d *desk, s *webhook.Service, p *tideline.Principal) error {
		w, err := s.RotateSecret(ctx, p, c.ID, c.Overlap)
		if err != nil {
			return err
		}
		v, err := d.webhookView(ctx, &w, true)
		if err != nil {
			return err
		}
		return a.show(v, func(out io.Writer) {
			fmt.Fprintf(out, "Deliveries are signed with %s\nand until %s with the one before it too.\n", v.Secret, stamp(w.PreviousUntil, d.workspace.Location()))
		})
	})
}

// webhookJSON is how a webhook is shown.
type webhookJSON struct {
	ID            int64    `json:"id"`
	EventType     string   `json:"event_type"`
	URL           string   `json:"url"`
	Enabled       bool     `json:"enabled"`
	Accounts      []string `json:"whatsapp_account_phones"` // empty = all
	ErrorsCounter int64    `json:"errors_counter"`
	Trouble       string   `json:"trouble,omitempty"`    // why the server disabled it
	DownSince     jsonTime `json:"down_since"`           // null while the receiver works
	ProbeAt       jsonTime `json:"next_probe"`           // null while the receiver works
	CreatedBy     string   `json:"created_by,omitempty"` //
	UpdatedBy     string   `json:"updated_by,omitempty"`
	Secret        string   `json:"secret,omitempty"`
}

func (d *desk) webhookView(ctx context.Context, w *tideline.Webhook, secrets bool) (webhookJSON, error) {
	v := webhookJSON{
		ID: w.ID, EventType: string(w.EventType), URL: w.URL, Enabled: w.Enabled, Accounts: []string{}, ErrorsCounter: w.ErrorsCounter,
		Trouble: w.Trouble, DownSince: jsonTime{w.Circuit.OpenSince}, ProbeAt: jsonTime{w.Circuit.ProbeAt},
		CreatedBy: w.CreatedBy, UpdatedBy: w.UpdatedBy,
	}
	if secrets {
		v.Secret = string(w.Secret)
	}
	for _, id := range w.Accounts {
		account, err := d.store.Account(ctx, d.workspace.ID, id)
		switch {
		case err == nil:
			v.Accounts = append(v.Accounts, string(account.Phone))
		case tideline.IsCode(err, tideline.CodeNotFound):
			v.Accounts = append(v.Accounts, "(removed)")
		default:
			return v, err
		}
	}
	return v, nil
}

func printWebhooks(w io.Writer, loc *time.Location, hooks ...webhookJSON) {
	head := []string{"ID", "EVENT", "URL", "ACCOUNTS", "STATE", "ERRORS"}
	rows := make([][]string, len(hooks))
	for i := range hooks {
		h := &hooks[i]
		accounts, state := strings.Join(h.Accounts, ","), "works"
		switch {
		case h.Trouble != "":
			state = "disabled: " + h.Trouble
		case !h.Enabled:
			state = "disabled"
		case !h.DownSince.IsZero():
			state = "down since " + stamp(h.DownSince.Time, loc)
		}
		if accounts == "" {
			accounts = "all"
		}
		rows[i] = []string{fmt.Sprint(h.ID), h.EventType, h.URL, accounts, state, fmt.Sprint(h.ErrorsCounter)}
		if h.Secret != "" {
			rows[i] = append(rows[i], h.Secret)
			head = []string{"ID", "EVENT", "URL", "ACCOUNTS", "STATE", "ERRORS", "SECRET"}
		}
	}
	table(w, head, rows)
}

// deliveryFilter is what log and replay select by.
type deliveryFilter struct {
	State  []string  `enum:"waiting,aside,delivered,dead" placeholder:"STATE" help:"Only deliveries in this state: waiting, aside, delivered or dead; may be given several times."`
	After  time.Time `placeholder:"TIME" help:"Only events from this time on, e.g. 2026-11-22T10:00:00Z."`
	Before time.Time `placeholder:"TIME" help:"Only events before this time."`
}

func (f *deliveryFilter) filter() store.DeliveryFilter {
	out := store.DeliveryFilter{After: f.After, Before: f.Before}
	for _, s := range f.State {
		out.States = append(out.States, tideline.DeliveryState(s))
	}
	return out
}
