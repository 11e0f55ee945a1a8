package file

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// List gives the uploads of p's workspace whose names have part in them, in
// whatever case, the latest first; "" = all.
func (s *Service) List(ctx context.Context, p *tideline.Principal, part string) ([]tideline.File, error) {
	return s.storage.ListFiles(ctx, p.Workspace.ID, part)
}

// Delete removes a file with its bytes. Members delete what they uploaded,
// owner and admins everything. Errors: not_found, permission_denied.
func (s *Service) Delete(ctx context.Context, p *tideline.Principal, uid string) error {
	f, err := s.ByUID(ctx, p, uid)
	if err != nil {
		return err
	}
	if f.MemberID != p.Member.ID && !p.Member.Role.Administers() {
		return tideline.Errorf(tideline.CodePermissionDenied, "The file was not uploaded by you; only its uploader, admins and the owner delete it")
	}
	f, err = s.storage.DeleteFile(ctx, p.Workspace.ID, f.UID)
	if err != nil {
		return err
	}
	s.discard(ctx, f.Blob)
	return nil
}
