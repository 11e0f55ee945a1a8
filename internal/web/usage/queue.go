package usage

import (
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

const (
	queuePath = "/usage/queue"
	// queueRows is how many messages are on a page.
	queueRows = 50
	// excerptLength is how many characters of a message are shown.
	excerptLength = 120
	// maxQueuePage bounds how far somebody can turn pages.
	maxQueuePage = 10000
)

// queuePage is what usage/queue shows.
type queuePage struct {
	Lanes   []laneRow
	Account int64 // shown alone; 0 = all
	Rows    []queueRow
	Total   int64
	Page    int64 // from 1
	Older   string
	Newer   string
	Query   string // of this page, for the way back from an action
}

// laneRow is one number and its queue.
type laneRow struct {
	ID      int64
	Name    string
	Account tideline.Account
	Queued  int64
	Shown   bool
	Runs    bool // the member may pause it
}

// queueRow is one message that waits.
type queueRow struct {
	outbox.Waiting
	Number  int // its place, from 1
	Excerpt string
	From    string
	Why     store.Wait
	Until   time.Time
	// Known: it is known when it will be sent, if nothing happens to its number.
	Known bool
	Note  string // key of a text about the last attempt; "" = none
}

// notes are the texts about attempts, by what the outbox notes.
var notes = map[string]string{
	"account offline":    "usage.note.offline",
	"no acknowledgement": "usage.note.unknown",
	"error":              "usage.note.error",
}

func (s *section) queue(q *ui.Request) error {
	query := q.R.URL.Query()
	p := queuePage{Account: number(query, "number", 0), Page: min(number(query, "page", 1), maxQueuePage)}
	accounts, err := s.accounts(q)
	if err != nil {
		return err
	}
	lengths, err := s.Queue.Lengths(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	runs, err := s.Queue.Runs(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	found := p.Account == 0
	for i := range accounts {
		a := accounts[i]
		shown := a.ID == p.Account
		found = found || shown
		if p.Account == 0 || shown {
			p.Total += lengths[a.ID]
		}
		p.Lanes = append(p.Lanes, laneRow{ID: a.ID, Name: nameOf(&a), Account: a, Queued: lengths[a.ID], Shown: shown, Runs: runs[a.ID]})
	}
	if !found {
		return ui.Missing()
	}
	items, more, err := s.Queue.List(q.Context(), q.Principal, store.QueueFilter{AccountID: p.Account},
		store.Page{Offset: int(p.Page-1) * queueRows, Limit: queueRows})
	if err != nil {
		return err
	}
	for _, item := range items {
		p.Rows = append(p.Rows, rowOf(item))
	}
	if more {
		p.Older = queueAt(p.Account, p.Page+1)
	}
	if p.Page > 1 {
		p.Newer = queueAt(p.Account, p.Page-1)
	}
	p.Query = queueAt(p.Account, p.Page)
	return s.page(q, "usage/queue", "usage.queue.title", p)
}

func rowOf(item outbox.Waiting) queueRow {
	row := queueRow{Waiting: item, Number: item.Place.Position + 1, Excerpt: excerpt(item.View.Message.Text), From: nameOf(&item.View.Account)}
	row.Why, row.Until = item.Why()
	switch row.Why {
	case store.WaitTurn, store.WaitGap, store.WaitReachOut, store.WaitRetry:
		row.Known = true
	case store.WaitBanned, store.WaitLoggedOut, store.WaitOffline, store.WaitOutdated, store.WaitPaused:
	}
	if item.Place.Note != "" && item.Place.HeldUntil.IsZero() {
		row.Note = notes[item.Place.Note]
	}
	return row
}

// excerpt is the beginning of a text.
func excerpt(text string) string {
	if utf8.RuneCountInString(text) <= excerptLength {
		return text
	}
	return string([]rune(text)[:excerptLength]) + "…"
}

// queueAt is the address of a page of the queue.
func queueAt(account, page int64) string {
	v := url.Values{}
	if account != 0 {
		v.Set("number", strconv.FormatInt(account, 10))
	}
	if page > 1 {
		v.Set("page", strconv.FormatInt(page, 10))
	}
	if len(v) == 0 {
		return queuePath
	}
	return queuePath + "?" + v.Encode()
}

// back is where an action goes when it is done: the page that it came from, or for
// one that was asked for on another page, there.
func back(f url.Values) string {
	switch to, err := url.Parse(f.Get("back")); {
	case err != nil, to.Host != "", to.Scheme != "":
	case to.Path == queuePath, to.Path == "/numbers", isNumberPath(to.Path):
		return to.RequestURI()
	}
	return queuePath
}

// isNumberPath reports whether path is the page of a number.
func isNumberPath(path string) bool {
	const prefix = "/numbers/"
	if len(path) <= len(prefix) || path[:len(prefix)] != prefix {
		return false
	}
	_, err := strconv.ParseInt(path[len(prefix):], 10, 64)
	return err == nil
}

// do runs an action on what the path names.
func (s *section) do(q *ui.Request, act func(id int64) (key string, args []any, err error)) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	f, err := q.Form()
	if err != nil {
		return err
	}
	key, args, err := act(id)
	if err != nil {
		return err
	}
	return q.Done(back(f), key, args...)
}

func (s *section) cancel(q *ui.Request) error {
	return s.do(q, func(id int64) (string, []any, error) {
		return "usage.queue.cancelled", nil, s.Queue.Cancel(q.Context(), q.Principal, id)
	})
}

func (s *section) first(q *ui.Request) error {
	return s.do(q, func(id int64) (string, []any, error) {
		return "usage.queue.firsted", nil, s.Queue.PutFirst(q.Context(), q.Principal, id)
	})
}

func (s *section) pause(q *ui.Request) error {
	return s.do(q, func(id int64) (string, []any, error) {
		return "usage.queue.paused", nil, s.Queue.Pause(q.Context(), q.Principal, id)
	})
}

func (s *section) resume(q *ui.Request) error {
	return s.do(q, func(id int64) (string, []any, error) {
		return "usage.queue.resumed", nil, s.Queue.Resume(q.Context(), q.Principal, id)
	})
}

func (s *section) cancelAll(q *ui.Request) error {
	return s.do(q, func(id int64) (string, []any, error) {
		cancelled, kept, err := s.Queue.CancelAll(q.Context(), q.Principal, id)
		return "usage.queue.cancelledAll", []any{"n", cancelled, "kept", kept}, err
	})
}
