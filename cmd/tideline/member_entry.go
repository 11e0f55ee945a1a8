package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type memberLinkCmd struct {
	Email     string        `arg:"" optional:"" help:"Who gets in. Default: the owner."`
	TTL       time.Duration `name:"ttl" placeholder:"TIME" default:"24h" help:"How long the link is good (${default})."`
	PublicURL string        `placeholder:"URL" help:"Address under which their browser reaches the server. Default: that of the running server."`
}

// Help implements kong.HelpProvider.
func (memberLinkCmd) Help() string {
	return `Prints an address that lets a member into the pages once, without a password: the first time, or when a password is forgotten. Whoever has the address gets in, so hand it over as you would a password.

    tideline member link ben@example.com
    tideline member link --ttl 10m`
}

// Run makes a link.
func (c *memberLinkCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		m, err := d.workspaces.Member(ctx, d.workspace, c.Email)
		if err != nil {
			return err
		}
		secret, l, err := auth.NewSessions(d.store, auth.SessionConfig{}).CreateLink(ctx, &m, tideline.LinkSignIn, c.TTL)
		if err != nil {
			return err
		}
		address := c.base(a) + auth.LinkPath(secret)
		v := map[string]any{"email": m.Email, "url": address, "expires_at": jsonTime{l.ExpiresAt}}
		return a.show(v, func(w io.Writer) { fmt.Fprintln(w, address) })
	})
}

// base is the address of the pages: of the server that runs or ran last, else
// where one would listen.
func (c *memberLinkCmd) base(a *app) string {
	if c.PublicURL != "" {
		return strings.TrimRight(c.PublicURL, "/")
	}
	if f, err := a.folder(); err == nil {
		if s, err := f.Server(); err == nil {
			if s.PublicURL != "" {
				return s.PublicURL
			}
			return s.URL
		}
	}
	a.note("tideline: no server runs on this data folder; the link works once one does, at the address that it is given")
	return "http://" + a.config.Listen
}

type memberPasswordCmd struct {
	Email string `arg:"" optional:"" help:"Whose. Default: the owner's."`
}

// Help implements kong.HelpProvider.
func (memberPasswordCmd) Help() string {
	return `Gives a member a password, which is asked for in the terminal, or read as one line from standard input. Their sessions end. Better is tideline member link: then they choose one that you don't know.

    tideline member password ben@example.com
    tideline member password ben@example.com < password.txt`
}

// Run sets a password.
func (c *memberPasswordCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		m, err := d.workspaces.Member(ctx, d.workspace, c.Email)
		if err != nil {
			return err
		}
		password, err := a.readPassword(m.Email)
		if err != nil {
			return err
		}
		if err := auth.NewSessions(d.store, auth.SessionConfig{}).ResetPassword(ctx, &m, password); err != nil {
			return err
		}
		return a.show(map[string]any{"email": m.Email, "password": "changed"}, func(w io.Writer) {
			fmt.Fprintf(w, "%s has another password in %s, and is signed in nowhere.\n", m.Email, d.workspace.Slug)
		})
	})
}

// readPassword asks for a password twice, without showing it, or reads a line
// when nobody sits at the terminal.
func (a *app) readPassword(email string) (string, error) {
	in := int(os.Stdin.Fd()) //nolint:gosec // a file descriptor is small
	if !term.IsTerminal(in) {
		line, err := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var typed [2]string
	for i, ask := range []string{"New password of " + email + ": ", "Once more: "} {
		fmt.Fprint(a.notes, ask)
		text, err := term.ReadPassword(in)
		fmt.Fprintln(a.notes)
		if err != nil {
			return "", err
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", tideline.Errorf(tideline.CodeValidation, "the two are not the same: nothing is changed")
	}
	return typed[0], nil
}

type memberSessionsCmd struct {
	Email  string `arg:"" optional:"" help:"Whose. Default: the owner's."`
	End    int64  `placeholder:"ID" xor:"end" help:"End the session with this id."`
	EndAll bool   `xor:"end" help:"End all of them."`
}

// Help implements kong.HelpProvider.
func (memberSessionsCmd) Help() string {
	return `Lists where a member is signed in, the last used first, or ends sessions: the next request of that browser is refused.

    tideline member sessions ben@example.com
    tideline member sessions ben@example.com --end 12
    tideline member sessions ben@example.com --end-all`
}

// Run lists or ends sessions.
func (c *memberSessionsCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		m, err := d.workspaces.Member(ctx, d.workspace, c.Email)
		if err != nil {
			return err
		}
		sessions := auth.NewSessions(d.store, auth.SessionConfig{})
		switch {
		case c.End != 0:
			err := sessions.End(ctx, d.workspace.ID, m.ID, c.End)
			if tideline.IsCode(err, tideline.CodeNotFound) {
				return tideline.Errorf(tideline.CodeNotFound, "%s has no session %d: tideline member sessions shows them", m.Email, c.End)
			}
			if err != nil {
				return err
			}
			return a.show(map[string]any{"ended": 1}, func(w io.Writer) { fmt.Fprintf(w, "Session %d has ended.\n", c.End) })
		case c.EndAll:
			n, err := sessions.EndAll(ctx, d.workspace.ID, m.ID)
			if err != nil {
				return err
			}
			return a.show(map[string]any{"ended": n}, func(w io.Writer) { fmt.Fprintf(w, "%d sessions have ended.\n", n) })
		}
		list, err := sessions.List(ctx, d.workspace.ID, m.ID)
		if err != nil {
			return err
		}
		views := make([]sessionJSON, len(list))
		rows := make([][]string, len(list))
		loc := d.workspace.Location()
		for i, s := range list {
			views[i] = sessionJSON{s.ID, s.UserAgent, s.Address, s.ByLink, jsonTime{s.CreatedAt}, jsonTime{s.SeenAt}, jsonTime{s.ExpiresAt}}
			rows[i] = []string{fmt.Sprint(s.ID), stamp(s.SeenAt, loc), stamp(s.CreatedAt, loc), s.Address, s.UserAgent}
		}
		return a.show(views, func(w io.Writer) { table(w, []string{"ID", "LAST USED", "SINCE", "ADDRESS", "BROWSER"}, rows) })
	})
}

// sessionJSON is how a session is shown.
type sessionJSON struct {
	ID        int64    `json:"id"`
	UserAgent string   `json:"user_agent"`
	Address   string   `json:"address"`
	ByLink    bool     `json:"by_link"`
	CreatedAt jsonTime `json:"created_at"`
	SeenAt    jsonTime `json:"seen_at"`
	ExpiresAt jsonTime `json:"expires_at"`
}

// inboxLink is where the pages are, with a one-time link of the owner while
// nobody of the workspace has a password, and in a sandbox always.
func (s *server) inboxLink(ctx context.Context, w tideline.Workspace, owner tideline.Member) (string, error) {
	has, err := s.store.HasPasswords(ctx, w.ID)
	if err != nil {
		return "", err
	}
	if has && !s.common.Sandbox {
		return s.publicURL() + "/", nil
	}
	secret, _, err := s.sessions.CreateLink(ctx, &owner, tideline.LinkSignIn, 0)
	if err != nil {
		return "", err
	}
	return s.publicURL() + auth.LinkPath(secret), nil
}
