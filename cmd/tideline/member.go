package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/tideline"
)

type memberCmd struct {
	Add    memberAddCmd    `cmd:"" help:"Add a person to a workspace."`
	List   memberListCmd   `cmd:"" help:"List the people in a workspace."`
	Role   memberRoleCmd   `cmd:"" help:"Give a member another role."`
	Remove memberRemoveCmd `cmd:"" help:"Take a member out of a workspace."`

	Link     memberLinkCmd     `cmd:"" help:"Print a one-time address that lets a member into the pages."`
	Password memberPasswordCmd `cmd:"" help:"Give a member another password."`
	Sessions memberSessionsCmd `cmd:"" help:"List where a member is signed in, and end sessions."`
}

type memberAddCmd struct {
	Email string `arg:"" help:"Their e-mail, by which commands name them."`
	Name  string `placeholder:"NAME" help:"Their name. Default: the e-mail."`
	Role  string `default:"agent" help:"admin, team_supervisor, teammate, agent or collaborator (${default})."`
}

// Help implements kong.HelpProvider.
func (memberAddCmd) Help() string {
	return `A collaborator reads and writes notes, and may not send messages; everyone else may.

    tideline member add ben@example.com --name "Ben" --role admin
    tideline token create --name "Ben's script" --member ben@example.com`
}

// Run adds a member.
func (c *memberAddCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		m, err := d.workspaces.AddMember(ctx, d.workspace, tideline.Member{Email: c.Email, DisplayName: c.Name, Role: tideline.Role(c.Role)})
		if err != nil {
			return err
		}
		return a.showMember(m, "%s is now %s in %s.", d.workspace.Slug)
	})
}

type memberListCmd struct{}

// Help implements kong.HelpProvider.
func (memberListCmd) Help() string {
	return "Lists the people in a workspace.\n\n    tideline member list"
}

// Run lists members.
func (memberListCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		members, err := d.workspaces.Members(ctx, d.workspace)
		if err != nil {
			return err
		}
		views := make([]memberJSON, len(members))
		rows := make([][]string, len(members))
		for i, m := range members {
			views[i] = memberView(m)
			rows[i] = []string{m.Email, m.DisplayName, string(m.Role), stamp(m.CreatedAt, d.workspace.Location())}
		}
		return a.show(views, func(w io.Writer) { table(w, []string{"E-MAIL", "NAME", "ROLE", "SINCE"}, rows) })
	})
}

type memberRoleCmd struct {
	Email string `arg:"" help:"Who."`
	Role  string `arg:"" help:"admin, team_supervisor, teammate, agent or collaborator."`
}

// Help implements kong.HelpProvider.
func (memberRoleCmd) Help() string {
	return "Their tokens have the new role from the next request on.\n\n    tideline member role ben@example.com collaborator"
}

// Run changes a role.
func (c *memberRoleCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		m, err := d.workspaces.SetRole(ctx, d.workspace, c.Email, tideline.Role(c.Role))
		if err != nil {
			return err
		}
		return a.showMember(m, "%s is now %s in %s.", d.workspace.Slug)
	})
}

type memberRemoveCmd struct {
	Email string `arg:"" help:"Who."`
}

// Help implements kong.HelpProvider.
func (memberRemoveCmd) Help() string {
	return "Their tokens stop working at once; what they sent stays.\n\n    tideline member remove ben@example.com"
}

// Run removes a member.
func (c *memberRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *desk) error {
		m, err := d.workspaces.RemoveMember(ctx, d.workspace, c.Email)
		if err != nil {
			return err
		}
		return a.showMember(m, "%s, %s, is no longer in %s.", d.workspace.Slug)
	})
}

// memberJSON is how a member is shown.
type memberJSON struct {
	Email string   `json:"email"`
	Name  string   `json:"name"`
	Role  string   `json:"role"`
	Since jsonTime `json:"since"`
}

func memberView(m tideline.Member) memberJSON {
	return memberJSON{Email: m.Email, Name: m.DisplayName, Role: string(m.Role), Since: jsonTime{m.CreatedAt}}
}

// showMember prints a member as JSON, or a sentence of their e-mail, role and workspace.
func (a *app) showMember(m tideline.Member, sentence, slug string) error {
	return a.show(memberView(m), func(w io.Writer) { fmt.Fprintf(w, sentence+"\n", m.Email, m.Role, slug) })
}
