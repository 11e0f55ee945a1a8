package httpapi

import (
	"context"
	"net/http"
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
			err = s.allow(r.Context(), x.principal)
		}
		if err != nil {
			s.fail(x, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allow says whether p may make one more call, and counts it.
func (s *server) allow(ctx context.Context, p *tideline.Principal) error {
	if retry, ok := s.perToken.Allow(p.Token.ID); !ok {
		return &throttled{err: errRate, retry: retry}
	}
	if !p.Workspace.Plan.API {
		return errPlanAPI
	}
	return s.meter.Count(ctx, &p.Workspace)
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
