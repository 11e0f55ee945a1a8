// Package usage is the pages about what a workspace spends and what it has yet to
// send: credits over time, the ledger, and the queue with what people can do to it.
package usage

import (
	"context"
	"embed"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

//go:embed templates/*.html assets
var files embed.FS

// Queue is where members look at the queue and change it; *outbox.Desk is one.
type Queue interface {
	List(ctx context.Context, p *tideline.Principal, f store.QueueFilter, page store.Page) ([]outbox.Waiting, bool, error)
	Lengths(ctx context.Context, p *tideline.Principal) (map[int64]int64, error)
	Runs(ctx context.Context, p *tideline.Principal) (map[int64]bool, error)
	Pause(ctx context.Context, p *tideline.Principal, accountID int64) error
	Resume(ctx context.Context, p *tideline.Principal, accountID int64) error
	PutFirst(ctx context.Context, p *tideline.Principal, messageID int64) error
	Cancel(ctx context.Context, p *tideline.Principal, messageID int64) error
	CancelAll(ctx context.Context, p *tideline.Principal, accountID int64) (cancelled, kept int, err error)
}

// Books is what was spent; store.Store is one.
type Books interface {
	store.Usage
	Balance(ctx context.Context, workspaceID int64, now time.Time) (tideline.Balance, error)
	APICalls(ctx context.Context, workspaceID int64, periodStart time.Time) (int64, error)
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
}

// Viewers says which chats a member sees; *team.Service is one.
type Viewers interface {
	Viewer(ctx context.Context, p *tideline.Principal) (*store.Viewer, error)
}

// Deps is what the pages work with. All but Now are required.
type Deps struct {
	Queue   Queue
	Books   Books
	Viewers Viewers
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
	return ui.Section{Name: "usage", Templates: ui.Sub(files, "templates"), Assets: ui.Sub(files, "assets"), Routes: s.routes}
}

func (s *section) routes(r *ui.Router) {
	r.Handle("GET /usage", s.overview)
	r.Handle("GET /usage/ledger", s.ledger)
	r.Handle("GET /usage/queue", s.queue)
	r.Handle("POST /usage/queue/messages/{id}/cancel", s.cancel)
	r.Handle("POST /usage/queue/messages/{id}/first", s.first)
	r.Handle("POST /usage/queue/numbers/{id}/pause", s.pause)
	r.Handle("POST /usage/queue/numbers/{id}/resume", s.resume)
	r.Handle("POST /usage/queue/numbers/{id}/cancel", s.cancelAll)
}

// Which assets the pages load.
var (
	styles  = []string{"usage/usage.css"}
	scripts = []string{"usage/usage.js"}
)

// page is a page of the section.
func (s *section) page(q *ui.Request, name, title string, data any) error {
	return q.Page(name, ui.Page{Title: title, Nav: "usage", Styles: styles, Scripts: scripts, Data: data})
}

// accounts gives the workspace's numbers by id.
func (s *section) accounts(q *ui.Request) ([]tideline.Account, error) {
	list, _, err := s.Books.AccountsOf(q.Context(), q.Principal.Workspace.ID)
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b tideline.Account) int { return int(a.ID - b.ID) })
	return list, err
}

// nameOf is how a number is called on the pages.
func nameOf(a *tideline.Account) string {
	if a.Name == "" {
		return string(a.Phone)
	}
	return a.Name + " " + string(a.Phone)
}

// number reads a whole number of the query; without one, or below least, least.
func number(query url.Values, name string, least int64) int64 {
	n, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil || n < least {
		return least
	}
	return n
}
