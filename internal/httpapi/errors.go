package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// outcome is how a code of the domain looks on the wire.
type outcome struct {
	status int
	code   apigen.ErrorCode
}

// outcomeOf is the one table from codes to answers. The wire's set of words is
// smaller than the domain's: a conflict and a body that is too large differ in
// their status only. A code that is missing here is our mistake, so it reads as one.
func outcomeOf(code tideline.Code) outcome {
	switch code {
	case tideline.CodeMissingCredentials:
		return outcome{http.StatusUnauthorized, apigen.ErrorCodeMissingCredentials}
	case tideline.CodeInvalidToken:
		return outcome{http.StatusUnauthorized, apigen.ErrorCodeInvalidToken}
	case tideline.CodeMemberNotFound:
		return outcome{http.StatusForbidden, apigen.ErrorCodeMemberNotFound}
	case tideline.CodePermissionDenied:
		return outcome{http.StatusForbidden, apigen.ErrorCodePermissionDenied}
	case tideline.CodePlanFeatureUnavailable:
		return outcome{http.StatusForbidden, apigen.ErrorCodePlanFeatureUnavailable}
	case tideline.CodeQuotaExceeded:
		return outcome{http.StatusForbidden, apigen.ErrorCodeQuotaExceeded} // 429 for API calls; see throttled
	case tideline.CodeRateLimitExceeded:
		return outcome{http.StatusTooManyRequests, apigen.ErrorCodeRateLimitExceeded}
	case tideline.CodeValidation:
		return outcome{http.StatusBadRequest, apigen.ErrorCodeValidationError}
	case tideline.CodeNotFound:
		return outcome{http.StatusNotFound, apigen.ErrorCodeNotFound}
	case tideline.CodeConflict:
		return outcome{http.StatusConflict, apigen.ErrorCodeValidationError}
	case tideline.CodeTooLarge:
		return outcome{http.StatusRequestEntityTooLarge, apigen.ErrorCodeValidationError}
	case tideline.CodeNotSupported:
		return outcome{http.StatusMethodNotAllowed, apigen.ErrorCodeNotSupported}
	case tideline.CodeUnavailable:
		return outcome{http.StatusServiceUnavailable, apigen.ErrorCodeInternalError}
	default:
		return outcome{http.StatusInternalServerError, apigen.ErrorCodeInternalError}
	}
}

// internalMessage is all that a client learns about a fault of ours.
const internalMessage = "Something went wrong on the server. It has been logged; the X-Request-Id header of this answer helps to find it"

// unavailableMessage is what a client is told while nothing can be stored or read.
// After a connection that broke in a commit, a message may have been accepted.
const unavailableMessage = "The server can't reach or write its storage at the moment. Try again later, a send with the same Idempotency-Key, so that it goes once"

// unavailableRetry is the seconds after which to try again: storage notices sooner
// that it can be used again.
const unavailableRetry = "5"

// throttled is an error that time will heal: it is answered 429 with Retry-After.
type throttled struct {
	err   *tideline.Error
	retry time.Duration
}

func (t *throttled) Error() string { return t.err.Error() }
func (t *throttled) Unwrap() error { return t.err }

// fail answers with the error's envelope. It is the one place where errors are
// logged: those that are our fault, with their cause.
func (s *server) fail(x *exchange, r *http.Request, err error) {
	e, known := errors.AsType[*tideline.Error](err)
	if !known {
		e = &tideline.Error{Code: tideline.CodeInternal, Err: err}
	}
	o := outcomeOf(e.Code)
	body := apigen.ErrorResponse{Status: apigen.Error, Message: e.Message, ErrorCode: o.code}
	if u, ok := errors.AsType[*store.UnavailableError](err); ok && e.Code == tideline.CodeInternal {
		// Storage has told the operator once, and would fail every request.
		s.log.DebugContext(r.Context(), "storage not available", "request_id", x.id, "operation", x.op.name, "trouble", string(u.Trouble), "error", err)
		o.status, body.Message = http.StatusServiceUnavailable, unavailableMessage
		x.Header().Set("Retry-After", unavailableRetry)
	}
	if o.status == http.StatusInternalServerError {
		body.Message = internalMessage
		s.logFault(x, r, err)
	}
	if o.status == http.StatusServiceUnavailable {
		x.Header().Set("Retry-After", "10")
		s.logFault(x, r, err)
	}
	if t, ok := errors.AsType[*throttled](err); ok {
		o.status = http.StatusTooManyRequests
		x.Header().Set("Retry-After", strconv.FormatInt(int64(max(1, (t.retry+time.Second-1)/time.Second)), 10))
	}
	switch e.Code {
	case tideline.CodeMissingCredentials:
		x.Header().Set("WWW-Authenticate", "Bearer")
	case tideline.CodeInvalidToken:
		x.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	if len(e.Fields) > 0 && e.Code == tideline.CodeValidation {
		fields := make([]apigen.FieldError, len(e.Fields))
		for i, f := range e.Fields {
			fields[i] = apigen.FieldError{Fields: f.Path, Msg: f.Msg}
		}
		body.Errors = &fields
	}
	x.code = o.code
	s.reply(x, o.status, body)
}

// logFault notes what went wrong on our side. A client that went away is nobody's
// fault.
func (s *server) logFault(x *exchange, r *http.Request, err error) {
	ctx := r.Context()
	if errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) {
		s.log.DebugContext(ctx, "client went away", "request_id", x.id, "operation", x.op.name)
		return
	}
	s.log.ErrorContext(ctx, "request failed", "request_id", x.id, "operation", x.op.name, "error", err)
}

var (
	errNoSuchPath = tideline.Errorf(tideline.CodeNotFound, "There is nothing at this path; the API reference is at /docs")
	errRate       = tideline.Errorf(tideline.CodeRateLimitExceeded, "Requests rate is over limit: wait as long as the Retry-After header says")
	errCallQuota  = tideline.Errorf(tideline.CodeQuotaExceeded, "API call quota exceeded: the workspace's plan has no calls left in this period")
	errPlanAPI    = tideline.Errorf(tideline.CodePlanFeatureUnavailable, "The public API is not part of the workspace's plan")
)
