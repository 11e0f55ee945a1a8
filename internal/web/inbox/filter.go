package inbox

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// The words of a filter in addresses. They stay as they are: people keep such
// addresses.
const (
	stateOpen   = "open" // the default: not in addresses
	stateClosed = "closed"
	stateAll    = "all"

	assigneeMe     = "me"
	assigneeNobody = "nobody"

	groupsOnly = "only"
	groupsNone = "none"
)

// maxSearch is how many bytes of a search are looked at.
const maxSearch = 200

// filter is which chats the list shows, as its address says.
type filter struct {
	Search   string
	State    string
	Assignee string // assigneeMe, assigneeNobody or a member's id; "" = anybody
	Label    string
	Account  int64 // 0 = any
	Unread   bool
	Groups   string // groupsOnly, groupsNone; "" = both
}

// filterOf reads a filter. Words that it doesn't know mean nothing.
func filterOf(q url.Values) filter {
	f := filter{
		Search: strings.ToValidUTF8(strings.ReplaceAll(strings.TrimSpace(q.Get("q")), "\x00", ""), ""),
		Label:  strings.ReplaceAll(q.Get("label"), "\x00", ""),
		Unread: q.Get("unread") == "1",
		State:  stateOpen,
	}
	if len(f.Search) > maxSearch {
		f.Search = strings.ToValidUTF8(f.Search[:maxSearch], "")
	}
	if state := q.Get("state"); state == stateClosed || state == stateAll {
		f.State = state
	}
	if groups := q.Get("groups"); groups == groupsOnly || groups == groupsNone {
		f.Groups = groups
	}
	if id, err := strconv.ParseInt(q.Get("account"), 10, 64); err == nil && id > 0 {
		f.Account = id
	}
	assignee := q.Get("assignee")
	if id, err := strconv.ParseInt(assignee, 10, 64); assignee == assigneeMe || assignee == assigneeNobody || err == nil && id > 0 {
		f.Assignee = assignee
	}
	return f
}

// query gives the words of f for an address; "" for the default.
func (f filter) query() string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("q", f.Search)
	if f.State != stateOpen {
		set("state", f.State)
	}
	set("assignee", f.Assignee)
	set("label", f.Label)
	if f.Account != 0 {
		set("account", strconv.FormatInt(f.Account, 10))
	}
	if f.Unread {
		set("unread", "1")
	}
	set("groups", f.Groups)
	return q.Encode()
}

// suffix is query with its question mark.
func (f filter) suffix() string {
	if q := f.query(); q != "" {
		return "?" + q
	}
	return ""
}

// Narrow reports whether f hides chats that the default shows.
func (f filter) Narrow() bool {
	f.State = stateOpen
	return f != filter{State: stateOpen}
}

// chats gives the filter of storage; none says that nothing can fit, because a
// member or number that f names is not there.
func (f filter) chats(me *tideline.Member, members []tideline.Member, accounts []tideline.Account, visibleTo *store.Viewer) (c store.ChatFilter, none bool) {
	yes, no := true, false
	c = store.ChatFilter{Search: f.Search, VisibleTo: visibleTo, WithLastMessage: true}
	switch f.State {
	case stateOpen:
		c.Closed = &no
	case stateClosed:
		c.Closed = &yes
	}
	if f.Label != "" {
		c.Labels = []string{f.Label}
	}
	if f.Unread {
		c.Read = &no
	}
	switch f.Groups {
	case groupsOnly:
		c.Group = &yes
	case groupsNone:
		c.Group = &no
	}
	if f.Account != 0 {
		for i := range accounts {
			if accounts[i].ID == f.Account {
				c.Accounts = []tideline.JID{accounts[i].JID}
			}
		}
		none = none || c.Accounts == nil
	}
	switch f.Assignee {
	case "":
	case assigneeMe:
		c.Responsible = []string{me.Email}
	case assigneeNobody:
		c.Unassigned = true
	default:
		for i := range members {
			if strconv.FormatInt(members[i].ID, 10) == f.Assignee {
				c.Responsible = []string{members[i].Email}
			}
		}
		none = none || c.Responsible == nil
	}
	return c, none
}
