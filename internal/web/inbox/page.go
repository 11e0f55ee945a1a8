package inbox

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// inboxPage is what the page shows.
type inboxPage struct {
	List     window
	Filter   filter
	Bar      bar
	Tally    store.Tally
	Open     *conversation // nil = no chat is open
	Accounts []accountChoice
	MaySend  bool
	// NoAccount says that the workspace has no WhatsApp number, MayPair that this
	// member may pair one.
	NoAccount, MayPair bool
}

// bar is what a list can be filtered by.
type bar struct {
	Labels   []string
	Members  []choice
	Accounts []choice // when there are several
}

// choice is one entry of a menu.
type choice struct {
	Value, Name string
	Chosen      bool
}

// accountChoice is a number that a new chat can be begun from.
type accountChoice struct {
	Phone  string
	Name   string
	State  tideline.AccountState
	Usable bool
}

// page shows the list and, when the path names one, a chat.
func (s *section) page(q *ui.Request) error {
	around, err := s.surroundings(q)
	if err != nil {
		return err
	}
	f := filterOf(q.R.URL.Query())
	data := inboxPage{Filter: f, MaySend: q.Principal.Member.Role.MaySend(), MayPair: q.Principal.Member.Role.Administers(),
		NoAccount: len(around.accounts) == 0, Accounts: accountChoices(around)}
	if q.R.PathValue("chat") != "" {
		id, err := q.PathID("chat")
		if err != nil {
			return err
		}
		v, err := s.chat(q, id)
		if err != nil {
			return err
		}
		if data.Open, err = s.opened(q, around, v, q.R.URL.Query().Get("message")); err != nil {
			return err
		}
		data.Open.Back = "/inbox" + f.suffix()
	}
	if data.List, err = s.window(q, around, f, 0); err != nil {
		return err
	}
	if data.Tally, err = s.Storage.Tally(q.Context(), q.Principal.Workspace.ID, around.me.ID, around.viewer); err != nil {
		return err
	}
	data.Bar = barOf(around, f)
	return q.Page("inbox/page", ui.Page{
		Title: "inbox.title", Nav: "inbox", Full: true, Data: data,
		Styles: []string{"inbox/layout.css", "inbox/list.css", "inbox/thread.css", "inbox/composer.css", "inbox/panel.css", "ui/labels.css"},
		// All that the first one imports, so that a browser fetches them at once.
		Scripts: []string{
			"inbox/inbox.js", "inbox/list.js", "inbox/conversation.js", "inbox/thread.js", "inbox/composer.js", "inbox/outbox.js", "inbox/player.js",
			"inbox/uploads.js", "inbox/record.js", "inbox/slash.js", "inbox/panel.js", "inbox/lightbox.js", "inbox/newchat.js", "inbox/format.js",
			"inbox/ids.js", "inbox/icons.js", "live/live.js",
		},
	})
}

func barOf(around *surroundings, f filter) bar {
	b := bar{}
	for _, l := range around.labels {
		b.Labels = append(b.Labels, l.Name)
	}
	if f.Label != "" && !slices.Contains(b.Labels, f.Label) {
		b.Labels = append(b.Labels, f.Label)
	}
	for i := range around.members {
		m := &around.members[i]
		if m.ID == around.me.ID {
			continue
		}
		id := strconv.FormatInt(m.ID, 10)
		b.Members = append(b.Members, choice{Value: id, Name: m.DisplayName, Chosen: id == f.Assignee})
	}
	slices.SortFunc(b.Members, byName)
	if len(around.accounts) > 1 {
		for i := range around.accounts {
			a := &around.accounts[i]
			b.Accounts = append(b.Accounts, choice{Value: strconv.FormatInt(a.ID, 10), Name: accountName(a), Chosen: a.ID == f.Account})
		}
		slices.SortFunc(b.Accounts, byName)
	}
	return b
}

func byName(a, b choice) int {
	return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
}

// accountChoices lists the numbers to write from, those that are connected first.
func accountChoices(around *surroundings) []accountChoice {
	var list []accountChoice
	for i := range around.accounts {
		a := &around.accounts[i]
		if around.viewer != nil && !slices.Contains(around.viewer.Accounts, a.ID) {
			continue
		}
		list = append(list, accountChoice{Phone: string(a.Phone), Name: accountName(a), State: a.State, Usable: a.State != tideline.AccountLoggedOut})
	}
	slices.SortStableFunc(list, func(a, b accountChoice) int {
		if up := a.State == tideline.AccountActive; up != (b.State == tideline.AccountActive) {
			if up {
				return -1
			}
			return 1
		}
		return 0
	})
	return list
}

// chat reads a chat that the member may see: not_found for all others.
func (s *section) chat(q *ui.Request, id int64) (*store.ChatView, error) {
	v, err := s.Storage.ChatView(q.Context(), q.Principal.Workspace.ID, id)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil, noChat(q)
	}
	if err != nil {
		return nil, err
	}
	viewer, err := s.Team.Viewer(q.Context(), q.Principal)
	if err != nil {
		return nil, err
	}
	if !sees(viewer, &v) {
		return nil, noChat(q)
	}
	return &v, nil
}

// pathChat is chat of the path.
func (s *section) pathChat(q *ui.Request) (*store.ChatView, error) {
	id, err := q.PathID("chat")
	if err != nil {
		return nil, err
	}
	return s.chat(q, id)
}

func noChat(q *ui.Request) error {
	return tideline.Errorf(tideline.CodeNotFound, "%s", q.T("inbox.error.no_chat"))
}

// sees reports whether a chat is among those that a viewer sees.
func sees(viewer *store.Viewer, v *store.ChatView) bool {
	return viewer == nil || v.Chat.Responsible == viewer.MemberID || slices.Contains(viewer.Accounts, v.Chat.AccountID)
}
