package inbox

import (
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// panel is what is known about a chat besides what was said.
type panel struct {
	ID       int64
	Name     string
	Face     face
	Phone    string
	Group    bool
	Bar      tideline.Bar
	Account  string
	State    tideline.AccountState
	Members  []person
	Labels   []tideline.Label
	Known    []string // labels that the chat doesn't have
	Assignee string   // e-mail; "" = nobody
	Team     []choice // by e-mail
	Closed   bool
	Unread   bool
	Since    time.Time
	Notes    []bubble // the latest first
	Files    []bubble // pictures and documents among the last messages, the latest first
	Past     []deed
	MayWork  bool
}

// person is a member of a group.
type person struct {
	Name, Phone string
	Hue         int
	Role        tideline.GroupRole
	URL         string // of the chat with them; "" = there is none
}

// What the panel looks through for notes and files.
const (
	panelMessages = 200
	panelNotes    = 20
	panelFiles    = 24
)

// panel answers with the side panel of a chat.
func (s *section) panel(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	around, err := s.surroundings(q)
	if err != nil {
		return err
	}
	p := panel{
		ID: v.Chat.ID, Name: v.Chat.Name, Face: faceOf(v), Phone: string(v.Chat.Phone), Group: v.Chat.JID.IsGroup(), Bar: v.Chat.Bar,
		Account: accountName(&v.Account), State: v.Account.State, Labels: around.coloured(v.Labels), Closed: v.Chat.Closed, Unread: v.Chat.Unread > 0,
		Since: v.Chat.CreatedAt, MayWork: around.me.Role.MaySend(),
	}
	for _, l := range around.labels {
		if !slices.Contains(v.Labels, l.Name) {
			p.Known = append(p.Known, l.Name)
		}
	}
	if v.Responsible != nil {
		p.Assignee = v.Responsible.Email
	}
	for i := range around.members {
		m := &around.members[i]
		c := choice{Value: m.Email, Name: m.DisplayName, Chosen: strings.EqualFold(m.Email, p.Assignee)}
		if m.ID == around.me.ID {
			c.Name = q.T("inbox.panel.me", "name", m.DisplayName)
		}
		p.Team = append(p.Team, c)
	}
	slices.SortFunc(p.Team, byName)
	for i := range v.Members {
		m := &v.Members[i]
		one := person{Name: m.Name, Phone: string(m.Phone), Role: m.Role, Hue: hueOf(string(m.Phone.JID()))}
		if m.ChatID != 0 {
			one.URL = chatPath(m.ChatID)
		}
		p.Members = append(p.Members, one)
	}
	if err := s.keepsakes(q, v, &p); err != nil {
		return err
	}
	if p.Past, err = s.past(q, v); err != nil {
		return err
	}
	return q.Fragment("inbox/panel", p)
}

// keepsakes looks through the last messages for notes and files.
func (s *section) keepsakes(q *ui.Request, v *store.ChatView, p *panel) error {
	views, _, err := s.Storage.ChatMessages(q.Context(), q.Principal.Workspace.ID, v.Chat.ID, store.MessageFilter{}, store.Page{Limit: panelMessages})
	if err != nil {
		return err
	}
	members, loc := memberNames(v), q.Principal.Workspace.Location()
	for i := range views {
		m := &views[i]
		switch {
		case !m.Message.DeletedAt.IsZero():
		case m.Message.Kind == tideline.KindNote && len(p.Notes) < panelNotes:
			p.Notes = append(p.Notes, bubbleOf(q, v, m, members, loc))
		case m.File != nil && m.Message.Kind != tideline.KindSticker && m.Message.Kind != tideline.KindVoice && len(p.Files) < panelFiles:
			p.Files = append(p.Files, bubbleOf(q, v, m, members, loc))
		}
	}
	return nil
}
