package inbox

import (
	"net/http"
	"strconv"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// windowSize is how many chats a window of the list has. The script asks for
// windows by their number, so it must know it too; the list tells it.
const windowSize = 50

// maxOffset bounds where a window may begin.
const maxOffset = 10_000_000

// surroundings are what a member's list is read with.
type surroundings struct {
	me       *tideline.Member
	viewer   *store.Viewer // nil = sees all chats
	members  []tideline.Member
	accounts []tideline.Account // that the member sees chats of, or might
	labels   []tideline.Label
}

// label gives a label, which has a colour, by its name.
func (s *surroundings) label(name string) tideline.Label {
	for _, l := range s.labels {
		if l.Name == name {
			return l
		}
	}
	return tideline.Label{Name: name}
}

// coloured gives labels by their names.
func (s *surroundings) coloured(names []string) []tideline.Label {
	list := make([]tideline.Label, len(names))
	for i, name := range names {
		list[i] = s.label(name)
	}
	return list
}

func (s *section) surroundings(q *ui.Request) (*surroundings, error) {
	p := q.Principal
	viewer, err := s.Team.Viewer(q.Context(), p)
	if err != nil {
		return nil, err
	}
	members, err := s.Storage.ListMembers(q.Context(), p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	accounts, _, err := s.Storage.AccountsOf(q.Context(), p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	labels, err := s.Storage.ListLabels(q.Context(), p.Workspace.ID)
	if err != nil {
		return nil, err
	}
	return &surroundings{me: &p.Member, viewer: viewer, members: members, accounts: accounts, labels: labels}, nil
}

// window is a part of the list of chats, ready to be shown.
type window struct {
	Rows   []row
	Offset int
	Total  int
	Size   int
	Filter filter
}

// window reads the part of the list that begins at offset.
func (s *section) window(q *ui.Request, around *surroundings, f filter, offset int) (window, error) {
	w := window{Offset: offset, Size: windowSize, Filter: f}
	c, none := f.chats(around.me, around.members, around.accounts, around.viewer)
	if none {
		return w, nil
	}
	workspace := q.Principal.Workspace.ID
	chats, more, err := s.Storage.ListChats(q.Context(), workspace, c, store.Page{Offset: offset, Limit: windowSize})
	if err != nil {
		return w, err
	}
	// The end of the list is in sight, or the list must be counted.
	if w.Total = offset + len(chats); more || len(chats) == 0 && offset > 0 {
		if w.Total, err = s.Storage.CountChats(q.Context(), workspace, c); err != nil {
			return w, err
		}
	}
	for i := range chats {
		r := s.row(q, around, &chats[i])
		r.URL += f.suffix()
		r.Position, r.Total = offset+i+1, w.Total
		w.Rows = append(w.Rows, r)
	}
	return w, nil
}

// rows answers with a window of the list.
func (s *section) rows(q *ui.Request) error {
	around, err := s.surroundings(q)
	if err != nil {
		return err
	}
	query := q.R.URL.Query()
	offset, err := strconv.Atoi(query.Get("offset"))
	if err != nil || offset < 0 || offset > maxOffset {
		offset = 0
	}
	w, err := s.window(q, around, filterOf(query), offset)
	if err != nil {
		return err
	}
	return q.Fragment("inbox/window", w)
}

// tally answers with what asks for attention.
func (s *section) tally(q *ui.Request) error {
	viewer, err := s.Team.Viewer(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	t, err := s.Storage.Tally(q.Context(), q.Principal.Workspace.ID, q.Principal.Member.ID, viewer)
	if err != nil {
		return err
	}
	return q.JSON(http.StatusOK, map[string]int{"unread": t.Unread, "mine": t.Mine, "unassigned": t.Unassigned})
}
