package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ListTokens implements store.Tokens. Only here it is read when tokens were last
// used: a principal is remembered, and would not tell.
func (s *Store) ListTokens(ctx context.Context, workspaceID int64) ([]tideline.Token, error) {
	var tokens []tideline.Token
	err := s.reader().each(ctx, `SELECT `+tokenColumns+`, tk.used_at, tk.used_from FROM tokens tk WHERE tk.workspace_id = $1 ORDER BY tk.id`,
		[]any{workspaceID}, func(r *sql.Rows) error {
			var k tideline.Token
			err := r.Scan(append(tokenFields(&k), millis{&k.UsedAt}, &k.UsedFrom)...)
			tokens = append(tokens, k)
			return err
		})
	return tokens, failed("list tokens", err)
}

// RevokeToken implements store.Tokens.
func (s *Store) RevokeToken(ctx context.Context, workspaceID, tokenID int64, at time.Time) error {
	return s.write(ctx, "revoke token", func(ctx context.Context, t *tx) error {
		var k tideline.Token
		err := t.one(ctx, `SELECT `+tokenColumns+` FROM tokens tk WHERE tk.workspace_id = $1 AND tk.id = $2`+t.forUpdate("tk"),
			[]any{workspaceID, tokenID}, tokenFields(&k)...)
		if err != nil {
			return missing(err, "token")
		}
		if !k.RevokedAt.IsZero() {
			return nil
		}
		if _, err := t.exec(ctx, `UPDATE tokens SET revoked_at = $1 WHERE workspace_id = $2 AND id = $3`,
			at.UnixMilli(), workspaceID, tokenID); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		if err := t.auditToken(ctx, k, tideline.AuditTokenRevoked, at); err != nil {
			return err
		}
		return t.bump(ctx)
	})
}

// auditToken writes what was done to a token, with whose it is.
func (t *tx) auditToken(ctx context.Context, k tideline.Token, a tideline.AuditAction, at time.Time) error {
	var holder string
	err := t.one(ctx, `SELECT mb.email FROM members mb WHERE mb.id = $1 AND mb.workspace_id = $2`, []any{k.MemberID, k.WorkspaceID}, &holder)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	c := change{workspaceID: k.WorkspaceID, at: at, action: a, kind: tideline.TargetToken, id: k.ID, name: k.Name + " (" + k.Prefix + "…)",
		fields: set("member", holder)}
	if a == tideline.AuditTokenCreated {
		c.fields = append(c.fields, set("scope", string(k.Scope))...)
		if !k.ExpiresAt.IsZero() {
			c.fields = append(c.fields, set("expires", k.ExpiresAt.UTC().Format(time.RFC3339))...)
		}
	}
	return t.audit(ctx, c)
}

// PutTokenUses implements store.TokenUses. Who may do what does not depend on it,
// so the configuration version stays.
func (s *Store) PutTokenUses(ctx context.Context, uses []store.TokenUse) error {
	if len(uses) == 0 {
		return nil
	}
	uses = slices.SortedFunc(slices.Values(uses), func(a, b store.TokenUse) int { return cmp.Compare(a.TokenID, b.TokenID) }) // in the order of their locks
	return s.write(ctx, "put token uses", func(ctx context.Context, t *tx) error {
		for _, u := range uses {
			_, err := t.exec(ctx, `UPDATE tokens SET used_at = $1, used_from = $2
				WHERE workspace_id = $3 AND id = $4 AND coalesce(used_at, 0) <= $1`, u.At.UnixMilli(), u.From, u.WorkspaceID, u.TokenID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
