// Package entry is how people get into the pages: one-time links, signing in, the
// first steps of a new workspace, and what members change of themselves.
//
// Nobody gets in without a link or a password. A link is used up by a POST only:
// what looks links up in mails, before a person does, changes nothing.
package entry

import (
	"context"
	"embed"
	"net/http"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/workspace"
)

//go:embed templates/*.html assets
var files embed.FS

// Sessions lets members in; *auth.Sessions is one.
type Sessions interface {
	Authenticate(ctx context.Context, secret string) (*tideline.Principal, error)
	SignIn(ctx context.Context, c auth.Credentials) (string, tideline.Session, error)
	Link(ctx context.Context, secret string) (auth.Invited, error)
	Redeem(ctx context.Context, link string, e auth.Entry) (string, tideline.Session, error)
	PasswordOf(ctx context.Context, p *tideline.Principal) (auth.Password, error)
	SetPassword(ctx context.Context, p *tideline.Principal, old, password string) error
	List(ctx context.Context, workspaceID, memberID int64) ([]tideline.Session, error)
	End(ctx context.Context, workspaceID, memberID, sessionID int64) error
	EndOthers(ctx context.Context, p *tideline.Principal) (int, error)
	SignOut(ctx context.Context, p *tideline.Principal) error
}

// Team changes what members say of themselves; *team.Service is one.
type Team interface {
	ChangeSelf(ctx context.Context, p *tideline.Principal, c team.SelfChange) (tideline.Member, error)
}

// Workspaces changes the workspace of a new owner; *workspace.Service is one.
type Workspaces interface {
	Set(ctx context.Context, w tideline.Workspace, c workspace.Change) (tideline.Workspace, error)
}

// Tokens makes API tokens; *auth.Tokens is one.
type Tokens interface {
	Create(ctx context.Context, w tideline.Workspace, m tideline.Member, name string, ttl time.Duration) (string, tideline.Token, error)
	List(ctx context.Context, workspaceID int64) ([]tideline.Token, error)
}

// Messages sends the first message and shows what became of it; *message.Service
// is one.
type Messages interface {
	Send(ctx context.Context, p *tideline.Principal, r message.SendRequest) (message.Receipt, error)
	Get(ctx context.Context, p *tideline.Principal, uid string) (store.MessageView, error)
}

// Storage is what is looked at without a service in between; see store.Store.
type Storage interface {
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
	LedgerEntries(ctx context.Context, workspaceID, after int64, limit int) ([]tideline.Entry, error)
	Setting(ctx context.Context, name string) (string, error)
	SetSetting(ctx context.Context, name, value string) error
}

// Deps is what the section works with; all are required.
type Deps struct {
	Sessions   Sessions
	Team       Team
	Workspaces Workspaces
	Tokens     Tokens
	Messages   Messages
	Storage    Storage
	// Address gives the client's address as far as it is known, through trusted proxies.
	Address func(*http.Request) string
}

// Config says how browsers reach the server. Cookie and Secure are those of the kit.
type Config struct {
	Cookie string
	Secure bool
	// PublicURL is how clients reach the server, without a slash at the end; "" = as
	// the request itself came.
	PublicURL string
	// APIBase is the path of the public API.
	APIBase string
	// Customer is a number that the sandbox's first message may go to; "" outside.
	Customer string
	// Shown are the names of tokens that serve makes by itself and prints in the
	// terminal: whoever has only those has not taken the step.
	Shown []string
	// Now gives the time; nil = time.Now.
	Now func() time.Time
}

type section struct {
	Deps
	Config
}

// New makes the section. It also answers the plain address.
func New(cfg Config, d Deps) ui.Section {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &section{d, cfg}
	return ui.Section{
		Name: "entry", Templates: ui.Sub(files, "templates"), Assets: ui.Sub(files, "assets"),
		Routes: func(r *ui.Router) {
			r.Handle("GET /{$}", s.home)
			r.Public("GET /enter/{secret}", s.showLink)
			r.Public("POST /enter/{secret}", s.redeem)
			r.Public("GET /signin", s.showSignIn)
			r.Public("POST /signin", s.signIn)
			r.Public("POST /signout", s.signOut)
			r.Handle("GET /setup", s.showSetup)
			r.Handle("POST /setup", s.setUp)
			s.startRoutes(r)
			s.meRoutes(r)
		},
	}
}

// home sends people to where they go on: new workspaces to their first steps.
func (s *section) home(q *ui.Request) error {
	path, err := s.landing(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	return q.Redirect(path)
}

// landing is where a member goes who wanted nothing else.
func (s *section) landing(ctx context.Context, p *tideline.Principal) (string, error) {
	if !p.Member.Role.Administers() {
		return "/inbox", nil
	}
	if p.Member.Role == tideline.RoleOwner {
		pw, err := s.Sessions.PasswordOf(ctx, p)
		if err != nil {
			return "", err
		}
		if !pw.Chosen {
			return "/setup", nil
		}
	}
	over, err := s.over(ctx, p)
	if err != nil || over {
		return "/inbox", err
	}
	return "/start", nil
}
