package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type messageCmd struct {
	Show messageShowCmd `cmd:"" help:"Show where a message stands."`
}

type messageShowCmd struct {
	UID string `arg:"" help:"The message_uid that POST /messages answered."`
	apiFlags
}

// Help implements kong.HelpProvider.
func (messageShowCmd) Help() string {
	return `Shows a message's status and history, what it cost, and, while it waits, how many messages are before it and when it will be sent if its account stays connected. With a token it shows what the API says of it: status and history.

    tideline message show 0193a1b2-7c5d-7e3f-8a1b-2c3d4e5f6071
    TIDELINE_TOKEN=tla_... tideline message show 0193a1b2-7c5d-7e3f-8a1b-2c3d4e5f6071 --server https://wa.example.org`
}

// Run shows a message.
func (c *messageShowCmd) Run(ctx context.Context, a *app) error {
	return c.choose(a,
		func(api *client.Client) error { return askMessage(ctx, a, api, c.UID) },
		func() error { return c.direct(ctx, a) })
}

func (c *messageShowCmd) direct(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		m, err := d.store.MessageByUID(ctx, d.workspace.ID, c.UID)
		if tideline.IsCode(err, tideline.CodeNotFound) {
			return tideline.Errorf(tideline.CodeNotFound, "the workspace %s has no message %s", d.workspace.Slug, c.UID)
		}
		if err != nil {
			return err
		}
		sender := []tideline.Account{m.Account}
		a.correct(sender)
		m.Account = sender[0]
		v := messageView(m)
		place, err := d.store.PlaceOf(ctx, d.workspace.ID, m.Message.ID)
		switch {
		case err == nil:
			v.Queue = &placeJSON{Before: place.Position, Expected: jsonTime{place.Expected}, LastAttempt: place.Note}
			if !place.HeldUntil.IsZero() {
				v.Queue.HeldUntil = &jsonTime{place.HeldUntil}
			}
			if place.Expected.IsZero() {
				v.Queue.Expected = jsonTime{time.Now()}
			}
		case !tideline.IsCode(err, tideline.CodeNotFound):
			return err
		}
		return a.show(v, func(w io.Writer) { printMessage(w, v, d.workspace.Location()) })
	})
}

// messageJSON is how a message is shown.
type messageJSON struct {
	UID        string           `json:"message_uid"`
	ID         int64            `json:"id"` // as the ledger has it
	Status     string           `json:"status"`
	Reason     string           `json:"reason,omitempty"`
	ReasonText string           `json:"reason_text,omitempty"`
	Account    string           `json:"whatsapp_account_phone"`
	State      string           `json:"whatsapp_account_state"`
	Paused     bool             `json:"whatsapp_account_paused,omitempty"`
	Chat       string           `json:"chat"`
	Recipient  string           `json:"recipient_phone,omitempty"`
	Text       string           `json:"text,omitempty"`
	File       *messageFileJSON `json:"file,omitempty"`
	Credits    tideline.Credits `json:"credits"` // 0 again when they were given back
	SentBy     string           `json:"sent_by,omitempty"`
	AcceptedAt jsonTime         `json:"accepted_at"`
	SentAt     jsonTime         `json:"sent_at"`
	History    []changeJSON     `json:"status_history"`
	Queue      *placeJSON       `json:"queue,omitempty"` // only while it waits
}

type messageFileJSON struct {
	UID      string `json:"uid"`
	Name     string `json:"name"`
	MIMEType string `json:"mimetype"`
	Size     int64  `json:"size"`
}

type changeJSON struct {
	Status string   `json:"status"`
	At     jsonTime `json:"timestamp"`
	Reason string   `json:"reason,omitempty"`
}

type placeJSON struct {
	Before      int       `json:"messages_before"`
	Expected    jsonTime  `json:"expected_at"`
	LastAttempt string    `json:"last_attempt,omitempty"` // why it was not the last one
	HeldUntil   *jsonTime `json:"held_until,omitempty"`   // others overtake it until then
}

func messageView(m store.MessageView) messageJSON {
	v := messageJSON{
		UID: m.Message.UID, ID: m.Message.ID, Status: string(m.Message.Status), Reason: string(m.Message.Reason),
		Account: string(m.Account.Phone), State: string(m.Account.State), Paused: m.Account.Pause.Paused(), Chat: m.Chat.Name, Recipient: string(m.Chat.Phone),
		Text: m.Message.Text, Credits: m.Message.Credits, SentBy: m.MemberName,
		AcceptedAt: jsonTime{m.Message.AcceptedAt}, SentAt: jsonTime{m.Message.SentAt}, History: []changeJSON{},
	}
	if m.Message.Status == tideline.StatusFailed {
		v.Credits, v.ReasonText = 0, m.Message.Reason.Text()
	}
	if f := m.File; f != nil {
		v.File = &messageFileJSON{UID: f.UID, Name: f.Name, MIMEType: f.MIMEType, Size: f.Size}
	}
	for _, c := range m.History {
		v.History = append(v.History, changeJSON{Status: string(c.Status), At: jsonTime{c.At}, Reason: string(c.Reason)})
	}
	return v
}

func printMessage(w io.Writer, v messageJSON, loc *time.Location) {
	status, queue, lastAttempt, file := v.Status, "", "", ""
	if v.Reason != "" {
		status = fmt.Sprintf("%s: %s (%s)", v.Status, v.ReasonText, v.Reason)
	}
	if v.Queue != nil {
		lastAttempt = v.Queue.LastAttempt
		queue = fmt.Sprintf("%d before it, expected at %s", v.Queue.Before, stamp(v.Queue.Expected.Time, loc))
		if v.Queue.HeldUntil != nil {
			queue = fmt.Sprintf("held back until %s, and overtaken meanwhile by messages of conversations", stamp(v.Queue.HeldUntil.Time, loc))
		}
		if v.State != string(tideline.AccountActive) {
			queue += ", once its account is connected again"
		}
		if v.Paused {
			queue += ", once its account is resumed: tideline queue resume"
		}
	}
	if v.File != nil {
		file = fmt.Sprintf("%s (%s, %d bytes)", v.File.Name, v.File.MIMEType, v.File.Size)
	}
	pairs(w,
		"Message", v.UID,
		"Status", status,
		"Queue", queue,
		"Last attempt", lastAttempt,
		"From", fmt.Sprintf("%s (%s)", v.Account, v.State),
		"To", fmt.Sprintf("%s (%s)", v.Recipient, v.Chat),
		"Text", v.Text,
		"File", file,
		"Credits", fmt.Sprint(v.Credits),
		"Sent by", v.SentBy,
		"Accepted", stamp(v.AcceptedAt.Time, loc),
	)
	for _, c := range v.History {
		pairs(w, "", fmt.Sprintf("%s  %s", stamp(c.At.Time, loc), c.Status))
	}
}
