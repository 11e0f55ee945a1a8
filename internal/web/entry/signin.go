package entry

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// signInPage is what the template entry/signin gets.
type signInPage struct {
	Email, Next string
	Problem     string
	Choice      []tideline.Workspace // of which one must be named
	Workspace   string               // slug that was named
}

// showSignIn shows the form, unless somebody is in already.
func (s *section) showSignIn(q *ui.Request) error {
	next := ui.SafeNext(q.R.URL.Query().Get("next"))
	if q.Principal != nil {
		return q.Redirect(next)
	}
	return s.signInForm(q, http.StatusOK, signInPage{Next: next})
}

func (s *section) signInForm(q *ui.Request, status int, data signInPage) error {
	return q.BareStatus(status, "entry/signin", ui.Page{Title: "entry.signin.title", Styles: styles, Data: data})
}

// signIn opens a session with a password.
func (s *section) signIn(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	page := signInPage{Email: form.Get("email"), Next: ui.SafeNext(form.Get("next")), Workspace: form.Get("workspace")}
	secret, _, err := s.Sessions.SignIn(q.Context(), auth.Credentials{
		Email: page.Email, Password: form.Get("password"), Workspace: page.Workspace, Browser: s.browser(q),
	})
	if err == nil {
		return s.enter(q, secret, page.Next)
	}
	if choice, ok := errors.AsType[*auth.ChoiceError](err); ok {
		page.Choice = choice.Workspaces
		page.Problem = q.T("entry.signin.choose")
		return s.signInForm(q, http.StatusUnprocessableEntity, page)
	}
	if many, ok := errors.AsType[*auth.TooManyError](err); ok {
		q.W.Header().Set("Retry-After", fmt.Sprint(int(many.After/time.Second)))
		page.Problem = q.N("entry.signin.many", int64((many.After+time.Minute-1)/time.Minute))
		return s.signInForm(q, http.StatusTooManyRequests, page)
	}
	if errors.Is(err, auth.ErrWrongPassword) {
		page.Problem = q.T("entry.signin.wrong")
		return s.signInForm(q, http.StatusUnprocessableEntity, page)
	}
	return err
}

// signOut ends the session of this browser; that it has ended already is fine.
func (s *section) signOut(q *ui.Request) error {
	if q.Principal != nil {
		if err := s.Sessions.SignOut(q.Context(), q.Principal); err != nil {
			return err
		}
	}
	s.letOut(q)
	return q.Done("/signin", "entry.signin.out")
}
