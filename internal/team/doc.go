// Package team is what members do besides sending: they change chats, label
// them, write notes in them, invite each other, and keep texts that they use
// again and again. It knows what each role may do.
//
// Rules that hold here, whoever calls:
//
//   - A collaborator reads everything and writes notes; every other role may
//     change chats and make text templates.
//   - Owner and admins invite anybody, a team supervisor whoever is below; nobody
//     becomes owner by an invitation. Who may invite a role may give and take it.
//   - Owner and admins keep the teams, remove members and read the audit log; what
//     was done with a chat is seen by whoever sees the chat.
//   - The owner alone hands the workspace over, to an admin; there is always one.
//   - Whoever changes chats puts labels on them; owner, admins and supervisors
//     rename, merge, colour and delete labels, which changes everybody's chats.
//   - A text template is seen and changed as its visibility and team say.
//   - What a member may not see is not found; what they may see but not do is
//     permission_denied.
package team

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Storage is what this room needs of store.Store.
type Storage interface {
	store.ChatWork
	store.Teams
	store.TeamSettings
	store.AuditLog
	SetMemberRole(ctx context.Context, workspaceID, memberID int64, role tideline.Role) error
	RemoveMember(ctx context.Context, workspaceID, memberID int64, at time.Time) error
	store.TextTemplates
	store.Labels
	store.Selves
	ListMembers(ctx context.Context, workspaceID int64) ([]tideline.Member, error)
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
	ChatView(ctx context.Context, workspaceID, chatID int64) (store.ChatView, error)
	ChatLabels(ctx context.Context, workspaceID, chatID int64) ([]string, error)
}

// Service does what members ask for. It is safe for concurrent use.
type Service struct {
	store Storage
	now   func() time.Time
}

// New makes a Service; now nil = time.Now.
func New(s Storage, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store: s, now: now}
}
