package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The values of Error.Code. A server may know others.
const (
	CodeMissingCredentials     = "missing_credentials"
	CodeInvalidToken           = "invalid_token"
	CodeMemberNotFound         = "member_not_found"
	CodePermissionDenied       = "permission_denied"
	CodePlanFeatureUnavailable = "plan_feature_unavailable"
	CodeQuotaExceeded          = "quota_exceeded"
	CodeRateLimitExceeded      = "rate_limit_exceeded"
	CodeValidation             = "validation_error"
	CodeNotFound               = "not_found"
	CodeNotSupported           = "not_supported"
	CodeInternal               = "internal_error"
)

// Error is the server's refusal.
type Error struct {
	Status     int    // HTTP status
	Code       string // what to branch on; see the constants
	Message    string // for people
	Fields     []FieldError
	RetryAfter time.Duration // how long the server asks to wait; 0 = it doesn't say
	RequestID  string        // finds the request in the server's log; may be ""
}

// FieldError is what is wrong with one field of a request.
type FieldError struct {
	Path []string `json:"fields"` // keys and indexes from the request's root
	Msg  string   `json:"msg"`
}

// Error gives the message with its code and status.
func (e *Error) Error() string {
	return fmt.Sprintf("%s (%s, HTTP %d)", e.Message, e.Code, e.Status)
}

// Code gives the code of the *Error that err is or wraps, else "".
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// decodeError reads an error's envelope. A proxy in between may answer in its
// own words; the status is what counts then.
func decodeError(resp *http.Response, body []byte) error {
	var envelope struct {
		Message string       `json:"message"`
		Code    string       `json:"error_code"`
		Errors  []FieldError `json:"errors"`
	}
	e := &Error{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"), RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	if err := json.Unmarshal(body, &envelope); err == nil {
		e.Code, e.Message, e.Fields = envelope.Code, envelope.Message, envelope.Errors
	}
	if e.Message == "" {
		e.Message = strings.TrimSpace("the server answered " + resp.Status)
	}
	return e
}

// retryAfter reads seconds or a date, RFC 9110 section 10.2.3.
func retryAfter(s string) time.Duration {
	if seconds, err := strconv.ParseInt(s, 10, 32); err == nil {
		return time.Duration(max(0, seconds)) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
