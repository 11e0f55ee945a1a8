package auth

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Refreshers looks any principal up again: the one whose credential is a token,
// and the one who is signed in. It is what message.Service asks for.
type Refreshers struct {
	Tokens   *Authenticator
	Sessions *Sessions
}

// Refresh implements message.Refresher.
func (r Refreshers) Refresh(ctx context.Context, p *tideline.Principal) (*tideline.Principal, error) {
	if p.Session.ID != 0 {
		return r.Sessions.Refresh(ctx, p)
	}
	return r.Tokens.Refresh(ctx, p)
}
