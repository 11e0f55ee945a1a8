package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

const memberColumns = `mb.id, mb.workspace_id, mb.email, mb.display_name, mb.role, mb.team_id, mb.invited_at, mb.joined_at,
	mb.created_at, mb.removed_at, mb.language`

func memberFields(m *tideline.Member) []any {
	return []any{&m.ID, &m.WorkspaceID, &m.Email, &m.DisplayName, &m.Role, orZero{&m.TeamID}, millis{&m.InvitedAt}, millis{&m.JoinedAt},
		millis{&m.CreatedAt}, millis{&m.RemovedAt}, &m.Language}
}

// AddMember implements store.Members.
func (s *Store) AddMember(ctx context.Context, m tideline.Member) (tideline.Member, error) {
	var added tideline.Member
	err := s.write(ctx, "add member", func(ctx context.Context, t *tx) (err error) {
		if added, err = t.addMember(ctx, m); err != nil {
			return err
		}
		t.tellSettings(m.WorkspaceID)
		if err := t.audit(ctx, aboutMember(added, tideline.AuditMemberAdded, added.CreatedAt, set("role", string(added.Role))...)); err != nil {
			return err
		}
		return t.bump(ctx)
	})
	return added, err
}

// addMember inserts m as a present member.
func (t *tx) addMember(ctx context.Context, m tideline.Member) (tideline.Member, error) {
	var workspace int64
	err := t.one(ctx, `SELECT id FROM workspaces WHERE id = $1`, []any{m.WorkspaceID}, &workspace)
	if err != nil {
		return tideline.Member{}, missing(err, "workspace")
	}
	m.CreatedAt, m.RemovedAt = m.CreatedAt.UTC().Truncate(time.Millisecond), time.Time{}
	err = t.one(ctx, `INSERT INTO members (workspace_id, email, display_name, role, team_id, invited_at, joined_at, created_at, language)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
		[]any{m.WorkspaceID, m.Email, m.DisplayName, string(m.Role), orNull(m.TeamID), toMillis(m.InvitedAt), toMillis(m.JoinedAt),
			m.CreatedAt.UnixMilli(), m.Language}, &m.ID)
	if isUnique(err) {
		return tideline.Member{}, tideline.Errorf(tideline.CodeConflict,
			"the workspace has a member with this e-mail address, or an owner, already")
	}
	return m, err
}

// ListMembers implements store.Members.
func (s *Store) ListMembers(ctx context.Context, workspaceID int64) ([]tideline.Member, error) {
	var members []tideline.Member
	err := s.reader().each(ctx, `SELECT `+memberColumns+` FROM members mb
		WHERE mb.workspace_id = $1 AND mb.removed_at IS NULL ORDER BY mb.id`, []any{workspaceID}, func(r *sql.Rows) error {
		var m tideline.Member
		err := r.Scan(memberFields(&m)...)
		members = append(members, m)
		return err
	})
	return members, failed("list members", err)
}

// SetMemberRole implements store.Members. A second owner is a conflict.
func (s *Store) SetMemberRole(ctx context.Context, workspaceID, memberID int64, role tideline.Role) error {
	return s.write(ctx, "set member role", func(ctx context.Context, t *tx) error {
		m, err := t.presentMember(ctx, workspaceID, memberID)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE members SET role = $1 WHERE workspace_id = $2 AND id = $3 AND removed_at IS NULL`,
			string(role), workspaceID, memberID)
		if isUnique(err) {
			return tideline.Errorf(tideline.CodeConflict, "the workspace has an owner already")
		}
		if err := mustChange(n, err, "member"); err != nil {
			return err
		}
		if m.Role != role {
			if err := t.endInvitation(ctx, workspaceID, memberID); err != nil {
				return err
			}
		}
		t.tellSettings(workspaceID)
		if err := t.audited(ctx, aboutMember(m, tideline.AuditRoleChanged, time.Time{}, diff(nil, "role", m.Role, role)...)); err != nil {
			return err
		}
		return t.bump(ctx)
	})
}

// presentMember reads a present member, to change them: not_found.
func (t *tx) presentMember(ctx context.Context, workspaceID, memberID int64) (m tideline.Member, err error) {
	err = t.one(ctx, `SELECT `+memberColumns+` FROM members mb
		WHERE mb.workspace_id = $1 AND mb.id = $2 AND mb.removed_at IS NULL`+t.forUpdate("mb"),
		[]any{workspaceID, memberID}, memberFields(&m)...)
	return m, missing(err, "member")
}

// aboutMember is the change of a member, for the audit log.
func aboutMember(m tideline.Member, a tideline.AuditAction, at time.Time, fields ...tideline.AuditChange) change {
	return change{workspaceID: m.WorkspaceID, at: at, action: a, kind: tideline.TargetMember, id: m.ID,
		name: m.DisplayName + " <" + m.Email + ">", fields: fields}
}

// RemoveMember implements store.Members.
func (s *Store) RemoveMember(ctx context.Context, workspaceID, memberID int64, at time.Time) error {
	return s.write(ctx, "remove member", func(ctx context.Context, t *tx) error {
		m, err := t.presentMember(ctx, workspaceID, memberID)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE members SET removed_at = $1 WHERE workspace_id = $2 AND id = $3 AND removed_at IS NULL`,
			at.UnixMilli(), workspaceID, memberID)
		if err := mustChange(n, err, "member"); err != nil {
			return err
		}
		if err := t.unassignAll(ctx, workspaceID, memberID, at); err != nil {
			return err
		}
		if err := t.shutOut(ctx, workspaceID, memberID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE files SET uploaded_by = $1 WHERE workspace_id = $2 AND member_id = $3`,
			tideline.RemovedUploader, workspaceID, memberID); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		if err := t.audit(ctx, aboutMember(m, tideline.AuditMemberRemoved, at)); err != nil {
			return err
		}
		return t.bump(ctx)
	})
}

const tokenColumns = `tk.id, tk.workspace_id, tk.member_id, tk.name, tk.prefix, tk.created_at, tk.expires_at, tk.revoked_at, tk.scope`

func tokenFields(k *tideline.Token) []any {
	return []any{&k.ID, &k.WorkspaceID, &k.MemberID, &k.Name, &k.Prefix, millis{&k.CreatedAt}, millis{&k.ExpiresAt}, millis{&k.RevokedAt}, &k.Scope}
}

// CreateToken implements store.Tokens: not_found when the workspace has no such
// present member. An invited member who gets a token has joined.
func (s *Store) CreateToken(ctx context.Context, k tideline.Token, hash [32]byte) (tideline.Token, error) {
	k.CreatedAt = k.CreatedAt.UTC().Truncate(time.Millisecond)
	if !k.ExpiresAt.IsZero() {
		k.ExpiresAt = k.ExpiresAt.UTC().Truncate(time.Millisecond)
	}
	k.RevokedAt, k.UsedAt, k.UsedFrom = time.Time{}, time.Time{}, ""
	if k.Scope == "" {
		k.Scope = tideline.ScopeAll
	}
	err := s.write(ctx, "create token", func(ctx context.Context, t *tx) error {
		err := t.one(ctx, `INSERT INTO tokens (workspace_id, member_id, name, prefix, hash, created_at, expires_at, scope)
			SELECT mb.workspace_id, mb.id, $1, $2, $3, CAST($4 AS BIGINT), CAST($5 AS BIGINT), $8 FROM members mb
			WHERE mb.id = $6 AND mb.workspace_id = $7 AND mb.removed_at IS NULL RETURNING id`,
			[]any{k.Name, k.Prefix, hash[:], k.CreatedAt.UnixMilli(), toMillis(k.ExpiresAt), k.MemberID, k.WorkspaceID, string(k.Scope)}, &k.ID)
		if isUnique(err) {
			return tideline.Errorf(tideline.CodeConflict, "this token exists already")
		}
		if err != nil {
			return missing(err, "member")
		}
		if _, err := t.exec(ctx, `UPDATE members SET joined_at = $1 WHERE id = $2 AND workspace_id = $3
			AND invited_at IS NOT NULL AND joined_at IS NULL`, k.CreatedAt.UnixMilli(), k.MemberID, k.WorkspaceID); err != nil {
			return err
		}
		t.tellSettings(k.WorkspaceID)
		if err := t.auditToken(ctx, k, tideline.AuditTokenCreated, k.CreatedAt); err != nil {
			return err
		}
		return t.bump(ctx)
	})
	if err != nil {
		return tideline.Token{}, err
	}
	return k, nil
}
