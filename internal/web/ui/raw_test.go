package ui

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// deadlines is an answer that notes until when it may be worked on.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = t; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = t; return nil }

func TestFilesHaveMoreTimeThanPagesForMembersOnly(t *testing.T) {
	t.Parallel()
	kit, err := New(Config{Sessions: fakeSessions{tideline.RoleAgent}, Cookie: testCookie})
	if err != nil {
		t.Fatal(err)
	}
	h, err := kit.Handler(Section{Name: "sample", Routes: func(r *Router) {
		ok := func(q *Request) error { return q.JSON(http.StatusOK, "done") }
		r.Raw("GET /file", ok)
		r.Handle("GET /page", ok)
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, secret string
		more         bool
	}{{"/file", goodSecret, true}, {"/file", "stolen", false}, {"/file", "", false}, {"/page", goodSecret, false}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil)
		if c.secret != "" {
			r.AddCookie(&http.Cookie{Name: testCookie, Value: c.secret})
		}
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		before := time.Now()
		h.ServeHTTP(w, r)
		want := before.Add(rawTimeout)
		if got := !w.read.Before(want) && !w.write.Before(want); got != c.more {
			t.Errorf("%s with %q: reads until %v and writes until %v; more time: %v", c.path, c.secret, w.read, w.write, c.more)
		}
	}
}
