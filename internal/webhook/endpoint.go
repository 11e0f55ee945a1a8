package webhook

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	minWindow   = 8  // deliveries in memory while an endpoint has one attempt at a time
	windowPer   = 32 // deliveries in memory per attempt that it may have
	asideWindow = 8  // deliveries that were set aside in memory
	failingLine = 2  // deliveries in memory of a chat whose first one fails
	storeRetry  = time.Second

	// slotWait is how long to wait for a slot before asking again.
	slotWait = 20 * time.Millisecond

	// pagesPerFill bounds what is read in search of chats that don't fail; a page
	// is at least half a window.
	pagesPerFill = 8
)

// endpoint delivers to one webhook. Its loop alone reads from storage and starts
// attempts; attempts judge by themselves how they ended, leave it to the outcomes
// to be stored, and go on with the next line.
type endpoint struct {
	d    *Dispatcher
	id   int64
	news chan struct{} // something below changed

	mu      sync.Mutex
	hook    tideline.Webhook
	update  *tideline.Webhook // as somebody read it; taken over by the loop
	reread  bool              // the webhook has to be read: it may be disabled or deleted
	rescan  bool              // read from the beginning: something may have been replayed
	unread  bool              // storage may have deliveries behind after, and before those of ahead
	beyond  bool              // storage has deliveries behind those of ahead
	reading bool              // they are being read
	health  health
	lines   []*line         // in no order; see next
	byChat  map[int64]*line // those that were not set aside
	turns   turns
	ahead   ahead
	known   map[int64]bool
	stored  []int64 // outcomes that are stored; their ids leave known in the loop
	flying  int     // attempts
	ending  int     // outcomes that are being stored

	nextAside time.Time // when to look for those set aside; zero = there are none

	after   int64          // the highest id that was read
	rewind  int64          // below after: the id behind which deliveries were left out; -1 = none
	leftOut map[int64]bool // chats of which deliveries were left out since
}

func newEndpoint(d *Dispatcher, hook tideline.Webhook) *endpoint {
	return &endpoint{
		d: d, id: hook.ID, hook: hook, news: make(chan struct{}, 1), known: make(map[int64]bool),
		byChat: make(map[int64]*line), ahead: ahead{kept: &d.ahead}, leftOut: make(map[int64]bool), unread: true, rewind: -1,
		nextAside: time.Now(), health: healthOf(hook.Circuit),
	}
}

// offer hands over new deliveries, the latest of the webhook. They are taken if
// all before them was read and there is room, or kept for when that is so, which
// spares reading them; else they are read in their turn.
func (e *endpoint) offer(rows []store.Delivery) {
	e.mu.Lock()
	for i := range rows {
		switch {
		case e.beyond || rows[i].ID <= e.after:
		case !e.unread && !e.reading && e.ahead.empty() && len(e.known) < e.window():
			e.after = rows[i].ID
			e.add(&rows[i])
		default:
			e.beyond = e.health.circuit.Open() || !e.ahead.keep(&rows[i])
		}
	}
	e.mu.Unlock()
	signal(e.news)
}

// look tells how the webhook is now, nil when that has to be read, and that
// deliveries may have been replayed.
func (e *endpoint) look(hook *tideline.Webhook) {
	e.mu.Lock()
	e.update, e.reread, e.rescan, e.unread = hook, hook == nil, true, true
	e.mu.Unlock()
	signal(e.news)
}

// run is the loop. It ends with ctx, when nothing is pending, and when the
// webhook is disabled or deleted.
func (e *endpoint) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait := storeRetry
		e.forget()
		alive, err := e.refresh(ctx)
		if err == nil && alive {
			err = e.fill(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				e.d.deps.Log.WarnContext(ctx, "read deliveries; trying again soon", "webhook", e.id, "err", err)
			}
		} else {
			var idle bool
			if wait, idle = e.launch(ctx, alive); idle && e.d.end(e) {
				return
			}
		}
		timer.Reset(wait)
		select {
		case <-e.news:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// forget drops what is stored.
func (e *endpoint) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range e.stored {
		delete(e.known, id)
	}
	e.stored = e.stored[:0]
}

// refresh takes over what changed about the webhook, and says whether it still
// wants deliveries.
func (e *endpoint) refresh(ctx context.Context) (alive bool, err error) {
	e.mu.Lock()
	update, reread := e.update, e.reread
	e.update, e.reread = nil, false
	e.mu.Unlock()
	if reread {
		hook, err := e.d.deps.Store.Webhook(ctx, e.hook.WorkspaceID, e.id)
		switch {
		case tideline.IsCode(err, tideline.CodeNotFound):
			hook = e.hook
			hook.Enabled = false
		case err != nil:
			e.mu.Lock()
			e.reread = true
			e.mu.Unlock()
			return false, err
		}
		update = &hook
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if update != nil {
		if !update.UpdatedAt.Equal(e.hook.UpdatedAt) {
			// Somebody looked after it: whatever was believed of it is in doubt.
			e.health = healthOf(update.Circuit)
			for _, l := range e.lines {
				if !l.aside && !l.busy {
					l.items[0].DueAt = time.Now()
				}
			}
		}
		e.hook = *update
	}
	return e.hook.Enabled, nil
}

// fill reads deliveries while the window has room. Nothing else takes ids out of
// known, so what is read while its outcome is being stored is not taken twice.
func (e *endpoint) fill(ctx context.Context) error {
	e.mu.Lock()
	if e.rescan || e.rewind >= 0 && !e.anyFailing() {
		if e.rescan {
			e.after = 0
		} else {
			e.after = min(e.after, e.rewind)
		}
		e.rescan, e.rewind, e.unread = false, -1, true
		clear(e.leftOut)
	}
	workspace, open := e.hook.WorkspaceID, e.health.circuit.Open()
	if open && !e.ahead.empty() {
		e.ahead.drop() // it may be long until they are wanted
		e.beyond = true
	}
	e.mu.Unlock()
	for range pagesPerFill {
		e.mu.Lock()
		window := e.window()
		e.takeAhead(window)
		enough := !e.unread || len(e.known) > window/2
		if enough {
			e.mu.Unlock()
			break
		}
		e.unread, e.reading = false, true // so that what comes while we read is noticed
		after, room := e.after, window-len(e.known)
		e.mu.Unlock()
		rows, err := e.d.deps.Store.WaitingDeliveries(ctx, workspace, e.id, after, room)
		e.mu.Lock()
		e.reading = false
		e.unread = e.unread || err != nil || len(rows) == room && !e.ahead.reaches(rows[room-1].ID)
		for i := range rows {
			if e.ahead.reaches(rows[i].ID) {
				break
			}
			if len(e.known) >= window {
				e.unread = true
				break
			}
			e.after = rows[i].ID
			e.add(&rows[i])
		}
		e.mu.Unlock()
		if err != nil {
			return err
		}
		if open {
			break // one page has enough to probe with
		}
	}
	return e.fillAside(ctx, workspace)
}

// takeAhead takes what is kept ahead, once there is nothing between it and what
// was read. e.mu must be held.
func (e *endpoint) takeAhead(window int) {
	for !e.unread && !e.ahead.empty() && len(e.known) < window {
		d := e.ahead.next()
		e.after = d.ID
		e.add(&d)
	}
	if e.ahead.empty() && e.beyond {
		e.unread, e.beyond = true, false
	}
}

// fillAside reads what was set aside and is due, a few at a time.
func (e *endpoint) fillAside(ctx context.Context, workspaceID int64) error {
	now := time.Now()
	e.mu.Lock()
	due := !now.Before(e.asideAt(now.Add(time.Hour)))
	if due && slices.ContainsFunc(e.lines, func(l *line) bool { return l.aside }) {
		due, e.nextAside = false, now.Add(time.Second) // these first
	}
	if due {
		e.nextAside = time.Time{} // so that what is set aside while we read is noticed
	}
	e.mu.Unlock()
	if !due {
		return nil
	}
	rows, next, err := e.d.deps.Store.AsideDeliveries(ctx, workspaceID, e.id, now, asideWindow)
	if err != nil || len(rows) > 0 {
		next = now.Add(time.Second)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lookAside(next)
	for i := range rows {
		if !e.known[rows[i].ID] {
			e.known[rows[i].ID] = true
			e.list(&line{chat: rows[i].ChatID, aside: true, items: []*item{{Delivery: rows[i]}}})
		}
	}
	return err
}

// asideAt says when to look for what was set aside; never when there is nothing.
// While the endpoint is down that is only of use when nothing else is there to
// probe with. e.mu must be held.
func (e *endpoint) asideAt(never time.Time) time.Time {
	if e.nextAside.IsZero() || e.health.circuit.Open() && len(e.lines) > 0 {
		return never
	}
	return e.nextAside
}

// lookAside asks to look for what was set aside at a time, if not before; zero =
// never. e.mu must be held.
func (e *endpoint) lookAside(at time.Time) {
	if !at.IsZero() && (e.nextAside.IsZero() || at.Before(e.nextAside)) {
		e.nextAside = at
	}
}

// window is how many deliveries may be in memory: few while the endpoint has few
// attempts; else as many again, because those whose outcomes wait to be stored
// count too.
func (e *endpoint) window() int {
	n := max(minWindow, windowPer*e.health.limit)
	if e.health.limit > 1 {
		n *= 2
	}
	return n
}

// anyFailing reports whether a chat's first delivery fails. e.mu must be held.
func (e *endpoint) anyFailing() bool {
	return slices.ContainsFunc(e.lines, func(l *line) bool { return !l.aside && len(l.items) > 0 && l.items[0].Attempts > 0 })
}

// add puts a delivery in line. Of a chat whose first delivery fails only a few
// are taken, so that they don't fill the window; the rest is read again later,
// and till then nothing of the chat is taken, to keep the order. e.mu must be held.
func (e *endpoint) add(d *store.Delivery) {
	if e.known[d.ID] {
		return
	}
	it := &item{Delivery: *d}
	if it.Attempts >= tideline.QuickAttempts {
		it.DueAt = time.Now() // it waited for its endpoint; how that is now is to be seen
	}
	l := e.byChat[d.ChatID]
	if e.leftOut[d.ChatID] || l != nil && l.items[0].Attempts > 0 && len(l.items) >= failingLine {
		e.leftOut[d.ChatID] = true
		if e.rewind < 0 || d.ID-1 < e.rewind {
			e.rewind = d.ID - 1
		}
		return
	}
	e.known[d.ID] = true
	if l == nil {
		e.list(&line{chat: d.ChatID, items: []*item{it}})
		return
	}
	// What was replayed may be older than what is in line already.
	place := len(l.items)
	for place > 0 && l.items[place-1].ID > d.ID && (place > 1 || !l.busy) {
		place--
	}
	l.items = slices.Insert(l.items, place, it)
	if place == 0 { // so it is not busy
		e.turns.remove(l)
		e.turns.put(l)
	}
}

// list takes a new line in. e.mu must be held.
func (e *endpoint) list(l *line) {
	l.at = len(e.lines)
	e.lines = append(e.lines, l)
	if !l.aside {
		e.byChat[l.chat] = l
	}
	e.turns.put(l)
}

// unlist takes a line out that has no deliveries left. e.mu must be held.
func (e *endpoint) unlist(l *line) {
	last := len(e.lines) - 1
	e.lines[l.at] = e.lines[last]
	e.lines[l.at].at = l.at
	e.lines[last] = nil
	e.lines = e.lines[:last]
	if !l.aside {
		delete(e.byChat, l.chat)
	}
}

// launch starts the attempts that may go now. It says how long the loop may
// sleep, and whether nothing is left to do.
func (e *endpoint) launch(ctx context.Context, alive bool) (wait time.Duration, idle bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !alive {
		return time.Hour, e.flying == 0 && e.ending == 0
	}
	now := time.Now()
	e.expire(now)
	next := e.asideAt(now.Add(time.Hour))
	for {
		l, due := e.next(now)
		if l == nil {
			if !due.IsZero() && due.Before(next) {
				next = due
			}
			break
		}
		extra := e.flying > 0
		if extra && !e.d.slot() {
			return slotWait, false
		}
		e.fly(ctx, l, extra)
	}
	done := len(e.lines) == 0 && len(e.known) == 0 && e.ahead.empty() && !e.unread && !e.beyond && !e.rescan && e.nextAside.IsZero()
	return max(0, next.Sub(now)), done
}

// next gives the line whose first delivery may be tried now: the one that was not
// tried for the longest, so that none is forgotten; nil and when to look again
// when there is none. e.mu must be held.
func (e *endpoint) next(now time.Time) (*line, time.Time) {
	if e.flying >= e.health.slots() {
		return nil, time.Time{}
	}
	if !e.health.circuit.Open() {
		return e.turns.next(now)
	}
	var best *line
	var soonest time.Time
	for _, l := range e.lines {
		if l.busy {
			continue
		}
		head := l.items[0]
		due := e.health.probeAt(head)
		if due.After(now) {
			if soonest.IsZero() || due.Before(soonest) {
				soonest = due
			}
			continue
		}
		if best == nil || before(head, best.items[0]) {
			best = l
		}
	}
	return best, soonest
}
