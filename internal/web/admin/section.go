package admin

import (
	"context"
	"embed"
	"net/http"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/workspace"
)

//go:embed templates/*.html assets
var files embed.FS

// Team keeps members and teams, and reads the audit log; *team.Service is one.
type Team interface {
	Teammates(ctx context.Context, p *tideline.Principal) ([]string, []team.Teammate, error)
	Invite(ctx context.Context, p *tideline.Principal, i team.Invitation) (team.Teammate, error)
	Revoke(ctx context.Context, p *tideline.Principal, memberID int64) error
	Teams(ctx context.Context, p *tideline.Principal) ([]tideline.Team, error)
	CreateTeam(ctx context.Context, p *tideline.Principal, title string) (tideline.Team, error)
	RenameTeam(ctx context.Context, p *tideline.Principal, teamID int64, title string) error
	DeleteTeam(ctx context.Context, p *tideline.Principal, teamID int64) error
	MoveMember(ctx context.Context, p *tideline.Principal, memberID, teamID int64) error
	SetRole(ctx context.Context, p *tideline.Principal, memberID int64, role tideline.Role) error
	RemoveMember(ctx context.Context, p *tideline.Principal, memberID int64) error
	HandOver(ctx context.Context, p *tideline.Principal, memberID int64) error
	Audit(ctx context.Context, p *tideline.Principal, f store.AuditFilter, limit int) ([]tideline.AuditEntry, bool, error)
}

// Links makes one-time links; *auth.Sessions is one.
type Links interface {
	CreateLink(ctx context.Context, m *tideline.Member, purpose tideline.LinkPurpose, ttl time.Duration) (string, tideline.Link, error)
}

// Tokens makes, lists and ends tokens for members; *auth.Tokens is one.
type Tokens interface {
	MakeOwn(ctx context.Context, p *tideline.Principal, g auth.Grant) (string, tideline.Token, error)
	SeenBy(ctx context.Context, p *tideline.Principal) ([]tideline.Token, error)
	RevokeAs(ctx context.Context, p *tideline.Principal, tokenID int64) error
}

// Workspaces changes workspaces; *workspace.Service is one.
type Workspaces interface {
	SetAs(ctx context.Context, p *tideline.Principal, c workspace.Change) (tideline.Workspace, error)
	SetRetentionAs(ctx context.Context, p *tideline.Principal, c workspace.RetentionChange) error
}

// Storage is what is shown without a service in between; see store.Store.
type Storage interface {
	Balance(ctx context.Context, workspaceID int64, now time.Time) (tideline.Balance, error)
	Retention(ctx context.Context, workspaceID int64) (tideline.Retention, error)
}

// Deps is what the pages work with. All fields are required, but for Now.
type Deps struct {
	Team       Team
	Links      Links
	Tokens     Tokens
	Workspaces Workspaces
	Storage    Storage
	// BaseURL is how clients reach the server, without a path at the end, such as
	// "https://wa.example.org"; it may depend on how the request came.
	BaseURL func(*http.Request) string
	// APIPath is where the public API lives below BaseURL.
	APIPath string
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
	return ui.Section{Name: "admin", Templates: ui.Sub(files, "templates"), Assets: ui.Sub(files, "assets"), Routes: s.routes}
}

func (s *section) routes(r *ui.Router) {
	r.Handle("GET /team", s.showTeam)
	r.Handle("POST /team/invite", s.invite)
	r.Handle("POST /team/teams", s.createTeam)
	r.Handle("POST /team/teams/{id}", s.renameTeam)
	r.Handle("POST /team/teams/{id}/delete", s.deleteTeam)
	r.Handle("GET /team/members/{id}", s.showMember)
	r.Handle("POST /team/members/{id}", s.changeMember)
	r.Handle("POST /team/members/{id}/link", s.inviteAgain)
	r.Handle("POST /team/members/{id}/revoke", s.revokeInvitation)
	r.Handle("POST /team/members/{id}/remove", s.removeMember)
	r.Handle("POST /team/members/{id}/owner", s.handOver)

	r.Handle("GET /tokens", s.showTokens)
	r.Handle("POST /tokens", s.createToken)
	r.Handle("POST /tokens/{id}/revoke", s.revokeToken)

	administers := tideline.Role.Administers
	r.HandleFor(administers, "GET /settings", s.showSettings)
	r.HandleFor(administers, "POST /settings", s.changeSettings)
	r.HandleFor(administers, "POST /settings/keep", s.changeKeep)
	r.HandleFor(administers, "GET /audit", s.showAudit)
	r.Raw("GET /audit.csv", ui.For(administers, s.exportAudit))
}

// page is a page of the section.
func page(title, nav string, data any) ui.Page {
	return ui.Page{Title: title, Nav: nav, Styles: []string{"admin/admin.css"}, Scripts: []string{"admin/admin.js"}, Data: data}
}

// option is a choice of a select.
type option struct {
	Value, Text string
	Chosen      bool
}

// roleOptions are the roles that p may give.
func roleOptions(q *ui.Request, chosen tideline.Role) []option {
	var list []option
	for _, r := range []tideline.Role{tideline.RoleAdmin, tideline.RoleTeamSupervisor, tideline.RoleTeammate, tideline.RoleAgent, tideline.RoleCollaborator} {
		if q.Principal.Member.Role.MayInvite(r) {
			list = append(list, option{string(r), q.T("admin.role." + string(r)), r == chosen})
		}
	}
	return list
}
