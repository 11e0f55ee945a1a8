package admin

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// auditPage is how many entries a page shows.
const auditPage = 50

// auditRow is an entry in words.
type auditRow struct {
	tideline.AuditEntry
	Who    string
	Via    string
	What   string
	Fields []fieldRow
}

// fieldRow is a change of a field in words.
type fieldRow struct{ Field, Old, New string }

// auditView is what the page of the audit log shows.
type auditView struct {
	Entries  []auditRow
	Members  []option
	Groups   []option
	Ways     []option
	From, To string
	Chat     string // id; "" = any
	Filtered bool
	Older    string // address of the next page; "" = this is the last
	Export   string // address of the same as CSV
}

func (s *section) showAudit(q *ui.Request) error {
	f, query := auditFilter(q)
	entries, more, err := s.Team.Audit(q.Context(), q.Principal, f, auditPage)
	if err != nil {
		return err
	}
	_, members, err := s.Team.Teammates(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	v := auditView{From: query.Get("from"), To: query.Get("to"), Chat: query.Get("chat"), Filtered: len(query) > 0, Export: "/audit.csv?" + query.Encode()}
	for _, e := range entries {
		v.Entries = append(v.Entries, rowOf(q, e))
	}
	for _, m := range members {
		v.Members = append(v.Members, option{strconv.FormatInt(m.Member.ID, 10), m.Member.DisplayName, m.Member.ID == f.MemberID})
	}
	for _, g := range tideline.AuditGroups() {
		v.Groups = append(v.Groups, option{g, q.T("admin.group." + g), g == f.Group})
	}
	for _, way := range ways {
		v.Ways = append(v.Ways, option{string(way), q.T("admin.via." + viaKey(way)), way == f.Via})
	}
	if more {
		query.Set("past", strconv.FormatInt(entries[len(entries)-1].ID, 10))
		v.Older = "/audit?" + query.Encode()
	}
	return q.Page("admin/audit", page("admin.audit.title", "audit", v))
}

var ways = []tideline.Via{tideline.ViaInbox, tideline.ViaAPI, tideline.ViaCommand, tideline.ViaServer}

func viaKey(v tideline.Via) string {
	if v == tideline.ViaCommand {
		return "command"
	}
	return string(v)
}

// auditFilter reads the query; what can't be read selects nothing. The query that
// it gives has what was read, without the page.
func auditFilter(q *ui.Request) (store.AuditFilter, url.Values) {
	given, kept := q.R.URL.Query(), url.Values{}
	var f store.AuditFilter
	number := func(name string) int64 {
		n, err := strconv.ParseInt(given.Get(name), 10, 64)
		if err != nil || n <= 0 {
			return 0
		}
		kept.Set(name, given.Get(name))
		return n
	}
	day := func(name string) time.Time {
		at, err := time.ParseInLocation(time.DateOnly, given.Get(name), q.Principal.Workspace.Location())
		if err != nil {
			return time.Time{}
		}
		kept.Set(name, given.Get(name))
		return at
	}
	f.MemberID, f.ChatID, f.PastID = number("member"), number("chat"), number("past")
	kept.Del("past")
	if g := given.Get("group"); slices.Contains(tideline.AuditGroups(), g) {
		f.Group = g
		kept.Set("group", g)
	}
	if v := tideline.Via(given.Get("via")); slices.Contains(ways, v) {
		f.Via = v
		kept.Set("via", string(v))
	}
	f.After = day("from")
	if to := day("to"); !to.IsZero() {
		f.Before = to.AddDate(0, 0, 1) // the whole day
	}
	return f, kept
}

// rowOf puts an entry into words.
func rowOf(q *ui.Request, e tideline.AuditEntry) auditRow {
	r := auditRow{AuditEntry: e, Who: e.ActorName, Via: q.T("admin.via." + viaKey(e.Actor.Via)), What: q.T("admin.action." + string(e.Action))}
	if e.TokenName != "" {
		r.Via += " (" + e.TokenName + ")"
	}
	for _, c := range e.Changes {
		r.Fields = append(r.Fields, fieldRow{q.T("admin.field." + c.Field), valueOf(q, c.Field, c.Old), valueOf(q, c.Field, c.New)})
	}
	return r
}

// valueOf puts a field's value into words, where it is one of a set.
func valueOf(q *ui.Request, field, value string) string {
	switch {
	case value == "":
		return ""
	case field == "role":
		return q.T("admin.role." + value)
	case field == "scope":
		return q.T("admin.scope." + value)
	case value == "true" || value == "false":
		return q.T("admin.value." + value)
	}
	return value
}
