package tools

import (
	"net/url"

	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

const textsPath = "/templates"

// textList is what the page of text templates shows.
type textList struct {
	Query     string
	Templates []team.Template
	May       bool // make one
}

func (s *section) listTexts(q *ui.Request) error {
	query := q.R.URL.Query().Get("q")
	found, err := s.Team.SearchTemplates(q.Context(), q.Principal, query)
	if err != nil {
		return err
	}
	return s.page(q, "tools/texts", "tools.texts.title", "templates",
		textList{query, found, q.Principal.Member.Role.MayManageTemplates()})
}

// textForm is what the editor of a text template is filled with.
type textForm struct {
	Template     team.Template // without an id it is made
	Teams        []string      // titles
	Visibilities []tideline.Visibility
	Placeholders []string
	MaxText      int
	MyName       string
	TeamTitle    string // of the only team that sees it; "" = all
}

func (s *section) textForm(q *ui.Request, t team.Template) (textForm, error) {
	teams, _, err := s.Team.Teammates(q.Context(), q.Principal)
	mine := t.ID == 0 || t.AuthorID == q.Principal.Member.ID
	visibilities := []tideline.Visibility{tideline.VisibilityPublic, tideline.VisibilityReadOnly}
	if mine || t.Visibility == tideline.VisibilityPrivate {
		visibilities = append(visibilities, tideline.VisibilityPrivate)
	}
	title := ""
	if t.Team != nil {
		title = *t.Team
	}
	return textForm{
		TeamTitle: title, Template: t, Teams: teams, MaxText: tideline.MaxTemplateText, MyName: q.Principal.Member.DisplayName, Visibilities: visibilities,
		Placeholders: []string{tideline.PlaceholderContact, tideline.PlaceholderPhone, tideline.PlaceholderMe},
	}, err
}

func (s *section) newText(q *ui.Request) error {
	f, err := s.textForm(q, team.Template{TextTemplate: tideline.TextTemplate{Visibility: tideline.VisibilityPublic}})
	if err != nil {
		return err
	}
	return s.ask(q, "templates", form{Name: "text", Title: "tools.texts.new", Back: textsPath, Data: f})
}

func (s *section) editText(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	t, err := s.Team.Template(q.Context(), q.Principal, id)
	if err != nil {
		return err
	}
	f, err := s.textForm(q, t)
	if err != nil {
		return err
	}
	return s.ask(q, "templates", form{Name: "text", Title: "tools.texts.edit", Back: textsPath, Data: f})
}

// textChange reads the form of a text template. No team is all teams: the default
// one is sent by its title, and no title is empty.
func textChange(f url.Values) team.TemplateChange {
	value := func(name string) *string {
		v := f.Get(name)
		return &v
	}
	c := team.TemplateChange{Name: value("name"), Text: value("text"), Visibility: value("visibility")}
	if f.Has("team") {
		var title *string
		if v := f.Get("team"); v != "" {
			title = &v
		}
		c.Team = &title
	}
	return c
}

func (s *section) createText(q *ui.Request) error {
	f, err := q.Form()
	if err != nil {
		return err
	}
	t, err := s.Team.CreateTemplate(q.Context(), q.Principal, textChange(f))
	if err != nil {
		return err
	}
	return q.Done(textsPath, "tools.texts.created", "name", t.Name)
}

func (s *section) changeText(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	f, err := q.Form()
	if err != nil {
		return err
	}
	if _, err := s.Team.ChangeTemplate(q.Context(), q.Principal, id, textChange(f)); err != nil {
		return err
	}
	return q.Done(textsPath, "tools.saved")
}

func (s *section) deleteText(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Team.DeleteTemplate(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(textsPath, "tools.deleted")
}
