package admin

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/web/ui"
)

// exportPage is how many entries are read at once.
const exportPage = 500

// exportAudit writes what the filter selects as CSV, the latest first, times in
// the workspace's zone. The words are those of the log itself, in no language, for
// programs.
func (s *section) exportAudit(q *ui.Request) error {
	f, _ := auditFilter(q)
	f.PastID = 0
	entries, more, err := s.Team.Audit(q.Context(), q.Principal, f, exportPage)
	if err != nil {
		return err
	}
	h := q.W.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="audit-`+q.Principal.Workspace.Slug+`.csv"`)
	out := csv.NewWriter(q.W)
	_ = out.Write([]string{"time", "via", "member", "token", "action", "target kind", "target id", "target", "chat id", "changes"}) // Flush tells
	zone := q.Principal.Workspace.Location()
	for {
		for i := range entries {
			e := &entries[i]
			changes := make([]string, len(e.Changes))
			for j, c := range e.Changes {
				changes[j] = c.Field + ": " + c.Old + " → " + c.New
			}
			_ = out.Write([]string{e.At.In(zone).Format(time.RFC3339), string(e.Actor.Via), cell(e.ActorName), cell(e.TokenName), string(e.Action),
				e.Target.Kind, id(e.Target.ID), cell(e.Target.Name), id(e.ChatID), strings.Join(changes, "; ")})
		}
		out.Flush()
		if out.Error() != nil || !more {
			return nil // the client is gone; there is no one to tell
		}
		f.PastID = entries[len(entries)-1].ID
		if entries, more, err = s.Team.Audit(q.Context(), q.Principal, f, exportPage); err != nil {
			panic(http.ErrAbortHandler) // half a file must not look whole
		}
	}
}

// cell keeps a spreadsheet from taking for a formula what somebody chose as a name.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// id writes an id; 0 is none.
func id(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
