package auth

import (
	"context"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// rack is a TokenStorage of one workspace.
type rack struct{ tokens []tideline.Token }

func (r *rack) CreateToken(_ context.Context, t tideline.Token, _ [32]byte) (tideline.Token, error) {
	t.ID = int64(len(r.tokens) + 1)
	r.tokens = append(r.tokens, t)
	return t, nil
}

func (r *rack) ListTokens(_ context.Context, workspaceID int64) (of []tideline.Token, _ error) {
	for _, k := range r.tokens {
		if k.WorkspaceID == workspaceID {
			of = append(of, k)
		}
	}
	return of, nil
}

func (r *rack) RevokeToken(_ context.Context, _, id int64, at time.Time) error {
	r.tokens[id-1].RevokedAt = at
	return nil
}

func TestMembersHaveTheirOwnTokensAndAdminsSeeAll(t *testing.T) {
	t.Parallel()
	r := &rack{}
	tokens := NewTokens(r, nil)
	who := func(workspace, id int64, role tideline.Role) *tideline.Principal {
		return &tideline.Principal{Workspace: tideline.Workspace{ID: workspace}, Member: tideline.Member{ID: id, WorkspaceID: workspace, Role: role}}
	}
	admin, agent, collaborator, stranger := who(1, 1, tideline.RoleAdmin), who(1, 2, tideline.RoleAgent), who(1, 3, tideline.RoleCollaborator), who(2, 4, tideline.RoleOwner)
	for _, p := range []*tideline.Principal{admin, agent, collaborator, stranger} {
		_, k, err := tokens.MakeOwn(t.Context(), p, Grant{Name: "x", Scope: tideline.ScopeRead})
		if err != nil || k.MemberID != p.Member.ID || k.WorkspaceID != p.Workspace.ID || k.Scope != tideline.ScopeRead {
			t.Fatalf("made %+v, %v", k, err)
		}
	}
	for _, tc := range []struct {
		p    *tideline.Principal
		sees []int64
	}{{admin, []int64{1, 2, 3}}, {agent, []int64{2}}, {collaborator, []int64{3}}, {stranger, []int64{4}}} {
		seen, err := tokens.SeenBy(t.Context(), tc.p)
		if err != nil || len(seen) != len(tc.sees) {
			t.Fatalf("member %d sees %v, %v", tc.p.Member.ID, seen, err)
		}
		may := map[int64]bool{}
		for i, k := range seen {
			may[k.ID] = true
			if k.ID != tc.sees[i] {
				t.Errorf("member %d sees token %d", tc.p.Member.ID, k.ID)
			}
		}
		for id := range int64(6) {
			before := time.Time{}
			if id > 0 && id < 5 {
				r.tokens[id-1].RevokedAt = before
			}
			err := tokens.RevokeAs(t.Context(), tc.p, id)
			if may[id] != (err == nil) || err != nil && !tideline.IsCode(err, tideline.CodeNotFound) {
				t.Errorf("member %d ends token %d: %v", tc.p.Member.ID, id, err)
			}
			if id > 0 && id < 5 && may[id] == r.tokens[id-1].RevokedAt.IsZero() {
				t.Errorf("member %d ended token %d: %v", tc.p.Member.ID, id, !r.tokens[id-1].RevokedAt.IsZero())
			}
		}
	}
	if _, _, err := tokens.MakeOwn(t.Context(), agent, Grant{Name: "x", Scope: "write"}); !tideline.IsCode(err, tideline.CodeValidation) {
		t.Errorf("a token of an unknown scope: %v", err)
	}
}
