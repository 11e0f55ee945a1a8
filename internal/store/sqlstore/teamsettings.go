package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

var errTeamTaken = tideline.Errorf(tideline.CodeConflict, "the workspace has a team of this name already")

// aboutTeam is the change of a team, for the audit log.
func aboutTeam(m tideline.Team, a tideline.AuditAction, fields ...tideline.AuditChange) change {
	return change{workspaceID: m.WorkspaceID, action: a, kind: tideline.TargetTeam, id: m.ID, name: m.Title, fields: fields}
}

// team reads a team, to change it: not_found.
func (t *tx) team(ctx context.Context, workspaceID, teamID int64) (tideline.Team, error) {
	m := tideline.Team{ID: teamID, WorkspaceID: workspaceID}
	err := t.one(ctx, `SELECT tm.title FROM teams tm WHERE tm.workspace_id = $1 AND tm.id = $2`+t.forUpdate("tm"),
		[]any{workspaceID, teamID}, &m.Title)
	return m, missing(err, "team")
}

// teamTitle names a team that may be gone; "" is none of them.
func (t *tx) teamTitle(ctx context.Context, workspaceID, teamID int64) (title string, err error) {
	if teamID == 0 {
		return tideline.DefaultTeam, nil
	}
	err = t.one(ctx, `SELECT title FROM teams WHERE workspace_id = $1 AND id = $2`, []any{workspaceID, teamID}, &title)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return title, err
}

// auditInvited writes that m was invited, or, of a member who is there already,
// what an invitation changed of the role and team that they had.
func (t *tx) auditInvited(ctx context.Context, m tideline.Member, role tideline.Role, teamID int64) error {
	title, err := t.teamTitle(ctx, m.WorkspaceID, m.TeamID)
	if err != nil {
		return err
	}
	if m.Status() == tideline.MemberInvited {
		return t.audit(ctx, aboutMember(m, tideline.AuditMemberInvited, m.InvitedAt, append(set("role", string(m.Role)), set("team", title)...)...))
	}
	if err := t.audited(ctx, aboutMember(m, tideline.AuditRoleChanged, time.Time{}, diff(nil, "role", role, m.Role)...)); err != nil {
		return err
	}
	return t.auditMoved(ctx, m, teamID)
}

// auditMoved writes that m is in another team than the one before, if it is.
func (t *tx) auditMoved(ctx context.Context, m tideline.Member, before int64) error {
	if m.TeamID == before {
		return nil
	}
	from, err := t.teamTitle(ctx, m.WorkspaceID, before)
	if err != nil {
		return err
	}
	to, err := t.teamTitle(ctx, m.WorkspaceID, m.TeamID)
	if err != nil {
		return err
	}
	return t.audit(ctx, aboutMember(m, tideline.AuditMemberMoved, time.Time{}, diff(nil, "team", from, to)...))
}

// CreateTeam implements store.TeamSettings.
func (s *Store) CreateTeam(ctx context.Context, workspaceID int64, title string) (tideline.Team, error) {
	var made tideline.Team
	err := s.write(ctx, "create team", func(ctx context.Context, t *tx) error {
		made = tideline.Team{WorkspaceID: workspaceID, Title: title}
		err := t.one(ctx, `INSERT INTO teams (workspace_id, title) VALUES ($1, $2) RETURNING id`, []any{workspaceID, title}, &made.ID)
		if isUnique(err) {
			return errTeamTaken
		}
		if err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		return t.audit(ctx, aboutTeam(made, tideline.AuditTeamCreated))
	})
	return made, err
}

// RenameTeam implements store.TeamSettings.
func (s *Store) RenameTeam(ctx context.Context, workspaceID, teamID int64, title string) error {
	return s.write(ctx, "rename team", func(ctx context.Context, t *tx) error {
		m, err := t.team(ctx, workspaceID, teamID)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE teams SET title = $1 WHERE workspace_id = $2 AND id = $3`, title, workspaceID, teamID)
		if isUnique(err) {
			return errTeamTaken
		}
		if err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		return t.audited(ctx, aboutTeam(m, tideline.AuditTeamRenamed, diff(nil, "name", m.Title, title)...))
	})
}

// DeleteTeam implements store.TeamSettings. A member's team is part of what is
// remembered of them, so the version changes.
func (s *Store) DeleteTeam(ctx context.Context, workspaceID, teamID int64) error {
	return s.write(ctx, "delete team", func(ctx context.Context, t *tx) error {
		m, err := t.team(ctx, workspaceID, teamID)
		if err != nil {
			return err
		}
		for _, query := range []string{
			`UPDATE members SET team_id = NULL WHERE workspace_id = $1 AND team_id = $2`,
			`UPDATE text_templates SET team_id = -1 WHERE workspace_id = $1 AND team_id = $2`, // storedDefaultTeam
			`DELETE FROM teams WHERE workspace_id = $1 AND id = $2`,
		} {
			if _, err := t.exec(ctx, query, workspaceID, teamID); err != nil {
				return err
			}
		}
		if err := t.audit(ctx, aboutTeam(m, tideline.AuditTeamDeleted)); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		return t.bump(ctx)
	})
}

// MoveMember implements store.TeamSettings. It looks at the team first, so that it
// is not deleted meanwhile.
func (s *Store) MoveMember(ctx context.Context, workspaceID, memberID, teamID int64) error {
	return s.write(ctx, "move member", func(ctx context.Context, t *tx) error {
		if teamID != 0 {
			if _, err := t.team(ctx, workspaceID, teamID); err != nil {
				return err
			}
		}
		m, err := t.presentMember(ctx, workspaceID, memberID)
		if err != nil {
			return err
		}
		before := m.TeamID
		m.TeamID = teamID
		if _, err := t.exec(ctx, `UPDATE members SET team_id = $1 WHERE workspace_id = $2 AND id = $3`, orNull(teamID), workspaceID, memberID); err != nil {
			return err
		}
		if err := t.auditMoved(ctx, m, before); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		return t.bump(ctx)
	})
}

// HandOver implements store.TeamSettings. The old owner's role goes first: there
// may be one owner only, at every moment.
func (s *Store) HandOver(ctx context.Context, workspaceID, from, to int64) error {
	return s.write(ctx, "hand over", func(ctx context.Context, t *tx) error {
		if from == to {
			return tideline.Errorf(tideline.CodeConflict, "the member is the owner already")
		}
		owner, err := t.presentMember(ctx, workspaceID, from)
		if err != nil {
			return err
		}
		if owner.Role != tideline.RoleOwner {
			return tideline.Errorf(tideline.CodeConflict, "only the owner can hand the workspace over")
		}
		heir, err := t.presentMember(ctx, workspaceID, to)
		if err != nil {
			return err
		}
		if heir.Status() != tideline.MemberActive {
			return tideline.Errorf(tideline.CodeConflict, "a member who has not joined can't become the owner")
		}
		for _, step := range []struct {
			m    tideline.Member
			role tideline.Role
		}{{owner, tideline.RoleAdmin}, {heir, tideline.RoleOwner}} {
			if _, err := t.exec(ctx, `UPDATE members SET role = $1 WHERE workspace_id = $2 AND id = $3`,
				string(step.role), workspaceID, step.m.ID); err != nil {
				return err
			}
			err := t.audit(ctx, aboutMember(step.m, tideline.AuditRoleChanged, time.Time{}, diff(nil, "role", step.m.Role, step.role)...))
			if err != nil {
				return err
			}
		}
		t.tellSettings(workspaceID)
		return t.bump(ctx)
	})
}
