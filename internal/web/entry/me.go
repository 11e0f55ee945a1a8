package entry

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// mePage is what the template entry/me gets.
type mePage struct {
	Name, Email, Language string
	Owner                 bool
	Languages             []language
	Password              auth.Password
	Sessions              []sessionRow
	Problems              problems
}

// language is one that the pages are written in.
type language struct{ Tag, Name string }

// languages gives those that a member can choose, each in its own words.
func languages() []language { return []language{{"en", "English"}, {"es", "Español"}} }

// sessionRow is a session as it is listed.
type sessionRow struct {
	ID              int64
	Browser, System string // "" = not known
	Address         string
	CreatedAt       time.Time
	SeenAt          time.Time
	Here            bool // the one that asks
	ByLink          bool
}

func (s *section) meRoutes(r *ui.Router) {
	r.Handle("GET /me", s.showMe)
	r.Handle("POST /me/profile", s.changeProfile)
	r.Handle("POST /me/password", s.changePassword)
	r.Handle("POST /me/sessions/end-others", s.endOthers)
	r.Handle("POST /me/sessions/{id}/end", s.endSession)
}

func (s *section) showMe(q *ui.Request) error {
	page, err := s.me(q)
	if err != nil {
		return err
	}
	return s.mePage(q, http.StatusOK, page)
}

func (s *section) me(q *ui.Request) (mePage, error) {
	p := q.Principal
	page := mePage{
		Name: p.Member.DisplayName, Email: p.Member.Email, Language: p.Member.Language,
		Owner: p.Member.Role == tideline.RoleOwner, Languages: languages(),
	}
	var err error
	if page.Password, err = s.Sessions.PasswordOf(q.Context(), p); err != nil {
		return page, err
	}
	list, err := s.Sessions.List(q.Context(), p.Workspace.ID, p.Member.ID)
	if err != nil {
		return page, err
	}
	for _, se := range list {
		browser, system := describe(se.UserAgent)
		page.Sessions = append(page.Sessions, sessionRow{
			ID: se.ID, Browser: browser, System: system, Address: se.Address, CreatedAt: se.CreatedAt, SeenAt: se.SeenAt,
			Here: se.ID == p.Session.ID, ByLink: se.ByLink,
		})
	}
	return page, nil
}

func (s *section) mePage(q *ui.Request, status int, page mePage) error {
	return q.PageStatus(status, "entry/me", ui.Page{
		Title: "entry.me.title", Nav: "me", Styles: styles, Scripts: []string{"entry/me.js"}, Data: page,
	})
}

// mend shows the page again with what is wrong, or gives the error back when that
// is nothing that a form can mend.
func (s *section) mend(q *ui.Request, err error, password, email string, edit func(*mePage)) error {
	if many, ok := errors.AsType[*auth.TooManyError](err); ok {
		return &ui.TooManyError{Retry: many.After}
	}
	wrong, ok := errors.AsType[*tideline.Error](err)
	if !ok || wrong.Code != tideline.CodeValidation || q.WantsJSON() {
		return err
	}
	page, err := s.me(q)
	if err != nil {
		return err
	}
	edit(&page)
	page.Problems = explain(q, wrong, password, email)
	return s.mePage(q, http.StatusUnprocessableEntity, page)
}

// changeProfile changes name, language and, of the owner, the e-mail.
func (s *section) changeProfile(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	name, tag, email := form.Get("name"), form.Get("language"), strings.TrimSpace(form.Get("email"))
	change := team.SelfChange{DisplayName: &name, Language: &tag}
	if q.Principal.Member.Role == tideline.RoleOwner && form.Has("email") {
		change.Email = &email
	}
	if !known(tag) {
		return tideline.Invalid([]tideline.FieldError{{Path: []string{"language"}, Msg: "is none that the pages are written in"}})
	}
	if _, err := s.Team.ChangeSelf(q.Context(), q.Principal, change); err != nil {
		return s.mend(q, err, "", email, func(m *mePage) { m.Name, m.Email, m.Language = name, email, tag })
	}
	return q.Done("/me", "entry.me.saved")
}

func known(tag string) bool {
	for _, l := range languages() {
		if l.Tag == tag {
			return true
		}
	}
	return tag == ""
}

// changePassword needs the old one unless the member just came by a link.
func (s *section) changePassword(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	password := form.Get("password")
	if err := s.Sessions.SetPassword(q.Context(), q.Principal, form.Get("old_password"), password); err != nil {
		return s.mend(q, err, password, q.Principal.Member.Email, func(*mePage) {})
	}
	return q.Done("/me", "entry.me.password.saved")
}

func (s *section) endSession(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if id == q.Principal.Session.ID {
		return s.signOut(q)
	}
	if err := s.Sessions.End(q.Context(), q.Principal.Workspace.ID, q.Principal.Member.ID, id); err != nil {
		return err
	}
	return q.Done("/me", "entry.me.session.ended")
}

func (s *section) endOthers(q *ui.Request) error {
	n, err := s.Sessions.EndOthers(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	if n == 0 {
		return q.Done("/me", "entry.me.others.none")
	}
	return q.Done("/me", "entry.me.others.ended", "n", fmt.Sprint(n))
}

// describe names a browser and its system by what it calls itself, for people to
// tell their sessions apart; "" where that is unknown.
func describe(userAgent string) (browser, system string) {
	for _, b := range []struct{ mark, name string }{ // the first one counts: most pretend to be several
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"},
		{"Safari/", "Safari"}, {"curl/", "curl"},
	} {
		if strings.Contains(userAgent, b.mark) {
			browser = b.name
			break
		}
	}
	for _, o := range []struct{ mark, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	} {
		if strings.Contains(userAgent, o.mark) {
			system = o.name
			break
		}
	}
	return browser, system
}
