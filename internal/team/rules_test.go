package team_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var at = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

var roles = []tideline.Role{
	tideline.RoleOwner, tideline.RoleAdmin, tideline.RoleTeamSupervisor, tideline.RoleTeammate, tideline.RoleAgent, tideline.RoleCollaborator,
}

// office is a workspace with a member of every role, an account and a chat.
type office struct {
	*team.Service
	t     *testing.T
	store store.Store
	ws    tideline.Workspace
	chat  int64
	count int
}

func openOffice(t *testing.T) *office {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: migrated.SQLite(t), Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o := &office{Service: team.New(s, func() time.Time { return at }), t: t, store: s}
	o.ws, _, err = s.CreateWorkspace(t.Context(), tideline.Workspace{
		Slug: "acme", DisplayName: "Acme", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: at,
	}, tideline.Member{Email: "founder@acme.example", DisplayName: "Founder", Role: tideline.RoleOwner, CreatedAt: at})
	o.must(err)
	o.ws.Plan.Seats = -1
	acc := o.account("+14841110001", "ada@acme.example")
	got, err := s.Receive(t.Context(), store.Reception{
		WorkspaceID: o.ws.ID, AccountID: acc, Chat: tideline.Peer{JID: "14840000001@s.whatsapp.net", Name: "Ana"},
		Sender: tideline.Peer{JID: "14840000001@s.whatsapp.net", Name: "Ana"}, At: at, ReceivedAt: at,
		Message: &store.NewInbound{UID: "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e59", WhatsAppID: "A1", Kind: tideline.KindText, Text: "hi"},
	})
	o.must(err)
	o.chat = got.ChatID
	return o
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) account(phone tideline.Phone, owner string) int64 {
	o.t.Helper()
	acc, err := o.store.PutAccount(o.t.Context(), tideline.Account{
		WorkspaceID: o.ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@s.whatsapp.net", Phone: phone,
		State: tideline.AccountActive, OwnerEmail: owner, CreatedAt: at,
	})
	o.must(err)
	return acc.ID
}

// member makes a new member of a role, and who asks in their name.
func (o *office) member(role tideline.Role) *tideline.Principal {
	o.t.Helper()
	if role == tideline.RoleOwner { // there is one
		members, err := o.store.ListMembers(o.t.Context(), o.ws.ID)
		o.must(err)
		return &tideline.Principal{Workspace: o.ws, Member: members[0]}
	}
	o.count++
	m, err := o.store.AddMember(o.t.Context(), tideline.Member{
		WorkspaceID: o.ws.ID, Email: "m" + strconv.Itoa(o.count) + "@acme.example", DisplayName: "M", Role: role, CreatedAt: at,
	})
	o.must(err)
	return &tideline.Principal{Workspace: o.ws, Member: m}
}

// TestWhatEachRoleMay is the rules as a table. A role that isn't named is
// answered permission_denied.
func TestWhatEachRoleMay(t *testing.T) {
	t.Parallel()
	const owner, admin, supervisor, teammate, agent, collaborator = tideline.RoleOwner, tideline.RoleAdmin, tideline.RoleTeamSupervisor,
		tideline.RoleTeammate, tideline.RoleAgent, tideline.RoleCollaborator
	workers := []tideline.Role{owner, admin, supervisor, teammate, agent}
	managers := []tideline.Role{owner, admin}
	inviters := []tideline.Role{owner, admin, supervisor}
	invite := func(role tideline.Role) func(context.Context, *office, *tideline.Principal) error {
		return func(ctx context.Context, o *office, p *tideline.Principal) error {
			o.count++
			_, err := o.Invite(ctx, p, team.Invitation{Email: "i" + strconv.Itoa(o.count) + "@acme.example", Role: string(role)})
			return err
		}
	}
	again := func(role tideline.Role) func(context.Context, *office, *tideline.Principal) error {
		return func(ctx context.Context, o *office, p *tideline.Principal) error {
			_, err := o.Invite(ctx, p, team.Invitation{Email: strings.ToUpper(o.member(role).Member.Email), Role: string(agent)})
			return err
		}
	}
	revoke := func(role tideline.Role) func(context.Context, *office, *tideline.Principal) error {
		return func(ctx context.Context, o *office, p *tideline.Principal) error {
			o.count++
			m, err := o.Invite(ctx, o.member(owner), team.Invitation{Email: "r" + strconv.Itoa(o.count) + "@acme.example", Role: string(role)})
			o.must(err)
			return o.Revoke(ctx, p, m.Member.ID)
		}
	}
	setRole := func(from, to tideline.Role) func(context.Context, *office, *tideline.Principal) error {
		return func(ctx context.Context, o *office, p *tideline.Principal) error {
			return o.SetRole(ctx, p, o.member(from).Member.ID, to)
		}
	}
	template := func(v tideline.Visibility, act func(context.Context, *office, *tideline.Principal, int64) error) func(context.Context, *office, *tideline.Principal) error {
		return func(ctx context.Context, o *office, p *tideline.Principal) error {
			made, err := o.CreateTemplate(ctx, o.member(agent), team.TemplateChange{Name: new("n"), Text: new("t"), Visibility: new(string(v))})
			o.must(err)
			return act(ctx, o, p, made.ID)
		}
	}
	change := func(ctx context.Context, o *office, p *tideline.Principal, id int64) error {
		_, err := o.ChangeTemplate(ctx, p, id, team.TemplateChange{Text: new("u")})
		return err
	}
	remove := func(ctx context.Context, o *office, p *tideline.Principal, id int64) error {
		return o.DeleteTemplate(ctx, p, id)
	}
	for name, rule := range map[string]struct {
		may []tideline.Role
		act func(ctx context.Context, o *office, p *tideline.Principal) error
	}{
		"change a chat": {workers, func(ctx context.Context, o *office, p *tideline.Principal) error {
			_, err := o.ChangeChat(ctx, p, o.chat, team.ChatChange{Closed: new(true)})
			return err
		}},
		"label a chat": {workers, func(ctx context.Context, o *office, p *tideline.Principal) error {
			_, err := o.PutLabels(ctx, p, o.chat, []string{"vip"}, false)
			return err
		}},
		"read labels": {roles, func(ctx context.Context, o *office, p *tideline.Principal) error {
			_, err := o.Labels(ctx, p, o.chat)
			return err
		}},
		"write a note": {roles, func(ctx context.Context, o *office, p *tideline.Principal) error {
			_, err := o.AddNote(ctx, p, o.chat, "note", true)
			return err
		}},
		"make a template": {workers, func(ctx context.Context, o *office, p *tideline.Principal) error {
			_, err := o.CreateTemplate(ctx, p, team.TemplateChange{Name: new("n"), Text: new("t")})
			return err
		}},
		"use another's template": {roles, template(tideline.VisibilityPublic, func(ctx context.Context, o *office, p *tideline.Principal, id int64) error {
			return o.CountUse(ctx, p, id)
		})},
		"change another's public template":    {workers, template(tideline.VisibilityPublic, change)},
		"change another's read-only template": {managers, template(tideline.VisibilityReadOnly, change)},
		"delete another's public template":    {managers, template(tideline.VisibilityPublic, remove)},
		"delete another's read-only template": {managers, template(tideline.VisibilityReadOnly, remove)},
		"invite an admin":                     {managers, invite(admin)},
		"invite a supervisor":                 {managers, invite(supervisor)},
		"invite a teammate":                   {inviters, invite(teammate)},
		"invite an agent":                     {inviters, invite(agent)},
		"invite a collaborator":               {inviters, invite(collaborator)},
		"make an agent of an admin":           {managers, again(admin)},
		"make an agent of a supervisor":       {managers, again(supervisor)},
		"make an agent of a collaborator":     {inviters, again(collaborator)},
		"revoke an admin's invitation":        {managers, revoke(admin)},
		"revoke an agent's invitation":        {inviters, revoke(agent)},
		"make an agent of a teammate":         {inviters, setRole(teammate, agent)},
		"make a supervisor of a teammate":     {managers, setRole(teammate, supervisor)},
		"make a teammate of a supervisor":     {managers, setRole(supervisor, teammate)},
		"make an admin of an agent":           {managers, setRole(agent, admin)},
		"remove a member": {managers, func(ctx context.Context, o *office, p *tideline.Principal) error {
			return o.RemoveMember(ctx, p, o.member(agent).Member.ID)
		}},
		"keep teams": {managers, func(ctx context.Context, o *office, p *tideline.Principal) error {
			o.count++
			made, err := o.CreateTeam(ctx, p, "T"+strconv.Itoa(o.count))
			if err != nil {
				made = tideline.Team{ID: 4711} // whoever may not is not told that it is not there
			}
			all := []error{err}
			for _, err := range []error{o.RenameTeam(ctx, p, made.ID, "U"+strconv.Itoa(o.count)), o.MoveMember(ctx, p, p.Member.ID, made.ID), o.DeleteTeam(ctx, p, made.ID)} {
				all = append(all, err)
				if (err == nil) != (all[0] == nil) {
					t.Errorf("%s: some of it: %v", p.Member.Role, all)
				}
			}
			return err
		}},
		"read the audit log": {managers, func(ctx context.Context, o *office, p *tideline.Principal) error {
			_, _, err := o.Audit(ctx, p, store.AuditFilter{}, 10)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := openOffice(t)
			for _, role := range roles {
				err := rule.act(t.Context(), o, o.member(role))
				if slices.Contains(rule.may, role) {
					if err != nil {
						t.Errorf("%s: %v", role, err)
					}
				} else if !tideline.IsCode(err, tideline.CodePermissionDenied) {
					t.Errorf("%s: %v, want permission_denied", role, err)
				}
			}
		})
	}
}

func TestAPrivateTemplateIsNobodyElses(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	author := o.member(tideline.RoleAgent)
	made, err := o.CreateTemplate(ctx, author, team.TemplateChange{Name: new("n"), Text: new("t"), Visibility: new("private")})
	o.must(err)
	for _, role := range roles {
		p := o.member(role)
		_, err := o.Template(ctx, p, made.ID)
		_, changed := o.ChangeTemplate(ctx, p, made.ID, team.TemplateChange{Text: new("x")})
		list, listed := o.Templates(ctx, p)
		o.must(listed)
		for _, err := range []error{err, changed, o.DeleteTemplate(ctx, p, made.ID), o.CountUse(ctx, p, made.ID)} {
			if !tideline.IsCode(err, tideline.CodeNotFound) || len(list) > 0 {
				t.Errorf("%s: %v, want not_found; the list has %d", role, err, len(list))
			}
		}
	}
	public, err := o.CreateTemplate(ctx, author, team.TemplateChange{Name: new("n"), Text: new("t")})
	o.must(err)
	if _, err := o.ChangeTemplate(ctx, o.member(tideline.RoleOwner), public.ID, team.TemplateChange{Visibility: new("private")}); !tideline.IsCode(err, tideline.CodePermissionDenied) {
		t.Errorf("another made it private: %v", err)
	}
}

func TestWhoBecomesACollaboratorKeepsNoTemplates(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	p := o.member(tideline.RoleAgent)
	made, err := o.CreateTemplate(t.Context(), p, team.TemplateChange{Name: new("n"), Text: new("t")})
	o.must(err)
	p.Member.Role = tideline.RoleCollaborator
	shown, err := o.Template(t.Context(), p, made.ID)
	o.must(err)
	if shown.Editable || shown.Deletable {
		t.Errorf("shown as %+v", shown)
	}
	_, err = o.ChangeTemplate(t.Context(), p, made.ID, team.TemplateChange{Text: new("x")})
	for _, err := range []error{err, o.DeleteTemplate(t.Context(), p, made.ID)} {
		if !tideline.IsCode(err, tideline.CodePermissionDenied) {
			t.Errorf("%v, want permission_denied", err)
		}
	}
}

func TestATemplateThatGoesToAnotherTeamIsShownOnceMore(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	owner, p := o.member(tideline.RoleOwner), o.member(tideline.RoleAgent)
	_, err := o.Invite(ctx, owner, team.Invitation{Email: "x@acme.example", Role: "agent", Team: "Sales"})
	o.must(err)
	made, err := o.CreateTemplate(ctx, owner, team.TemplateChange{Name: new("n"), Text: new("t")})
	o.must(err)
	sales := new("Sales")
	got, err := o.ChangeTemplate(ctx, p, made.ID, team.TemplateChange{Team: &sales})
	if err != nil || got.Team == nil || *got.Team != "Sales" || got.EditorID != p.Member.ID {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := o.Template(ctx, p, made.ID); !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("afterwards: %v, want not_found", err)
	}
}

func TestWhatAMemberSees(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	for _, role := range roles {
		p := o.member(role)
		own := o.account(tideline.Phone("+1484222"+strconv.Itoa(1000+o.count)), strings.ToUpper(p.Member.Email))
		v, err := o.Viewer(ctx, p)
		o.must(err)
		_, list, err := o.Teammates(ctx, p)
		o.must(err)
		accounts, _, err := o.store.AccountsOf(ctx, o.ws.ID)
		o.must(err)
		var ours []int64 // accounts whose owners are members; all are in the default team
		for _, a := range accounts {
			if slices.ContainsFunc(list, func(m team.Teammate) bool { return strings.EqualFold(m.Member.Email, a.OwnerEmail) }) {
				ours = append(ours, a.ID)
			}
		}
		switch role {
		case tideline.RoleOwner, tideline.RoleAdmin:
			if v != nil {
				t.Errorf("%s sees %+v only", role, v)
			}
		case tideline.RoleTeamSupervisor, tideline.RoleTeammate:
			if diff := cmp.Diff(&store.Viewer{MemberID: p.Member.ID, Accounts: ours}, v); diff != "" {
				t.Errorf("%s (-want +got):\n%s", role, diff)
			}
		default:
			if diff := cmp.Diff(&store.Viewer{MemberID: p.Member.ID, Accounts: []int64{own}}, v); diff != "" {
				t.Errorf("%s (-want +got):\n%s", role, diff)
			}
		}
	}
}

func TestSeatsAreForNewMembersOnly(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	owner := o.member(tideline.RoleOwner)
	owner.Workspace.Plan.Seats = 2
	ctx := t.Context()
	_, err := o.Invite(ctx, owner, team.Invitation{Email: "a@b.c", Role: "agent"})
	o.must(err)
	if _, err := o.Invite(ctx, owner, team.Invitation{Email: "d@b.c", Role: "agent"}); !tideline.IsCode(err, tideline.CodePlanFeatureUnavailable) {
		t.Errorf("without a seat: %v", err)
	}
	again, err := o.Invite(ctx, owner, team.Invitation{Email: "A@b.c", Role: "Teammate", Team: "Default team"})
	if err != nil || again.Member.Role != tideline.RoleTeammate || again.Team != tideline.DefaultTeam {
		t.Errorf("invited again: %+v, %v", again, err)
	}
	o.must(o.Revoke(ctx, owner, again.Member.ID))
	if _, err := o.Invite(ctx, owner, team.Invitation{Email: "d@b.c", Role: "agent"}); err != nil {
		t.Errorf("on a seat that is free again: %v", err)
	}
}
