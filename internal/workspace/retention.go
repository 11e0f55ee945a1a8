package workspace

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// RetentionChange says what to change of how long a workspace keeps things; nil stays
// as it is.
type RetentionChange struct {
	Messages *tideline.Keep
	Files    *tideline.Keep
	Archive  *tideline.Archiving
}

// Retention gives what a workspace set.
func (s *Service) Retention(ctx context.Context, w tideline.Workspace) (tideline.Retention, error) {
	return s.store.Retention(ctx, w.ID)
}

// SetRetention changes how long a workspace keeps things. Errors: validation_error.
func (s *Service) SetRetention(ctx context.Context, w tideline.Workspace, c RetentionChange) error {
	if c == (RetentionChange{}) {
		return nil
	}
	r, err := s.store.Retention(ctx, w.ID)
	if err != nil {
		return err
	}
	set(&r.Messages, c.Messages)
	set(&r.Files, c.Files)
	set(&r.Archive, c.Archive)
	if err := r.Check(); err != nil {
		return err
	}
	return s.store.SetRetention(ctx, w.ID, r, s.now())
}

// SetRetentionAs is SetRetention for p's own workspace: owner and admins may. Errors:
// permission_denied, and those of SetRetention.
func (s *Service) SetRetentionAs(ctx context.Context, p *tideline.Principal, c RetentionChange) error {
	if !p.Member.Role.Administers() {
		return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not change how long things are kept: ask the owner or an admin", p.Member.Role)
	}
	return s.SetRetention(ctx, p.Workspace, c)
}
