package tools

import (
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

const labelsPath = "/labels"

// labelList is what the page of labels shows.
type labelList struct {
	Labels     []team.Label
	May, MayDo bool // make labels, change them
}

func (s *section) listLabels(q *ui.Request) error {
	labels, err := s.Team.AllLabels(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	role := q.Principal.Member.Role
	return s.page(q, "tools/labels", "tools.labels.title", "labels", labelList{labels, role.MaySend(), role.MayManageLabels()})
}

// labelForm is what the form of a label is filled with.
type labelForm struct {
	Label   tideline.Label // without an id it is made
	Colours []tideline.Colour
}

func (s *section) newLabel(q *ui.Request) error {
	return s.ask(q, "labels", form{Name: "label", Title: "tools.labels.new", Back: labelsPath, Data: labelForm{Colours: tideline.Colours()}})
}

func (s *section) editLabel(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	l, err := s.label(q, id)
	if err != nil {
		return err
	}
	return s.ask(q, "labels", form{Name: "label", Title: "tools.labels.edit", Back: labelsPath, Data: labelForm{l, tideline.Colours()}})
}

// label finds a label of the workspace.
func (s *section) label(q *ui.Request, id int64) (tideline.Label, error) {
	labels, err := s.Team.AllLabels(q.Context(), q.Principal)
	if err != nil {
		return tideline.Label{}, err
	}
	for _, l := range labels {
		if l.ID == id {
			return l.Label, nil
		}
	}
	return tideline.Label{}, ui.Missing()
}

func (s *section) createLabel(q *ui.Request) error {
	f, err := q.Form()
	if err != nil {
		return err
	}
	l, err := s.Team.CreateLabel(q.Context(), q.Principal, f.Get("name"), tideline.Colour(f.Get("colour")))
	if err != nil {
		return err
	}
	return q.Done(labelsPath, "tools.labels.created", "name", l.Name)
}

// changeLabel renames and colours. A name that is taken is a conflict, which our
// script asks about; without one, a page does.
func (s *section) changeLabel(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	f, err := q.Form()
	if err != nil {
		return err
	}
	name, colour := f.Get("name"), tideline.Colour(f.Get("colour"))
	merge := f.Get("merge") != ""
	l, err := s.Team.ChangeLabel(q.Context(), q.Principal, id, team.LabelChange{Name: &name, Colour: &colour, Merge: merge})
	if tideline.IsCode(err, tideline.CodeConflict) && !q.WantsJSON() {
		old, err := s.label(q, id)
		if err != nil {
			return err
		}
		return s.page(q, "tools/merge", "tools.labels.merge", "labels", map[string]any{"Old": old, "Name": name})
	}
	if err != nil {
		return err
	}
	if l.ID != id {
		return q.Done(labelsPath, "tools.labels.merged", "name", l.Name)
	}
	return q.Done(labelsPath, "tools.saved")
}

func (s *section) deleteLabel(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Team.DeleteLabel(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(labelsPath, "tools.deleted")
}
