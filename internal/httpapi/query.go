package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	pageSize = 50
	maxPage  = 1 << 30 / pageSize // its offset fits every integer
	maxList  = 100                // elements of a list in a query
)

// query reads the parameters of a request and collects all that is wrong with
// them. Unknown ones are ignored; one that is empty counts as not given.
type query struct {
	values url.Values
	wrong  []tideline.FieldError
}

func queryOf(r *http.Request) *query { return &query{values: r.URL.Query()} }

func (q *query) blame(name, msg string) {
	q.wrong = append(q.wrong, tideline.FieldError{Path: []string{name}, Msg: msg})
}

// err gives all that is wrong; nil when nothing is.
func (q *query) err() error { return tideline.Invalid(q.wrong) }

// text reads a parameter that a database takes.
func (q *query) text(name string) string {
	v := q.values.Get(name)
	if !utf8.ValidString(v) || strings.IndexByte(v, 0) >= 0 {
		q.blame(name, "must be UTF-8 without the character U+0000")
		return ""
	}
	return v
}

// list reads values separated by commas.
func (q *query) list(name string) (values []string) {
	for v := range strings.SplitSeq(q.text(name), ",") {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	if len(values) > maxList {
		q.blame(name, "has more than 100 values")
		return nil
	}
	return values
}

// boolean reads true or false; nil when it is not given.
func (q *query) boolean(name string) *bool {
	switch q.oneOf(name, "true", "false") {
	case "true":
		return new(true)
	case "false":
		return new(false)
	}
	return nil
}

// oneOf reads one of two words, in any case; "" when it is not given.
func (q *query) oneOf(name, one, other string) string {
	v := strings.ToLower(q.text(name))
	if v != "" && v != one && v != other {
		q.blame(name, "must be "+one+" or "+other)
		return ""
	}
	return v
}

// uid reads the uid of a message.
func (q *query) uid(name string) string {
	v := q.text(name)
	if v == "" {
		return ""
	}
	id, err := uuid.Parse(v)
	if err != nil {
		q.blame(name, "must be the uid of a message")
		return ""
	}
	return id.String()
}

// page reads which page of a list is asked for.
func (q *query) page() store.Page {
	n := 1
	if v := q.text("page"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 1 || n > maxPage {
			q.blame("page", "must be a number from 1")
			n = 1
		}
	}
	return store.Page{Offset: (n - 1) * pageSize, Limit: pageSize}
}

// time reads a date or a time, in loc unless it names a zone. end makes a time
// without smaller parts mean its end: a day's, a minute's, or a second's.
func (q *query) time(name string, loc *time.Location, end bool) time.Time {
	v := strings.TrimSpace(q.text(name))
	if v == "" {
		return time.Time{}
	}
	for _, form := range []struct {
		layout string
		whole  time.Duration // 0 = a day
	}{
		{time.DateOnly, 0},
		{"2006-01-02 15:04", time.Minute}, {"2006-01-02T15:04", time.Minute},
		{time.DateTime, time.Second}, {"2006-01-02T15:04:05", time.Second},
		{time.RFC3339, time.Second}, {"2006-01-02 15:04:05Z07:00", time.Second}, {timestampLayout, time.Second},
	} {
		// A plus sign that was not escaped arrives as a space.
		t, err := time.ParseInLocation(form.layout, v, loc)
		if err != nil {
			if at := strings.LastIndexByte(v, ' '); at > len(time.DateOnly) {
				t, err = time.ParseInLocation(form.layout, v[:at]+"+"+v[at+1:], loc)
			}
		}
		if err != nil {
			continue
		}
		if t.Year() < 1970 || t.Year() > 9999 {
			break
		}
		switch {
		case !end:
		case form.whole == 0:
			t = t.AddDate(0, 0, 1).Add(-time.Millisecond)
		case t.Nanosecond() == 0:
			t = t.Add(form.whole - time.Millisecond)
		}
		return t
	}
	q.blame(name, "must be a date or a time such as 2026-11-22, 2026-11-22 10:35 or 2026-11-22T10:35:00Z")
	return time.Time{}
}

// phoneFilter makes what the list of chats looks for out of what was given: with
// a plus a whole number, else a part of one without leading zeros; "" when there
// are no digits.
func phoneFilter(s string) string {
	digits := digitsOf(s)
	switch {
	case digits == "":
		return ""
	case s[0] == ' ', strings.HasPrefix(strings.TrimLeft(s, "\u200e\u200f\u202a\u202c"), "+"): // a plus sign may arrive as a space
		return "+" + digits
	}
	return strings.TrimLeft(digits, "0")
}

// digitsOf drops everything but digits.
func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
