package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Version implements store.Directory.
func (s *Store) Version(ctx context.Context) (int64, error) {
	v, err := s.reader().configVersion(ctx)
	return v, failed("version", err)
}

// PrincipalByToken implements store.Directory. One statement reads everything,
// so that the version belongs to it.
func (s *Store) PrincipalByToken(ctx context.Context, hash [32]byte, now time.Time) (tideline.Principal, error) {
	var p tideline.Principal
	var w scannedWorkspace
	fields := append([]any{&p.Version}, tokenFields(&p.Token)...)
	fields = append(fields, memberFields(&p.Member)...)
	fields = append(fields, w.fields()...)
	err := s.reader().one(ctx, `SELECT cf.version, `+tokenColumns+`, `+memberColumns+`, `+workspaceColumns+`
		FROM tokens tk
		JOIN members mb ON mb.id = tk.member_id AND mb.workspace_id = tk.workspace_id
		JOIN workspaces w ON w.id = tk.workspace_id
		JOIN plans p ON p.name = w.plan
		JOIN config cf ON cf.id = 1
		WHERE tk.hash = $1`, []any{hash[:]}, fields...)
	p.Workspace = w.workspace()
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return tideline.Principal{}, tideline.Errorf(tideline.CodeInvalidToken, "the token is unknown")
	case err != nil:
		return tideline.Principal{}, failed("principal by token", err)
	case !p.Token.RevokedAt.IsZero():
		return tideline.Principal{}, tideline.Errorf(tideline.CodeInvalidToken, "the token was revoked")
	case !p.Token.ExpiresAt.IsZero() && !now.Before(p.Token.ExpiresAt):
		return tideline.Principal{}, tideline.Errorf(tideline.CodeInvalidToken, "the token has expired")
	case !p.Member.RemovedAt.IsZero():
		return tideline.Principal{}, tideline.Errorf(tideline.CodeMemberNotFound, "the token's owner is no longer a member of the workspace")
	}
	return p, nil
}

// AccountsOf implements store.Directory.
func (s *Store) AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error) {
	var accounts []tideline.Account
	var version int64
	err := s.read(ctx, func(t *tx) (err error) {
		if version, err = t.configVersion(ctx); err != nil {
			return err
		}
		// Never connected accounts come last; 0 sorts alike on both databases,
		// NULL does not.
		accounts, err = t.accounts(ctx, `a.workspace_id = $1 AND a.removed_at IS NULL
			ORDER BY coalesce(a.connected_on, 0) DESC, a.id DESC`, workspaceID)
		return err
	})
	return accounts, version, failed("accounts of", err)
}
