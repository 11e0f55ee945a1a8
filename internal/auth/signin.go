package auth

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ErrWrongPassword is what a wrong e-mail and a wrong password have in common:
// which of the two it was is nobody's business.
var ErrWrongPassword = tideline.Errorf(tideline.CodeValidation, "The e-mail address or the password is wrong")

// TooManyError refuses an attempt to sign in because there were many before.
type TooManyError struct {
	After time.Duration // whole seconds, at least one
}

// Error says when to try again.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("too many attempts to sign in; try again in %s", e.After)
}

// Unwrap gives the error as the pages and the API name it.
func (e *TooManyError) Unwrap() error {
	return tideline.Errorf(tideline.CodeRateLimitExceeded, "Too many attempts to sign in; try again in %s", e.After)
}

// ChoiceError asks to name one of several workspaces in which the e-mail has the
// same password.
type ChoiceError struct{ Workspaces []tideline.Workspace }

// Error names the workspaces.
func (e *ChoiceError) Error() string {
	slugs := make([]string, len(e.Workspaces))
	for i := range e.Workspaces {
		slugs[i] = e.Workspaces[i].Slug
	}
	return "name one of the workspaces " + strings.Join(slugs, ", ")
}

// Credentials is what a member signs in with.
type Credentials struct {
	Email     string // in whatever case
	Password  string
	Workspace string // slug; "" = the one where the password is theirs
	Browser   Browser
}

// SignIn opens a session and gives its secret, which is not kept. A wrong e-mail
// costs the same time as a wrong password. Errors: ErrWrongPassword,
// *TooManyError, *ChoiceError.
func (s *Sessions) SignIn(ctx context.Context, c Credentials) (secret string, se tideline.Session, err error) {
	email := strings.ToLower(strings.TrimSpace(c.Email))
	if retry, ok := s.perAddress.Allow(network(c.Browser.Address)); !ok {
		return "", se, &TooManyError{retry}
	}
	if len(email) > maxEmail || !utf8.ValidString(email) || strings.ContainsRune(email, 0) ||
		utf8.RuneCountInString(c.Password) > MaxPassword {
		return "", se, ErrWrongPassword
	}
	if retry, ok := s.perEmail.Allow(email); !ok {
		return "", se, &TooManyError{retry}
	}
	right, err := s.check(ctx, email, c.Password, c.Workspace)
	if err != nil {
		return "", se, err
	}
	switch len(right) {
	case 0:
		return "", se, ErrWrongPassword
	case 1:
	default:
		choice := &ChoiceError{}
		for i := range right {
			choice.Workspaces = append(choice.Workspaces, right[i].Workspace)
		}
		return "", se, choice
	}
	secret, hash, se := s.open(c.Browser)
	se.WorkspaceID, se.MemberID = right[0].Workspace.ID, right[0].Member.ID
	se, err = s.storage.CreateSession(ctx, se, hash)
	if err == nil {
		err = s.stillRight(ctx, se, &right[0], c.Password)
	}
	if tideline.IsCode(err, tideline.CodeNotFound) { // removed this very moment
		err = ErrWrongPassword
	}
	if err != nil {
		return "", tideline.Session{}, err
	}
	return secret, se, nil
}

// stillRight ends a session that was opened with a password which was changed
// since it was looked at: the change ended all sessions but this one.
func (s *Sessions) stillRight(ctx context.Context, se tideline.Session, seen *store.Login, password string) error {
	now, err := s.storage.LoginOf(ctx, se.WorkspaceID, se.MemberID)
	if err != nil || now.Password == seen.Password {
		return err
	}
	ok, _, err := s.passwords.matches(ctx, password, now.Password) // the same at another cost, perhaps
	if ok && err == nil {
		return nil
	}
	if end := s.storage.EndSession(context.WithoutCancel(ctx), se.WorkspaceID, se.MemberID, se.ID); end != nil && !tideline.IsCode(end, tideline.CodeNotFound) {
		return end
	}
	if err != nil {
		return err
	}
	return ErrWrongPassword
}

// network is what a client can't change at will: its IPv4 address, or the /64
// that an IPv6 network hands out as a whole.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Unmap().Is6() {
		return address
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// check gives the logins of an e-mail whose password it is. At least one password
// is hashed, so that an e-mail that nobody has takes no less time; one that has
// several workspaces, and names none, takes longer.
func (s *Sessions) check(ctx context.Context, email, password, workspace string) ([]store.Login, error) {
	all, err := s.storage.LoginsOf(ctx, email)
	if err != nil {
		return nil, err
	}
	var candidates, right []store.Login
	for _, l := range all {
		if l.Password != "" && (workspace == "" || l.Workspace.Slug == workspace) {
			candidates = append(candidates, l)
		}
	}
	if len(candidates) == 0 {
		candidates = []store.Login{{}}
	}
	for _, l := range candidates {
		ok, outdated, err := s.passwords.matches(ctx, password, l.Password)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		right = append(right, l)
		if outdated {
			if err := s.renew(ctx, l, password); err != nil {
				return nil, err
			}
		}
	}
	return right, nil
}

// renew hashes a password that is right at today's cost.
func (s *Sessions) renew(ctx context.Context, l store.Login, password string) error {
	hash, err := s.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.storage.ReplacePasswordHash(ctx, l.Workspace.ID, l.Member.ID, l.Password, hash)
}

// linkTrust is how long whoever came by a one-time link may choose a password
// without naming the old one: it is how a forgotten password is replaced.
const linkTrust = time.Hour

// Password says what p's member must do to change their password.
type Password struct {
	Chosen   bool // there is one
	OldAsked bool // it must be named
}

// PasswordOf tells about the password of p's member.
func (s *Sessions) PasswordOf(ctx context.Context, p *tideline.Principal) (Password, error) {
	l, err := s.storage.LoginOf(ctx, p.Workspace.ID, p.Member.ID)
	return s.passwordOf(p, l), err
}

func (s *Sessions) passwordOf(p *tideline.Principal, l store.Login) Password {
	fresh := p.Session.ByLink && s.now().Sub(p.Session.CreatedAt) < linkTrust
	return Password{Chosen: l.Password != "", OldAsked: l.Password != "" && !fresh}
}

// SetPassword gives p's member another password and ends their other sessions.
// The old one is needed as PasswordOf says. Errors: validation_error about the
// field "password" or "old_password", *TooManyError.
func (s *Sessions) SetPassword(ctx context.Context, p *tideline.Principal, old, password string) error {
	if err := CheckPassword(password, p.Member.Email); err != nil {
		return err
	}
	l, err := s.storage.LoginOf(ctx, p.Workspace.ID, p.Member.ID)
	if err != nil {
		return err
	}
	if s.passwordOf(p, l).OldAsked {
		if retry, ok := s.perEmail.Allow(strings.ToLower(p.Member.Email)); !ok {
			return &TooManyError{retry}
		}
		ok, _, err := s.passwords.matches(ctx, old, l.Password)
		if err != nil {
			return err
		}
		if !ok {
			return tideline.Invalid([]tideline.FieldError{{Path: []string{"old_password"}, Msg: "is not your password"}})
		}
	}
	err = s.setPassword(ctx, &p.Member, password, p.Session.ID)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return tideline.Errorf(tideline.CodeInvalidToken, "the session has ended: sign in again")
	}
	return err
}

// ResetPassword gives a member a password and ends all their sessions. It serves
// the operator, who need not know the old one. Errors: validation_error, not_found.
func (s *Sessions) ResetPassword(ctx context.Context, m *tideline.Member, password string) error {
	if err := CheckPassword(password, m.Email); err != nil {
		return err
	}
	return s.setPassword(ctx, m, password, 0)
}

func (s *Sessions) setPassword(ctx context.Context, m *tideline.Member, password string, keep int64) error {
	hash, err := s.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.storage.SetPassword(ctx, m.WorkspaceID, m.ID, hash, keep)
}
