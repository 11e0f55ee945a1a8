package team

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Teammate is a member with what is shown of them.
type Teammate struct {
	Member     tideline.Member
	Team       string // title
	Invitation tideline.InvitationStatus
	Accounts   []tideline.Account // that they own
}

// Teammates lists the titles of the workspace's teams, the default team first,
// and its members by id.
func (s *Service) Teammates(ctx context.Context, p *tideline.Principal) ([]string, []Teammate, error) {
	teams, err := s.store.ListTeams(ctx, p.Workspace.ID)
	if err != nil {
		return nil, nil, err
	}
	members, err := s.store.ListMembers(ctx, p.Workspace.ID)
	if err != nil {
		return nil, nil, err
	}
	accounts, _, err := s.store.AccountsOf(ctx, p.Workspace.ID)
	if err != nil {
		return nil, nil, err
	}
	titles := []string{tideline.DefaultTeam}
	byID := map[int64]string{0: tideline.DefaultTeam}
	for _, t := range teams {
		titles = append(titles, t.Title)
		byID[t.ID] = t.Title
	}
	now := s.now()
	list := make([]Teammate, len(members))
	for i, m := range members {
		list[i] = Teammate{Member: m, Team: byID[m.TeamID], Invitation: m.Invitation(now)}
		for _, a := range accounts {
			if strings.EqualFold(a.OwnerEmail, m.Email) {
				list[i].Accounts = append(list[i].Accounts, a)
			}
		}
	}
	return titles, list, nil
}

// Me shows p's own member.
func (s *Service) Me(ctx context.Context, p *tideline.Principal) (Teammate, error) {
	_, members, err := s.Teammates(ctx, p)
	if err != nil {
		return Teammate{}, err
	}
	return find(members, p.Member.ID)
}

func find(members []Teammate, id int64) (Teammate, error) {
	for _, m := range members {
		if m.Member.ID == id {
			return m, nil
		}
	}
	return Teammate{}, tideline.Errorf(tideline.CodeNotFound, "Teammate %d not found", id)
}

// Limits of an invitation, in characters.
const (
	maxEmail = 254
	maxName  = 150
)

// Invitation asks to invite somebody.
type Invitation struct {
	Email               string
	FirstName, LastName string
	Team                string // title; made when there is none; "" = the default team
	Role                string // in any case
}

// Invite adds a member who joins with their first token, or gives a present
// member the role and team of i. Errors: permission_denied, validation_error,
// plan_feature_unavailable (all seats are taken).
func (s *Service) Invite(ctx context.Context, p *tideline.Principal, i Invitation) (Teammate, error) {
	role := tideline.Role(strings.ToLower(strings.TrimSpace(i.Role)))
	email := strings.TrimSpace(i.Email)
	var wrong []tideline.FieldError
	blame := func(field, msg string) {
		wrong = append(wrong, tideline.FieldError{Path: []string{field}, Msg: msg})
	}
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email || utf8.RuneCountInString(email) > maxEmail || strings.ContainsRune(email, 0) {
		blame("email", "must be an e-mail address of at most 254 characters")
	}
	if !role.Valid() || role == tideline.RoleOwner {
		blame("role", "must be admin, team_supervisor, teammate, agent or collaborator")
	}
	for _, f := range []struct{ field, text string }{{"first_name", i.FirstName}, {"last_name", i.LastName}, {"team_title", i.Team}} {
		switch {
		case !utf8.ValidString(f.text) || strings.ContainsRune(f.text, 0):
			blame(f.field, "must be UTF-8 without the character U+0000")
		case utf8.RuneCountInString(f.text) > maxName:
			blame(f.field, fmt.Sprintf("has more than %d characters", maxName))
		}
	}
	if err := tideline.Invalid(wrong); err != nil {
		return Teammate{}, err
	}
	if !p.Member.Role.MayInvite(role) {
		return Teammate{}, tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not invite a member of the role %q", p.Member.Role, role)
	}
	now := s.now()
	name := strings.TrimSpace(strings.TrimSpace(i.FirstName) + " " + strings.TrimSpace(i.LastName))
	if name == "" {
		name, _, _ = strings.Cut(email, "@")
	}
	if err := s.mayReplace(ctx, p, email); err != nil {
		return Teammate{}, err
	}
	m, _, err := s.store.Invite(ctx, tideline.Member{WorkspaceID: p.Workspace.ID, Email: email, DisplayName: name, Role: role,
		CreatedAt: now, InvitedAt: now}, strings.TrimSpace(i.Team), p.Workspace.Plan.Seats)
	if tideline.IsCode(err, tideline.CodeConflict) {
		return Teammate{}, tideline.Invalid([]tideline.FieldError{{Path: []string{"email"}, Msg: "is the owner's; the owner can't be given another role"}})
	}
	if err != nil {
		return Teammate{}, err
	}
	_, members, err := s.Teammates(ctx, p)
	if err != nil {
		return Teammate{}, err
	}
	return find(members, m.ID)
}

// mayReplace refuses to change the role of a present member whom p could not
// have invited with the role that they have, and to invite in place of who left
// and owned accounts.
func (s *Service) mayReplace(ctx context.Context, p *tideline.Principal, email string) error {
	if p.Member.Role.Administers() {
		return nil
	}
	members, err := s.store.ListMembers(ctx, p.Workspace.ID)
	if err != nil {
		return err
	}
	for i := range members {
		if strings.EqualFold(members[i].Email, email) && !p.Member.Role.MayInvite(members[i].Role) {
			return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not change a member of the role %q", p.Member.Role, members[i].Role)
		}
	}
	if slices.ContainsFunc(members, func(m tideline.Member) bool { return strings.EqualFold(m.Email, email) }) {
		return nil
	}
	// The numbers of who left still name their owner by e-mail. Whoever comes with that
	// address sees their chats, and so does the team that they come into.
	accounts, _, err := s.store.AccountsOf(ctx, p.Workspace.ID)
	if err != nil {
		return err
	}
	for i := range accounts {
		if strings.EqualFold(accounts[i].OwnerEmail, email) {
			return tideline.Errorf(tideline.CodePermissionDenied,
				"There are WhatsApp numbers of the owner %s, whose chats come with this address: only the owner of the workspace and admins may invite it", email)
		}
	}
	return nil
}

// Revoke takes back the invitation of a member who has not joined. Errors:
// permission_denied, not_found, conflict (they have joined).
func (s *Service) Revoke(ctx context.Context, p *tideline.Principal, memberID int64) error {
	_, members, err := s.Teammates(ctx, p)
	if err != nil {
		return err
	}
	m, err := find(members, memberID)
	if err != nil {
		return tideline.Errorf(tideline.CodeNotFound, "Invitation of user %d not found", memberID)
	}
	if !p.Member.Role.MayInvite(m.Member.Role) {
		return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not revoke the invitation of a member of the role %q", p.Member.Role, m.Member.Role)
	}
	return s.store.RevokeInvitation(ctx, p.Workspace.ID, memberID, s.now())
}
