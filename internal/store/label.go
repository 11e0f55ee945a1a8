package store

import (
	"context"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Labels keeps the words that a team puts on chats; ChatWork attaches them.
type Labels interface {
	// ListLabels gives the workspace's labels in the order of their names.
	ListLabels(ctx context.Context, workspaceID int64) ([]tideline.Label, error)
	// CountLabels counts the chats with each label, by its id, among those that v
	// sees; nil = all. Labels on no such chat are missing. It reads all chats that
	// have labels, so it is for a page that somebody opens now and then.
	CountLabels(ctx context.Context, workspaceID int64, v *Viewer) (map[int64]LabelCount, error)
	// CreateLabel makes a label and gives it an id. Errors: conflict (the name is
	// taken), not_found (workspace).
	CreateLabel(ctx context.Context, l tideline.Label) (tideline.Label, error)
	// UpdateLabel changes what u sets. A label that takes the name of another one is
	// merged into that one, when u says so: its chats get the other label, it is
	// gone, and the other one is given back; u.Colour doesn't touch that one.
	// Errors: not_found, conflict (the name is taken and u doesn't say to merge).
	UpdateLabel(ctx context.Context, workspaceID, labelID int64, u LabelUpdate) (tideline.Label, error)
	// DeleteLabel takes a label from all chats and forgets it: not_found.
	DeleteLabel(ctx context.Context, workspaceID, labelID int64) error
}

// LabelUpdate changes the fields that are not nil.
type LabelUpdate struct {
	Name   *string
	Merge  bool             // into the label that has Name already, if one has
	Colour *tideline.Colour // "" = the one that follows from the name
}

// LabelCount is how many chats have a label.
type LabelCount struct {
	Open int64
	All  int64
}

// AttachmentTemplates changes attachment templates; Files makes and reads them.
// Uses are counted by Accept, see NewMessage.TemplateID.
type AttachmentTemplates interface {
	// ListTemplateFiles gives the workspace's templates by id, each with its file.
	ListTemplateFiles(ctx context.Context, workspaceID int64) ([]TemplateFile, error)
	// UpdateTemplate changes what u sets. Messages that were accepted with the file
	// before are sent with that one. Errors: not_found (template, file).
	UpdateTemplate(ctx context.Context, workspaceID, templateID int64, u TemplateUpdate) error
	// DeleteTemplate forgets a template. Its file stays among the uploads, because
	// messages in the queue may need it: not_found.
	DeleteTemplate(ctx context.Context, workspaceID, templateID int64) error
}

// TemplateFile is an attachment template with the file that it is of.
type TemplateFile struct {
	tideline.AttachmentTemplate
	File tideline.File
}

// TemplateUpdate changes the fields that are not nil.
type TemplateUpdate struct {
	Name   *string
	FileID *int64 // a file of the workspace
}
