package webhook

import (
	"container/heap"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// item is a delivery in an endpoint's window.
type item struct {
	store.Delivery
	blame int       // failed attempts before which the endpoint took something else
	tried time.Time // when the last attempt of this process ended; zero = never
}

// line is deliveries that go one after the other: a chat's, or one that was set
// aside.
type line struct {
	chat  int64
	aside bool
	busy  bool // the first one is being tried, or its outcome stored
	items []*item

	at   int // place in endpoint.lines
	turn int // place in turns.due plus one; 0 = not there
}

// before reports whether a is tried before b: what waited longest for an attempt,
// then what is older.
func before(a, b *item) bool {
	if !a.tried.Equal(b.tried) {
		return a.tried.Before(b.tried)
	}
	return a.ID < b.ID
}

// turns are the lines that are not busy, in the order in which their first
// deliveries are tried. Those whose time has not come yet wait apart: usually
// none, or those of an endpoint that fails, which is slow anyway.
type turns struct {
	due   dueLines
	later []*line
}

// put takes in a line that has become ready, or is new.
func (t *turns) put(l *line) { heap.Push(&t.due, l) }

// remove takes out a line, before its first delivery is tried or changed. It may
// be out already.
func (t *turns) remove(l *line) {
	if l.turn > 0 {
		heap.Remove(&t.due, l.turn-1)
		return
	}
	if i := slices.Index(t.later, l); i >= 0 {
		t.later = slices.Delete(t.later, i, i+1)
	}
}

// next gives the line whose first delivery is tried next, and leaves it in; nil
// and when to look again when none is due, zero when there is none at all.
func (t *turns) next(now time.Time) (*line, time.Time) {
	t.later = slices.DeleteFunc(t.later, func(l *line) bool {
		due := !l.items[0].DueAt.After(now)
		if due {
			t.put(l)
		}
		return due
	})
	for len(t.due) > 0 && t.due[0].items[0].DueAt.After(now) {
		t.later = append(t.later, heap.Pop(&t.due).(*line))
	}
	if len(t.due) > 0 {
		return t.due[0], time.Time{}
	}
	var soonest time.Time
	for _, l := range t.later {
		if due := l.items[0].DueAt; soonest.IsZero() || due.Before(soonest) {
			soonest = due
		}
	}
	return nil, soonest
}

// dueLines is a heap of lines by before of their first deliveries.
type dueLines []*line

// Len implements heap.Interface.
func (d dueLines) Len() int { return len(d) }

// Less implements heap.Interface.
func (d dueLines) Less(i, j int) bool { return before(d[i].items[0], d[j].items[0]) }

// Swap implements heap.Interface.
func (d dueLines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].turn, d[j].turn = i+1, j+1
}

// Push implements heap.Interface.
func (d *dueLines) Push(x any) {
	l := x.(*line)
	*d = append(*d, l)
	l.turn = len(*d)
}

// Pop implements heap.Interface.
func (d *dueLines) Pop() any {
	last := len(*d) - 1
	l := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	l.turn = 0
	return l
}
