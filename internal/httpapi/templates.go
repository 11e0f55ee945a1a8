package httpapi

import (
	"net/http"
	"time"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/team"
)

// ListTemplates implements apigen.ServerInterface.
func (s *server) ListTemplates(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	all, err := s.team.Templates(r.Context(), x.principal)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	list := make([]apigen.Template, len(all))
	for i := range all {
		list[i] = textTemplate(&all[i])
	}
	s.reply(x, http.StatusOK, apigen.TemplatesResponse{Status: apigen.Ok,
		Data: apigen.TemplatesResponse_Data{TemplatesCount: len(list), Templates: list}})
}

// CreateTemplate implements apigen.ServerInterface.
func (s *server) CreateTemplate(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	c, err := s.decodeTemplate(r, true)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	t, err := s.team.CreateTemplate(r.Context(), x.principal, c)
	s.replyTemplate(x, r, &t, err)
}

// GetTemplate implements apigen.ServerInterface.
func (s *server) GetTemplate(_ http.ResponseWriter, r *http.Request, templateID string) {
	x := of(r)
	var t team.Template
	id, err := number(templateID, "Template")
	if err == nil {
		t, err = s.team.Template(r.Context(), x.principal, id)
	}
	s.replyTemplate(x, r, &t, err)
}

// UpdateTemplate implements apigen.ServerInterface.
func (s *server) UpdateTemplate(_ http.ResponseWriter, r *http.Request, templateID string) {
	x := of(r)
	id, err := number(templateID, "Template")
	if err != nil {
		s.fail(x, r, err)
		return
	}
	c, err := s.decodeTemplate(r, false)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	t, err := s.team.ChangeTemplate(r.Context(), x.principal, id, c)
	s.replyTemplate(x, r, &t, err)
}

// decodeTemplate reads what a text template is to be.
func (s *server) decodeTemplate(r *http.Request, isNew bool) (team.TemplateChange, error) {
	b, err := s.bodyOf(r)
	if err != nil {
		return team.TemplateChange{}, err
	}
	c := team.TemplateChange{Name: b.text("name"), Text: b.text("text"), Visibility: b.text("visibility")}
	if title := b.text("team_title"); title != nil || b.isNull("team_title") {
		c.Team = &title
	}
	if isNew {
		b.required("name")
		b.required("text")
	}
	return c, b.err()
}

// DeleteTemplate implements apigen.ServerInterface.
func (s *server) DeleteTemplate(_ http.ResponseWriter, r *http.Request, templateID string) {
	x := of(r)
	id, err := number(templateID, "Template")
	if err == nil {
		err = s.team.DeleteTemplate(r.Context(), x.principal, id)
	}
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.MessageResult{Status: apigen.Ok, Message: "Template deleted"})
}

// TrackTemplateUsage implements apigen.ServerInterface. The body may be left out;
// where the template was used is checked and not kept.
func (s *server) TrackTemplateUsage(_ http.ResponseWriter, r *http.Request, templateID string) {
	x := of(r)
	id, err := number(templateID, "Template")
	if err == nil && r.ContentLength != 0 {
		var b *body
		if b, err = s.bodyOf(r); err == nil {
			b.text("origin")
			err = b.err()
		}
	}
	if err == nil {
		err = s.team.CountUse(r.Context(), x.principal, id)
	}
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.StatusResult{Status: apigen.Ok})
}

// ListTemplatesV2 implements apigen.ServerInterface.
func (s *server) ListTemplatesV2(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	all, err := s.team.Templates(r.Context(), x.principal)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	loc := x.principal.Workspace.Location()
	const layout = "2006-01-02 15:04"
	list := make([]apigen.TemplateV2, len(all))
	for i := range all {
		t := &all[i]
		list[i] = apigen.TemplateV2{
			Id: t.ID, Name: t.Name, Text: t.Text, Visibility: apigen.TemplateVisibility(t.Visibility), TeamAny: t.Team == nil, Team: t.Team,
			CanBeEdited: t.Editable, CanBeDeleted: t.Deletable, CreatedByName: t.AuthorName, UpdatedByName: t.EditorName,
			CreatedAt: t.CreatedAt.In(loc).Format(layout), UpdatedAt: t.UpdatedAt.In(loc).Format(layout), SampleData: map[string]string{},
		}
	}
	s.reply(x, http.StatusOK, apigen.TemplatesV2Response{Status: apigen.Ok,
		Data: apigen.TemplatesV2Response_Data{TemplatesCount: len(list), Templates: list}})
}

// TrackTemplateUsageV2 implements apigen.ServerInterface. Its answer has no
// envelope.
func (s *server) TrackTemplateUsageV2(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	b, err := s.bodyOf(r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	id := b.id("template_id")
	b.required("origin")
	err = b.err()
	if err == nil {
		err = s.team.CountUse(r.Context(), x.principal, id)
	}
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.SuccessResult{Success: true})
}

func (s *server) replyTemplate(x *exchange, r *http.Request, t *team.Template, err error) {
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.TemplateResponse{Status: apigen.Ok, Data: textTemplate(t)})
}

// textTemplate shows a text template. Its times are the API's only ones in UTC.
func textTemplate(t *team.Template) apigen.Template {
	return apigen.Template{
		Id: t.ID, Name: t.Name, Text: t.Text, Visibility: apigen.TemplateVisibility(t.Visibility), TeamTitle: t.Team,
		CreatedByName: t.AuthorName, CreatedAt: t.CreatedAt.UTC().Format(time.RFC3339),
		UpdatedByName: t.EditorName, UpdatedAt: t.UpdatedAt.UTC().Truncate(time.Second).Format(time.RFC3339),
	}
}
