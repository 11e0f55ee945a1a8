package inbox

import (
	"math"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// quotes reads the messages that views answer, by uid.
func (s *section) quotes(q *ui.Request, v *store.ChatView, views []store.MessageView) (map[string]*quote, error) {
	here := make(map[string]*store.MessageView, len(views))
	for i := range views {
		here[views[i].Message.UID] = &views[i]
	}
	members := memberNames(v)
	quotes := map[string]*quote{}
	for i := range views {
		uid := views[i].ReplyToUID
		if uid == "" || quotes[uid] != nil {
			continue
		}
		m := here[uid]
		if m == nil {
			read, err := s.Storage.MessageByUID(q.Context(), q.Principal.Workspace.ID, uid)
			if tideline.IsCode(err, tideline.CodeNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			m = &read
		}
		quotes[uid] = quoteOf(q, v, m, members)
	}
	return quotes, nil
}

func quoteOf(q *ui.Request, v *store.ChatView, m *store.MessageView, members map[string]string) *quote {
	who, _, _ := writer(q, v, m, members)
	switch {
	case m.Message.FromMe && m.Message.MemberID == q.Principal.Member.ID:
		who = q.T("inbox.you")
	case who == "" && m.Message.FromMe:
		who = accountName(&v.Account)
	case who == "":
		who = v.Chat.Name
	}
	return &quote{UID: m.Message.UID, Who: who, Excerpt: excerpt(q, m)}
}

// waiting says when a message in the queue will go.
type waiting struct {
	Position int       // from 1
	At       time.Time // zero = it can't be said
	Clock    string
	Soon     bool // within the next minute, nothing holds it
	Why      string
}

// waiting reads where a message stands; nil when it is not queued any more.
func (s *section) waiting(q *ui.Request, v *store.ChatView, m *tideline.Message) (*waiting, error) {
	p, err := s.Storage.PlaceOf(q.Context(), q.Principal.Workspace.ID, m.ID)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now, loc := s.Now(), q.Principal.Workspace.Location()
	w := &waiting{Position: p.Position + 1, At: p.Expected}
	switch {
	case v.AccountGone || v.Account.State == tideline.AccountLoggedOut:
		w.Why, w.At = q.T("inbox.wait.logged_out", "account", accountName(&v.Account)), time.Time{}
	case v.Account.State == tideline.AccountBanned:
		w.Why, w.At = q.T("inbox.wait.banned", "account", accountName(&v.Account)), v.Account.Hold.BannedUntil
	case v.Account.Pause.Paused():
		w.Why, w.At = q.T("inbox.wait.paused", "account", accountName(&v.Account), "name", v.Account.Pause.By), time.Time{}
	case v.Account.State != tideline.AccountActive:
		w.Why, w.At = q.T("inbox.wait.disconnected", "account", accountName(&v.Account)), time.Time{}
	case !p.HeldUntil.IsZero():
		w.Why, w.At = q.T("inbox.wait.strangers"), p.HeldUntil
	case p.Note != "":
		w.Why = q.T("inbox.wait.again")
	}
	if w.Why == "" {
		left := math.Ceil(max(0, p.Expected.Sub(now).Seconds()))
		w.Soon = p.Expected.IsZero() || left < 60
	}
	if !w.At.IsZero() {
		w.Clock = w.At.In(loc).Format("15:04")
		if w.At.Sub(now) > 12*time.Hour {
			w.Clock = w.At.In(loc).Format("2006-01-02 15:04")
		}
	}
	return w, nil
}
