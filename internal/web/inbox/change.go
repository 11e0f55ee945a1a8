package inbox

import (
	"net/http"
	"strconv"

	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// change changes a chat: name, assignee, open or closed, read or not.
func (s *section) change(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	var what struct {
		Name     *string `json:"name"`
		Assignee *string `json:"assignee"` // e-mail; "" = nobody
		Closed   *bool   `json:"closed"`
		Read     *bool   `json:"read"`
	}
	if q.WantsJSON() {
		err = q.Decode(&what)
	} else {
		form, formErr := q.Form()
		if err = formErr; form.Has("closed") {
			closed := form.Get("closed") == "true"
			what.Closed = &closed
		}
	}
	if err != nil {
		return err
	}
	changed, err := s.Team.ChangeChat(q.Context(), q.Principal, v.Chat.ID, team.ChatChange{
		Name: what.Name, Responsible: what.Assignee, Closed: what.Closed, Read: what.Read,
	})
	if err != nil {
		return err
	}
	key := "inbox.said.changed"
	var args []any
	switch {
	case what.Assignee != nil && changed.Responsible == nil:
		key = "inbox.said.unassigned"
	case what.Assignee != nil:
		key, args = "inbox.said.assigned", []any{"name", changed.Responsible.DisplayName}
	case what.Closed != nil && *what.Closed:
		key = "inbox.said.closed"
	case what.Closed != nil:
		key = "inbox.said.reopened"
	case what.Read != nil && !*what.Read:
		key = "inbox.said.unread"
	}
	return q.Done(chatPath(v.Chat.ID), key, args...)
}

// read notes that the member looks at a chat. Who only reads along leaves it
// unread for the others. That its sender learns of it is the business of package
// presence, which is told who looks where.
func (s *section) read(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	if v.Chat.Unread > 0 && q.Principal.Member.Role.MaySend() {
		read := true
		if _, err := s.Team.ChangeChat(q.Context(), q.Principal, v.Chat.ID, team.ChatChange{Read: &read}); err != nil {
			return err
		}
	}
	return q.JSON(http.StatusOK, map[string]bool{"ok": true})
}

// labels gives a chat its labels, in place of those that it has.
func (s *section) labels(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	var what struct {
		Labels []string `json:"labels"`
	}
	if err := q.Decode(&what); err != nil {
		return err
	}
	labels, err := s.Team.PutLabels(q.Context(), q.Principal, v.Chat.ID, what.Labels, true)
	if err != nil {
		return err
	}
	return q.JSON(http.StatusOK, map[string]any{"ok": true, "labels": labels})
}

// note writes a note.
func (s *section) note(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	var what struct {
		Text string `json:"text"`
	}
	if err := q.Decode(&what); err != nil {
		return err
	}
	uid, err := s.Team.AddNote(q.Context(), q.Principal, v.Chat.ID, what.Text, false)
	if err != nil {
		return err
	}
	return q.JSON(http.StatusOK, map[string]any{"uid": uid, "chat": v.Chat.ID})
}

// react gives a message the account's reaction, or takes it back with "".
func (s *section) react(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	var what struct {
		Emoji string `json:"emoji"`
	}
	if err := q.Decode(&what); err != nil {
		return err
	}
	m, err := s.messageOf(q, v, q.R.PathValue("uid"))
	if err != nil {
		return err
	}
	if _, err := s.Messages.React(q.Context(), q.Principal, m.Message.UID, what.Emoji); err != nil {
		return err
	}
	return q.JSON(http.StatusOK, map[string]bool{"ok": true})
}

// maxTemplates is how many templates a search gives: as many as anybody reads.
const maxTemplates = 30

// listTemplates answers with the text templates that have what is looked for, as
// they read in the chat that is named: nobody sends a placeholder by mistake.
func (s *section) listTemplates(q *ui.Request) error {
	query := q.R.URL.Query()
	found, err := s.Team.SearchTemplates(q.Context(), q.Principal, query.Get("q"))
	if err != nil {
		return err
	}
	var fill *tideline.Fill
	if id, err := strconv.ParseInt(query.Get("chat"), 10, 64); err == nil {
		c, err := s.chat(q, id)
		if err != nil {
			return err
		}
		fill = &tideline.Fill{ContactName: c.Chat.Name, Phone: c.Chat.Phone, MyName: q.Principal.Member.DisplayName}
	}
	type shown struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
		Text string `json:"text"`
	}
	list := []shown{}
	for _, t := range found[:min(len(found), maxTemplates)] {
		if fill != nil {
			t.Text = tideline.FillTemplate(t.Text, *fill)
		}
		list = append(list, shown{ID: t.ID, Name: t.Name, Text: t.Text})
	}
	return q.JSON(http.StatusOK, map[string]any{"templates": list})
}

// templateUsed counts that a template was put into a message.
func (s *section) templateUsed(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Team.CountUse(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.JSON(http.StatusOK, map[string]bool{"ok": true})
}
