package admin

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

const teamPath = "/team"

// memberRow is a member as the list shows them.
type memberRow struct {
	team.Teammate
	Role   string // in words
	Me     bool
	Change bool // the reader may change something of them
}

// teamRow is a team as the list shows it.
type teamRow struct {
	tideline.Team
	Members int
}

// teamView is what the page of the team shows.
type teamView struct {
	Members  []memberRow
	Teams    []teamRow // without the default team
	Default  int       // members of the default team
	Manages  bool      // the reader keeps teams
	Roles    []option  // that the reader may invite to; none = they may not invite
	Titles   []string  // of teams
	Seats    int       // -1 = unlimited
	Invite   inviteForm
	Problems map[string]string // by field of the invitation
}

// inviteForm is what was filled in.
type inviteForm struct{ Email, Name, Role, Team string }

func (s *section) showTeam(q *ui.Request) error {
	v, err := s.teamView(q, inviteForm{Role: string(tideline.RoleAgent)})
	if err != nil {
		return err
	}
	return q.Page("admin/team", page("admin.team.title", "team", v))
}

func (s *section) teamView(q *ui.Request, f inviteForm) (teamView, error) {
	p := q.Principal
	titles, members, err := s.Team.Teammates(q.Context(), p)
	if err != nil {
		return teamView{}, err
	}
	teams, err := s.Team.Teams(q.Context(), p)
	if err != nil {
		return teamView{}, err
	}
	v := teamView{Manages: p.Member.Role.Administers(), Roles: roleOptions(q, tideline.Role(f.Role)), Titles: titles,
		Seats: p.Workspace.Plan.Seats, Invite: f}
	count := map[int64]int{}
	for _, m := range members {
		count[m.Member.TeamID]++
		v.Members = append(v.Members, memberRow{Teammate: m, Role: q.T("admin.role." + string(m.Member.Role)), Me: m.Member.ID == p.Member.ID,
			Change: p.Member.Role.MayInvite(m.Member.Role)})
	}
	for _, t := range teams {
		v.Teams = append(v.Teams, teamRow{t, count[t.ID]})
	}
	v.Default = count[0]
	return v, nil
}

// invite invites somebody and shows the link that lets them in, this once.
func (s *section) invite(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	f := inviteForm{strings.TrimSpace(form.Get("email")), form.Get("name"), form.Get("role"), form.Get("team")}
	if err = s.notHere(q, f.Email); err == nil {
		var m team.Teammate
		m, err = s.Team.Invite(q.Context(), q.Principal, team.Invitation{Email: f.Email, FirstName: f.Name, Team: f.Team, Role: f.Role})
		if err == nil {
			return s.showLink(q, &m)
		}
	}
	problems := problemsOf(err)
	if len(problems) == 0 || q.WantsJSON() {
		return err
	}
	v, failed := s.teamView(q, f)
	if failed != nil {
		return failed
	}
	v.Problems = problems
	return q.PageStatus(http.StatusUnprocessableEntity, "admin/team", page("admin.team.title", "team", v))
}

// notHere refuses to invite who has joined already: an invitation would change
// their role, which is done elsewhere, knowingly.
func (s *section) notHere(q *ui.Request, email string) error {
	_, members, err := s.Team.Teammates(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	for _, m := range members {
		if strings.EqualFold(m.Member.Email, email) && m.Member.Status() == tideline.MemberActive {
			return tideline.Invalid([]tideline.FieldError{{Path: []string{"email"}, Msg: q.T("admin.team.here")}})
		}
	}
	return nil
}

// problemsOf gives what is wrong with single fields.
func problemsOf(err error) map[string]string {
	e, ok := err.(*tideline.Error) //nolint:errorlint // services give it as it is
	if !ok || len(e.Fields) == 0 {
		return nil
	}
	problems := map[string]string{}
	for _, f := range e.Fields {
		problems[strings.Join(f.Path, ".")] = f.Msg
	}
	return problems
}

// linkView is what is shown of an invitation that was made.
type linkView struct {
	Member tideline.Member
	URL    string
	Until  time.Time
}

// showLink makes an invited member's link and shows it, this once. Who has joined,
// perhaps this very moment, gets none: it would let whoever asked for it in as them.
func (s *section) showLink(q *ui.Request, m *team.Teammate) error {
	if m.Member.Status() != tideline.MemberInvited {
		return tideline.Errorf(tideline.CodeConflict, "%s", q.T("admin.member.joined"))
	}
	secret, link, err := s.Links.CreateLink(q.Context(), &m.Member, tideline.LinkInvitation, 0)
	if err != nil {
		return err
	}
	return q.Page("admin/invited", page("admin.invited.title", "team", linkView{m.Member, s.BaseURL(q.R) + auth.LinkPath(secret), link.ExpiresAt}))
}

func (s *section) createTeam(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	made, err := s.Team.CreateTeam(q.Context(), q.Principal, form.Get("title"))
	if err != nil {
		return err
	}
	return q.Done(teamPath, "admin.team.created", "name", made.Title)
}

func (s *section) renameTeam(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	if err := s.Team.RenameTeam(q.Context(), q.Principal, id, form.Get("title")); err != nil {
		return err
	}
	return q.Done(teamPath, "admin.saved")
}

func (s *section) deleteTeam(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Team.DeleteTeam(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(teamPath, "admin.team.deleted")
}

// teamOptions are all teams, the default one first.
func teamOptions(teams []tideline.Team, chosen int64) []option {
	list := []option{{"0", tideline.DefaultTeam, chosen == 0}}
	for _, t := range teams {
		list = append(list, option{strconv.FormatInt(t.ID, 10), t.Title, t.ID == chosen})
	}
	return list
}
