package tideline

import "time"

// SessionLife is how long a session lasts that nobody uses.
const SessionLife = 30 * 24 * time.Hour

// LinkLife is how long a one-time link to sign in is good for; an invitation is
// good for InvitationLife.
const LinkLife = 24 * time.Hour

// Session is a member signed in with one browser. Only the SHA-256 of its secret
// is kept.
type Session struct {
	ID          int64
	WorkspaceID int64
	MemberID    int64
	CreatedAt   time.Time
	SeenAt      time.Time // the last use that is on disk: a minute late, at most
	ExpiresAt   time.Time // SessionLife after SeenAt
	UserAgent   string    // what the browser called itself; any text
	Address     string    // from where it was opened; "" = not known
	// ByLink is a session that a one-time link opened, and not a password.
	ByLink bool
}

// LinkPurpose says what a one-time link is for.
type LinkPurpose string

// The purposes.
const (
	LinkSignIn     LinkPurpose = "sign_in"    // opens a session
	LinkInvitation LinkPurpose = "invitation" // an invited member chooses a password, and joins
)

// Valid reports whether p is one of the purposes.
func (p LinkPurpose) Valid() bool { return p == LinkSignIn || p == LinkInvitation }

// Life is how long a link of this purpose is good for unless it is said otherwise.
func (p LinkPurpose) Life() time.Duration {
	if p == LinkInvitation {
		return InvitationLife
	}
	return LinkLife
}

// Link lets a member in once, without a password. Only the SHA-256 of its secret
// is kept.
type Link struct {
	WorkspaceID int64
	MemberID    int64
	Purpose     LinkPurpose
	CreatedAt   time.Time
	ExpiresAt   time.Time
}
