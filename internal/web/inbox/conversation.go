package inbox

import (
	"slices"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// pageSize is how many messages are shown at once: more than fit on a large screen.
const pageSize = 40

// conversation is an open chat.
type conversation struct {
	ID        int64
	Name      string
	Face      face
	Group     bool
	Phone     string
	Members   int
	Account   string
	Closed    bool
	Unread    bool
	Assignee  string
	Mine      bool
	MyID      int64
	MyEmail   string
	MyName    string
	Back      string // where the list is; "" = where it was left
	Thread    thread
	Composer  composer
	MaySend   bool
	AtMessage string // uid of the message to show; "" = the last one
}

// thread is a part of a chat's messages, the oldest first.
type thread struct {
	ChatID  int64
	Bubbles []bubble
	Older   bool // there are older ones
	Newer   bool // there are newer ones
}

// composer says what can be written in a chat.
type composer struct {
	Blocked string // why nothing can be sent; "" = it can
	Notice  string // what a sender should know; "" = nothing
	Limit   int    // characters
	Voice   bool
}

// conversation answers with a chat without the page around it.
func (s *section) conversation(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	around, err := s.surroundings(q)
	if err != nil {
		return err
	}
	c, err := s.opened(q, around, v, q.R.URL.Query().Get("message"))
	if err != nil {
		return err
	}
	return q.Fragment("inbox/conversation", c)
}

// opened reads a chat with its last messages, or those around the message at.
func (s *section) opened(q *ui.Request, around *surroundings, v *store.ChatView, at string) (*conversation, error) {
	c := &conversation{
		ID: v.Chat.ID, Name: v.Chat.Name, Face: faceOf(v), Group: v.Chat.JID.IsGroup(), Phone: string(v.Chat.Phone), Members: len(v.Members),
		Closed: v.Chat.Closed, Unread: v.Chat.Unread > 0, MyID: around.me.ID, MyEmail: around.me.Email, MyName: around.me.DisplayName,
		MaySend: around.me.Role.MaySend(), Composer: composerOf(q, v), Back: "/inbox",
	}
	if len(around.accounts) > 1 {
		c.Account = accountName(&v.Account)
	}
	if v.Responsible != nil {
		c.Assignee, c.Mine = v.Responsible.DisplayName, v.Responsible.ID == around.me.ID
	}
	var err error
	if at != "" && uuid.Validate(at) == nil {
		if c.Thread, err = s.around(q, v, at); err == nil {
			c.AtMessage = at
			return c, nil
		}
		if !tideline.IsCode(err, tideline.CodeNotFound) {
			return nil, err
		}
	}
	c.Thread, err = s.part(q, v, store.MessageFilter{}, pageSize)
	return c, err
}

// composerOf says whether and how the member can write in a chat.
func composerOf(q *ui.Request, v *store.ChatView) composer {
	c := composer{Limit: tideline.MaxText, Voice: q.Principal.Workspace.Plan.Attachments}
	switch {
	case !q.Principal.Member.Role.MaySend():
		c.Blocked = q.T("inbox.blocked.role")
	case v.AccountGone:
		c.Blocked = q.T("inbox.blocked.removed")
	case v.Account.State == tideline.AccountLoggedOut:
		c.Blocked = q.T("inbox.blocked.logged_out", "account", accountName(&v.Account))
	case v.Chat.Bar == tideline.BarLeft:
		c.Blocked = q.T("inbox.blocked.left")
	case v.Chat.Bar == tideline.BarAdminsOnly:
		c.Blocked = q.T("inbox.blocked.admins_only")
	case v.Account.Pause.Paused():
		c.Notice = q.T("inbox.notice.paused", "account", accountName(&v.Account), "name", v.Account.Pause.By)
	case v.Account.State != tideline.AccountActive:
		c.Notice = q.T("inbox.notice.waits", "account", accountName(&v.Account))
	}
	return c
}

// messages answers with messages of a chat: the last ones, those before or after
// one, those around one, or one alone.
func (s *section) messages(q *ui.Request) error {
	v, err := s.pathChat(q)
	if err != nil {
		return err
	}
	query := q.R.URL.Query()
	uid := func(name string) string {
		if given := query.Get(name); given != "" && uuid.Validate(given) == nil {
			return given
		}
		return ""
	}
	var t thread
	switch {
	case uid("around") != "":
		t, err = s.around(q, v, uid("around"))
	case uid("uid") != "":
		t, err = s.single(q, v, uid("uid"))
	case uid("after") != "":
		t, err = s.part(q, v, store.MessageFilter{AfterMessage: uid("after"), OldestFirst: true}, pageSize)
	default:
		t, err = s.part(q, v, store.MessageFilter{BeforeMessage: uid("before")}, pageSize)
	}
	if err != nil {
		return err
	}
	return q.Fragment("inbox/thread", t)
}

// part reads a page of a chat's messages.
func (s *section) part(q *ui.Request, v *store.ChatView, f store.MessageFilter, limit int) (thread, error) {
	views, more, err := s.Storage.ChatMessages(q.Context(), q.Principal.Workspace.ID, v.Chat.ID, f, store.Page{Limit: limit})
	if err != nil {
		return thread{}, err
	}
	t := thread{ChatID: v.Chat.ID, Older: more, Newer: f.BeforeMessage != ""}
	if f.OldestFirst {
		t.Older, t.Newer = true, more
	} else {
		slices.Reverse(views)
	}
	t.Bubbles, err = s.bubbles(q, v, views)
	return t, err
}

// around reads a message with those before and after it.
func (s *section) around(q *ui.Request, v *store.ChatView, uid string) (thread, error) {
	m, err := s.messageOf(q, v, uid)
	if err != nil {
		return thread{}, err
	}
	before, err := s.part(q, v, store.MessageFilter{BeforeMessage: uid}, pageSize/2)
	if err != nil {
		return thread{}, err
	}
	after, err := s.part(q, v, store.MessageFilter{AfterMessage: uid, OldestFirst: true}, pageSize/2)
	if err != nil {
		return thread{}, err
	}
	self, err := s.bubbles(q, v, []store.MessageView{m})
	if err != nil {
		return thread{}, err
	}
	return thread{ChatID: v.Chat.ID, Older: before.Older, Newer: after.Newer, Bubbles: slices.Concat(before.Bubbles, self, after.Bubbles)}, nil
}

func (s *section) single(q *ui.Request, v *store.ChatView, uid string) (thread, error) {
	m, err := s.messageOf(q, v, uid)
	if err != nil {
		return thread{}, err
	}
	t := thread{ChatID: v.Chat.ID, Older: true, Newer: true}
	t.Bubbles, err = s.bubbles(q, v, []store.MessageView{m})
	return t, err
}

// messageOf reads a message of a chat: not_found when it is another chat's.
func (s *section) messageOf(q *ui.Request, v *store.ChatView, uid string) (store.MessageView, error) {
	if uuid.Validate(uid) != nil {
		return store.MessageView{}, noMessage(q)
	}
	m, err := s.Storage.MessageByUID(q.Context(), q.Principal.Workspace.ID, uid)
	if tideline.IsCode(err, tideline.CodeNotFound) || err == nil && m.Message.ChatID != v.Chat.ID {
		return store.MessageView{}, noMessage(q)
	}
	return m, err
}

func noMessage(q *ui.Request) error {
	return tideline.Errorf(tideline.CodeNotFound, "%s", q.T("inbox.error.no_message"))
}
