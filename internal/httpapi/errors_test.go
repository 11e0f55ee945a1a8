package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestEveryCodeHasItsStatusAndItsWord(t *testing.T) {
	t.Parallel()
	field := []tideline.FieldError{{Path: []string{"labels", "0"}, Msg: "is wrong"}}
	for _, tc := range []struct {
		err        error
		status     int
		body       string
		retryAfter string
		challenge  string
	}{
		{err: tideline.Errorf(tideline.CodeMissingCredentials, "m"), status: 401, body: `{"error_code":"missing_credentials","message":"m","status":"error"}`, challenge: `Bearer`},
		{err: tideline.Errorf(tideline.CodeInvalidToken, "m"), status: 401, body: `{"error_code":"invalid_token","message":"m","status":"error"}`, challenge: `Bearer error="invalid_token"`},
		{err: tideline.Errorf(tideline.CodeMemberNotFound, "m"), status: 403, body: `{"error_code":"member_not_found","message":"m","status":"error"}`},
		{err: tideline.Errorf(tideline.CodePermissionDenied, "m"), status: 403, body: `{"error_code":"permission_denied","message":"m","status":"error"}`},
		{err: tideline.Errorf(tideline.CodePlanFeatureUnavailable, "m"), status: 403, body: `{"error_code":"plan_feature_unavailable","message":"m","status":"error"}`},
		{err: tideline.Errorf(tideline.CodeQuotaExceeded, "m"), status: 403, body: `{"error_code":"quota_exceeded","message":"m","status":"error"}`},
		{err: &throttled{tideline.Errorf(tideline.CodeQuotaExceeded, "m"), 90500 * time.Millisecond}, status: 429, body: `{"error_code":"quota_exceeded","message":"m","status":"error"}`, retryAfter: "91"},
		{err: &throttled{tideline.Errorf(tideline.CodeRateLimitExceeded, "m"), 0}, status: 429, body: `{"error_code":"rate_limit_exceeded","message":"m","status":"error"}`, retryAfter: "1"},
		{err: tideline.Errorf(tideline.CodeValidation, "m"), status: 400, body: `{"error_code":"validation_error","message":"m","status":"error"}`},
		{err: tideline.Invalid(field), status: 400, body: `{"error_code":"validation_error","errors":[{"fields":["labels","0"],"msg":"is wrong"}],"message":"labels.0: is wrong","status":"error"}`},
		{err: tideline.Errorf(tideline.CodeNotFound, "m"), status: 404, body: `{"error_code":"not_found","message":"m","status":"error"}`},
		{err: tideline.Errorf(tideline.CodeConflict, "m"), status: 409, body: `{"error_code":"validation_error","message":"m","status":"error"}`},
		{err: tideline.Errorf(tideline.CodeTooLarge, "m"), status: 413, body: `{"error_code":"validation_error","message":"m","status":"error"}`},
		{err: tideline.Errorf(tideline.CodeNotSupported, "m"), status: 405, body: `{"error_code":"not_supported","message":"m","status":"error"}`},
		{err: tideline.Errorf(tideline.CodeUnavailable, "m"), status: 503, body: `{"error_code":"internal_error","message":"m","status":"error"}`, retryAfter: "10"},
		{err: tideline.Errorf(tideline.CodeInternal, "secret"), status: 500, body: `{"error_code":"internal_error","message":"` + internalMessage + `","status":"error"}`},
		{err: tideline.Errorf("a code of tomorrow", "secret"), status: 500, body: `{"error_code":"internal_error","message":"` + internalMessage + `","status":"error"}`},
		{err: errors.New("secret"), status: 500, body: `{"error_code":"internal_error","message":"` + internalMessage + `","status":"error"}`},
		{err: io.ErrUnexpectedEOF, status: 500, body: `{"error_code":"internal_error","message":"` + internalMessage + `","status":"error"}`},
		{err: fmt.Errorf("wrapped: %w", tideline.Errorf(tideline.CodeNotFound, "m")), status: 404, body: `{"error_code":"not_found","message":"m","status":"error"}`},
	} {
		f := newFakes(nil)
		f.send = func(*tideline.Principal, message.SendRequest) (message.Receipt, error) {
			return message.Receipt{}, tc.err
		}
		w := httptest.NewRecorder()
		f.handler(Config{}).ServeHTTP(w, post(t, `{"phone":"+14840000000","text":"x"}`))
		got := []any{w.Code, w.Body.String(), w.Header().Get("Retry-After"), w.Header().Get("WWW-Authenticate"), w.Header().Get("Content-Type")}
		want := []any{tc.status, tc.body, tc.retryAfter, tc.challenge, "application/json"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.err, diff)
		}
	}
}
