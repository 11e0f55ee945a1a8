package webhook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Storage is what a Dispatcher needs of store.Store.
type Storage interface {
	store.FanOut
	store.Deliverer
	Webhook(ctx context.Context, workspaceID, webhookID int64) (tideline.Webhook, error)
	OnEvents(fn func())
}

// Poster makes requests to addresses that users chose; *safehttp.Client is one.
type Poster interface {
	Do(r *http.Request) (*http.Response, error)
}

// Observer is told how attempts end, for metrics. Its methods must not block.
type Observer interface {
	// Delivered: late is how long after its event the delivery arrived.
	Delivered(late, took time.Duration)
	// Failed: an attempt failed; state is where that leaves the delivery.
	Failed(state tideline.DeliveryState, took time.Duration)
}

// Config adjusts a Dispatcher. The zero value means the defaults.
type Config struct {
	// PerEndpoint is how many attempts an endpoint has at a time at most; it begins
	// with one and has one after every failure; default 16.
	PerEndpoint int
	// InFlight is how many attempts all endpoints have together. The first attempt
	// of an endpoint doesn't count, so that no endpoint can starve another; default 512.
	InFlight int
	// Page is how many events are fanned out in one transaction; default 1024.
	Page int
	// Poll is how often to look for what other processes changed; default 2 s.
	Poll time.Duration
	// Drain is how long Run waits for attempts when it stops; default 6 s.
	Drain time.Duration
	// UserAgent of requests; default "Tideline".
	UserAgent string
}

// Deps is what a Dispatcher works with. Observer and Random may be nil.
type Deps struct {
	Store    Storage
	Poster   Poster
	Renderer *Renderer
	Log      *slog.Logger
	Observer Observer
	// Random gives a uniform number in [0, n).
	Random func(n int64) int64
}

// firstPage is how many of many events are fanned out first; each page after that
// is twice as large, up to Config.Page.
const firstPage = 128

// Dispatcher delivers events. Make one with NewDispatcher and let it Run.
type Dispatcher struct {
	deps Deps
	cfg  Config

	events  chan struct{} // something was written to the log
	changed chan struct{} // a subscription or a delivery was changed
	slots   chan struct{} // attempts in flight beyond the first of each endpoint

	attempts  sync.WaitGroup // attempts, and outcomes that are not stored yet
	outcomes  *outcomes
	ahead     atomic.Int64    // bytes that endpoints keep, see ahead
	attemptCx context.Context // of attempts; outlives Run's by Config.Drain

	mu        sync.Mutex
	endpoints map[int64]*endpoint
	running   sync.WaitGroup // endpoints' loops
}

// NewDispatcher makes a Dispatcher. It hears of events from then on.
func NewDispatcher(d Deps, c Config) *Dispatcher {
	c.PerEndpoint = or(c.PerEndpoint, 16)
	c.InFlight = or(c.InFlight, 512)
	c.Page = or(c.Page, 1024)
	c.Poll = or(c.Poll, 2*time.Second)
	c.Drain = or(c.Drain, 6*time.Second)
	c.UserAgent = or(c.UserAgent, "Tideline")
	if d.Random == nil {
		d.Random = rand.Int64N
	}
	if d.Observer == nil {
		d.Observer = nobody{}
	}
	w := &Dispatcher{
		deps: d, cfg: c, endpoints: make(map[int64]*endpoint),
		events: make(chan struct{}, 1), changed: make(chan struct{}, 1), slots: make(chan struct{}, c.InFlight),
	}
	w.begin()
	d.Store.OnEvents(func() { signal(w.events) })
	return w
}

// Changed tells that a subscription was changed or a delivery replayed, so that
// it counts at once.
func (d *Dispatcher) Changed() { signal(d.changed) }

// Run delivers until ctx ends, then lets attempts in flight finish for at most
// Config.Drain. What was not delivered by then is after the next start. After it has
// returned it may be called again, and begins with what is stored: another process
// may have delivered meanwhile.
func (d *Dispatcher) Run(ctx context.Context) error {
	d.begin()
	attemptCx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.attemptCx = attemptCx
	var storing sync.WaitGroup
	storing.Go(func() { d.outcomes.run(attemptCx) })
	poll := time.NewTicker(d.cfg.Poll)
	defer poll.Stop()
	d.refresh(ctx)
	for ctx.Err() == nil {
		if err := d.fanOut(ctx); err != nil && ctx.Err() == nil {
			d.deps.Log.WarnContext(ctx, "fan out events; trying again soon", "err", err)
		}
		select {
		case <-d.events:
		case <-d.changed:
			d.refresh(ctx)
		case <-poll.C:
			d.refresh(ctx)
		case <-ctx.Done():
		}
	}
	close(d.outcomes.hurry)
	d.running.Wait()
	drained := make(chan struct{})
	go func() { d.attempts.Wait(); close(drained) }()
	limit := time.NewTimer(d.cfg.Drain)
	defer limit.Stop()
	select {
	case <-drained:
	case <-limit.C:
		cancel()
		<-drained
	}
	d.outcomes.close()
	storing.Wait()
	return nil
}

// begin forgets an earlier run, of which nothing is under way any more.
func (d *Dispatcher) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endpoints = make(map[int64]*endpoint)
	d.outcomes = newOutcomes(d)
	d.ahead.Store(0)
}

// slot takes one of the slots, if one is free.
func (d *Dispatcher) slot() bool {
	select {
	case d.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// fanOut turns all events behind the cursor into deliveries. The first page is
// small, so that the first attempts go while the next ones are rendered.
func (d *Dispatcher) fanOut(ctx context.Context) error {
	for limit := firstPage; ctx.Err() == nil; limit *= 2 {
		limit = min(limit, d.cfg.Page)
		page, err := d.deps.Store.UnsentEvents(ctx, limit)
		if err != nil || page.From == page.To {
			return err
		}
		rows, err := d.deps.Store.PutDeliveries(ctx, page, d.render(ctx, page), time.Now())
		if errors.Is(err, store.ErrCursorMoved) {
			continue
		}
		if err != nil {
			return err
		}
		byWebhook := make(map[int64][]store.Delivery)
		for i := range rows {
			byWebhook[rows[i].WebhookID] = append(byWebhook[rows[i].WebhookID], rows[i])
		}
		for id, rows := range byWebhook {
			d.tell(ctx, id, rows)
		}
	}
	return nil
}

// render makes the bodies of a page: one per event and type subscribed to. An
// event that can't be rendered is our mistake; it must not stop the others.
func (d *Dispatcher) render(ctx context.Context, page store.EventPage) store.Deliveries {
	var put store.Deliveries
	for i := range page.Events {
		e := &page.Events[i]
		bodies := make(map[tideline.EventType]int)
		for _, target := range e.Webhooks {
			at, done := bodies[target.EventType]
			if !done {
				body, err := d.deps.Renderer.Render(&e.EventView, target.EventType)
				if err != nil {
					d.deps.Log.ErrorContext(ctx, "event left out", "webhook", target.ID, "err", err)
					continue
				}
				at = len(put.Bodies)
				put.Bodies = append(put.Bodies, body)
				bodies[target.EventType] = at
			}
			row := store.NewDelivery{
				WorkspaceID: e.Event.WorkspaceID, WebhookID: target.ID, EventID: e.Event.ID, EventUID: e.Event.UID,
				ChatID: e.Event.ChatID, Body: at, EventAt: e.Event.At,
			}
			if e.Chat != nil {
				row.ChatID = e.Chat.Chat.ID // the one that took the event's over, if one did
			}
			put.Rows = append(put.Rows, row)
		}
	}
	return put
}

// refresh starts endpoints for what is pending and tells those that run how
// their webhooks are now.
func (d *Dispatcher) refresh(ctx context.Context) {
	hooks, err := d.deps.Store.PendingWebhooks(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.deps.Log.WarnContext(ctx, "look for pending deliveries; trying again soon", "err", err)
		}
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	pending := make(map[int64]bool, len(hooks))
	for i := range hooks {
		pending[hooks[i].ID] = true
		if e := d.endpoints[hooks[i].ID]; e != nil {
			e.look(&hooks[i])
		} else {
			d.start(ctx, hooks[i], nil)
		}
	}
	for id, e := range d.endpoints {
		if !pending[id] {
			e.look(nil)
		}
	}
}

// tell hands new deliveries to the endpoint of their webhook, or starts it.
func (d *Dispatcher) tell(ctx context.Context, webhookID int64, rows []store.Delivery) {
	d.mu.Lock()
	e := d.endpoints[webhookID]
	if e != nil {
		e.offer(rows)
	}
	d.mu.Unlock()
	if e != nil {
		return
	}
	workspaceID := rows[0].WorkspaceID
	hook, err := d.deps.Store.Webhook(ctx, workspaceID, webhookID)
	switch {
	case err == nil && hook.Enabled:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.start(ctx, hook, rows) // nobody else starts endpoints
	case err != nil && ctx.Err() == nil && !tideline.IsCode(err, tideline.CodeNotFound):
		d.deps.Log.WarnContext(ctx, "read webhook; trying again soon", "webhook", webhookID, "err", err)
	}
}

// start runs an endpoint, and hands it the deliveries that were just made.
// d.mu must be held.
func (d *Dispatcher) start(ctx context.Context, hook tideline.Webhook, rows []store.Delivery) {
	e := newEndpoint(d, hook)
	e.offer(rows)
	d.endpoints[hook.ID] = e
	d.running.Go(func() { e.run(ctx) })
}

// end takes an endpoint out unless it was told something in the meantime.
func (d *Dispatcher) end(e *endpoint) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-e.news:
		signal(e.news)
		return false
	default:
	}
	delete(d.endpoints, e.id)
	e.mu.Lock()
	e.ahead.drop()
	e.mu.Unlock()
	return true
}

// signal wakes who waits for c, now or next.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// or gives def for the zero value and below.
func or[T int | time.Duration | string](v, def T) T {
	var zero T
	if v <= zero {
		return def
	}
	return v
}

type nobody struct{}

func (nobody) Delivered(_, _ time.Duration)                     {}
func (nobody) Failed(_ tideline.DeliveryState, _ time.Duration) {}
