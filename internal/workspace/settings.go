package workspace

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// SetAs changes p's own workspace as a member may: owner and admins its name, time
// zone and gap; the credits per period the owner alone, and only on the plan that
// a server of one's own has, because those of another plan were agreed on with
// whoever runs the server. The plan itself, and non-recurring credits, are the
// operator's. Errors: permission_denied, and those of Set.
func (s *Service) SetAs(ctx context.Context, p *tideline.Principal, c Change) (tideline.Workspace, error) {
	switch {
	case !p.Member.Role.Administers():
		return p.Workspace, tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not change the workspace: ask the owner or an admin", p.Member.Role)
	case c.Plan != nil || c.AddCredits != nil:
		return p.Workspace, tideline.Errorf(tideline.CodePermissionDenied, "The plan and non-recurring credits are changed by whoever runs the server: tideline workspace set")
	case c.Credits != nil && !MaySetCredits(p):
		return p.Workspace, tideline.Errorf(tideline.CodePermissionDenied, "Credits are set by the owner of a workspace on the plan %s, or by whoever runs the server", tideline.DefaultPlan)
	}
	c.By = p.Member.Email
	return s.Set(ctx, p.Workspace, c)
}

// MaySetCredits reports whether p may set the credits per period of their
// workspace.
func MaySetCredits(p *tideline.Principal) bool {
	return p.Member.Role == tideline.RoleOwner && p.Workspace.Plan.Name == tideline.DefaultPlan
}
