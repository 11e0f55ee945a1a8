package phones

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/web/ui"
)

// watchFor is how long a question for news stays open. It is short, so that a
// server that stops doesn't wait for pages that are open.
const watchFor = 2 * time.Second

// first shows the phone of a customer.
func (s *section) first(q *ui.Request) error {
	phones := s.world.Phones()
	for _, p := range phones {
		if p.Registered && !p.Business() {
			return q.Redirect(path(p.Number, ""))
		}
	}
	if len(phones) == 0 {
		return ui.Missing()
	}
	return q.Redirect(path(phones[0].Number, ""))
}

// path is the address of a phone's page with a chat open.
func path(number, chat string) string {
	p := "/phones/" + digits(number)
	if chat != "" {
		p += "?chat=" + url.QueryEscape(chat)
	}
	return p
}

// number is the number in the request's path.
func number(q *ui.Request) string { return "+" + strings.TrimPrefix(q.R.PathValue("number"), "+") }

func (s *section) show(q *ui.Request) error {
	v, err := s.look(number(q), q.R.URL.Query().Get("chat"))
	if err != nil {
		return err
	}
	return q.Page("phones/page", ui.Page{
		Title: "phones.title", Nav: "phones", Full: true, Data: v,
		Styles: []string{"phones/phones.css"}, Scripts: []string{"phones/phones.js"},
	})
}

// watch answers with what is shown as soon as it differs from what the page has
// seen, or with 204 after a while.
func (s *section) watch(q *ui.Request) error {
	seen, _ := strconv.ParseUint(q.R.URL.Query().Get("seen"), 10, 64)
	timeout := time.NewTimer(watchFor)
	defer timeout.Stop()
	for {
		count, next := s.world.Changes()
		if count != seen {
			break
		}
		select {
		case <-next:
		case <-timeout.C:
			q.W.WriteHeader(http.StatusNoContent)
			return nil
		case <-q.Context().Done():
			return q.Context().Err()
		}
	}
	v, err := s.look(number(q), q.R.URL.Query().Get("chat"))
	if err != nil {
		return err
	}
	q.W.Header().Set("X-Seen", v.Seen)
	return q.Fragment("phones/world", v)
}

// inline are the types that a browser may show by itself: none of them can carry
// a script.
var inline = map[string]bool{
	"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "video/mp4": true, "video/webm": true,
	"audio/ogg": true, "audio/mpeg": true, "audio/mp4": true, "audio/webm": true, "audio/wav": true, "audio/aac": true,
}

// file serves the attachment of a message, as the phone decrypted it.
func (s *section) file(q *ui.Request) error {
	data, mime, err := s.world.File(number(q), q.R.PathValue("message"))
	if err != nil {
		return ui.Missing()
	}
	kind, _, _ := strings.Cut(mime, ";")
	h := q.W.Header()
	h.Set("Content-Type", "application/octet-stream")
	if inline[strings.TrimSpace(kind)] {
		h.Set("Content-Type", mime)
	} else {
		h.Set("Content-Disposition", "attachment")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "private, max-age=3600")
	http.ServeContent(q.W, q.R, "", time.Time{}, strings.NewReader(string(data)))
	return nil
}
