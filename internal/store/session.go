package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Sessions keeps how members get into the pages: passwords, sessions and
// one-time links, each as a hash only.
type Sessions interface {
	// PrincipalBySession finds the member signed in by the session whose secret has
	// the SHA-256 hash, together with the version at which all of it was read.
	// Errors: invalid_token (unknown, ended, or expired at now), member_not_found.
	PrincipalBySession(ctx context.Context, hash [32]byte, now time.Time) (tideline.Principal, error)
	// LoginsOf finds the present members with an e-mail address, in whatever case,
	// by workspace. It serves sign-in, which names no workspace.
	LoginsOf(ctx context.Context, email string) ([]Login, error)
	// LoginOf finds a present member: not_found.
	LoginOf(ctx context.Context, workspaceID, memberID int64) (Login, error)
	// HasPasswords reports whether any present member of the workspace has a password.
	HasPasswords(ctx context.Context, workspaceID int64) (bool, error)
	// SetPassword keeps the hash of a new password and ends the member's sessions
	// but keep (0 = all of them) and their unused links. not_found, also when keep has
	// ended meanwhile.
	SetPassword(ctx context.Context, workspaceID, memberID int64, hash string, keep int64) error
	// ReplacePasswordHash keeps another hash of the same password, unless the
	// password was changed meanwhile.
	ReplacePasswordHash(ctx context.Context, workspaceID, memberID int64, old, hash string) error

	// CreateSession signs a present member in, who has joined by that: not_found.
	// The id of s is drawn here.
	CreateSession(ctx context.Context, s tideline.Session, hash [32]byte) (tideline.Session, error)
	// ListSessions gives a member's sessions that are good at now, the last used first.
	ListSessions(ctx context.Context, workspaceID, memberID int64, now time.Time) ([]tideline.Session, error)
	// EndSession ends a session of a member: not_found.
	EndSession(ctx context.Context, workspaceID, memberID, sessionID int64) error
	// EndSessions ends a member's sessions but keep (0 = all of them) and gives their number.
	EndSessions(ctx context.Context, workspaceID, memberID, keep int64) (int, error)
	// NoteSeen notes that sessions were used. What has ended meanwhile is left alone,
	// and a sighting older than the one that is kept changes nothing.
	NoteSeen(ctx context.Context, sightings []Sighting) error

	// CreateLink keeps a one-time link of a present member: not_found. A new
	// invitation takes the place of the member's others.
	CreateLink(ctx context.Context, l tideline.Link, hash [32]byte) error
	// LinkOf shows whom a link that is good at now lets in, and uses nothing up:
	// not_found.
	LinkOf(ctx context.Context, hash [32]byte, now time.Time) (LinkView, error)
	// Redeem uses a link up and opens a session of its member, both or neither; of
	// two that come together one gets not_found.
	Redeem(ctx context.Context, r Redemption) (tideline.Session, error)
}

// Login is a member with the hash of their password.
type Login struct {
	Workspace tideline.Workspace
	Member    tideline.Member
	Password  string // PHC string; "" = none chosen
}

// Sighting says that a session was used.
type Sighting struct {
	WorkspaceID, SessionID int64
	At                     time.Time
}

// LinkView is a link with whom it lets in.
type LinkView struct {
	Link  tideline.Link
	Login Login
}

// Redemption uses a one-time link up.
type Redemption struct {
	LinkHash    [32]byte
	Session     tideline.Session // its workspace and member are the link's
	SessionHash [32]byte
	Password    string // hash to keep; "" = as it is
	DisplayName string // "" = as it is
	At          time.Time
}

// Selves changes what members say of themselves.
type Selves interface {
	// UpdateSelf changes what u sets of a present member, and what their accounts say
	// of them. Errors: not_found, conflict (another present member of the workspace
	// has the e-mail).
	UpdateSelf(ctx context.Context, workspaceID, memberID int64, u SelfUpdate) (tideline.Member, error)
}

// SelfUpdate changes the fields that are not nil.
type SelfUpdate struct {
	DisplayName *string
	Email       *string
	Language    *string
}
