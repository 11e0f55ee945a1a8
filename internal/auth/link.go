package auth

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// LinkPath is where the pages take a one-time link, without the address of the
// server.
func LinkPath(secret string) string { return "/enter/" + secret }

// maxSecret is longer than any secret of ours.
const maxSecret = 128

var errLink = tideline.Errorf(tideline.CodeNotFound,
	"This link is over: it works once, and for a limited time. Ask for another one: whoever runs the server makes it with tideline member link")

// CreateLink makes a one-time link of a present member and gives its secret,
// which is not kept; see LinkPath. ttl 0 = purpose.Life(). Errors:
// validation_error, not_found.
func (s *Sessions) CreateLink(ctx context.Context, m *tideline.Member, purpose tideline.LinkPurpose, ttl time.Duration) (string, tideline.Link, error) {
	if ttl == 0 {
		ttl = purpose.Life()
	}
	switch {
	case !purpose.Valid():
		return "", tideline.Link{}, tideline.Errorf(tideline.CodeValidation, "purpose %q: use sign_in or invitation", purpose)
	case ttl < time.Second:
		return "", tideline.Link{}, tideline.Errorf(tideline.CodeValidation, "a link must be good for at least a second")
	}
	now := s.now()
	l := tideline.Link{WorkspaceID: m.WorkspaceID, MemberID: m.ID, Purpose: purpose, CreatedAt: now, ExpiresAt: now.Add(ttl)}
	secret := newSecret()
	if err := s.storage.CreateLink(ctx, l, sha256.Sum256([]byte(secret))); err != nil {
		return "", tideline.Link{}, err
	}
	return secret, l, nil
}

// Invited is what a one-time link shows before it is used.
type Invited struct {
	Link      tideline.Link
	Workspace tideline.Workspace
	Member    tideline.Member
	// Choose says that a password must be chosen to use the link.
	Choose bool
}

// Link shows whom a one-time link lets in; it uses nothing up. Errors: not_found.
func (s *Sessions) Link(ctx context.Context, secret string) (Invited, error) {
	if len(secret) > maxSecret {
		return Invited{}, errLink
	}
	v, err := s.storage.LinkOf(ctx, sha256.Sum256([]byte(secret)), s.now())
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return Invited{}, errLink
	}
	if err != nil {
		return Invited{}, err
	}
	return Invited{
		Link: v.Link, Workspace: v.Login.Workspace, Member: v.Login.Member,
		Choose: v.Link.Purpose == tideline.LinkInvitation && v.Login.Password == "",
	}, nil
}

// Entry is what a one-time link is used with.
type Entry struct {
	Password    string // asked where Invited.Choose says so, else not looked at
	DisplayName string // likewise; "" = as it is
	Browser     Browser
}

// Redeem uses a one-time link up: it opens a session and gives its secret. The
// member of an invitation chooses a password and has joined. Errors: not_found (the
// link is over), validation_error, after which the link is still good.
func (s *Sessions) Redeem(ctx context.Context, link string, e Entry) (secret string, se tideline.Session, err error) {
	who, err := s.Link(ctx, link)
	if err != nil {
		return "", se, err
	}
	secret, hash, se := s.open(e.Browser)
	se.ByLink = true
	r := store.Redemption{LinkHash: sha256.Sum256([]byte(link)), Session: se, SessionHash: hash, At: se.CreatedAt}
	if who.Choose {
		if err := CheckPassword(e.Password, who.Member.Email); err != nil {
			return "", se, err
		}
		if r.DisplayName, err = cleanName(e.DisplayName); err != nil {
			return "", se, err
		}
		if r.Password, err = s.passwords.hash(ctx, e.Password); err != nil {
			return "", se, err
		}
	}
	se, err = s.storage.Redeem(ctx, r)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		err = errLink
	}
	return secret, se, err
}
