package team

import (
	"context"
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// SelfChange says what a member changes of themselves; nil stays as it is.
type SelfChange struct {
	DisplayName *string
	// Email is what they sign in with. Only the owner may change it: an account
	// names its owner by e-mail, so whoever took another's address would see the
	// chats of that account.
	Email    *string
	Language *string // of the pages: a BCP 47 tag such as "es"; "" = the browser's
}

// languageTag is the form of the tags; whether there are texts in a language is
// the pages' business.
var languageTag = regexp.MustCompile(`^([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$`)

// ChangeSelf changes p's own member, all of c or nothing. Errors:
// validation_error about the fields "name", "email" and "language",
// permission_denied.
func (s *Service) ChangeSelf(ctx context.Context, p *tideline.Principal, c SelfChange) (tideline.Member, error) {
	u := store.SelfUpdate{Language: c.Language}
	var wrong []tideline.FieldError
	if c.DisplayName != nil {
		name := strings.TrimSpace(*c.DisplayName)
		u.DisplayName = &name
		if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
			wrong = append(wrong, tideline.FieldError{Path: []string{"name"}, Msg: "must be 1 to 150 printable characters"})
		}
	}
	if c.Email != nil && strings.TrimSpace(*c.Email) != p.Member.Email {
		email := strings.TrimSpace(*c.Email)
		u.Email = &email
		if p.Member.Role != tideline.RoleOwner {
			return tideline.Member{}, tideline.Errorf(tideline.CodePermissionDenied, "Only the owner may change their e-mail address; ask an admin to invite you with another one")
		}
		if a, err := mail.ParseAddress(email); err != nil || a.Address != email || utf8.RuneCountInString(email) > maxEmail || strings.ContainsRune(email, 0) {
			wrong = append(wrong, tideline.FieldError{Path: []string{"email"}, Msg: "must be an e-mail address of at most 254 characters"})
		}
	}
	if c.Language != nil && !languageTag.MatchString(*c.Language) {
		wrong = append(wrong, tideline.FieldError{Path: []string{"language"}, Msg: "must be a language tag such as es"})
	}
	if err := tideline.Invalid(wrong); err != nil {
		return tideline.Member{}, err
	}
	m, err := s.store.UpdateSelf(ctx, p.Workspace.ID, p.Member.ID, u)
	if tideline.IsCode(err, tideline.CodeConflict) {
		return m, tideline.Invalid([]tideline.FieldError{{Path: []string{"email"}, Msg: "is another member's"}})
	}
	return m, err
}
