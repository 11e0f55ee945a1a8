package entry

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/workspace"
)

// setupPage is what the template entry/setup gets.
type setupPage struct {
	Owner             bool // who also says where the workspace is
	Name, Email, Zone string
	Guess             bool // the browser may say better where it is
	Problems          problems
}

// showSetup asks whoever came by a link, and has no password, for what is missing.
func (s *section) showSetup(q *ui.Request) error {
	if chosen, err := s.hasPassword(q); err != nil || chosen {
		return orRedirect(q, "/", err)
	}
	p := q.Principal
	data := setupPage{
		Owner: p.Member.Role == tideline.RoleOwner, Name: p.Member.DisplayName, Email: p.Member.Email,
		Zone: p.Workspace.TimeZone, Guess: p.Workspace.TimeZone == "UTC",
	}
	if madeUp(data.Email) {
		data.Email = ""
		if data.Owner {
			data.Name = ""
		}
	}
	return s.setupForm(q, http.StatusOK, data)
}

func (s *section) setupForm(q *ui.Request, status int, data setupPage) error {
	return q.BareStatus(status, "entry/setup", ui.Page{Title: "entry.setup.title", Styles: styles, Scripts: []string{"entry/setup.js"}, Data: data})
}

func (s *section) hasPassword(q *ui.Request) (bool, error) {
	pw, err := s.Sessions.PasswordOf(q.Context(), q.Principal)
	return pw.Chosen, err
}

func orRedirect(q *ui.Request, path string, err error) error {
	if err != nil {
		return err
	}
	return q.Redirect(path)
}

// madeUp reports whether an e-mail is the one that serve gives an owner of whom
// it knows nothing.
func madeUp(email string) bool { return strings.HasSuffix(strings.ToLower(email), ".invalid") }

// setUp keeps what the member said. The password comes last: with it, the setup is
// over.
func (s *section) setUp(q *ui.Request) error {
	if chosen, err := s.hasPassword(q); err != nil || chosen {
		return orRedirect(q, "/", err)
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	p := q.Principal
	data := setupPage{
		Owner: p.Member.Role == tideline.RoleOwner, Name: form.Get("name"), Email: p.Member.Email, Zone: strings.TrimSpace(form.Get("zone")),
	}
	change := team.SelfChange{DisplayName: &data.Name}
	if data.Owner {
		data.Email = strings.TrimSpace(form.Get("email"))
		change.Email = &data.Email
	}
	password := form.Get("password")
	if data.Problems = s.setupProblems(q, data, password); len(data.Problems) > 0 {
		return s.setupForm(q, http.StatusUnprocessableEntity, data)
	}
	_, err = s.Team.ChangeSelf(q.Context(), p, change)
	if wrong, ok := errors.AsType[*tideline.Error](err); ok && wrong.Code == tideline.CodeValidation {
		data.Problems = explain(q, wrong, password, data.Email)
		return s.setupForm(q, http.StatusUnprocessableEntity, data)
	}
	if err != nil {
		return err
	}
	if data.Owner && data.Zone != p.Workspace.TimeZone {
		if _, err := s.Workspaces.Set(q.Context(), p.Workspace, workspace.Change{TimeZone: &data.Zone, By: p.Member.DisplayName}); err != nil {
			return err
		}
	}
	if err := s.Sessions.SetPassword(q.Context(), p, "", password); err != nil {
		return err
	}
	path, err := s.landing(q.Context(), p)
	return orRedirect(q, path, err)
}

// setupProblems finds what nobody else would before something is changed.
func (s *section) setupProblems(q *ui.Request, data setupPage, password string) problems {
	found := problems{}
	if fault := auth.PasswordFault(password, data.Email); fault != "" {
		found["password"] = passwordProblem(q, fault)
	}
	if data.Owner {
		if tideline.CheckTimeZone(data.Zone) != nil {
			found["zone"] = q.T("entry.problem.zone")
		}
		if data.Email == "" || madeUp(data.Email) {
			found["email"] = q.T("entry.problem.email")
		}
	}
	return found
}
