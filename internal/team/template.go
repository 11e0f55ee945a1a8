package team

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Template is a text template with what is shown of it.
type Template struct {
	tideline.TextTemplate
	Team                *string // title; nil = all teams
	AuthorName          string
	EditorName          string
	Editable, Deletable bool // by who asked
}

// TemplateChange says what a text template is to be; nil stays as it is, or has
// its default in a new one.
type TemplateChange struct {
	Name       *string
	Text       *string
	Visibility *string
	// Team is the title of the only team that sees it; a pointer to nil = all teams.
	Team **string
}

// Templates lists the text templates that p may see, the latest changed first.
func (s *Service) Templates(ctx context.Context, p *tideline.Principal) ([]Template, error) {
	all, err := s.store.ListTextTemplates(ctx, p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx, p)
	if err != nil {
		return nil, err
	}
	list := make([]Template, 0, len(all))
	for _, t := range all {
		if t.VisibleTo(&p.Member) {
			list = append(list, names.show(p, t))
		}
	}
	return list, nil
}

// Template shows one: not_found, also when p may not see it.
func (s *Service) Template(ctx context.Context, p *tideline.Principal, id int64) (Template, error) {
	t, err := s.visible(ctx, p, id)
	if err != nil {
		return Template{}, err
	}
	return s.shown(ctx, p, t)
}

// visible reads a template that p may see.
func (s *Service) visible(ctx context.Context, p *tideline.Principal, id int64) (tideline.TextTemplate, error) {
	t, err := s.store.TextTemplate(ctx, p.Workspace.ID, id)
	if err == nil && !t.VisibleTo(&p.Member) || tideline.IsCode(err, tideline.CodeNotFound) {
		return t, tideline.Errorf(tideline.CodeNotFound, "Template %d not found", id)
	}
	return t, err
}

// CreateTemplate makes one. Errors: permission_denied, validation_error,
// not_found (team).
func (s *Service) CreateTemplate(ctx context.Context, p *tideline.Principal, c TemplateChange) (Template, error) {
	if err := mayManageTemplates(p); err != nil {
		return Template{}, err
	}
	t := tideline.TextTemplate{WorkspaceID: p.Workspace.ID, Visibility: tideline.VisibilityPublic, AuthorID: p.Member.ID, CreatedAt: s.now()}
	if c.Name == nil {
		c.Name = new(string)
	}
	if c.Text == nil {
		c.Text = new(string)
	}
	if err := s.apply(ctx, p, &t, c); err != nil {
		return Template{}, err
	}
	t, err := s.store.CreateTextTemplate(ctx, t)
	if err != nil {
		return Template{}, err
	}
	return s.shown(ctx, p, t)
}

// ChangeTemplate changes one. Errors: as CreateTemplate; not_found when p may
// not see it, permission_denied when p may not change it.
func (s *Service) ChangeTemplate(ctx context.Context, p *tideline.Principal, id int64, c TemplateChange) (Template, error) {
	t, err := s.visible(ctx, p, id)
	if err != nil {
		return Template{}, err
	}
	if !t.EditableBy(&p.Member) {
		return Template{}, tideline.Errorf(tideline.CodePermissionDenied, "Template %d may be changed by its author and by admins only", id)
	}
	if c.Visibility != nil && *c.Visibility == string(tideline.VisibilityPrivate) && t.AuthorID != p.Member.ID {
		return Template{}, tideline.Errorf(tideline.CodePermissionDenied, "Only its author can make template %d private", id)
	}
	if err := s.apply(ctx, p, &t, c); err != nil {
		return Template{}, err
	}
	t.EditorID, t.UpdatedAt = p.Member.ID, s.now()
	if err := s.store.UpdateTextTemplate(ctx, t); err != nil {
		return Template{}, err
	}
	return s.shown(ctx, p, t) // also when it went to a team that p is not in
}

// DeleteTemplate removes one. Errors as of ChangeTemplate.
func (s *Service) DeleteTemplate(ctx context.Context, p *tideline.Principal, id int64) error {
	t, err := s.visible(ctx, p, id)
	if err != nil {
		return err
	}
	if !t.DeletableBy(&p.Member) {
		return tideline.Errorf(tideline.CodePermissionDenied, "Template %d may be deleted by its author and by admins only", id)
	}
	return s.store.DeleteTextTemplate(ctx, p.Workspace.ID, id)
}

// CountUse notes that p used a template: not_found.
func (s *Service) CountUse(ctx context.Context, p *tideline.Principal, id int64) error {
	if _, err := s.visible(ctx, p, id); err != nil {
		return err
	}
	return s.store.CountTextTemplateUse(ctx, p.Workspace.ID, id)
}

// apply puts a change into t.
func (s *Service) apply(ctx context.Context, p *tideline.Principal, t *tideline.TextTemplate, c TemplateChange) error {
	for _, f := range []struct {
		name  string
		value *string
		limit int
		into  *string
	}{{"name", c.Name, tideline.MaxTemplateName, &t.Name}, {"text", c.Text, tideline.MaxTemplateText, &t.Text}} {
		if f.value == nil {
			continue
		}
		if err := checkText(f.name, *f.value, f.limit); err != nil {
			return err
		}
		*f.into = *f.value
	}
	if c.Visibility != nil {
		t.Visibility = tideline.Visibility(*c.Visibility)
		if !t.Visibility.Valid() {
			return tideline.Invalid([]tideline.FieldError{{Path: []string{"visibility"}, Msg: "must be public, private or read-only"}})
		}
	}
	if c.Team == nil {
		return nil
	}
	t.TeamID = nil
	if *c.Team == nil {
		return nil
	}
	id, err := s.teamID(ctx, p, **c.Team)
	t.TeamID = &id
	return err
}

// teamID finds a team by title.
func (s *Service) teamID(ctx context.Context, p *tideline.Principal, title string) (int64, error) {
	title = strings.TrimSpace(title)
	if tideline.IsDefaultTeam(title) {
		return 0, nil
	}
	teams, err := s.store.ListTeams(ctx, p.Workspace.ID)
	if err != nil {
		return 0, err
	}
	for _, t := range teams {
		if t.Title == title {
			return t.ID, nil
		}
	}
	return 0, tideline.Errorf(tideline.CodeNotFound, "Team %s not found in this workspace", title)
}

// names are what ids of members and teams are shown as.
type names struct {
	members map[int64]string
	teams   map[int64]string
}

func (s *Service) names(ctx context.Context, p *tideline.Principal) (*names, error) {
	members, err := s.store.ListMembers(ctx, p.Workspace.ID)
	if err != nil {
		return nil, fmt.Errorf("names of members: %w", err)
	}
	teams, err := s.store.ListTeams(ctx, p.Workspace.ID)
	if err != nil {
		return nil, fmt.Errorf("names of teams: %w", err)
	}
	n := &names{members: make(map[int64]string, len(members)), teams: map[int64]string{0: tideline.DefaultTeam}}
	for i := range members {
		n.members[members[i].ID] = members[i].DisplayName
	}
	for _, t := range teams {
		n.teams[t.ID] = t.Title
	}
	return n, nil
}

func (s *Service) shown(ctx context.Context, p *tideline.Principal, t tideline.TextTemplate) (Template, error) {
	n, err := s.names(ctx, p)
	if err != nil {
		return Template{}, err
	}
	return n.show(p, t), nil
}

// show gives a template as p sees it. Who left has no name any more.
func (n *names) show(p *tideline.Principal, t tideline.TextTemplate) Template {
	shown := Template{TextTemplate: t, AuthorName: n.members[t.AuthorID], EditorName: n.members[t.EditorID],
		Editable: t.EditableBy(&p.Member), Deletable: t.DeletableBy(&p.Member)}
	if t.TeamID != nil {
		title := n.teams[*t.TeamID]
		shown.Team = &title
	}
	return shown
}

func mayManageTemplates(p *tideline.Principal) error {
	if p.Member.Role.MayManageTemplates() {
		return nil
	}
	return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not make or change text templates", p.Member.Role)
}
