package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type sendCmd struct {
	To       string `arg:"" optional:"" help:"The recipient's number, with country code. Left out with --to-chat, --jid and --to-name."`
	Text     string `arg:"" optional:"" help:"The text. May be left out when a file goes along."`
	ToChat   int64  `placeholder:"ID" xor:"target" help:"Send to the chat with this id, as GET /chats lists it."`
	JID      string `name:"jid" placeholder:"JID" xor:"target" help:"Send to a contact or group by JID."`
	ToName   string `placeholder:"NAME" xor:"target" help:"Send to the chat with exactly this name."`
	File     string `placeholder:"FILE" type:"existingfile" help:"A file to attach."`
	Document string `placeholder:"FILE" type:"existingfile" help:"A file to send as a document, whatever it is. Needs --to-chat."`
	Voice    string `placeholder:"FILE" type:"existingfile" help:"A recording to send as a voice note. Needs --to-chat. Opus in Ogg goes as it is; other audio needs ffmpeg on the server."`
	Template int64  `placeholder:"ID" help:"An attachment template to attach, from tideline template list."`
	ReplyTo  string `placeholder:"UID" help:"The message of the same chat to answer."`
	From     string `placeholder:"NUMBER" help:"The account that sends. Default: the most recently connected one."`
	ChatName string `placeholder:"NAME" help:"Name of the chat, when it is new."`
	Label    string `placeholder:"LABEL" help:"Label for the chat."`
	apiFlags
}

// Help implements kong.HelpProvider.
func (sendCmd) Help() string {
	return `Sends one message through the public API, as a program would, and prints its message_uid. That means it is accepted: tideline message show tells what became of it. Without TIDELINE_TOKEN the command makes a token of the workspace's owner in the local database, good for five minutes, and revokes it at the end.

    tideline send +14840000001 "Your table is ready."
    tideline send +14840000001 --file menu.pdf
    tideline send --jid 120363000000000000@g.us "Hello all."
    tideline send --to-chat 12 --voice hello.mp3`
}

// check reports flags that make no sense together, and takes over the text,
// which comes first when no number is given.
func (c *sendCmd) check() error {
	wrong := func(format string, args ...any) error {
		return tideline.Errorf(tideline.CodeValidation, format, args...)
	}
	elsewhere := c.ToChat != 0 || c.JID != "" || c.ToName != ""
	switch {
	case elsewhere && c.Text != "":
		return wrong("a message goes to one place: give a number, or one of --to-chat, --jid and --to-name")
	case elsewhere:
		c.To, c.Text = "", c.To
	case c.To == "":
		return wrong("nobody to send to: give a number, or one of --to-chat, --jid and --to-name")
	}
	attachments := 0
	for _, given := range []bool{c.File != "", c.Document != "", c.Voice != "", c.Template != 0} {
		if given {
			attachments++
		}
	}
	switch {
	case attachments == 0 && c.Text == "":
		return wrong("there is nothing to send: give a text, --file, --document, --voice or --template")
	case attachments > 1:
		return wrong("a message carries one attachment: use one of --file, --document, --voice and --template")
	case (c.Document != "" || c.Voice != "") && c.ToChat == 0:
		return wrong("a document or a voice note goes to a chat that exists: name it with --to-chat")
	case (c.Document != "" || c.Voice != "") && (c.Label != "" || c.ReplyTo != "" || c.From != "" || c.ChatName != ""):
		return wrong("a document or a voice note goes without --label, --reply-to, --from and --chat-name")
	case c.Voice != "" && c.Text != "":
		return wrong("a voice note has no text: send it as a message of its own")
	case c.ReplyTo != "" && !elsewhere:
		return wrong("an answer goes to a chat: use --to-chat, --jid or --to-name with --reply-to")
	}
	return nil
}

// Run sends a message.
func (c *sendCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.askAsOwner(ctx, a, "tideline send", func(api *client.Client) error {
		sent, err := c.send(ctx, api)
		if err != nil {
			return err
		}
		return a.show(map[string]string{"message_uid": sent.MessageUID}, func(w io.Writer) { fmt.Fprintln(w, sent.MessageUID) })
	})
}

// send makes the call that the flags ask for.
func (c *sendCmd) send(ctx context.Context, api *client.Client) (sent client.Sent, err error) {
	if path := c.Voice + c.Document; path != "" { // one of them
		in, err := os.Open(path)
		if err != nil {
			return sent, err
		}
		defer in.Close()
		if c.Voice != "" {
			return api.SendVoice(ctx, c.ToChat, client.Recording{Name: filepath.Base(path), File: in})
		}
		return api.SendDocument(ctx, c.ToChat, client.Document{Name: filepath.Base(path), File: in, Caption: c.Text})
	}
	m := client.Message{
		Phone: c.To, AccountPhone: c.From, Text: c.Text, TemplateID: c.Template, ChatName: c.ChatName, Label: c.Label, ReplyTo: c.ReplyTo,
		IdempotencyKey: uuid.NewString(),
	}
	if c.File != "" {
		if m.FileUID, err = upload(ctx, api, c.File); err != nil {
			return sent, err
		}
	}
	switch {
	case c.ToChat != 0:
		return api.SendToChat(ctx, c.ToChat, m)
	case c.JID != "":
		return api.SendToJID(ctx, c.JID, m)
	case c.ToName != "":
		return api.SendToName(ctx, c.ToName, m)
	}
	return api.Send(ctx, m)
}

// commandTokenTTL bounds the life of a token that a command could not revoke.
const commandTokenTTL = 5 * time.Minute

// commandToken makes a token of the workspace's owner for one command, which its
// name says.
func (a *app) commandToken(ctx context.Context, use string) (text string, revoke func() error, err error) {
	d, err := a.open(ctx)
	if err != nil {
		return "", nil, err
	}
	tokens := auth.NewTokens(d.store, nil)
	owner, err := d.workspaces.Member(ctx, d.workspace, "")
	if err != nil {
		return "", nil, errors.Join(err, d.store.Close())
	}
	text, t, err := tokens.Create(ctx, d.workspace, owner, use, commandTokenTTL)
	if err != nil {
		return "", nil, errors.Join(err, d.store.Close())
	}
	return text, func() error {
		err := tokens.Revoke(context.WithoutCancel(ctx), d.workspace.ID, t.ID)
		return errors.Join(err, d.store.Close())
	}, nil
}

func upload(ctx context.Context, api *client.Client, path string) (uid string, err error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	f, err := api.Upload(ctx, filepath.Base(path), "", in)
	return f.UID, err
}
