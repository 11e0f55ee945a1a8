package store

import (
	"context"
)

// ChatCounts counts chats, for lists that show where one is in them.
type ChatCounts interface {
	// CountChats says how many chats f selects.
	CountChats(ctx context.Context, workspaceID int64, f ChatFilter) (int, error)
	// Tally counts the workspace's open chats as a member sees them; visibleTo nil =
	// all of them.
	Tally(ctx context.Context, workspaceID, memberID int64, visibleTo *Viewer) (Tally, error)
}

// Tally is what of a workspace's open chats asks for somebody's attention.
type Tally struct {
	Unread     int // chats with something unread
	Mine       int // that the member is responsible for
	Unassigned int // that nobody is responsible for
}
