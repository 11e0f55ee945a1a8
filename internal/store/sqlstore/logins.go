package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const loginFrom = ` FROM members mb JOIN workspaces w ON w.id = mb.workspace_id JOIN plans p ON p.name = w.plan`

const loginColumns = memberColumns + `, ` + workspaceColumns + `, coalesce(mb.password, '')`

// scannedLogin reads loginColumns.
type scannedLogin struct {
	login     store.Login
	workspace scannedWorkspace
}

func (l *scannedLogin) fields() []any {
	fields := append(memberFields(&l.login.Member), l.workspace.fields()...)
	return append(fields, &l.login.Password)
}

func (l *scannedLogin) value() store.Login {
	l.login.Workspace = l.workspace.workspace()
	return l.login
}

// LoginsOf implements store.Sessions.
func (s *Store) LoginsOf(ctx context.Context, email string) ([]store.Login, error) {
	var logins []store.Login
	err := s.reader().each(ctx, `SELECT `+loginColumns+loginFrom+`
		WHERE lower(mb.email) = lower($1) AND mb.removed_at IS NULL ORDER BY mb.workspace_id`, []any{email}, func(r *sql.Rows) error {
		var l scannedLogin
		err := r.Scan(l.fields()...)
		logins = append(logins, l.value())
		return err
	})
	return logins, failed("logins of", err)
}

// LoginOf implements store.Sessions.
func (s *Store) LoginOf(ctx context.Context, workspaceID, memberID int64) (store.Login, error) {
	var l scannedLogin
	err := s.reader().one(ctx, `SELECT `+loginColumns+loginFrom+`
		WHERE mb.id = $1 AND mb.workspace_id = $2 AND mb.removed_at IS NULL`, []any{memberID, workspaceID}, l.fields()...)
	if err != nil {
		return store.Login{}, failed("login of", missing(err, "member"))
	}
	return l.value(), nil
}

// HasPasswords implements store.Sessions.
func (s *Store) HasPasswords(ctx context.Context, workspaceID int64) (bool, error) {
	var one int
	err := s.reader().one(ctx, `SELECT 1 FROM members WHERE workspace_id = $1 AND removed_at IS NULL AND password IS NOT NULL LIMIT 1`,
		[]any{workspaceID}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, failed("has passwords", err)
}

// SetPassword implements store.Sessions.
func (s *Store) SetPassword(ctx context.Context, workspaceID, memberID int64, hash string, keep int64) error {
	return s.write(ctx, "set password", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE members SET password = $1 WHERE id = $2 AND workspace_id = $3 AND removed_at IS NULL`,
			hash, memberID, workspaceID)
		if err := mustChange(n, err, "member"); err != nil {
			return err
		}
		if keep != 0 { // with the member locked: of two who change a password, one has ended the other's session
			var id int64
			if err := t.one(ctx, `SELECT id FROM sessions WHERE id = $1 AND member_id = $2 AND workspace_id = $3`,
				[]any{keep, memberID, workspaceID}, &id); err != nil {
				return missing(err, "session")
			}
		}
		if _, err := t.endSessions(ctx, workspaceID, memberID, keep); err != nil {
			return err
		}
		m, err := t.presentMember(ctx, workspaceID, memberID)
		if err != nil {
			return err
		}
		if err := t.audit(ctx, aboutMember(m, tideline.AuditPasswordChanged, time.Time{})); err != nil {
			return err
		}
		if err := t.endLinks(ctx, workspaceID, memberID); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		return t.bump(ctx)
	})
}

// ReplacePasswordHash implements store.Sessions.
func (s *Store) ReplacePasswordHash(ctx context.Context, workspaceID, memberID int64, old, hash string) error {
	return s.write(ctx, "replace password hash", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE members SET password = $1 WHERE id = $2 AND workspace_id = $3 AND password = $4`,
			hash, memberID, workspaceID, old)
		return err
	})
}

// CreateLink implements store.Sessions.
func (s *Store) CreateLink(ctx context.Context, l tideline.Link, hash [32]byte) error {
	return s.write(ctx, "create link", func(ctx context.Context, t *tx) error {
		if l.Purpose == tideline.LinkInvitation {
			if err := t.endInvitation(ctx, l.WorkspaceID, l.MemberID); err != nil {
				return err
			}
		}
		n, err := t.exec(ctx, `INSERT INTO links (hash, workspace_id, member_id, purpose, created_at, expires_at)
			SELECT $1, mb.workspace_id, mb.id, $2, CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM members mb
			WHERE mb.id = $5 AND mb.workspace_id = $6 AND mb.removed_at IS NULL`,
			hash[:], string(l.Purpose), l.CreatedAt.UnixMilli(), l.ExpiresAt.UnixMilli(), l.MemberID, l.WorkspaceID)
		if err := mustChange(n, err, "member"); err != nil {
			return err
		}
		m, err := t.presentMember(ctx, l.WorkspaceID, l.MemberID)
		if err != nil {
			return err
		}
		return t.audit(ctx, aboutMember(m, tideline.AuditLinkCreated, l.CreatedAt, set("purpose", string(l.Purpose))...))
	})
}

// endLinks ends all one-time links of a member who chose a password: whoever else
// has one must not get in past it.
func (t *tx) endLinks(ctx context.Context, workspaceID, memberID int64) error {
	_, err := t.exec(ctx, `DELETE FROM links WHERE member_id = $1 AND workspace_id = $2`, memberID, workspaceID)
	return err
}

// endInvitation ends the link of a member's invitation. Whoever invited them has it
// too: it is over when the member came in otherwise, or was given another role.
func (t *tx) endInvitation(ctx context.Context, workspaceID, memberID int64) error {
	_, err := t.exec(ctx, `DELETE FROM links WHERE member_id = $1 AND workspace_id = $2 AND purpose = $3`,
		memberID, workspaceID, string(tideline.LinkInvitation))
	return err
}

// LinkOf implements store.Sessions. It finds a link by its secret alone: that is
// all that whoever follows one has.
func (s *Store) LinkOf(ctx context.Context, hash [32]byte, now time.Time) (store.LinkView, error) {
	v, err := s.reader().linkOf(ctx, hash, now, "")
	return v, failed("link of", err)
}

func (t *tx) linkOf(ctx context.Context, hash [32]byte, now time.Time, lock string) (store.LinkView, error) {
	var v store.LinkView
	var l scannedLogin
	fields := append([]any{&v.Link.WorkspaceID, &v.Link.MemberID, &v.Link.Purpose, millis{&v.Link.CreatedAt}, millis{&v.Link.ExpiresAt}}, l.fields()...)
	err := t.one(ctx, `SELECT li.workspace_id, li.member_id, li.purpose, li.created_at, li.expires_at, `+loginColumns+`
		FROM links li
		JOIN members mb ON mb.id = li.member_id AND mb.workspace_id = li.workspace_id AND mb.removed_at IS NULL
		JOIN workspaces w ON w.id = mb.workspace_id JOIN plans p ON p.name = w.plan
		WHERE li.hash = $1 AND li.expires_at > $2`+lock, []any{hash[:], now.UnixMilli()}, fields...)
	if err != nil {
		return store.LinkView{}, missing(err, "link")
	}
	v.Login = l.value()
	return v, nil
}

// Redeem implements store.Sessions. Whoever deletes the link has it.
func (s *Store) Redeem(ctx context.Context, r store.Redemption) (tideline.Session, error) {
	var made tideline.Session
	err := s.write(ctx, "redeem link", func(ctx context.Context, t *tx) error {
		v, err := t.linkOf(ctx, r.LinkHash, r.At, t.forUpdate("li"))
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `DELETE FROM links WHERE hash = $1 AND workspace_id = $2`, r.LinkHash[:], v.Link.WorkspaceID)
		if err := mustChange(n, err, "link"); err != nil {
			return err
		}
		m := &v.Login.Member
		if r.Password != "" {
			if _, err := t.exec(ctx, `UPDATE members SET password = $1 WHERE id = $2 AND workspace_id = $3`, r.Password, m.ID, m.WorkspaceID); err != nil {
				return err
			}
			if _, err := t.endSessions(ctx, m.WorkspaceID, m.ID, 0); err != nil {
				return err
			}
			if err := t.endLinks(ctx, m.WorkspaceID, m.ID); err != nil {
				return err
			}
		}
		if r.DisplayName != "" {
			if _, err := t.exec(ctx, `UPDATE members SET display_name = $1 WHERE id = $2 AND workspace_id = $3`, r.DisplayName, m.ID, m.WorkspaceID); err != nil {
				return err
			}
		}
		se := r.Session
		se.WorkspaceID, se.MemberID = m.WorkspaceID, m.ID
		if made, _, err = t.createSession(ctx, se, r.SessionHash); err != nil {
			return err
		}
		if joined := m.Status() == tideline.MemberInvited; r.Password != "" && !joined {
			if err := t.audit(asThemselves(ctx, m), aboutMember(*m, tideline.AuditPasswordChanged, r.At)); err != nil {
				return err
			}
		}
		t.tellSettings(m.WorkspaceID)
		return t.bump(ctx)
	})
	return made, err
}

// UpdateSelf implements store.Selves. Accounts repeat who owns them, by e-mail.
func (s *Store) UpdateSelf(ctx context.Context, workspaceID, memberID int64, u store.SelfUpdate) (tideline.Member, error) {
	var m tideline.Member
	err := s.write(ctx, "update self", func(ctx context.Context, t *tx) error {
		err := t.one(ctx, `SELECT `+memberColumns+` FROM members mb
			WHERE mb.id = $1 AND mb.workspace_id = $2 AND mb.removed_at IS NULL`+t.forUpdate("mb"), []any{memberID, workspaceID}, memberFields(&m)...)
		if err != nil {
			return missing(err, "member")
		}
		was, before := m, m.Email
		for _, f := range []struct {
			field *string
			value *string
		}{{&m.DisplayName, u.DisplayName}, {&m.Email, u.Email}, {&m.Language, u.Language}} {
			if f.value != nil {
				*f.field = *f.value
			}
		}
		_, err = t.exec(ctx, `UPDATE members SET display_name = $1, email = $2, language = $3 WHERE id = $4 AND workspace_id = $5`,
			m.DisplayName, m.Email, m.Language, memberID, workspaceID)
		if isUnique(err) {
			return tideline.Errorf(tideline.CodeConflict, "another member of the workspace has this e-mail address")
		}
		if err != nil {
			return err
		}
		if u.DisplayName != nil || u.Email != nil {
			if _, err := t.exec(ctx, `UPDATE accounts SET owner_name = $1, owner_email = $2 WHERE workspace_id = $3 AND lower(owner_email) = lower($4)`,
				m.DisplayName, m.Email, workspaceID, before); err != nil {
				return err
			}
		}
		if err := t.audited(ctx, aboutMember(m, tideline.AuditMemberChanged, time.Time{},
			diff(diff(nil, "name", was.DisplayName, m.DisplayName), "email", was.Email, m.Email)...)); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		return t.bump(ctx)
	})
	return m, err
}
