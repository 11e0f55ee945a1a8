package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Create a token and print it."`
	List   tokenListCmd   `cmd:"" help:"List tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token."`
}

type tokenCreateCmd struct {
	Name   string        `required:"" placeholder:"NAME" help:"What the token is for, to tell it apart in lists."`
	Member string        `placeholder:"EMAIL" help:"Member who holds it and whose role it has. Default: the owner."`
	Scope  string        `default:"all" enum:"all,read,send" help:"What it may be used for: ${enum} (${default})."`
	TTL    time.Duration `name:"ttl" placeholder:"TIME" help:"How long it is good, e.g. 720h. Default: until it is revoked."`
}

// Help implements kong.HelpProvider.
func (tokenCreateCmd) Help() string {
	return `Prints the token, and nothing else, on standard output. It is shown this once: only its SHA-256 is kept. Works while the server runs.

    TOKEN=$(tideline token create --name "shop system")
    curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/integrations/api/workspace

With --scope read it can look at everything and change nothing; with --scope send it can send, upload, and ask what became of a message, and see nothing else.`
}

// Run creates a token.
func (c *tokenCreateCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		m, err := d.workspaces.Member(ctx, d.workspace, c.Member)
		if err != nil {
			return err
		}
		text, t, err := auth.NewTokens(d.store, nil).Make(ctx, d.workspace, m, auth.Grant{Name: c.Name, Scope: tideline.TokenScope(c.Scope), TTL: c.TTL})
		if err != nil {
			return err
		}
		v := tokenView(t, m)
		v.Token = text
		return a.show(v, func(w io.Writer) { fmt.Fprintln(w, text) })
	})
}

type tokenListCmd struct {
	All bool `help:"Show revoked and expired ones too."`
}

// Help implements kong.HelpProvider.
func (tokenListCmd) Help() string {
	return "Lists the workspace's tokens by their first characters. Those that were revoked or have expired, such as the one that each tideline send makes for itself, are shown with --all.\n\n    tideline token list\n    tideline token list --all"
}

// Run lists tokens.
func (c *tokenListCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		tokens, err := auth.NewTokens(d.store, nil).List(ctx, d.workspace.ID)
		if err != nil {
			return err
		}
		members, err := d.workspaces.Members(ctx, d.workspace)
		if err != nil {
			return err
		}
		byID := map[int64]tideline.Member{}
		for _, m := range members {
			byID[m.ID] = m
		}
		views := make([]tokenJSON, 0, len(tokens))
		var rows [][]string
		loc := d.workspace.Location()
		for _, t := range tokens {
			v := tokenView(t, byID[t.MemberID])
			if v.ended() && !c.All {
				continue
			}
			views = append(views, v)
			rows = append(rows, []string{fmt.Sprint(v.ID), v.Name, v.Prefix + "…", v.Member, v.State, v.Scope, lastUse(t, loc), stamp(t.ExpiresAt, loc)})
		}
		return a.show(views, func(w io.Writer) {
			table(w, []string{"ID", "NAME", "TOKEN", "MEMBER", "STATE", "SCOPE", "LAST USED", "EXPIRES"}, rows)
		})
	})
}

type tokenRevokeCmd struct {
	ID int64 `arg:"" help:"The token's id, from tideline token list."`
}

// Help implements kong.HelpProvider.
func (tokenRevokeCmd) Help() string {
	return "Ends a token. The running server refuses it from the next request on.\n\n    tideline token revoke 3"
}

// Run revokes a token.
func (c *tokenRevokeCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		if err := auth.NewTokens(d.store, nil).Revoke(ctx, d.workspace.ID, c.ID); err != nil {
			if tideline.IsCode(err, tideline.CodeNotFound) {
				return tideline.Errorf(tideline.CodeNotFound, "the workspace %s has no token %d: tideline token list shows them", d.workspace.Slug, c.ID)
			}
			return err
		}
		return a.show(map[string]any{"id": c.ID, "state": "revoked"}, func(w io.Writer) { fmt.Fprintf(w, "Token %d is revoked.\n", c.ID) })
	})
}

// tokenJSON is how a token is shown. The text is there only when it is created.
type tokenJSON struct {
	ID        int64    `json:"id"`
	Name      string   `json:"name"`
	Token     string   `json:"token,omitempty"`
	Prefix    string   `json:"prefix"`
	Member    string   `json:"member"` // e-mail; "" when the member was removed
	State     string   `json:"state"`  // active, expired, revoked or orphaned
	Scope     string   `json:"scope"`  // all, read or send
	CreatedAt jsonTime `json:"created_at"`
	ExpiresAt jsonTime `json:"expires_at"`
	RevokedAt jsonTime `json:"revoked_at"`
	UsedAt    jsonTime `json:"used_at"`   // at most a minute late; null = never
	UsedFrom  string   `json:"used_from"` // the network that it was used from; "" = never
}

// ended reports whether the token will never be good again.
func (v tokenJSON) ended() bool { return v.State == tokenRevoked || v.State == tokenExpired }

// States of a token that has ended.
const (
	tokenRevoked = "revoked"
	tokenExpired = "expired"
)

func tokenView(t tideline.Token, m tideline.Member) tokenJSON {
	state := "active"
	switch {
	case !t.RevokedAt.IsZero():
		state = tokenRevoked
	case !t.ExpiresAt.IsZero() && !time.Now().Before(t.ExpiresAt):
		state = tokenExpired
	case m.ID == 0:
		state = "orphaned"
	}
	return tokenJSON{
		ID: t.ID, Name: t.Name, Prefix: t.Prefix, Member: m.Email, State: state, Scope: string(t.Scope),
		CreatedAt: jsonTime{t.CreatedAt}, ExpiresAt: jsonTime{t.ExpiresAt}, RevokedAt: jsonTime{t.RevokedAt},
		UsedAt: jsonTime{t.UsedAt}, UsedFrom: t.UsedFrom,
	}
}

// lastUse shows when a token was last used, and from where.
func lastUse(t tideline.Token, loc *time.Location) string {
	if t.UsedAt.IsZero() {
		return "never"
	}
	return strings.TrimSpace(stamp(t.UsedAt, loc) + " " + t.UsedFrom)
}
