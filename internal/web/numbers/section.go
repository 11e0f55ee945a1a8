// Package numbers is the pages about WhatsApp numbers: which there are and how they
// fare, pairing one, and what can be done about each.
package numbers

import (
	"context"
	"embed"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

//go:embed templates/*.html assets
var files embed.FS

// Desk is where numbers are paired and taken care of; *account.Desk is one.
type Desk interface {
	StartPairing(ctx context.Context, p *tideline.Principal, phone tideline.Phone) (account.Pairing, error)
	PairingOf(p *tideline.Principal) (account.Pairing, bool)
	EndPairing(p *tideline.Principal)
	Reconnect(ctx context.Context, p *tideline.Principal, accountID int64) error
	Logout(ctx context.Context, p *tideline.Principal, accountID int64) error
	Remove(ctx context.Context, p *tideline.Principal, accountID int64) error
}

// Queue tells what waits for a number and who may pause it; *outbox.Desk is one.
type Queue interface {
	Lengths(ctx context.Context, p *tideline.Principal) (map[int64]int64, error)
	Runs(ctx context.Context, p *tideline.Principal) (map[int64]bool, error)
}

// Accounts reads numbers; store.Store is one.
type Accounts interface {
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
	Account(ctx context.Context, workspaceID, accountID int64) (tideline.Account, error)
}

// Deps is what the pages work with. All but Now are required.
type Deps struct {
	Desk     Desk
	Queue    Queue
	Accounts Accounts
	// Sandbox: numbers are scanned by emulated phones, on the page /phones.
	Sandbox bool
	Now     func() time.Time // nil = time.Now
}

// section answers the pages' requests.
type section struct{ Deps }

// New makes the section.
func New(d Deps) ui.Section {
	if d.Now == nil {
		d.Now = time.Now
	}
	s := &section{d}
	return ui.Section{Name: "numbers", Templates: ui.Sub(files, "templates"), Assets: ui.Sub(files, "assets"), Routes: s.routes}
}

func (s *section) routes(r *ui.Router) {
	administers := tideline.Role.Administers
	r.Handle("GET /numbers", s.list)
	r.HandleFor(administers, "GET /numbers/pair", s.pairPage)
	r.HandleFor(administers, "GET /numbers/pair/step", s.pairStep)
	r.HandleFor(administers, "POST /numbers/pair", s.startPairing)
	r.HandleFor(administers, "POST /numbers/pair/end", s.endPairing)
	r.Handle("GET /numbers/{id}", s.show)
	r.Handle("POST /numbers/{id}/reconnect", s.reconnect)
	r.Handle("POST /numbers/{id}/logout", s.logout)
	r.Handle("POST /numbers/{id}/remove", s.remove)
}

// Which assets the pages load.
var styles = []string{"numbers/numbers.css"}

// page is a page of the section.
func (s *section) page(q *ui.Request, name, title string, data any, scripts ...string) error {
	return q.Page(name, ui.Page{Title: title, Nav: "numbers", Styles: styles, Scripts: scripts, Data: data})
}

// row is a number as it is shown.
type row struct {
	tideline.Account
	Label      string // its name, else its number
	Initials   string
	Badge      string // class of the badge
	Do         string // key of a text that says what to do; "" = nothing
	Until      time.Time
	Limited    bool // it may write to nobody new until ReachOutUntil
	Queued     int64
	Runs       bool // the member may pause it
	Administer bool // the member may reconnect, log out and remove it
	Link       bool // it can be connected at once
}

// rowOf puts together what is shown of a number.
func (s *section) rowOf(q *ui.Request, a tideline.Account, queued int64, runs bool) row {
	r := row{Account: a, Label: a.Name, Queued: queued, Runs: runs, Administer: q.Principal.Member.Role.Administers()}
	if r.Label == "" {
		r.Label = string(a.Phone)
	}
	r.Initials = initials(a.Name)
	r.Limited = a.Hold.ReachOutLimited(s.Now())
	switch a.State {
	case tideline.AccountActive:
		r.Badge = "ok"
	case tideline.AccountConnecting:
		r.Badge = "info"
	case tideline.AccountDisconnected:
		r.Badge, r.Do, r.Link = "warn", "numbers.do.disconnected", true
	case tideline.AccountLoggedOut:
		r.Badge, r.Do = "danger", "numbers.do.logged_out"
	case tideline.AccountBanned:
		r.Badge, r.Do, r.Link, r.Until = "danger", "numbers.do.banned", true, a.Hold.BannedUntil
	case tideline.AccountOutdated:
		r.Badge, r.Do, r.Link = "danger", "numbers.do.outdated", true
	}
	return r
}

// initials are the first letters of a name; "" when it has none.
func initials(name string) string {
	for _, r := range name {
		return string(r)
	}
	return ""
}

// rows gives the numbers of the workspace, the most recently connected first.
func (s *section) rows(q *ui.Request) ([]row, error) {
	accounts, _, err := s.Accounts.AccountsOf(q.Context(), q.Principal.Workspace.ID)
	if err != nil {
		return nil, err
	}
	lengths, err := s.Queue.Lengths(q.Context(), q.Principal)
	if err != nil {
		return nil, err
	}
	runs, err := s.Queue.Runs(q.Context(), q.Principal)
	if err != nil {
		return nil, err
	}
	list := make([]row, len(accounts))
	for i, a := range accounts {
		list[i] = s.rowOf(q, a, lengths[a.ID], runs[a.ID])
	}
	return list, nil
}

// listPage is what numbers/list shows.
type listPage struct {
	Rows       []row
	Administer bool
}

func (s *section) list(q *ui.Request) error {
	rows, err := s.rows(q)
	if err != nil {
		return err
	}
	return s.page(q, "numbers/list", "numbers.title", listPage{rows, q.Principal.Member.Role.Administers()}, "numbers/numbers.js")
}

func (s *section) show(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	rows, err := s.rows(q)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(rows, func(r row) bool { return r.ID == id })
	if at < 0 {
		return ui.Missing()
	}
	return q.Page("numbers/number", ui.Page{Title: "numbers.named", TitleOf: []any{"name", rows[at].Label}, Nav: "numbers",
		Styles: styles, Scripts: []string{"numbers/numbers.js"}, Data: rows[at]})
}

func (s *section) reconnect(q *ui.Request) error {
	return s.do(q, s.Desk.Reconnect, "", "numbers.reconnecting")
}

func (s *section) logout(q *ui.Request) error {
	return s.do(q, s.Desk.Logout, "", "numbers.loggedout")
}

func (s *section) remove(q *ui.Request) error {
	return s.do(q, s.Desk.Remove, "/numbers", "numbers.removed")
}

// do runs an action on the number of the path; to "" is its page.
func (s *section) do(q *ui.Request, act func(ctx context.Context, p *tideline.Principal, accountID int64) error, to, key string) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := act(q.Context(), q.Principal, id); err != nil {
		return err
	}
	if to == "" {
		to = "/numbers/" + q.R.PathValue("id")
	}
	return q.Done(to, key)
}
