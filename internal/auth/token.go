package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// TokenPrefix starts every token, so that one that leaked into a log or a
// repository is recognised by people and by secret scanners.
const TokenPrefix = "tla_"

const (
	tokenBytes   = 32 // of randomness
	tokenDigits  = 43 // base-62 digits that 32 bytes need
	shownPrefix  = len(TokenPrefix) + 6
	maxTokenName = 100
)

// TokenStorage is what Tokens needs; see store.Tokens.
type TokenStorage interface {
	CreateToken(ctx context.Context, t tideline.Token, hash [32]byte) (tideline.Token, error)
	ListTokens(ctx context.Context, workspaceID int64) ([]tideline.Token, error)
	RevokeToken(ctx context.Context, workspaceID, tokenID int64, at time.Time) error
}

// Tokens makes, lists and ends tokens. It serves the operator, who may do so
// without being asked for a role.
type Tokens struct {
	storage TokenStorage
	now     func() time.Time
}

// NewTokens makes a Tokens; now nil = time.Now.
func NewTokens(storage TokenStorage, now func() time.Time) *Tokens {
	if now == nil {
		now = time.Now
	}
	return &Tokens{storage: storage, now: now}
}

// Grant describes a new token.
type Grant struct {
	Name  string
	Scope tideline.TokenScope // "" = all
	TTL   time.Duration       // 0 = it does not expire
}

// Create makes a token of a member, for everything that the member may do; see
// Make.
func (t *Tokens) Create(ctx context.Context, w tideline.Workspace, m tideline.Member, name string, ttl time.Duration) (string, tideline.Token, error) {
	return t.Make(ctx, w, m, Grant{Name: name, TTL: ttl})
}

// Make makes a token of a member. The text is returned here and never again.
// Errors: validation_error for an empty or too long name, an unknown scope or a
// negative ttl.
func (t *Tokens) Make(ctx context.Context, w tideline.Workspace, m tideline.Member, g Grant) (string, tideline.Token, error) {
	name, ttl := strings.TrimSpace(g.Name), g.TTL
	if g.Scope == "" {
		g.Scope = tideline.ScopeAll
	}
	var wrong []tideline.FieldError
	if name == "" || len([]rune(name)) > maxTokenName || strings.ContainsFunc(name, unicode.IsControl) {
		wrong = append(wrong, tideline.FieldError{Path: []string{"name"}, Msg: "must be 1 to 100 printable characters"})
	}
	if !g.Scope.Valid() {
		wrong = append(wrong, tideline.FieldError{Path: []string{"scope"}, Msg: "must be all, read or send"})
	}
	if ttl < 0 {
		wrong = append(wrong, tideline.FieldError{Path: []string{"ttl"}, Msg: "must not be negative"})
	}
	if err := tideline.Invalid(wrong); err != nil {
		return "", tideline.Token{}, err
	}
	text := newTokenText()
	now := t.now()
	token := tideline.Token{WorkspaceID: w.ID, MemberID: m.ID, Name: name, Prefix: text[:shownPrefix], CreatedAt: now, Scope: g.Scope}
	if ttl > 0 {
		token.ExpiresAt = now.Add(ttl)
	}
	token, err := t.storage.CreateToken(ctx, token, HashToken(text))
	if err != nil {
		return "", tideline.Token{}, err
	}
	return text, token, nil
}

// List gives the workspace's tokens by id, revoked ones too.
func (t *Tokens) List(ctx context.Context, workspaceID int64) ([]tideline.Token, error) {
	return t.storage.ListTokens(ctx, workspaceID)
}

// Revoke ends a token; doing it twice is fine. Errors: not_found.
func (t *Tokens) Revoke(ctx context.Context, workspaceID, tokenID int64) error {
	return t.storage.RevokeToken(ctx, workspaceID, tokenID, t.now())
}

// HashToken gives what is kept of a token: the SHA-256 of its text.
func HashToken(text string) [32]byte { return sha256.Sum256([]byte(text)) }

// newTokenText draws a token: the prefix and a secret.
func newTokenText() string { return TokenPrefix + newSecret() }

// newSecret draws 32 random bytes in base 62, which a double click selects whole
// and no shell or URL has to quote.
func newSecret() string {
	random := make([]byte, tokenBytes)
	rand.Read(random) // never fails; see crypto/rand
	digits := new(big.Int).SetBytes(random).Text(62)
	return strings.Repeat("0", tokenDigits-len(digits)) + digits
}

// cleanName gives a name as it is kept; "" stays "". Errors: validation_error
// about the field "name".
func cleanName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if len([]rune(name)) > maxTokenName || strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) {
		return "", tideline.Invalid([]tideline.FieldError{{Path: []string{"name"}, Msg: "must be 1 to 100 printable characters"}})
	}
	return name, nil
}
