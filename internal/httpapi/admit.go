package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// admitted lets a request through to the operation if its sender may use the API.
func (s *server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := of(r)
		if x.op == s.send {
			next.ServeHTTP(w, r) // sendMessage admits by itself
			return
		}
		bearer, err := bearerToken(r)
		if err == nil {
			x.principal, err = s.auth.Authenticate(r.Context(), bearer)
		}
		if err == nil {
			err = s.allow(r.Context(), x, r)
		}
		if err != nil {
			s.fail(x, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(tideline.WithActor(r.Context(), x.principal.Actor(tideline.ViaAPI))))
	})
}

// allow says whether the principal of x may make this call, notes that the token
// was used, and counts the call.
func (s *server) allow(ctx context.Context, x *exchange, r *http.Request) error {
	p := x.principal
	s.uses.Note(p, s.now(), func() netip.Addr { return s.clientIP(r) })
	if retry, ok := s.perToken.Allow(p.Token.ID); !ok {
		return &throttled{err: errRate, retry: retry}
	}
	if !p.Workspace.Plan.API {
		return errPlanAPI
	}
	if err := checkScope(p.Token.Scope, x.op, r.Method); err != nil {
		return err
	}
	return s.meter.Count(ctx, &p.Workspace)
}

// checkScope says whether a token of the scope may be used for an operation. What
// is allowed is listed; an operation that comes new is for tokens of all scope
// only, unless it just looks.
func checkScope(scope tideline.TokenScope, op *operation, method string) error {
	switch {
	case scope == tideline.ScopeAll,
		scope == tideline.ScopeRead && (method == http.MethodGet || method == http.MethodHead),
		scope == tideline.ScopeSend && op.sends:
		return nil
	}
	return tideline.Errorf(tideline.CodePermissionDenied, "The token's scope %q leaves this call out: make a token of another scope", scope)
}

// bearerToken takes the token out of the Authorization header, RFC 6750 section
// 2.1. A token in the query, which ends up in logs, is not looked for.
func bearerToken(r *http.Request) (string, error) {
	given := r.Header["Authorization"]
	switch len(given) {
	case 0:
		return "", errNoCredentials
	case 1:
	default:
		return "", errManyCredentials
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoCredentials
	}
	return token, nil
}

var (
	errNoCredentials   = tideline.Errorf(tideline.CodeMissingCredentials, "Not authenticated: send your API token in the header \"Authorization: Bearer <token>\"")
	errManyCredentials = tideline.Errorf(tideline.CodeInvalidToken, "The request has several Authorization headers; send one")
)
