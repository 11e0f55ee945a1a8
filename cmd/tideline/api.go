package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// apiFlags are of commands that do what the public API has too. With a token such
// a command asks a server, as the token's member: it needs neither the data folder
// nor the database, and shows and does what that member may. Without one it is the
// operator's, and works on the database, whether or not a server runs.
type apiFlags struct {
	Server string `placeholder:"URL" help:"Server to ask, with --token. Default: the one that runs on the data folder."`
	Token  string `placeholder:"TOKEN" help:"API token: ask a server for what its member may see and do. Default: work on the database."`
}

// choose calls asked with the server's API when a token is given, else direct.
func (f *apiFlags) choose(a *app, asked func(api *client.Client) error, direct func() error) error {
	switch {
	case f.Token != "":
		return f.ask(a, asked)
	case f.Server != "":
		return tideline.Errorf(tideline.CodeValidation, "a server wants to know who asks: give --token or TIDELINE_TOKEN with --server")
	}
	return direct()
}

// ask calls do with the server's API.
func (f *apiFlags) ask(a *app, do func(api *client.Client) error) error {
	server, err := f.server(a)
	if err != nil {
		return err
	}
	api, err := client.New(server, f.Token, client.WithUserAgent("tideline/"+buildVersion()))
	if err != nil {
		return err
	}
	return whyAPI(do(api), server)
}

// askAsOwner calls do with the API of the server on the data folder, or of the one
// that is named. Without a token it makes one of the workspace's owner, which ends
// with the command; use says what for.
func (f *apiFlags) askAsOwner(ctx context.Context, a *app, use string, do func(api *client.Client) error) (err error) {
	if f.Token == "" {
		if _, err := f.server(a); err != nil {
			return err
		}
		var revoke func() error
		if f.Token, revoke, err = a.commandToken(ctx, use); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, revoke()) }()
	}
	return f.ask(a, do)
}

// server gives the address to ask.
func (f *apiFlags) server(a *app) (string, error) {
	if f.Server != "" {
		return f.Server, nil
	}
	folder, err := a.folder()
	if err != nil {
		return "", err
	}
	s, err := folder.Server()
	if err == nil {
		// What a server that was killed left behind says nothing.
		if locked, lockErr := folder.Locked(); lockErr == nil && !locked {
			err = fs.ErrNotExist
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("no server is running on this data folder: start one with tideline serve, or name one with --server")
	}
	return s.URL, err
}

// whyAPI adds to what went wrong what the operator can do about it.
func whyAPI(err error, server string) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("no answer from %s: see with tideline doctor whether the server runs there, or name another with --server: %w", server, err)
	}
	if client.Code(err) == client.CodeInvalidToken {
		return fmt.Errorf("%w: give a token of this server with --token or TIDELINE_TOKEN; tideline token create makes one", err)
	}
	return err
}
