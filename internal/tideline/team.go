package tideline

import (
	"strings"
	"time"
)

// Limits of what a team writes for itself, in characters.
const (
	MaxNote         = 10000
	MaxTeamTitle    = 150
	MaxTemplateName = 160
	MaxTemplateText = 4096
)

// DefaultTeam is the team of whoever was put in no other. It has no row of its
// own: the id 0 stands for it.
const DefaultTeam = "Default"

// IsDefaultTeam reports whether title names the default team, in one of the two
// forms that clients write.
func IsDefaultTeam(title string) bool {
	return title == "" || strings.EqualFold(title, DefaultTeam) || strings.EqualFold(title, DefaultTeam+" team")
}

// Team is a group of members who share their accounts' chats.
type Team struct {
	ID          int64
	WorkspaceID int64
	Title       string // unique in the workspace
}

// InvitationLife is how long an invitation is good for.
const InvitationLife = 7 * 24 * time.Hour

// MemberStatus is how far a member has come, in the words the API shows.
type MemberStatus string

// The statuses.
const (
	MemberActive  MemberStatus = "Active"
	MemberInvited MemberStatus = "Invited" // has not joined yet
)

// InvitationStatus is what became of an invitation, in the words the API shows.
type InvitationStatus string

// The statuses. "" is a member who was added without an invitation.
const (
	InvitationPending  InvitationStatus = "Pending"
	InvitationAccepted InvitationStatus = "Accepted"
	InvitationExpired  InvitationStatus = "Expired"
)

// Status says whether the member has joined.
func (m *Member) Status() MemberStatus {
	if !m.InvitedAt.IsZero() && m.JoinedAt.IsZero() {
		return MemberInvited
	}
	return MemberActive
}

// Invitation says what became of the member's invitation at now.
func (m *Member) Invitation(now time.Time) InvitationStatus {
	switch {
	case m.InvitedAt.IsZero():
		return ""
	case !m.JoinedAt.IsZero():
		return InvitationAccepted
	case now.Before(m.InvitedAt.Add(InvitationLife)):
		return InvitationPending
	}
	return InvitationExpired
}

// Visibility says who may see and change a text template.
type Visibility string

// The visibilities.
const (
	VisibilityPublic   Visibility = "public"    // whoever sees it may change it
	VisibilityPrivate  Visibility = "private"   // only its author sees it
	VisibilityReadOnly Visibility = "read-only" // only its author and admins may change it
)

// Valid reports whether v is one of the visibilities.
func (v Visibility) Valid() bool {
	return v == VisibilityPublic || v == VisibilityPrivate || v == VisibilityReadOnly
}

// TextTemplate is a text that members use again and again.
type TextTemplate struct {
	ID          int64
	WorkspaceID int64
	Name        string // need not be unique
	Text        string
	Visibility  Visibility
	TeamID      *int64 // the only team that sees it; nil = all teams, 0 = the default team
	AuthorID    int64
	EditorID    int64 // who changed it last
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Uses        int64
}

// VisibleTo reports whether m may see the template. Owner and admins see all but
// what others keep private.
func (t *TextTemplate) VisibleTo(m *Member) bool {
	if t.AuthorID == m.ID {
		return true
	}
	if t.Visibility == VisibilityPrivate {
		return false
	}
	return m.Role.Administers() || t.TeamID == nil || *t.TeamID == m.TeamID
}

// EditableBy reports whether m may change the template. Who wrote it and became a
// collaborator since may not.
func (t *TextTemplate) EditableBy(m *Member) bool {
	return t.VisibleTo(m) && m.Role.MayManageTemplates() &&
		(t.AuthorID == m.ID || m.Role.Administers() || t.Visibility == VisibilityPublic)
}

// DeletableBy reports whether m may delete the template: its author and admins.
func (t *TextTemplate) DeletableBy(m *Member) bool {
	return t.EditableBy(m) && (t.AuthorID == m.ID || m.Role.Administers())
}

// Administers reports whether the role may do everything in a workspace but what
// only its owner may.
func (r Role) Administers() bool { return r == RoleOwner || r == RoleAdmin }

// MayManageTemplates reports whether the role may make text templates, and change
// those of others that are public.
func (r Role) MayManageTemplates() bool { return r.Valid() && r != RoleCollaborator }

// MayInvite reports whether the role may invite members of another role, and
// revoke such invitations.
func (r Role) MayInvite(other Role) bool {
	switch {
	case !other.Valid() || other == RoleOwner:
		return false
	case r.Administers():
		return true
	}
	return r == RoleTeamSupervisor && (other == RoleTeammate || other == RoleAgent || other == RoleCollaborator)
}

// SeesTeam reports whether the role sees the chats of all accounts of its team;
// the roles below see those of their own accounts. Whoever administers sees all.
func (r Role) SeesTeam() bool { return r == RoleTeamSupervisor || r == RoleTeammate }

// MayRunQueue reports whether the role may pause accounts, put messages first and
// cancel those of others. Who does not administer may do so to accounts that they
// see; see SeesTeam.
func (r Role) MayRunQueue() bool { return r.Administers() || r == RoleTeamSupervisor }
