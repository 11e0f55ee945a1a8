package entry

import (
	"errors"
	"net/http"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// linkPage is what the template entry/link gets.
type linkPage struct {
	Who      auth.Invited
	Name     string // as it was typed
	Problems problems
}

// showLink shows whom a one-time link lets in, with the button that uses it.
func (s *section) showLink(q *ui.Request) error {
	who, err := s.Sessions.Link(q.Context(), q.R.PathValue("secret"))
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return s.linkOver(q)
	}
	if err != nil {
		return err
	}
	return s.link(q, http.StatusOK, linkPage{Who: who, Name: who.Member.DisplayName})
}

func (s *section) link(q *ui.Request, status int, data linkPage) error {
	return q.BareStatus(status, "entry/link", ui.Page{Title: "entry.link.title", Styles: styles, Data: data})
}

// linkOver answers for a link that is used up. Whoever is in already, perhaps by
// this very link, goes on.
func (s *section) linkOver(q *ui.Request) error {
	if q.Principal != nil {
		return q.Redirect("/")
	}
	return q.BareStatus(http.StatusNotFound, "entry/over", ui.Page{Title: "entry.over.title", Styles: styles})
}

// redeem uses a link up.
func (s *section) redeem(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	e := auth.Entry{Password: form.Get("password"), DisplayName: form.Get("name"), Browser: s.browser(q)}
	secret, _, err := s.Sessions.Redeem(q.Context(), q.R.PathValue("secret"), e)
	if wrong, ok := errors.AsType[*tideline.Error](err); ok {
		switch wrong.Code {
		case tideline.CodeNotFound:
			return s.linkOver(q)
		case tideline.CodeValidation:
			who, err := s.Sessions.Link(q.Context(), q.R.PathValue("secret"))
			if tideline.IsCode(err, tideline.CodeNotFound) {
				return s.linkOver(q)
			}
			if err != nil {
				return err
			}
			return s.link(q, http.StatusUnprocessableEntity, linkPage{who, e.DisplayName, explain(q, wrong, e.Password, who.Member.Email)})
		}
	}
	if err != nil {
		return err
	}
	return s.enter(q, secret, "")
}

// enter begins a session in this browser, in place of the one that it may have
// had, and goes to next or to where the member goes on.
func (s *section) enter(q *ui.Request, secret, next string) error {
	if q.Principal != nil {
		if err := s.Sessions.SignOut(q.Context(), q.Principal); err != nil {
			return err
		}
	}
	p, err := s.Sessions.Authenticate(q.Context(), secret)
	if err != nil {
		return err
	}
	if next = ui.SafeNext(next); next == "/" {
		if next, err = s.landing(q.Context(), p); err != nil {
			return err
		}
	}
	s.letIn(q, secret)
	return q.Redirect(next)
}
