package workspace

import (
	"context"
	"net/mail"
	"strings"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// AddMember adds a person to w. Errors: validation_error, conflict (the e-mail
// is a member's already), plan_feature_unavailable (all seats are taken).
func (s *Service) AddMember(ctx context.Context, w tideline.Workspace, m tideline.Member) (tideline.Member, error) {
	m.WorkspaceID, m.CreatedAt = w.ID, s.now()
	m.DisplayName = orElse(m.DisplayName, m.Email)
	if err := checkMember(m); err != nil {
		return m, err
	}
	if m.Role == tideline.RoleOwner {
		return m, errOneOwner
	}
	present, err := s.store.ListMembers(ctx, w.ID)
	if err != nil {
		return m, err
	}
	if w.Plan.Seats >= 0 && len(present) >= w.Plan.Seats {
		return m, tideline.Errorf(tideline.CodePlanFeatureUnavailable, "all %d seats of the plan %s are taken: remove a member or choose another plan", w.Plan.Seats, w.Plan.Name)
	}
	return s.store.AddMember(ctx, m)
}

// Members lists the members of w by id.
func (s *Service) Members(ctx context.Context, w tideline.Workspace) ([]tideline.Member, error) {
	return s.store.ListMembers(ctx, w.ID)
}

// Member finds a member by e-mail; "" means the owner. Errors: not_found.
func (s *Service) Member(ctx context.Context, w tideline.Workspace, email string) (tideline.Member, error) {
	present, err := s.store.ListMembers(ctx, w.ID)
	if err != nil {
		return tideline.Member{}, err
	}
	for _, m := range present {
		if email == "" && m.Role == tideline.RoleOwner || email != "" && strings.EqualFold(m.Email, email) {
			return m, nil
		}
	}
	return tideline.Member{}, tideline.Errorf(tideline.CodeNotFound, "the workspace %s has no member %s; tideline member list shows who is there", w.Slug, email)
}

// SetRole gives a member another role. Errors: not_found, validation_error (the
// owner's role, or a second owner).
func (s *Service) SetRole(ctx context.Context, w tideline.Workspace, email string, role tideline.Role) (tideline.Member, error) {
	if err := checkRole(role); err != nil {
		return tideline.Member{}, err
	}
	m, err := s.Member(ctx, w, email)
	if err != nil {
		return m, err
	}
	if m.Role != role && (m.Role == tideline.RoleOwner || role == tideline.RoleOwner) {
		return m, errOneOwner
	}
	m.Role = role
	return m, s.store.SetMemberRole(ctx, w.ID, m.ID, role)
}

// RemoveMember ends a membership; tokens of the member stop working at once.
// Errors: not_found, validation_error (the owner).
func (s *Service) RemoveMember(ctx context.Context, w tideline.Workspace, email string) (tideline.Member, error) {
	m, err := s.Member(ctx, w, email)
	if err != nil {
		return m, err
	}
	if m.Role == tideline.RoleOwner {
		return m, errOneOwner
	}
	m.RemovedAt = s.now()
	return m, s.store.RemoveMember(ctx, w.ID, m.ID, m.RemovedAt)
}

var errOneOwner = tideline.Errorf(tideline.CodeValidation, "a workspace has exactly one owner, from its creation on: the owner can't be removed or given another role, nor can there be a second one")

func checkMember(m tideline.Member) error {
	if err := checkRole(m.Role); err != nil {
		return err
	}
	if a, err := mail.ParseAddress(m.Email); err != nil || a.Address != m.Email {
		return tideline.Errorf(tideline.CodeValidation, "e-mail %q is not an address such as ana@example.com", m.Email)
	}
	return checkName(m.DisplayName)
}

func checkRole(r tideline.Role) error {
	if !r.Valid() {
		return tideline.Errorf(tideline.CodeValidation, "role %q is unknown: use admin, team_supervisor, teammate, agent or collaborator", r)
	}
	return nil
}
