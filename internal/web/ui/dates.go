package ui

import (
	"fmt"
	"html/template"
	"time"

	"github.com/tidelinehq/tideline/internal/web/text"
)

// dates writes instants in a language and time zone. The zero instant is "".
type dates struct {
	text *text.Catalogue
	zone *time.Location
	now  func() time.Time
}

// when is short: the time for today, else the day; with the year when that is
// another one.
func (d dates) when(at time.Time) template.HTML {
	if at.IsZero() {
		return ""
	}
	at, now := at.In(d.zone), d.now().In(d.zone)
	short := at.Format("15:04")
	switch {
	case at.Year() != now.Year():
		short = d.named("ui.date.year", at)
	case at.YearDay() != now.YearDay():
		short = d.named("ui.date.short", at)
	}
	return d.tag(at, short)
}

// clock is the time of day.
func (d dates) clock(at time.Time) template.HTML {
	if at.IsZero() {
		return ""
	}
	at = at.In(d.zone)
	return d.tag(at, at.Format("15:04"))
}

// moment is day and time.
func (d dates) moment(at time.Time) template.HTML {
	if at.IsZero() {
		return ""
	}
	at = at.In(d.zone)
	return d.tag(at, d.full(at))
}

// day is a day in words, today and yesterday by these names.
func (d dates) day(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	at, now := at.In(d.zone), d.now().In(d.zone)
	switch at.Format(time.DateOnly) {
	case now.Format(time.DateOnly):
		return d.text.T("ui.today")
	case now.AddDate(0, 0, -1).Format(time.DateOnly):
		return d.text.T("ui.yesterday")
	}
	return d.named("ui.date.long", at)
}

func (d dates) full(at time.Time) string {
	return d.named("ui.date.year", at) + " " + at.Format("15:04")
}

func (d dates) named(key string, at time.Time) string {
	return d.text.T(key, "day", at.Day(), "year", at.Year(),
		"month", d.text.T(fmt.Sprintf("ui.month.%d", at.Month())), "weekday", d.text.T(fmt.Sprintf("ui.weekday.%d", at.Weekday())))
}

func (d dates) tag(at time.Time, shown string) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // what is not ours is escaped
		at.Format(time.RFC3339), template.HTMLEscapeString(d.full(at)), template.HTMLEscapeString(shown)))
}
