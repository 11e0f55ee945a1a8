package tideline

import "time"

// Role is what a member may do.
type Role string

// The roles, widest first. A workspace has exactly one owner.
const (
	RoleOwner          Role = "owner"
	RoleAdmin          Role = "admin"
	RoleTeamSupervisor Role = "team_supervisor"
	RoleTeammate       Role = "teammate"
	RoleAgent          Role = "agent"
	RoleCollaborator   Role = "collaborator" // reads and writes notes; does not talk to customers
)

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool {
	switch r {
	case RoleOwner, RoleAdmin, RoleTeamSupervisor, RoleTeammate, RoleAgent, RoleCollaborator:
		return true
	}
	return false
}

// MaySend reports whether a member of this role may send messages to customers.
func (r Role) MaySend() bool { return r.Valid() && r != RoleCollaborator }

// Member is a person in a workspace.
type Member struct {
	ID          int64
	WorkspaceID int64
	Email       string
	DisplayName string
	Role        Role
	TeamID      int64     // 0 = the default team
	InvitedAt   time.Time // when they were last invited; zero = never, they were added
	JoinedAt    time.Time // when an invited member first got a token or a session; zero = not yet, or never invited
	CreatedAt   time.Time
	RemovedAt   time.Time // zero while the member belongs to the workspace
	Language    string    // of the pages, such as "es"; "" = the browser's
}

// Token is a member's bearer credential. Only the SHA-256 of its text is kept.
type Token struct {
	ID          int64
	WorkspaceID int64
	MemberID    int64
	Name        string
	Prefix      string // the first characters of the text, to tell tokens apart in lists
	CreatedAt   time.Time
	ExpiresAt   time.Time // zero = never
	RevokedAt   time.Time // zero = still good
	Scope       TokenScope
	UsedAt      time.Time // when it was last used, at most a minute late; zero = never. Not read with a Principal
	UsedFrom    string    // from where, see RoughAddress
}

// Principal is who makes a request: a member of a workspace, by a token or by a
// session of the pages.
type Principal struct {
	Workspace Workspace
	Member    Member
	Token     Token    // zero when it is a session
	Session   Session  // zero when it is a token
	TokenHash [32]byte // SHA-256 of the token's text or of the session's secret, to look the principal up again
	Version   int64    // the configuration version under which this was read; see store.Directory
}
