package live

import (
	"net/http"
	"slices"

	feed "github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// typing takes what the member does in a chat: {"chat": 2, "doing": "typing"}, or
// "recording", "looking", or "" when the chat is left. Pages repeat it while it
// lasts.
func (s *section) typing(q *ui.Request) error {
	var in struct {
		Chat  int64      `json:"chat"`
		Doing feed.Doing `json:"doing"`
	}
	if err := q.Decode(&in); err != nil {
		return err
	}
	switch in.Doing {
	case feed.Nothing, feed.Looking, feed.Typing, feed.Recording:
	default:
		return tideline.Invalid([]tideline.FieldError{{Path: []string{"doing"}, Msg: `must be "typing", "recording", "looking" or ""`}})
	}
	p := q.Principal
	c, err := s.Chats.Chat(q.Context(), p.Workspace.ID, in.Chat)
	if err != nil {
		return err
	}
	viewer, err := s.Team.Viewer(q.Context(), p)
	if err != nil {
		return err
	}
	if viewer != nil && c.Responsible != p.Member.ID && !slices.Contains(viewer.Accounts, c.AccountID) {
		return ui.Missing()
	}
	s.Hub.Report(feed.Activity{WorkspaceID: p.Workspace.ID, AccountID: c.AccountID, ChatID: c.ID,
		Person: feed.Person{MemberID: p.Member.ID, Name: p.Member.DisplayName, Doing: in.Doing}})
	if s.Presence != nil {
		if in.Doing != feed.Nothing {
			s.Presence.Open(c)
		}
		if p.Member.Role.MaySend() {
			s.Presence.Compose(c, p.Member.ID, in.Doing)
		}
	}
	return q.JSON(http.StatusOK, map[string]bool{"ok": true})
}
