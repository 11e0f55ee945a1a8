package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// AuditLog tells who changed what. Whatever changes the configuration, what a
// team works with, or a chat, by hand or by a program, writes an entry in the
// transaction of the change, with the actor of its context; a change that changes
// nothing writes none. Accepting, settling and receiving messages write none:
// messages tell their own story.
type AuditLog interface {
	// Audit lists the entries of a workspace that f selects, the latest first, at
	// most limit, and says whether there are more after them.
	Audit(ctx context.Context, workspaceID int64, f AuditFilter, limit int) ([]tideline.AuditEntry, bool, error)
}

// AuditFilter selects entries; the zero value selects all. The fields are joined
// by "and".
type AuditFilter struct {
	MemberID int64        // who did it
	Via      tideline.Via // "" = any way
	Group    string       // of the action, such as "chat"; "" = any
	Kind     string       // of the target; "" = any
	TargetID int64        // with Kind; 0 = any
	ChatID   int64        // also under the id of a chat that this one took over; 0 = any
	After    time.Time    // inclusive; zero = any
	Before   time.Time    // exclusive; zero = any
	PastID   int64        // to go on where a page ended: the id of its last entry; 0 = from the start
}

// TokenUses keeps when tokens were last used.
type TokenUses interface {
	// PutTokenUses notes uses; of several of one token the latest holds. A token
	// that is not there is no error. The configuration version stays.
	PutTokenUses(ctx context.Context, uses []TokenUse) error
}

// TokenUse is one use of a token.
type TokenUse struct {
	WorkspaceID int64
	TokenID     int64
	At          time.Time
	From        string // see tideline.RoughAddress
}

// TeamSettings changes teams and who is in them.
type TeamSettings interface {
	// CreateTeam: conflict when the workspace has a team of that title.
	CreateTeam(ctx context.Context, workspaceID int64, title string) (tideline.Team, error)
	// RenameTeam: not_found, conflict.
	RenameTeam(ctx context.Context, workspaceID, teamID int64, title string) error
	// DeleteTeam puts the team's members, and the text templates that only it saw,
	// into the default team. not_found.
	DeleteTeam(ctx context.Context, workspaceID, teamID int64) error
	// MoveMember puts a present member into a team, 0 = the default one: not_found
	// (the member; the team, by the name "team").
	MoveMember(ctx context.Context, workspaceID, memberID, teamID int64) error
	// HandOver makes another present member the owner, who becomes an admin. Errors:
	// not_found, conflict (from is not the owner, or to has not joined).
	HandOver(ctx context.Context, workspaceID, from, to int64) error
}
