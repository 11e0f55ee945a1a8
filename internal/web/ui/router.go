package ui

import (
	"context"
	"crypto/rand"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Handler answers a request. An error that it returns is answered as a page, or
// as JSON to a script; nothing must have been written then.
type Handler func(q *Request) error

// Router takes the routes of sections. Patterns are those of net/http.
type Router struct {
	kit *Kit
	mux *http.ServeMux
}

// access says who a route is for.
type access int

const (
	required access = iota // somebody who is signed in
	optional               // everybody
)

// Handle adds a route for signed-in members; others are sent to sign in.
func (r *Router) Handle(pattern string, h Handler) { r.add(pattern, required, true, h) }

// HandleFor adds a route for members whose role may; others get permission_denied.
func (r *Router) HandleFor(may func(tideline.Role) bool, pattern string, h Handler) {
	r.Handle(pattern, For(may, h))
}

// For refuses members whose role may not.
func For(may func(tideline.Role) bool, h Handler) Handler {
	return func(q *Request) error {
		if !may(q.Principal.Member.Role) {
			return tideline.Errorf(tideline.CodePermissionDenied, "%s", q.T("ui.error.denied"))
		}
		return h(q)
	}
}

// Public adds a route for everybody. Principal is nil when nobody is signed in.
func (r *Router) Public(pattern string, h Handler) { r.add(pattern, optional, true, h) }

// Raw is Handle without a bound on the time that the answer takes: for streams,
// uploads and media. The server's own limits, which are made for small bodies,
// begin anew at rawTimeout once it is known who asks; h may set others.
func (r *Router) Raw(pattern string, h Handler) {
	r.add(pattern, required, false, func(q *Request) error {
		c, end := http.NewResponseController(q.W), time.Now().Add(rawTimeout)
		_ = c.SetReadDeadline(end)  // not every writer can have others, and then
		_ = c.SetWriteDeadline(end) // they stay
		return h(q)
	})
}

// rawTimeout is how long the bytes of an upload or a file may take.
const rawTimeout = 15 * time.Minute

func (r *Router) add(pattern string, a access, bounded bool, h Handler) {
	r.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		if bounded {
			ctx, cancel := context.WithTimeout(req.Context(), r.kit.cfg.Timeout)
			defer cancel()
			req = req.WithContext(ctx)
		}
		q := r.request(w, req)
		r.finish(q, r.serve(q, a, h))
	})
}

func (r *Router) request(w http.ResponseWriter, req *http.Request) *Request {
	q := &Request{W: w, R: req, kit: r.kit, ID: strings.ToLower(rand.Text()[:12])}
	w.Header().Set("X-Request-Id", q.ID)
	if r.kit.cfg.Position != nil {
		q.position = r.kit.cfg.Position()
	}
	q.choose()
	return q
}

// serve finds out who asks and calls h. A panic becomes an error.
func (r *Router) serve(q *Request, a access, h Handler) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares the value too
			panic(v)
		}
		r.kit.log.ErrorContext(q.Context(), "page panicked", "request_id", q.ID, "panic", v, "stack", string(debug.Stack()))
		err = errPanic
	}()
	if err := r.identify(q); err != nil {
		if a == required || !signedOut(err) {
			return err
		}
	}
	return h(q)
}

// identify finds the member of the session's cookie.
func (r *Router) identify(q *Request) error {
	c, err := q.R.Cookie(r.kit.cfg.Cookie)
	if err != nil {
		return errSignIn
	}
	p, err := r.kit.cfg.Sessions.Authenticate(q.Context(), c.Value)
	if err != nil {
		return err
	}
	q.Principal = p
	q.choose()
	if r.kit.cfg.Attribute != nil {
		q.R = q.R.WithContext(r.kit.cfg.Attribute(q.R.Context(), p))
	}
	return nil
}

// finish answers for a handler that failed.
func (r *Router) finish(q *Request, err error) {
	if err == nil {
		return
	}
	if q.R.Context().Err() != nil && context.Cause(q.R.Context()) == context.Canceled { //nolint:errorlint // the client left; nobody is there to be answered
		return
	}
	q.fail(err)
}
