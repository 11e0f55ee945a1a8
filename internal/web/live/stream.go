package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	feed "github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

const (
	// retry is what a browser waits that reconnects by itself.
	retry = 3 * time.Second
	// pace is the shortest time between two batches of notices: what changes in
	// between is one notice.
	pace = 100 * time.Millisecond
	// patience is how long a browser may take to read what was written.
	patience = 30 * time.Second
)

// stream writes notices until the browser leaves, the session ends or the server
// stops.
func (s *section) stream(q *ui.Request) error {
	member := q.Principal.Member.ID
	if !s.enter(member) {
		return tideline.Errorf(tideline.CodeRateLimitExceeded, "%s", q.T("live.error.streams", "n", s.Streams))
	}
	defer s.leave(member)
	viewer, err := s.Team.Viewer(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	after, hello := q.R.Header.Get("Last-Event-ID"), ""
	if after == "" {
		after = q.R.URL.Query().Get("after")
	}
	if after == "" {
		after = s.Hub.Position()
		hello = after
	}
	sub := s.Hub.Subscribe(feed.Subscriber{WorkspaceID: q.Principal.Workspace.ID, MemberID: member, Viewer: viewer, After: after})
	defer sub.Close()

	w := &writer{rc: http.NewResponseController(q.W), w: q.W, member: member, people: make(map[int64]string)}
	// The server's own limits are for requests that end.
	if err := w.rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	h := q.W.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	fmt.Fprintf(&w.b, "retry: %d\nevent: hello\n", retry.Milliseconds())
	if hello != "" {
		fmt.Fprintf(&w.b, "id: %s\n", hello)
	}
	w.b.WriteString("data: {}\n\n")
	if w.flush() != nil {
		return nil
	}
	s.follow(q, sub, w)
	return nil
}

// follow writes what sub collects.
func (s *section) follow(q *ui.Request, sub *feed.Subscription, w *writer) {
	beat := time.NewTicker(s.Beat)
	defer beat.Stop()
	ctx, cancel := context.WithCancel(q.Context())
	batches := make(chan []feed.Notice)
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		defer close(ended)
		defer close(batches)
		for {
			notices, err := sub.Next(ctx)
			if err != nil {
				return
			}
			select {
			case batches <- notices:
			case <-ctx.Done():
				return
			}
			select {
			case <-time.After(pace):
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case notices, more := <-batches:
			if !more {
				return
			}
			if slices.ContainsFunc(notices, aboutRights) && !s.renew(q, sub, w) {
				return
			}
			w.notices(notices)
		case <-beat.C:
			if !s.renew(q, sub, w) {
				return
			}
			w.b.WriteString("event: beat\ndata: {}\n\n")
		}
		if w.flush() != nil {
			return
		}
	}
}

// aboutRights reports whether what a notice tells of may change who sees what.
func aboutRights(n feed.Notice) bool {
	return n.Kind == tideline.ChangeSettings || n.Kind == tideline.ChangeAccount || n.Kind == feed.KindResync
}

// renew looks at the session and the member's rights again; false ends the stream.
func (s *section) renew(q *ui.Request, sub *feed.Subscription, w *writer) bool {
	err := q.Renew()
	if ui.SignedOut(err) {
		w.b.WriteString("event: signedout\ndata: {}\n\n")
		_ = w.flush() // the stream ends either way
		return false
	}
	var viewer *store.Viewer
	if err == nil {
		viewer, err = s.Team.Viewer(q.Context(), q.Principal)
	}
	if err == nil {
		sub.SetViewer(viewer)
		return true
	}
	// Storage has no answer now. What was true a moment ago holds until it has.
	if q.Context().Err() == nil {
		s.Log.WarnContext(q.Context(), "rights of a live page not renewed", "err", err)
	}
	return true
}

// writer writes events to a browser.
type writer struct {
	rc     *http.ResponseController
	w      http.ResponseWriter
	b      bytes.Buffer
	member int64            // whose own activity is left out
	people map[int64]string // by chat: the activity that was written last, as JSON
}

// notice is a feed.Notice as pages read it.
type notice struct {
	Kind    tideline.ChangeKind `json:"kind"`
	Account int64               `json:"account,omitempty"`
	Chat    int64               `json:"chat,omitempty"`
	Message int64               `json:"message,omitempty"`
	People  []person            `json:"people,omitempty"`
}

type person struct {
	Member int64      `json:"member,omitempty"` // absent: a contact
	Name   string     `json:"name"`
	Doing  feed.Doing `json:"doing"`
}

func (w *writer) notices(all []feed.Notice) {
	for _, n := range all {
		shown := notice{Kind: n.Kind, Account: n.AccountID, Chat: n.ChatID, Message: n.MessageID}
		for _, p := range n.People {
			if p.MemberID == 0 || p.MemberID != w.member {
				shown.People = append(shown.People, person{p.MemberID, p.Name, p.Doing})
			}
		}
		body, err := json.Marshal(shown)
		if err != nil {
			continue // numbers and strings always are JSON
		}
		if n.Kind == feed.KindActivity && !w.news(n.ChatID, len(shown.People) > 0, string(body)) {
			continue
		}
		if n.ID != "" {
			fmt.Fprintf(&w.b, "id: %s\n", n.ID)
		}
		fmt.Fprintf(&w.b, "data: %s\n\n", body)
	}
}

// news reports whether the activity in a chat is another than was written last. It
// is not when only the member's own changed, which is left out.
func (w *writer) news(chat int64, some bool, activity string) bool {
	last, known := w.people[chat]
	if !some {
		delete(w.people, chat)
		return known
	}
	w.people[chat] = activity
	return activity != last
}

// flush sends what was written. A browser that takes it up too slowly is an error.
func (w *writer) flush() error {
	err := w.rc.SetWriteDeadline(time.Now().Add(patience))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_, err = w.w.Write(w.b.Bytes())
	w.b.Reset()
	return errors.Join(err, w.rc.Flush())
}
