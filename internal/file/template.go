package file

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// maxTemplateName is in characters.
const maxTemplateName = 160

// CreateTemplate keeps a file as an attachment template, so that a program can
// send it by its number. It serves the operator: the file belongs to the member
// given, whose role is not asked for. Errors: as of Upload, and validation_error
// for a bad name.
func (s *Service) CreateTemplate(ctx context.Context, w tideline.Workspace, m tideline.Member, name string, u Upload) (tideline.AttachmentTemplate, tideline.File, error) {
	name, err := checkTemplateName(name)
	if err != nil {
		return tideline.AttachmentTemplate{}, tideline.File{}, err
	}
	f, err := s.keep(ctx, w, m, u)
	if err != nil {
		return tideline.AttachmentTemplate{}, tideline.File{}, err
	}
	t, err := s.storage.CreateTemplate(ctx, tideline.AttachmentTemplate{WorkspaceID: w.ID, Name: name, FileID: f.ID, CreatedAt: s.now()})
	if err != nil {
		return tideline.AttachmentTemplate{}, tideline.File{}, err
	}
	return t, f, nil
}

// checkTemplateName gives a name as it is stored.
func checkTemplateName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > maxTemplateName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", tideline.Invalid([]tideline.FieldError{{Path: []string{"name"}, Msg: "must be 1 to 160 printable characters"}})
	}
	return name, nil
}

// Templates lists the workspace's attachment templates by id.
func (s *Service) Templates(ctx context.Context, workspaceID int64) ([]tideline.AttachmentTemplate, error) {
	return s.storage.ListTemplates(ctx, workspaceID)
}
