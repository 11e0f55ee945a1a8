package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// ListTeams implements store.Teams.
func (s *Store) ListTeams(ctx context.Context, workspaceID int64) ([]tideline.Team, error) {
	var teams []tideline.Team
	err := s.reader().each(ctx, `SELECT id, workspace_id, title FROM teams WHERE workspace_id = $1`, []any{workspaceID},
		func(r *sql.Rows) error {
			var t tideline.Team
			err := r.Scan(&t.ID, &t.WorkspaceID, &t.Title)
			teams = append(teams, t)
			return err
		})
	// The databases collate differently.
	slices.SortFunc(teams, func(a, b tideline.Team) int { return strings.Compare(a.Title, b.Title) })
	return teams, failed("list teams", err)
}

// teamID gives the id of a team, of which it makes a new one; 0 for the default.
func (t *tx) teamID(ctx context.Context, workspaceID int64, title string) (int64, error) {
	if tideline.IsDefaultTeam(title) {
		return 0, nil
	}
	made, err := t.exec(ctx, `INSERT INTO teams (workspace_id, title) VALUES ($1, $2) ON CONFLICT (workspace_id, title) DO NOTHING`,
		workspaceID, title)
	if err != nil {
		return 0, err
	}
	var id int64
	err = t.one(ctx, `SELECT id FROM teams WHERE workspace_id = $1 AND title = $2`, []any{workspaceID, title}, &id)
	if err != nil || made == 0 {
		return id, err
	}
	return id, t.audit(ctx, aboutTeam(tideline.Team{ID: id, WorkspaceID: workspaceID, Title: title}, tideline.AuditTeamCreated))
}

// Invite implements store.Teams.
func (s *Store) Invite(ctx context.Context, m tideline.Member, team string, seats int) (tideline.Member, bool, error) {
	var invited tideline.Member
	added := false
	err := s.write(ctx, "invite member", func(ctx context.Context, t *tx) error {
		invited, added = tideline.Member{}, false
		// One at a time, so that two don't take the last seat.
		if _, err := t.lockBalances(ctx, []int64{m.WorkspaceID}); err != nil {
			return err
		}
		teamID, err := t.teamID(ctx, m.WorkspaceID, team)
		if err != nil {
			return err
		}
		old, err := t.memberByEmail(ctx, m.WorkspaceID, m.Email)
		switch {
		case err == nil:
			invited, err = t.inviteAgain(ctx, old, m, teamID)
		case errors.Is(err, sql.ErrNoRows):
			if err := t.checkSeats(ctx, m.WorkspaceID, seats); err != nil {
				return err
			}
			m.TeamID, added = teamID, true
			m.InvitedAt, m.JoinedAt = m.InvitedAt.UTC().Truncate(time.Millisecond), time.Time{}
			if invited, err = t.addMember(ctx, m); err != nil {
				return err
			}
			err = t.auditInvited(ctx, invited, invited.Role, invited.TeamID)
		}
		if err != nil {
			return err
		}
		t.tellSettings(m.WorkspaceID)
		return t.bump(ctx)
	})
	return invited, added, err
}

// inviteAgain gives a member the role and team of an invitation.
func (t *tx) inviteAgain(ctx context.Context, old, m tideline.Member, teamID int64) (tideline.Member, error) {
	if old.Role == tideline.RoleOwner {
		return old, tideline.Errorf(tideline.CodeConflict, "the owner of the workspace can't be invited to it")
	}
	role, team := old.Role, old.TeamID
	old.Role, old.TeamID = m.Role, teamID
	if old.Status() == tideline.MemberInvited {
		old.InvitedAt = m.InvitedAt.UTC().Truncate(time.Millisecond)
	}
	_, err := t.exec(ctx, `UPDATE members SET role = $1, team_id = $2, invited_at = $3 WHERE id = $4 AND workspace_id = $5`,
		string(old.Role), orNull(teamID), toMillis(old.InvitedAt), old.ID, old.WorkspaceID)
	if err != nil {
		return old, err
	}
	if old.Role != role {
		if err := t.endInvitation(ctx, old.WorkspaceID, old.ID); err != nil {
			return old, err
		}
	}
	return old, t.auditInvited(ctx, old, role, team)
}

// memberByEmail reads a present member; sql.ErrNoRows when there is none.
func (t *tx) memberByEmail(ctx context.Context, workspaceID int64, email string) (m tideline.Member, err error) {
	err = t.one(ctx, `SELECT `+memberColumns+` FROM members mb
		WHERE mb.workspace_id = $1 AND lower(mb.email) = lower($2) AND mb.removed_at IS NULL`,
		[]any{workspaceID, email}, memberFields(&m)...)
	return m, err
}

// checkSeats refuses one more member than seats.
func (t *tx) checkSeats(ctx context.Context, workspaceID int64, seats int) error {
	if seats < 0 {
		return nil
	}
	var taken int
	err := t.one(ctx, `SELECT count(*) FROM members WHERE workspace_id = $1 AND removed_at IS NULL`, []any{workspaceID}, &taken)
	if err == nil && taken >= seats {
		return tideline.Errorf(tideline.CodePlanFeatureUnavailable, "all %d seats of the workspace's plan are taken", seats)
	}
	return err
}

// RevokeInvitation implements store.Teams.
func (s *Store) RevokeInvitation(ctx context.Context, workspaceID, memberID int64, at time.Time) error {
	return s.write(ctx, "revoke invitation", func(ctx context.Context, t *tx) error {
		var m tideline.Member
		err := t.one(ctx, `SELECT `+memberColumns+` FROM members mb
			WHERE mb.workspace_id = $1 AND mb.id = $2 AND mb.removed_at IS NULL`+t.forUpdate("mb"),
			[]any{workspaceID, memberID}, memberFields(&m)...)
		if err != nil {
			return missing(err, "invitation")
		}
		if m.Status() != tideline.MemberInvited {
			return tideline.Errorf(tideline.CodeConflict, "the member has joined the workspace already")
		}
		if _, err := t.exec(ctx, `UPDATE members SET removed_at = $1 WHERE id = $2 AND workspace_id = $3`,
			at.UnixMilli(), memberID, workspaceID); err != nil {
			return err
		}
		if err := t.unassignAll(ctx, workspaceID, memberID, at); err != nil {
			return err
		}
		if err := t.shutOut(ctx, workspaceID, memberID); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		if err := t.audit(ctx, aboutMember(m, tideline.AuditInvitationRevoked, at)); err != nil {
			return err
		}
		return t.bump(ctx)
	})
}
