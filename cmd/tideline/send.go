package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type sendCmd struct {
	To       string `arg:"" help:"The recipient's number, with country code."`
	Text     string `arg:"" optional:"" help:"The text. May be left out with --file."`
	File     string `type:"existingfile" help:"A file to attach."`
	Template int64  `placeholder:"ID" help:"An attachment template to attach, from tideline template list."`
	From     string `placeholder:"NUMBER" help:"The account that sends. Default: the most recently connected one."`
	ChatName string `help:"Name of the chat, when it is new."`
	Label    string `help:"Label for the chat."`
	Server   string `placeholder:"URL" help:"Server to send through. Default: the one that runs on the data folder."`
	Token    string `placeholder:"TOKEN" help:"API token. Default: one made for this command and revoked when it ends."`
}

// Help implements kong.HelpProvider.
func (sendCmd) Help() string {
	return `Sends one message through the public API, as a program would, and prints its message_uid. That means it is accepted: tideline message show tells what became of it. Without TIDELINE_TOKEN the command makes a token of the workspace's owner in the local database, good for five minutes, and revokes it at the end.

    tideline send +14840000001 "Your table is ready."
    tideline send +14840000001 --file menu.pdf`
}

// commandTokenTTL bounds the life of a token that send could not revoke.
const commandTokenTTL = 5 * time.Minute

// Run sends a message.
func (c *sendCmd) Run(ctx context.Context, a *app) (err error) {
	if c.Text == "" && c.File == "" && c.Template == 0 {
		return tideline.Errorf(tideline.CodeValidation, "there is nothing to send: give a text, --file or --template")
	}
	if c.File != "" && c.Template != 0 {
		return tideline.Errorf(tideline.CodeValidation, "a message carries one attachment: use --file or --template")
	}
	server, err := c.server(a)
	if err != nil {
		return err
	}
	token := c.Token
	if token == "" {
		var revoke func() error
		if token, revoke, err = a.commandToken(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, revoke()) }()
	}
	api, err := client.New(server, token, client.WithUserAgent("tideline/"+buildVersion()))
	if err != nil {
		return err
	}
	m := client.Message{
		Phone: c.To, AccountPhone: c.From, Text: c.Text, TemplateID: c.Template, ChatName: c.ChatName, Label: c.Label,
		IdempotencyKey: uuid.NewString(),
	}
	if c.File != "" {
		if m.FileUID, err = upload(ctx, api, c.File); err != nil {
			return err
		}
	}
	sent, err := api.Send(ctx, m)
	if err != nil {
		return err
	}
	return a.show(map[string]string{"message_uid": sent.MessageUID}, func(w io.Writer) { fmt.Fprintln(w, sent.MessageUID) })
}

// server gives the address to send to.
func (c *sendCmd) server(a *app) (string, error) {
	if c.Server != "" {
		return c.Server, nil
	}
	f, err := a.folder()
	if err != nil {
		return "", err
	}
	s, err := f.Server()
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("no server is running on this data folder: start one with tideline serve, or name one with --server")
	}
	return s.URL, err
}

// commandToken makes a token of the workspace's owner for one command.
func (a *app) commandToken(ctx context.Context) (text string, revoke func() error, err error) {
	d, err := a.open(ctx)
	if err != nil {
		return "", nil, err
	}
	tokens := auth.NewTokens(d.store, nil)
	owner, err := d.workspaces.Member(ctx, d.workspace, "")
	if err != nil {
		return "", nil, errors.Join(err, d.store.Close())
	}
	text, t, err := tokens.Create(ctx, d.workspace, owner, "tideline send", commandTokenTTL)
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
