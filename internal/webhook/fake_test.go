package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// memory is storage for tests of time: what store.FanOut and store.Deliverer
// promise, in memory. A crash is a new Dispatcher on the same memory.
type memory struct {
	mu         sync.Mutex
	hooks      map[int64]*tideline.Webhook
	log        []store.EventView
	cursor     int64
	deliveries []*store.Delivery // by id
	attempts   map[int64][]store.Attempt
	told       func()
	broken     error           // of PutOutcomes
	refused    map[int64]error // of PutOutcomes, by delivery
	commits    int             // calls of PutOutcomes
	loaded     int             // deliveries that were read
}

func newMemory(hooks ...tideline.Webhook) *memory {
	m := &memory{hooks: map[int64]*tideline.Webhook{}, attempts: map[int64][]store.Attempt{}}
	for i := range hooks {
		m.hooks[hooks[i].ID] = &hooks[i]
	}
	return m
}

func hook(id int64, as tideline.EventType, url string) tideline.Webhook {
	return tideline.Webhook{ID: id, WorkspaceID: 1, EventType: as, URL: url, Enabled: true, Secret: NewSecret(), CreatedAt: time.Now(), UpdatedAt: time.Now()}
}

// emit writes n events of new messages, of the chats in turn.
func (m *memory) emit(n int, chats ...int64) {
	m.mu.Lock()
	for i := range n {
		id := int64(len(m.log) + 1)
		chat := chats[i%len(chats)]
		m.log = append(m.log, messageView(id, chat, fmt.Sprintf("text %d", id)))
	}
	told := m.told
	m.mu.Unlock()
	if told != nil {
		told()
	}
}

func messageView(id, chat int64, text string) store.EventView {
	at := time.Now().Truncate(time.Millisecond)
	return store.EventView{
		Event: tideline.Event{
			ID: id, UID: fmt.Sprintf("0190f2a4-5c3e-7d10-9f5b-%012d", id), WorkspaceID: 1, Kind: tideline.EventMessageReceived,
			At: at, AccountID: 1, ChatID: chat, MessageID: id,
		},
		Workspace: tideline.Workspace{ID: 1, Slug: "acme", TimeZone: "UTC"},
		Chat:      &store.ChatView{Chat: tideline.Chat{ID: chat, Name: fmt.Sprintf("Chat %d", chat), JID: "14840000000@s.whatsapp.net", Phone: "+14840000000"}},
		Account:   &store.AccountView{Account: tideline.Account{ID: 1, JID: "14841111111@s.whatsapp.net", Phone: "+14841111111", Name: "Front desk"}},
		Message:   &store.MessageView{Message: tideline.Message{ID: id, UID: fmt.Sprintf("m-%d", id), ChatID: chat, Text: text, AcceptedAt: at, SentAt: at}},
	}
}

func (m *memory) OnEvents(fn func()) { m.mu.Lock(); m.told = fn; m.mu.Unlock() }

func (m *memory) UnsentEvents(_ context.Context, limit int) (store.EventPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	page := store.EventPage{From: m.cursor, To: m.cursor}
	for i := m.cursor; i < int64(len(m.log)) && page.To-page.From < int64(limit); i++ {
		page.To = m.log[i].Event.ID
		wanted := store.WantedEvent{EventView: m.log[i]}
		for id := int64(1); id <= int64(len(m.hooks)); id++ {
			if h := m.hooks[id]; h != nil && h.Wants(&m.log[i].Event) {
				wanted.Webhooks = append(wanted.Webhooks, store.WebhookTarget{ID: h.ID, EventType: h.EventType})
			}
		}
		if len(wanted.Webhooks) > 0 {
			page.Events = append(page.Events, wanted)
		}
	}
	return page, nil
}

func (m *memory) PutDeliveries(_ context.Context, page store.EventPage, put store.Deliveries, now time.Time) ([]store.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cursor != page.From {
		return nil, store.ErrCursorMoved
	}
	m.cursor = page.To
	var rows []store.Delivery
	for _, r := range put.Rows {
		d := store.Delivery{
			ID: int64(len(m.deliveries) + 1), WorkspaceID: r.WorkspaceID, WebhookID: r.WebhookID, EventID: r.EventID, EventUID: r.EventUID,
			ChatID: r.ChatID, State: tideline.DeliveryWaiting, MadeAt: now, DueAt: now, EventAt: r.EventAt, Body: put.Bodies[r.Body],
		}
		m.deliveries = append(m.deliveries, &d)
		rows = append(rows, d)
	}
	return rows, nil
}

func (m *memory) Webhook(_ context.Context, _, id int64) (tideline.Webhook, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.hooks[id]; h != nil {
		return *h, nil
	}
	return tideline.Webhook{}, tideline.Errorf(tideline.CodeNotFound, "no such webhook")
}

func (m *memory) PendingWebhooks(context.Context) ([]tideline.Webhook, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pending := map[int64]bool{}
	for _, d := range m.deliveries {
		if d.State.Pending() {
			pending[d.WebhookID] = true
		}
	}
	var hooks []tideline.Webhook
	for id, h := range m.hooks {
		if h.Enabled && pending[id] {
			hooks = append(hooks, *h)
		}
	}
	return hooks, nil
}

func (m *memory) WaitingDeliveries(_ context.Context, _, webhookID, after int64, limit int) (rows []store.Delivery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries[min(after, int64(len(m.deliveries))):] {
		if d.WebhookID == webhookID && d.State == tideline.DeliveryWaiting && len(rows) < limit {
			rows = append(rows, *d)
		}
	}
	m.loaded += len(rows)
	return rows, nil
}

func (m *memory) AsideDeliveries(_ context.Context, _, webhookID int64, now time.Time, limit int) (rows []store.Delivery, next time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		switch {
		case d.WebhookID != webhookID || d.State != tideline.DeliveryAside:
		case !d.DueAt.After(now) && len(rows) < limit:
			rows = append(rows, *d)
		case next.IsZero() || d.DueAt.Before(next):
			next = d.DueAt
		}
	}
	return rows, next, nil
}

func (m *memory) PutOutcomes(_ context.Context, outcomes []store.Outcome) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits++
	errs := make([]error, len(outcomes))
	for i := range outcomes {
		errs[i] = m.putOutcome(&outcomes[i])
	}
	return errs
}

// putOutcome stores one. m.mu must be held.
func (m *memory) putOutcome(o *store.Outcome) error {
	if m.broken != nil {
		return m.broken
	}
	if err := m.refused[o.DeliveryID]; err != nil {
		return err
	}
	d, h := m.deliveries[o.DeliveryID-1], m.hooks[o.WebhookID]
	if o.Attempt != nil {
		m.attempts[d.ID] = append(m.attempts[d.ID], *o.Attempt)
		d.Attempts++
	}
	if !d.State.Pending() {
		return nil
	}
	d.State, d.DueAt, d.Note = o.State, o.DueAt, o.Note
	if o.Failed {
		h.ErrorsCounter++
	}
	if o.State == tideline.DeliveryDelivered {
		h.ErrorsCounter = 0
	}
	if o.Circuit != nil {
		h.Circuit = *o.Circuit
	}
	if o.Disable != "" {
		h.Enabled, h.Trouble, h.UpdatedAt = false, o.Disable, o.At
	}
	return nil
}

func (m *memory) DeliveryBacklog(context.Context) (int64, time.Time, error) {
	return 0, time.Time{}, nil
}

// states counts the deliveries of a webhook by state; of all with id 0.
func (m *memory) states(webhookID int64) map[tideline.DeliveryState]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := map[tideline.DeliveryState]int{}
	for _, d := range m.deliveries {
		if webhookID == 0 || d.WebhookID == webhookID {
			n[d.State]++
		}
	}
	return n
}

func (m *memory) hook(id int64) tideline.Webhook {
	h, _ := m.Webhook(context.Background(), 1, id)
	return h
}

// post is a request that a receiver got.
type post struct {
	host, id, body string
	header         http.Header
	at             time.Time
}

// receivers answer what is posted, by host. What they took is kept in order.
type receivers struct {
	mu     sync.Mutex
	answer map[string]func(p post) (status int, err error)
	got    []post // taken: answered 2xx
	all    []post
	busy   map[string]int
	most   map[string]int // at a time
}

func newReceivers() *receivers {
	return &receivers{answer: map[string]func(post) (int, error){}, busy: map[string]int{}, most: map[string]int{}}
}

// on sets what a host answers.
func (r *receivers) on(host string, answer func(p post) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer[host] = answer
}

// Do implements Poster.
func (r *receivers) Do(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	p := post{host: req.URL.Host, id: req.Header.Get("Webhook-Id"), body: string(body), header: req.Header.Clone(), at: time.Now()}
	r.mu.Lock()
	answer := r.answer[p.host]
	r.all = append(r.all, p)
	r.busy[p.host]++
	r.most[p.host] = max(r.most[p.host], r.busy[p.host])
	r.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		status, err = answer(p)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[p.host]--
	if err == nil && status/100 == 2 {
		r.got = append(r.got, p)
	}
	if req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Proto: "HTTP/1.1", Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Header: http.Header{"Retry-After": nil}, Body: io.NopCloser(bytes.NewReader([]byte("fine"))),
	}, nil
}

func (r *receivers) taken(host string) (all []post) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.got {
		if p.host == host {
			all = append(all, p)
		}
	}
	return all
}

func (r *receivers) tries() int { r.mu.Lock(); defer r.mu.Unlock(); return len(r.all) }

var errRefused = errors.New("connection refused")

// running is a Dispatcher that runs until its test ends it.
type running struct {
	*Dispatcher
	cancel context.CancelFunc
	done   chan struct{}
}

func start(t *testing.T, m *memory, p Poster, cfg Config) *running {
	t.Helper()
	d := NewDispatcher(Deps{
		Store: m, Poster: p, Log: slog.New(slog.DiscardHandler),
		Renderer: &Renderer{PublicURL: "https://wa.example.org", APIPath: "/integrations/api", Link: func(string) url.Values { return url.Values{"signature": {"x"}} }},
	}, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{d, cancel, make(chan struct{})}
	go func() {
		defer close(r.done)
		if err := d.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	return r
}

func (r *running) stop() {
	r.cancel()
	<-r.done
}

// inOrder fails the test unless each chat's posts are in the order of their
// events; the same one again counts as in order.
func inOrder(t *testing.T, posts []post) {
	t.Helper()
	last := map[string]string{}
	for _, p := range posts {
		_, chat, _ := strings.Cut(p.body, `"full_name":"`)
		chat, _, _ = strings.Cut(chat, `"`)
		if p.id < last[chat] {
			t.Errorf("%s: %s came after %s", chat, p.id, last[chat])
		}
		last[chat] = p.id
	}
}

// distinct counts posts with different ids.
func distinct(posts []post) int {
	ids := make([]string, len(posts))
	for i, p := range posts {
		ids[i] = p.id
	}
	slices.Sort(ids)
	return len(slices.Compact(ids))
}

// pass lets time pass.
func pass(d time.Duration) { <-time.After(d) }
