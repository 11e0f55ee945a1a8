package team

import (
	"context"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Label is a label with what is shown of it.
type Label struct {
	tideline.Label
	store.LabelCount // of the chats that who asked sees
}

// LabelChange says what a label is to be; nil stays as it is.
type LabelChange struct {
	Name   *string
	Colour *tideline.Colour // "" = the one that follows from the name
	// Merge lets a label take the name of another one, which takes over its chats.
	Merge bool
}

// AllLabels lists the workspace's labels by name. Every role may.
func (s *Service) AllLabels(ctx context.Context, p *tideline.Principal) ([]Label, error) {
	v, err := s.Viewer(ctx, p)
	if err != nil {
		return nil, err
	}
	labels, err := s.store.ListLabels(ctx, p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	counts, err := s.store.CountLabels(ctx, p.Workspace.ID, v)
	if err != nil {
		return nil, err
	}
	list := make([]Label, len(labels))
	for i, l := range labels {
		list[i] = Label{l, counts[l.ID]}
	}
	return list, nil
}

// LabelColours gives the colours of the workspace's labels by their names. Unlike
// AllLabels it counts nothing.
func (s *Service) LabelColours(ctx context.Context, p *tideline.Principal) (map[string]tideline.Colour, error) {
	labels, err := s.store.ListLabels(ctx, p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	colours := make(map[string]tideline.Colour, len(labels))
	for i := range labels {
		colours[labels[i].Name] = labels[i].Colour()
	}
	return colours, nil
}

// CreateLabel makes a label that no chat has yet. Whoever may put labels on chats
// may. Errors: permission_denied, validation_error, conflict (the name is taken).
func (s *Service) CreateLabel(ctx context.Context, p *tideline.Principal, name string, colour tideline.Colour) (tideline.Label, error) {
	if err := mayWork(p); err != nil {
		return tideline.Label{}, err
	}
	c := LabelChange{Name: &name, Colour: &colour}
	if err := c.check(); err != nil {
		return tideline.Label{}, err
	}
	l, err := s.store.CreateLabel(ctx, tideline.Label{WorkspaceID: p.Workspace.ID, Name: *c.Name, Chosen: colour})
	if tideline.IsCode(err, tideline.CodeConflict) {
		return l, tideline.Errorf(tideline.CodeConflict, "There is a label %q already", *c.Name)
	}
	return l, err
}

// ChangeLabel renames, colours or merges a label and gives what is left. Errors:
// permission_denied, validation_error, not_found, conflict (another label has the
// name, and c doesn't say to merge).
func (s *Service) ChangeLabel(ctx context.Context, p *tideline.Principal, id int64, c LabelChange) (tideline.Label, error) {
	if err := mayManageLabels(p); err != nil {
		return tideline.Label{}, err
	}
	if err := c.check(); err != nil {
		return tideline.Label{}, err
	}
	l, err := s.store.UpdateLabel(ctx, p.Workspace.ID, id, store.LabelUpdate{Name: c.Name, Merge: c.Merge, Colour: c.Colour})
	if tideline.IsCode(err, tideline.CodeConflict) {
		return l, tideline.Errorf(tideline.CodeConflict, "There is a label %q already; merge the two, or choose another name", *c.Name)
	}
	return l, err
}

// DeleteLabel takes a label from all chats and forgets it. Errors:
// permission_denied, not_found.
func (s *Service) DeleteLabel(ctx context.Context, p *tideline.Principal, id int64) error {
	if err := mayManageLabels(p); err != nil {
		return err
	}
	return s.store.DeleteLabel(ctx, p.Workspace.ID, id)
}

// check trims and checks what is set.
func (c *LabelChange) check() error {
	if c.Name != nil {
		name := strings.TrimSpace(*c.Name)
		if err := checkText("name", name, tideline.MaxLabel); err != nil {
			return err
		}
		c.Name = &name
	}
	if c.Colour != nil && *c.Colour != "" && !c.Colour.Valid() {
		return tideline.Invalid([]tideline.FieldError{{Path: []string{"colour"}, Msg: "is not one of the colours of labels"}})
	}
	return nil
}

// mayManageLabels refuses who may not change what others work with.
func mayManageLabels(p *tideline.Principal) error {
	if p.Member.Role.MayManageLabels() {
		return nil
	}
	return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not change labels; owners, admins and team supervisors may", p.Member.Role)
}
