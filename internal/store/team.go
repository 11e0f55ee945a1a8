package store

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// ChatWork is what a team does with its chats. The id of a chat that another one
// took over names that one.
type ChatWork interface {
	// UpdateChat changes what u sets, all of it or nothing. Errors: not_found (the
	// chat; the member, by the name "member"), conflict (another chat of the
	// workspace has the name).
	UpdateChat(ctx context.Context, workspaceID, chatID int64, u ChatUpdate) error
	// PutLabels attaches labels to a chat, with replace in place of those that it
	// has, and makes labels that the workspace doesn't have yet. It gives all of the
	// chat's labels in alphabetical order. Repeated labels count once. not_found.
	PutLabels(ctx context.Context, workspaceID, chatID int64, labels []string, replace bool) ([]string, error)
	// AddNote stores a note in a chat. It moves neither the chat's last message nor
	// what is unread. not_found.
	AddNote(ctx context.Context, n Note) error
}

// ChatUpdate changes the fields that are not nil.
type ChatUpdate struct {
	Name        *string // chosen by a person, so it stays until a person changes it
	Responsible *int64  // a present member; 0 = nobody
	Closed      *bool
	Read        *bool // false marks a chat without unread messages as unread too
	AutoReply   *bool
	By          int64 // the member who changes it
	At          time.Time
}

// Note is what a member writes in a chat for the team.
type Note struct {
	UID         string // UUIDv7, drawn by the caller
	WorkspaceID int64
	ChatID      int64
	MemberID    int64
	Text        string
	Private     bool
	At          time.Time
}

// Teams keeps who belongs to which team, and invitations.
type Teams interface {
	// ListTeams gives the workspace's teams by title, without the default team.
	ListTeams(ctx context.Context, workspaceID int64) ([]tideline.Team, error)
	// Invite adds m as a member who has not joined yet, or, when a present member
	// has the e-mail, gives that one m's role and team, and a new invitation if they
	// have not joined. The team is found or made by title; "" = the default team.
	// It reports whether a member was added. Errors: conflict (the e-mail is the
	// owner's), plan_feature_unavailable (adding one would exceed seats, which is -1
	// for any number).
	Invite(ctx context.Context, m tideline.Member, team string, seats int) (tideline.Member, bool, error)
	// RevokeInvitation removes a member who has not joined. Errors: not_found,
	// conflict (the member has joined).
	RevokeInvitation(ctx context.Context, workspaceID, memberID int64, at time.Time) error
}

// TextTemplates keeps texts that members use again and again. Who may see and
// change them is the caller's business; see tideline.TextTemplate.
type TextTemplates interface {
	// CreateTextTemplate stores t and gives it an id.
	CreateTextTemplate(ctx context.Context, t tideline.TextTemplate) (tideline.TextTemplate, error)
	// TextTemplate: not_found.
	TextTemplate(ctx context.Context, workspaceID, id int64) (tideline.TextTemplate, error)
	// ListTextTemplates gives all of the workspace's, the latest changed first.
	ListTextTemplates(ctx context.Context, workspaceID int64) ([]tideline.TextTemplate, error)
	// UpdateTextTemplate stores name, text, visibility, team, editor and time of
	// change of t: not_found.
	UpdateTextTemplate(ctx context.Context, t tideline.TextTemplate) error
	// DeleteTextTemplate: not_found.
	DeleteTextTemplate(ctx context.Context, workspaceID, id int64) error
	// CountTextTemplateUse counts one use: not_found.
	CountTextTemplateUse(ctx context.Context, workspaceID, id int64) error
}

// FileList lists and removes uploads.
type FileList interface {
	// ListFiles gives the files that members uploaded and whose names have part in
	// them, in whatever case, the latest first; files that came with messages are
	// not uploads.
	ListFiles(ctx context.Context, workspaceID int64, part string) ([]tideline.File, error)
	// DeleteFile removes a file, and attachment templates of it, and gives what it
	// was; its bytes are the caller's business. Messages that were sent with it keep
	// their text; one in the queue that was to be sent with it fails when its turn
	// comes. not_found.
	DeleteFile(ctx context.Context, workspaceID int64, uid string) (tideline.File, error)
}

// Viewer is a member who sees only part of a workspace's chats: those of some
// accounts, and those that they are responsible for.
type Viewer struct {
	MemberID int64
	Accounts []int64
}
