package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const sessionColumns = `se.id, se.workspace_id, se.member_id, se.created_at, se.seen_at, se.expires_at, se.user_agent, se.address, se.by_link`

func sessionFields(s *tideline.Session) []any {
	return []any{&s.ID, &s.WorkspaceID, &s.MemberID, millis{&s.CreatedAt}, millis{&s.SeenAt}, millis{&s.ExpiresAt}, &s.UserAgent, &s.Address, &s.ByLink}
}

// PrincipalBySession implements store.Sessions. One statement reads everything,
// so that the version belongs to it.
func (s *Store) PrincipalBySession(ctx context.Context, hash [32]byte, now time.Time) (tideline.Principal, error) {
	var p tideline.Principal
	var w scannedWorkspace
	fields := append([]any{&p.Version}, sessionFields(&p.Session)...)
	fields = append(fields, memberFields(&p.Member)...)
	fields = append(fields, w.fields()...)
	err := s.reader().one(ctx, `SELECT cf.version, `+sessionColumns+`, `+memberColumns+`, `+workspaceColumns+`
		FROM sessions se
		JOIN members mb ON mb.id = se.member_id AND mb.workspace_id = se.workspace_id
		JOIN workspaces w ON w.id = se.workspace_id
		JOIN plans p ON p.name = w.plan
		JOIN config cf ON cf.id = 1
		WHERE se.hash = $1`, []any{hash[:]}, fields...)
	p.Workspace = w.workspace()
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return tideline.Principal{}, tideline.Errorf(tideline.CodeInvalidToken, "the session has ended: sign in again")
	case err != nil:
		return tideline.Principal{}, failed("principal by session", err)
	case !now.Before(p.Session.ExpiresAt):
		return tideline.Principal{}, tideline.Errorf(tideline.CodeInvalidToken, "the session was not used for a long time and has ended: sign in again")
	case !p.Member.RemovedAt.IsZero():
		return tideline.Principal{}, tideline.Errorf(tideline.CodeMemberNotFound, "you are no longer a member of the workspace")
	}
	return p, nil
}

// CreateSession implements store.Sessions.
func (s *Store) CreateSession(ctx context.Context, se tideline.Session, hash [32]byte) (tideline.Session, error) {
	var made tideline.Session
	err := s.write(ctx, "create session", func(ctx context.Context, t *tx) (err error) {
		// A password that is being changed ends this session too, or is seen by who
		// looks after it.
		if _, err := t.presentMember(ctx, se.WorkspaceID, se.MemberID); err != nil {
			return err
		}
		joined := false
		if made, joined, err = t.createSession(ctx, se, hash); err != nil || !joined {
			return err
		}
		t.tellSettings(made.WorkspaceID)
		return t.bump(ctx)
	})
	return made, err
}

// createSession inserts a session of a present member and reports whether they
// joined by that. Nothing can be kept in memory under a secret that was just
// drawn, so that otherwise the configuration stays as it is.
func (t *tx) createSession(ctx context.Context, se tideline.Session, hash [32]byte) (made tideline.Session, joined bool, err error) {
	for _, at := range []*time.Time{&se.CreatedAt, &se.SeenAt, &se.ExpiresAt} {
		*at = at.UTC().Truncate(time.Millisecond)
	}
	err = t.one(ctx, `INSERT INTO sessions (workspace_id, member_id, hash, created_at, seen_at, expires_at, user_agent, address, by_link)
		SELECT mb.workspace_id, mb.id, $1, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), $5, $6, `+t.boolean("$7")+` FROM members mb
		WHERE mb.id = $8 AND mb.workspace_id = $9 AND mb.removed_at IS NULL RETURNING id`,
		[]any{hash[:], se.CreatedAt.UnixMilli(), se.SeenAt.UnixMilli(), se.ExpiresAt.UnixMilli(), se.UserAgent, se.Address, se.ByLink,
			se.MemberID, se.WorkspaceID}, &se.ID)
	if err != nil {
		return tideline.Session{}, false, missing(err, "member")
	}
	n, err := t.exec(ctx, `UPDATE members SET joined_at = $1 WHERE id = $2 AND workspace_id = $3
		AND invited_at IS NOT NULL AND joined_at IS NULL`, se.CreatedAt.UnixMilli(), se.MemberID, se.WorkspaceID)
	if err != nil || n == 0 {
		return se, false, err
	}
	if err := t.endInvitation(ctx, se.WorkspaceID, se.MemberID); err != nil {
		return se, false, err
	}
	m, err := t.presentMember(ctx, se.WorkspaceID, se.MemberID)
	if err != nil {
		return se, false, err
	}
	return se, true, t.audit(asThemselves(ctx, &m), aboutMember(m, tideline.AuditMemberJoined, se.CreatedAt))
}

// boolean gives a parameter the type that a truth value has here; PostgreSQL
// can't tell it where nothing but a SELECT is around it.
func (t *tx) boolean(parameter string) string {
	if t.d == dialectPostgres {
		return "CAST(" + parameter + " AS BOOLEAN)"
	}
	return parameter
}

// ListSessions implements store.Sessions.
func (s *Store) ListSessions(ctx context.Context, workspaceID, memberID int64, now time.Time) ([]tideline.Session, error) {
	var sessions []tideline.Session
	err := s.reader().each(ctx, `SELECT `+sessionColumns+` FROM sessions se
		WHERE se.member_id = $1 AND se.workspace_id = $2 AND se.expires_at > $3 ORDER BY se.seen_at DESC, se.id DESC`,
		[]any{memberID, workspaceID, now.UnixMilli()}, func(r *sql.Rows) error {
			var se tideline.Session
			err := r.Scan(sessionFields(&se)...)
			sessions = append(sessions, se)
			return err
		})
	return sessions, failed("list sessions", err)
}

// EndSession implements store.Sessions.
func (s *Store) EndSession(ctx context.Context, workspaceID, memberID, sessionID int64) error {
	return s.write(ctx, "end session", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM sessions WHERE id = $1 AND member_id = $2 AND workspace_id = $3`, sessionID, memberID, workspaceID)
		if err := mustChange(n, err, "session"); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		return t.bump(ctx)
	})
}

// EndSessions implements store.Sessions.
func (s *Store) EndSessions(ctx context.Context, workspaceID, memberID, keep int64) (int, error) {
	ended := 0
	err := s.write(ctx, "end sessions", func(ctx context.Context, t *tx) error {
		n, err := t.endSessions(ctx, workspaceID, memberID, keep)
		if ended = int(n); err != nil || n == 0 {
			return err
		}
		t.tellSettings(workspaceID)
		return t.bump(ctx)
	})
	return ended, err
}

func (t *tx) endSessions(ctx context.Context, workspaceID, memberID, keep int64) (int64, error) {
	return t.exec(ctx, `DELETE FROM sessions WHERE member_id = $1 AND workspace_id = $2 AND id <> $3`, memberID, workspaceID, keep)
}

// shutOut ends every way in of a member who leaves. The caller bumps.
func (t *tx) shutOut(ctx context.Context, workspaceID, memberID int64) error {
	if _, err := t.endSessions(ctx, workspaceID, memberID, 0); err != nil {
		return err
	}
	return t.endLinks(ctx, workspaceID, memberID)
}

// NoteSeen implements store.Sessions. It changes nothing that is kept in memory
// as true: a cached session that seems over is looked up again.
func (s *Store) NoteSeen(ctx context.Context, sightings []store.Sighting) error {
	if len(sightings) == 0 {
		return nil
	}
	return s.write(ctx, "note seen", func(ctx context.Context, t *tx) error {
		for _, g := range sightings {
			if _, err := t.exec(ctx, `UPDATE sessions SET seen_at = $1, expires_at = $2 WHERE id = $3 AND workspace_id = $4 AND seen_at < $1`,
				g.At.UnixMilli(), g.At.Add(tideline.SessionLife).UnixMilli(), g.SessionID, g.WorkspaceID); err != nil {
				return err
			}
		}
		return nil
	})
}

// pruneEntry deletes sessions and links that are over.
func (t *tx) pruneEntry(ctx context.Context, now time.Time) error {
	for _, query := range []string{`DELETE FROM sessions WHERE expires_at <= $1`, `DELETE FROM links WHERE expires_at <= $1`} {
		if _, err := t.exec(ctx, query, now.UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}
