package entry

import (
	"net/http"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// cookieLife is as long as browsers keep a cookie. When a session ends is the
// server's business: it lasts while it is used.
const cookieLife = 400 * 24 * time.Hour

// letIn has the browser keep a session's secret.
func (s *section) letIn(q *ui.Request, secret string) {
	http.SetCookie(q.W, &http.Cookie{
		Name: s.Cookie, Value: secret, Path: "/", MaxAge: int(cookieLife / time.Second),
		HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// letOut has the browser forget it.
func (s *section) letOut(q *ui.Request) {
	http.SetCookie(q.W, &http.Cookie{
		Name: s.Cookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// browser is who asks.
func (s *section) browser(q *ui.Request) auth.Browser {
	return auth.Browser{Address: s.Address(q.R), UserAgent: q.R.UserAgent()}
}
