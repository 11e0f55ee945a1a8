package tideline

import (
	"errors"
	"fmt"
	"strings"
)

// Code is a stable, machine-readable reason. The set is closed: the HTTP API
// shows these words to its clients, and one table there maps each to a status.
type Code string

// The codes of the public API.
const (
	CodeMissingCredentials     Code = "missing_credentials"      // no credential was given
	CodeInvalidToken           Code = "invalid_token"            // the token is unknown, expired or revoked
	CodeMemberNotFound         Code = "member_not_found"         // the token is good, the member behind it is gone
	CodePermissionDenied       Code = "permission_denied"        // the member's role does not allow it
	CodePlanFeatureUnavailable Code = "plan_feature_unavailable" // the workspace's plan lacks the feature
	CodeQuotaExceeded          Code = "quota_exceeded"           // the period's credits or calls are used up
	CodeRateLimitExceeded      Code = "rate_limit_exceeded"      // too many requests in a short time
	CodeValidation             Code = "validation_error"         // the request is malformed or makes no sense
	CodeNotFound               Code = "not_found"                // the thing, or a thing it refers to, does not exist here
	CodeConflict               Code = "conflict"                 // the same Idempotency-Key came with another body, or a name is taken
	CodeTooLarge               Code = "too_large"                // the body or file is larger than allowed
	CodeNotSupported           Code = "not_supported"            // known, but not offered for this kind of account
	CodeUnavailable            Code = "unavailable"              // something that the server needs is away for now; nothing was changed
	CodeInternal               Code = "internal_error"           // our fault; the cause is in the log, never in the answer
)

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Path []string // keys and indexes from the request's root, e.g. ["labels","0"]
	Msg  string   // what is wrong, and what would be right
}

// Error is the one error type that crosses rooms. Message is for the person
// who made the request: what was wrong and what to do, never internals.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError // only with CodeValidation, when single fields are to blame
	Err     error        // the cause, for the log; may be nil
}

// Error gives the code, the message, the fields and the cause on one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", strings.Join(f.Path, "."), f.Msg)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a message for the requester.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes a CodeValidation error about single fields. It returns nil
// when there are none, so that a validator can end with it.
func Invalid(fields []FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	msgs := make([]string, len(fields))
	for i, f := range fields {
		msgs[i] = strings.Join(f.Path, ".") + ": " + f.Msg
	}
	return &Error{Code: CodeValidation, Message: strings.Join(msgs, "; "), Fields: fields}
}

// ErrorCode gives the code of err: CodeInternal for any error that is not an
// *Error, "" for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// IsCode reports whether err carries code.
func IsCode(err error, code Code) bool { return err != nil && ErrorCode(err) == code }
