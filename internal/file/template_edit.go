package file

import (
	"context"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Template is an attachment template with what is shown of it.
type Template struct {
	store.TemplateFile
	Editable bool // by who asked
}

// ListTemplates lists the attachment templates of p's workspace by id. Every role
// may.
func (s *Service) ListTemplates(ctx context.Context, p *tideline.Principal) ([]Template, error) {
	all, err := s.storage.ListTemplateFiles(ctx, p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	list := make([]Template, len(all))
	for i := range all {
		list[i] = Template{all[i], mayChange(p, &all[i]) == nil}
	}
	return list, nil
}

// TemplateOf gives one: not_found.
func (s *Service) TemplateOf(ctx context.Context, p *tideline.Principal, id int64) (Template, error) {
	list, err := s.ListTemplates(ctx, p)
	if err != nil {
		return Template{}, err
	}
	for i := range list {
		if list[i].ID == id {
			return list[i], nil
		}
	}
	return Template{}, tideline.Errorf(tideline.CodeNotFound, "Attachment template %d not found", id)
}

// AddTemplate keeps a file of p's as an attachment template. Errors as of Upload,
// and validation_error for a bad name.
func (s *Service) AddTemplate(ctx context.Context, p *tideline.Principal, name string, u Upload) (tideline.AttachmentTemplate, error) {
	if err := mayUpload(p); err != nil {
		return tideline.AttachmentTemplate{}, err
	}
	t, _, err := s.CreateTemplate(ctx, p.Workspace, p.Member, name, u)
	return t, err
}

// RenameTemplate gives an attachment template another name. Errors:
// permission_denied, not_found, validation_error.
func (s *Service) RenameTemplate(ctx context.Context, p *tideline.Principal, id int64, name string) error {
	if err := s.mayChangeTemplate(ctx, p, id); err != nil {
		return err
	}
	name, err := checkTemplateName(name)
	if err != nil {
		return err
	}
	return s.storage.UpdateTemplate(ctx, p.Workspace.ID, id, store.TemplateUpdate{Name: &name})
}

// ReplaceTemplate puts another file into an attachment template. The file before
// stays among the uploads: messages that wait may need it. Errors: not_found, and
// as of Upload.
func (s *Service) ReplaceTemplate(ctx context.Context, p *tideline.Principal, id int64, u Upload) error {
	if err := s.mayChangeTemplate(ctx, p, id); err != nil {
		return err
	}
	f, err := s.Upload(ctx, p, u)
	if err != nil {
		return err
	}
	return s.storage.UpdateTemplate(ctx, p.Workspace.ID, id, store.TemplateUpdate{FileID: &f.ID})
}

// DeleteTemplate forgets an attachment template; its file stays among the uploads.
// Errors: permission_denied, not_found.
func (s *Service) DeleteTemplate(ctx context.Context, p *tideline.Principal, id int64) error {
	if err := s.mayChangeTemplate(ctx, p, id); err != nil {
		return err
	}
	return s.storage.DeleteTemplate(ctx, p.Workspace.ID, id)
}

func (s *Service) mayChangeTemplate(ctx context.Context, p *tideline.Principal, id int64) error {
	t, err := s.TemplateOf(ctx, p, id)
	if err != nil {
		return err
	}
	return mayChange(p, &t.TemplateFile)
}

// mayChange refuses who neither uploaded a template's file nor administers.
func mayChange(p *tideline.Principal, t *store.TemplateFile) error {
	if p.Member.Role.Administers() || p.Member.Role.MaySend() && t.File.MemberID == p.Member.ID {
		return nil
	}
	return tideline.Errorf(tideline.CodePermissionDenied, "Attachment template %d may be changed by who uploaded its file and by admins only", t.ID)
}
