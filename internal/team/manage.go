package team

import (
	"context"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// CreateTeam makes a team. Owner and admins may. Errors: permission_denied,
// validation_error.
func (s *Service) CreateTeam(ctx context.Context, p *tideline.Principal, title string) (tideline.Team, error) {
	title, err := teamTitle(p, title)
	if err != nil {
		return tideline.Team{}, err
	}
	made, err := s.store.CreateTeam(ctx, p.Workspace.ID, title)
	return made, titleTaken(err)
}

// RenameTeam gives a team another title. Owner and admins may. Errors:
// permission_denied, not_found, validation_error.
func (s *Service) RenameTeam(ctx context.Context, p *tideline.Principal, teamID int64, title string) error {
	title, err := teamTitle(p, title)
	if err != nil {
		return err
	}
	return titleTaken(s.store.RenameTeam(ctx, p.Workspace.ID, teamID, title))
}

// DeleteTeam deletes a team, whose members go to the default team. Owner and admins
// may. Errors: permission_denied, not_found.
func (s *Service) DeleteTeam(ctx context.Context, p *tideline.Principal, teamID int64) error {
	if err := mayManage(p); err != nil {
		return err
	}
	return s.store.DeleteTeam(ctx, p.Workspace.ID, teamID)
}

// MoveMember puts a member into a team; 0 = the default team. Owner and admins may.
// Errors: permission_denied, not_found.
func (s *Service) MoveMember(ctx context.Context, p *tideline.Principal, memberID, teamID int64) error {
	if err := mayManage(p); err != nil {
		return err
	}
	return s.store.MoveMember(ctx, p.Workspace.ID, memberID, teamID)
}

// SetRole gives a member another role: whoever may invite members of both roles
// may. The owner's role goes with HandOver only. Errors: permission_denied,
// not_found, validation_error.
func (s *Service) SetRole(ctx context.Context, p *tideline.Principal, memberID int64, role tideline.Role) error {
	if !role.Valid() || role == tideline.RoleOwner {
		return tideline.Invalid([]tideline.FieldError{{Path: []string{"role"}, Msg: "must be admin, team_supervisor, teammate, agent or collaborator"}})
	}
	m, err := s.presentMember(ctx, p, memberID)
	if err != nil {
		return err
	}
	switch {
	case m.Role == tideline.RoleOwner && p.Member.Role.Administers():
		return tideline.Errorf(tideline.CodeConflict, "The owner keeps that role until they hand the workspace over")
	case !p.Member.Role.MayInvite(m.Role) || !p.Member.Role.MayInvite(role):
		return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not make a member of the role %q a member of the role %q", p.Member.Role, m.Role, role)
	}
	return s.store.SetMemberRole(ctx, p.Workspace.ID, memberID, role)
}

// RemoveMember ends a membership: the member's tokens stop working at once, and
// their chats are nobody's. Owner and admins may, except of the owner and of
// themselves. Errors: permission_denied, not_found, conflict.
func (s *Service) RemoveMember(ctx context.Context, p *tideline.Principal, memberID int64) error {
	if err := mayManage(p); err != nil {
		return err
	}
	m, err := s.presentMember(ctx, p, memberID)
	if err != nil {
		return err
	}
	switch {
	case m.Role == tideline.RoleOwner:
		return tideline.Errorf(tideline.CodeConflict, "The owner can't be removed: a workspace always has one, who may hand it over")
	case m.ID == p.Member.ID:
		return tideline.Errorf(tideline.CodeConflict, "Nobody removes themselves: ask another admin, or the owner")
	}
	return s.store.RemoveMember(ctx, p.Workspace.ID, memberID, s.now())
}

// HandOver makes an admin the owner, and the owner an admin. Only the owner may.
// Errors: permission_denied, not_found, conflict.
func (s *Service) HandOver(ctx context.Context, p *tideline.Principal, memberID int64) error {
	if p.Member.Role != tideline.RoleOwner {
		return tideline.Errorf(tideline.CodePermissionDenied, "Only the owner hands a workspace over")
	}
	m, err := s.presentMember(ctx, p, memberID)
	if err != nil {
		return err
	}
	if m.Role != tideline.RoleAdmin {
		return tideline.Errorf(tideline.CodeConflict, "Only an admin can become the owner: make %s an admin first", m.DisplayName)
	}
	return s.store.HandOver(ctx, p.Workspace.ID, p.Member.ID, memberID)
}

// Audit lists the workspace's audit log. Owner and admins may. Errors:
// permission_denied, not_found (the filter's chat).
func (s *Service) Audit(ctx context.Context, p *tideline.Principal, f store.AuditFilter, limit int) ([]tideline.AuditEntry, bool, error) {
	if err := mayManage(p); err != nil {
		return nil, false, err
	}
	return s.store.Audit(ctx, p.Workspace.ID, f, limit)
}

// ChatHistory lists what was done with a chat, the latest first, for whoever sees
// the chat; past is the id of the last entry of the page before, 0 = none. Errors:
// not_found.
func (s *Service) ChatHistory(ctx context.Context, p *tideline.Principal, chatID, past int64, limit int) ([]tideline.AuditEntry, bool, error) {
	chat, err := s.store.ChatView(ctx, p.Workspace.ID, chatID)
	if err != nil {
		return nil, false, err
	}
	viewer, err := s.Viewer(ctx, p)
	if err != nil {
		return nil, false, err
	}
	if !sees(viewer, &chat) {
		return nil, false, tideline.Errorf(tideline.CodeNotFound, "chat not found")
	}
	return s.store.Audit(ctx, p.Workspace.ID, store.AuditFilter{ChatID: chat.Chat.ID, PastID: past}, limit)
}

// sees reports whether a viewer, nil = everybody, sees a chat.
func sees(v *store.Viewer, c *store.ChatView) bool {
	if v == nil || c.Chat.Responsible == v.MemberID {
		return true
	}
	for _, id := range v.Accounts {
		if id == c.Chat.AccountID {
			return true
		}
	}
	return false
}

// presentMember finds a member by id.
func (s *Service) presentMember(ctx context.Context, p *tideline.Principal, memberID int64) (tideline.Member, error) {
	members, err := s.store.ListMembers(ctx, p.Workspace.ID)
	if err != nil {
		return tideline.Member{}, err
	}
	for _, m := range members {
		if m.ID == memberID {
			return m, nil
		}
	}
	return tideline.Member{}, tideline.Errorf(tideline.CodeNotFound, "Teammate %d not found", memberID)
}

// mayManage refuses who does not administer the workspace.
func mayManage(p *tideline.Principal) error {
	if p.Member.Role.Administers() {
		return nil
	}
	return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not do this: ask the owner or an admin", p.Member.Role)
}

// teamTitle checks the title that p wants to give a team.
func teamTitle(p *tideline.Principal, title string) (string, error) {
	if err := mayManage(p); err != nil {
		return "", err
	}
	title = strings.TrimSpace(title)
	if err := checkText("title", title, tideline.MaxTeamTitle); err != nil {
		return "", err
	}
	if tideline.IsDefaultTeam(title) {
		return "", titleTaken(tideline.Errorf(tideline.CodeConflict, "the default team"))
	}
	return title, nil
}

// titleTaken blames the field for a conflict.
func titleTaken(err error) error {
	if !tideline.IsCode(err, tideline.CodeConflict) {
		return err
	}
	return tideline.Invalid([]tideline.FieldError{{Path: []string{"title"}, Msg: "is another team's already"}})
}

// Teams lists the workspace's teams by title, without the default team.
func (s *Service) Teams(ctx context.Context, p *tideline.Principal) ([]tideline.Team, error) {
	return s.store.ListTeams(ctx, p.Workspace.ID)
}
