package auth

import (
	"context"
	"slices"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// What members may do with tokens, whoever calls: everybody makes, sees and ends
// their own, which can do nothing that they can't; owner and admins see and end
// those of all. Nobody makes a token for somebody else.

// MakeOwn makes a token of p's own member; see Make.
func (t *Tokens) MakeOwn(ctx context.Context, p *tideline.Principal, g Grant) (string, tideline.Token, error) {
	return t.Make(ctx, p.Workspace, p.Member, g)
}

// SeenBy lists the tokens that p may see by id, ended ones too.
func (t *Tokens) SeenBy(ctx context.Context, p *tideline.Principal) ([]tideline.Token, error) {
	all, err := t.storage.ListTokens(ctx, p.Workspace.ID)
	if err != nil || p.Member.Role.Administers() {
		return all, err
	}
	return slices.DeleteFunc(all, func(k tideline.Token) bool { return k.MemberID != p.Member.ID }), nil
}

// RevokeAs ends a token that p may see; doing it twice is fine. Errors:
// not_found.
func (t *Tokens) RevokeAs(ctx context.Context, p *tideline.Principal, tokenID int64) error {
	seen, err := t.SeenBy(ctx, p)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(seen, func(k tideline.Token) bool { return k.ID == tokenID }) {
		return tideline.Errorf(tideline.CodeNotFound, "token not found")
	}
	return t.storage.RevokeToken(ctx, p.Workspace.ID, tokenID, t.now())
}
