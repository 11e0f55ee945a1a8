package inbox

import (
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// deed is something that was done with a chat.
type deed struct {
	At   time.Time
	Text string
	Who  string // "" = nobody of the team
}

// maxDeeds is how many the panel shows; the audit log has all.
const maxDeeds = 20

// past reads what was done with a chat, the latest first.
func (s *section) past(q *ui.Request, v *store.ChatView) ([]deed, error) {
	entries, _, err := s.Team.ChatHistory(q.Context(), q.Principal, v.Chat.ID, 0, maxDeeds)
	if err != nil {
		return nil, err
	}
	list := make([]deed, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if text := deedText(q, e); text != "" {
			list = append(list, deed{At: e.At, Text: text, Who: e.ActorName})
		}
	}
	return list, nil
}

// deedText says what was done; "" for what the panel doesn't tell.
func deedText(q *ui.Request, e *tideline.AuditEntry) string {
	before, after := "", ""
	if len(e.Changes) > 0 {
		before, after = e.Changes[0].Old, e.Changes[0].New
	}
	switch e.Action {
	case tideline.AuditChatRenamed:
		return q.T("inbox.past.renamed", "name", after)
	case tideline.AuditChatAssigned:
		return q.T("inbox.past.assigned", "name", after)
	case tideline.AuditChatUnassigned:
		return q.T("inbox.past.unassigned", "name", before)
	case tideline.AuditChatClosed:
		return q.T("inbox.past.closed")
	case tideline.AuditChatReopened:
		return q.T("inbox.past.reopened")
	case tideline.AuditChatLabelled:
		if after == "" {
			return q.T("inbox.past.unlabelled")
		}
		return q.T("inbox.past.labelled", "labels", after)
	}
	return ""
}
