package auth

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// shelf is a TokenStorage that keeps the last token.
type shelf struct {
	token tideline.Token
	hash  [32]byte
	ended time.Time
}

func (s *shelf) CreateToken(_ context.Context, t tideline.Token, hash [32]byte) (tideline.Token, error) {
	t.ID = 9
	s.token, s.hash = t, hash
	return t, nil
}

func (s *shelf) ListTokens(context.Context, int64) ([]tideline.Token, error) {
	return []tideline.Token{s.token}, nil
}

func (s *shelf) RevokeToken(_ context.Context, _, _ int64, at time.Time) error {
	s.ended = at
	return nil
}

func TestATokenIsStoredAsItsHashOnly(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &shelf{}
	tokens := NewTokens(s, func() time.Time { return now })
	text, token, err := tokens.Create(t.Context(), tideline.Workspace{ID: 1}, tideline.Member{ID: 2}, "  cron  ", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^tla_[0-9A-Za-z]{43}$`).MatchString(text) {
		t.Errorf("token text %q", text)
	}
	want := tideline.Token{ID: 9, WorkspaceID: 1, MemberID: 2, Name: "cron", Prefix: text[:10], CreatedAt: now, ExpiresAt: now.Add(time.Hour), Scope: tideline.ScopeAll}
	if diff := cmp.Diff(want, token); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	if s.hash != HashToken(text) {
		t.Error("stored under another hash than its own")
	}
	if listed, err := tokens.List(t.Context(), 1); err != nil || len(listed) != 1 {
		t.Errorf("list: %v, %v", listed, err)
	}
	if err := tokens.Revoke(t.Context(), 1, token.ID); err != nil || !s.ended.Equal(now) {
		t.Errorf("revoked at %v, %v", s.ended, err)
	}
}

func TestEveryTokenIsAnother(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		text := newTokenText()
		if seen[text] {
			t.Fatal("the same token twice")
		}
		seen[text] = true
	}
}

func TestTokenNamesAndLivesAreChecked(t *testing.T) {
	t.Parallel()
	tokens := NewTokens(&shelf{}, nil)
	for name, tc := range map[string]struct {
		name string
		ttl  time.Duration
	}{
		"empty":    {"  ", 0},
		"too long": {strings.Repeat("é", 101), 0},
		"control":  {"a\nb", 0},
		"past":     {"a", -time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := tokens.Create(t.Context(), tideline.Workspace{}, tideline.Member{}, tc.name, tc.ttl)
			wantCode(t, err, tideline.CodeValidation)
		})
	}
}
