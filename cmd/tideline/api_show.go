package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// What commands show that asked a server: with --json what the API answers.

// askedMessage is a message with its history.
type askedMessage struct {
	client.MessageInfo

	History []client.StatusChange `json:"status_history"`
}

func askMessage(ctx context.Context, a *app, api *client.Client, uid string) error {
	m, err := api.Message(ctx, uid)
	if err != nil {
		return err
	}
	v := askedMessage{MessageInfo: m}
	if v.History, err = api.StatusHistory(ctx, uid); err != nil {
		return err
	}
	return a.show(v, func(w io.Writer) {
		file := ""
		if v.HasAttachment {
			file = v.AttachmentFilename
		}
		pairs(w, "Message", v.UID, "Status", v.Status, "From", fmt.Sprintf("%s (%s)", v.SenderPhone, v.SenderName),
			"To", fmt.Sprintf("%s (%s)", v.RecipientPhone, v.RecipientName), "Text", v.Text, "File", file,
			"Sent by", v.CreatedBy, "Accepted", apiTime(v.Timestamp))
		for _, c := range v.History {
			why := ""
			if c.FailureReason != nil {
				why = ": " + c.FailureReason.Title
			}
			pairs(w, "", fmt.Sprintf("%s  %s%s", apiTime(c.Timestamp), c.Status, why))
		}
	})
}

func askAccounts(ctx context.Context, a *app, api *client.Client) error {
	accounts, err := api.Accounts(ctx)
	if err != nil {
		return err
	}
	return a.show(accounts, func(w io.Writer) {
		rows := make([][]string, len(accounts))
		for i, acc := range accounts {
			rows[i] = []string{acc.Phone, acc.Name, acc.Status, apiTime(acc.ConnectedOn), acc.OwnerEmail}
		}
		table(w, []string{"PHONE", "NAME", "STATE", "CONNECTED", "PAIRED BY"}, rows)
	})
}

func askWebhooks(ctx context.Context, a *app, api *client.Client, secrets bool) error {
	if secrets {
		return tideline.Errorf(tideline.CodeValidation, "the API tells nobody the secrets: leave --token and TIDELINE_TOKEN out, on the server's machine")
	}
	hooks, err := api.Webhooks(ctx)
	if err != nil {
		return err
	}
	return a.show(hooks, func(w io.Writer) {
		rows := make([][]string, len(hooks))
		for i, h := range hooks {
			state := "works"
			if !h.Enabled {
				state = "disabled"
			}
			rows[i] = []string{fmt.Sprint(h.ID), h.EventType, h.URL, state, fmt.Sprint(h.ErrorsCounter)}
		}
		table(w, []string{"ID", "EVENT", "URL", "STATE", "ERRORS"}, rows)
	})
}

// asked adds a webhook through the API.
func (c *webhookAddCmd) asked(ctx context.Context, a *app, api *client.Client) error {
	if len(c.Account) > 0 {
		return tideline.Errorf(tideline.CodeValidation, "the API has no webhooks for some accounts only: leave --token and TIDELINE_TOKEN out, on the server's machine")
	}
	h, err := api.CreateWebhook(ctx, c.EventType, c.URL)
	if err != nil {
		return err
	}
	return a.show(h, func(w io.Writer) {
		fmt.Fprintf(w, "Webhook %d posts %s to %s.\nWhat signs its deliveries is shown on the server's machine: tideline webhook list --secrets\n", h.ID, h.EventType, h.URL)
	})
}

// apiTime shows an instant in the zone that the API gave it in.
func apiTime(t client.Time) string { return stamp(t.Time, t.Location()) }
