package ui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

var (
	errMissing = tideline.Errorf(tideline.CodeNotFound, "There is nothing at this address")
	errSignIn  = tideline.Errorf(tideline.CodeMissingCredentials, "Sign in first")
	errPanic   = errors.New("the handler panicked; it is in the log")
)

// Missing is the error of something that is not there, or that the member may not
// see.
func Missing() error { return errMissing }

// TooManyError is too many requests of somebody, which time will heal.
type TooManyError struct{ Retry time.Duration }

// Error says how long to wait.
func (e *TooManyError) Error() string { return fmt.Sprintf("too many requests; again in %s", e.Retry) }

func signedOut(err error) bool {
	switch tideline.ErrorCode(err) {
	case tideline.CodeMissingCredentials, tideline.CodeInvalidToken, tideline.CodeMemberNotFound:
		return true
	}
	return false
}

func statusOf(err error) int {
	switch tideline.ErrorCode(err) {
	case tideline.CodeMissingCredentials, tideline.CodeInvalidToken, tideline.CodeMemberNotFound:
		return http.StatusUnauthorized
	case tideline.CodePermissionDenied, tideline.CodePlanFeatureUnavailable, tideline.CodeQuotaExceeded:
		return http.StatusForbidden
	case tideline.CodeRateLimitExceeded:
		return http.StatusTooManyRequests
	case tideline.CodeValidation:
		return http.StatusUnprocessableEntity
	case tideline.CodeNotFound:
		return http.StatusNotFound
	case tideline.CodeConflict:
		return http.StatusConflict
	case tideline.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case tideline.CodeNotSupported:
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}

// failure is what an error page, or a script, is told.
type failure struct {
	Status  int
	Title   string
	Message string
}

// fail answers with an error. Faults of ours are logged here and nowhere else.
func (q *Request) fail(err error) {
	if signedOut(err) && !q.WantsJSON() && (q.R.Method == http.MethodGet || q.R.Method == http.MethodHead) {
		_ = q.Redirect(SignInPath(q.R.URL))
		return
	}
	f := failure{Status: statusOf(err), Title: q.T("ui.error.title")}
	var fields []tideline.FieldError
	if e, ok := errors.AsType[*TooManyError](err); ok {
		seconds := max(1, int(e.Retry.Round(time.Second)/time.Second))
		q.W.Header().Set("Retry-After", fmt.Sprint(seconds))
		f.Status, f.Message = http.StatusTooManyRequests, q.T("ui.error.busy", "seconds", seconds)
	} else if e, ok := errors.AsType[*tideline.Error](err); ok && e.Code != tideline.CodeInternal {
		f.Message, fields = e.Message, e.Fields
		switch {
		case e == errMissing:
			f.Title, f.Message = q.T("ui.error.missing"), q.T("ui.error.missing.text")
		case e.Code == tideline.CodeNotFound:
			f.Title = q.T("ui.error.missing")
		case e.Code == tideline.CodePermissionDenied:
			f.Title = q.T("ui.error.denied")
		case signedOut(e):
			f.Message = q.T("ui.error.signin")
		}
	} else {
		f.Title, f.Message = q.T("ui.error.internal"), q.T("ui.error.internal.text", "id", q.ID)
		if !errors.Is(err, context.Canceled) && !errors.Is(err, errPanic) {
			q.kit.log.ErrorContext(q.Context(), "page failed", "request_id", q.ID, "pattern", q.R.Pattern, "err", err)
		}
	}
	if q.WantsJSON() {
		q.failJSON(f, err, fields)
		return
	}
	if err := q.showFailure(f); err != nil {
		q.kit.log.ErrorContext(q.Context(), "error page failed", "request_id", q.ID, "err", err)
		http.Error(q.W, f.Message, f.Status)
	}
}

func (q *Request) showFailure(f failure) error {
	frame := "ui/bare"
	if q.Principal != nil {
		frame = "ui/frame"
	}
	return q.page(f.Status, frame, "ui/error", Page{Title: "ui.error.title", Data: f})
}

func (q *Request) failJSON(f failure, err error, fields []tideline.FieldError) {
	type field struct {
		Path    string `json:"path"`
		Message string `json:"message"`
	}
	list := make([]field, len(fields))
	for i, e := range fields {
		list[i] = field{strings.Join(e.Path, "."), e.Msg}
	}
	code := tideline.ErrorCode(err)
	if f.Status == http.StatusTooManyRequests {
		code = tideline.CodeRateLimitExceeded
	}
	_ = q.JSON(f.Status, map[string]any{"error": map[string]any{ // strings and slices of them are always JSON
		"code": code, "message": f.Message, "fields": list,
	}})
}

// SignInPath is where somebody who wanted the address signs in first.
func SignInPath(want *url.URL) string {
	if want == nil || want.Path == "/" || want.Path == "" {
		return "/signin"
	}
	return "/signin?next=" + url.QueryEscape(want.RequestURI())
}

// SafeNext gives where to go after signing in: next when it is a path of ours,
// else "/".
func SafeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil ||
		!strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}
