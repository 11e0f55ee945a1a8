package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// fanOut turns a page of events into deliveries, as the server does.
func (w *world) fanOut(limit int) {
	w.t.Helper()
	page, err := w.store.UnsentEvents(w.ctx(), limit)
	w.must(err)
	_, err = w.store.PutDeliveries(w.ctx(), page, deliveriesOf(page), w.now)
	w.must(err)
}

// deliveriesOf makes the deliveries of a page, a body for each event and type.
func deliveriesOf(page store.EventPage) store.Deliveries {
	var put store.Deliveries
	for _, e := range page.Events {
		body := make(map[tideline.EventType]int)
		for _, h := range e.Webhooks {
			if _, ok := body[h.EventType]; !ok {
				body[h.EventType] = len(put.Bodies)
				put.Bodies = append(put.Bodies, []byte(fmt.Sprintf("%s %s", h.EventType, e.Event.UID)))
			}
			put.Rows = append(put.Rows, store.NewDelivery{WorkspaceID: e.Event.WorkspaceID, WebhookID: h.ID, EventID: e.Event.ID,
				EventUID: e.Event.UID, ChatID: e.Event.ChatID, Body: body[h.EventType], EventAt: e.Event.At})
		}
	}
	return put
}

// testFanOutModel runs random sequences of events, changes of webhooks and
// fan-outs that die at any point, and checks that each webhook got each event
// that it wanted once and in order.
func testFanOutModel(t *testing.T, create func(testing.TB) Opener) {
	w := newWorld(t, create(t))
	var serial int
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		m := newFanOutModel(rt, w, serial)
		rt.Repeat(map[string]func(*rapid.T){
			"receive":       m.receive,
			"receive again": m.receive,
			"send":          m.send,
			"change a hook": m.changeHook,
			"fan out":       func(rt *rapid.T) { m.fanOut(rt) },
			"die before":    func(rt *rapid.T) { m.page(rt) },
			"die after":     m.dieAfter,
			"two at once":   m.twoAtOnce,
			"outcomes":      m.outcomes,
		})
		for m.fanOut(rt) {
		}
		m.compare(rt)
	})
}

// modelHook is a webhook and what it should have got.
type modelHook struct {
	is      tideline.Webhook
	deleted bool
	want    []int64 // ids of events
}

// fanOutModel is a workspace's webhooks in memory.
type fanOutModel struct {
	world  *world
	second tideline.Account
	hooks  []*modelHook
	serial int
}

func newFanOutModel(rt *rapid.T, parent *world, serial int) *fanOutModel {
	w := &world{t: rt, open: parent.open, store: parent.store, now: start}
	w.serial.Store(int64(serial) * 100_000)
	w.ws, w.owner = w.workspace(fmt.Sprintf("fan-%d", serial), 1000)
	w.acc = w.account(w.ws, tideline.Phone(fmt.Sprintf("+1666%06d1", serial)))
	m := &fanOutModel{world: w, second: w.account(w.ws, tideline.Phone(fmt.Sprintf("+1666%06d2", serial)))}
	for i, typ := range []tideline.EventType{tideline.EventMessageNew, tideline.EventMessageReceived, tideline.EventChatNew, tideline.EventMessageSent} {
		h := w.putHook(hookType(typ), func(h *tideline.Webhook) {
			if i == 1 {
				h.Accounts = []int64{m.second.ID}
			}
		})
		m.hooks = append(m.hooks, &modelHook{is: h})
	}
	return m
}

func (m *fanOutModel) account(rt *rapid.T) int64 {
	return rapid.SampledFrom([]int64{m.world.acc.ID, m.second.ID}).Draw(rt, "account")
}

func (m *fanOutModel) receive(rt *rapid.T) {
	m.serial++
	peer := tideline.Peer{JID: tideline.JID(fmt.Sprintf("1484000020%d@s.whatsapp.net", rapid.IntRange(0, 2).Draw(rt, "chat")))}
	account := m.account(rt)
	m.world.receiveMessage(fmt.Sprintf("M%d", m.serial), from(peer), func(r *store.Reception) { r.AccountID = account })
}

func (m *fanOutModel) send(rt *rapid.T) {
	account := m.account(rt)
	_, out := m.world.accept(func(a *store.Acceptance) { a.AccountID = account })
	status := rapid.SampledFrom([]tideline.Status{tideline.StatusSent, tideline.StatusFailed}).Draw(rt, "status")
	m.world.settle(out.MessageID, status, func(s *store.Settlement) { s.AccountID = account })
}

// changeHook enables, disables, deletes or restores a webhook.
func (m *fanOutModel) changeHook(rt *rapid.T) {
	w, h := m.world, rapid.SampledFrom(m.hooks).Draw(rt, "hook")
	switch {
	case h.deleted:
		back := w.putHook(hookType(h.is.EventType), func(n *tideline.Webhook) { n.Accounts = h.is.Accounts })
		same(rt, "restored", back.ID, h.is.ID)
		h.deleted, h.is.Enabled = false, true
	case rapid.IntRange(0, 3).Draw(rt, "delete") == 0:
		w.must(w.store.DeleteWebhook(w.ctx(), w.ws.ID, h.is.ID, "", w.now))
		h.deleted = true
	default:
		h.is.Enabled = !h.is.Enabled
		_, err := w.store.UpdateWebhook(w.ctx(), w.ws.ID, h.is.ID, store.WebhookUpdate{Enabled: &h.is.Enabled, At: w.now})
		w.must(err)
	}
}

// page reads the next page and predicts who wants what of it. Events of other
// workspaces may be in it; nobody wants them.
func (m *fanOutModel) page(rt *rapid.T) (store.EventPage, map[*modelHook][]int64) {
	w := m.world
	page, err := w.store.UnsentEvents(w.ctx(), rapid.IntRange(1, 5).Draw(rt, "limit"))
	w.must(err)
	wanted := make(map[*modelHook][]int64)
	for _, v := range w.events(page.From) {
		if v.Event.ID > page.To {
			break
		}
		for _, h := range m.hooks {
			if !h.deleted && h.is.Wants(&v.Event) {
				wanted[h] = append(wanted[h], v.Event.ID)
			}
		}
	}
	return page, wanted
}

// fanOut fans out a page; false when there is nothing more.
func (m *fanOutModel) fanOut(rt *rapid.T) bool {
	w := m.world
	page, wanted := m.page(rt)
	_, err := w.store.PutDeliveries(w.ctx(), page, deliveriesOf(page), w.now)
	w.must(err)
	for h, ids := range wanted {
		h.want = append(h.want, ids...)
	}
	return page.To > page.From
}

// dieAfter fans out a page, and a server that does not know it does so again.
func (m *fanOutModel) dieAfter(rt *rapid.T) {
	w := m.world
	page, wanted := m.page(rt)
	if page.To == page.From {
		return
	}
	_, err := w.store.PutDeliveries(w.ctx(), page, deliveriesOf(page), w.now)
	w.must(err)
	for h, ids := range wanted {
		h.want = append(h.want, ids...)
	}
	_, err = w.store.PutDeliveries(w.ctx(), page, deliveriesOf(page), w.now)
	wantCode(rt, "fanned out twice", err, tideline.CodeConflict)
}

// twoAtOnce lets two servers fan out the same page at the same time.
func (m *fanOutModel) twoAtOnce(rt *rapid.T) {
	w := m.world
	page, wanted := m.page(rt)
	if page.To == page.From {
		return
	}
	errs := make([]error, 2)
	together(2, func(i int) { _, errs[i] = w.store.PutDeliveries(w.ctx(), page, deliveriesOf(page), w.now) })
	if (errs[0] == nil) == (errs[1] == nil) {
		rt.Fatalf("of two fan-outs of one page the outcomes are %v and %v", errs[0], errs[1])
	}
	for h, ids := range wanted {
		h.want = append(h.want, ids...)
	}
}

// outcomes ends what a webhook has in line.
func (m *fanOutModel) outcomes(rt *rapid.T) {
	w, h := m.world, rapid.SampledFrom(m.hooks).Draw(rt, "hook")
	waiting, err := w.store.WaitingDeliveries(w.ctx(), w.ws.ID, h.is.ID, 0, 3)
	w.must(err)
	for _, d := range waiting {
		w.outcome(d, rapid.SampledFrom([]tideline.DeliveryState{tideline.DeliveryDelivered, tideline.DeliveryAside,
			tideline.DeliveryWaiting, tideline.DeliveryDead}).Draw(rt, "state"))
	}
}

// compare compares what webhooks got with what they should have.
func (m *fanOutModel) compare(rt *rapid.T) {
	w := m.world
	for _, h := range m.hooks {
		log, more, err := w.store.ListDeliveries(w.ctx(), w.ws.ID, h.is.ID, store.DeliveryFilter{}, store.Page{Limit: 100_000})
		w.must(err)
		same(rt, "more", more, false)
		slices.Reverse(log)
		var got []int64
		for i, d := range log {
			got = append(got, d.EventID)
			if i > 0 && d.ID <= log[i-1].ID {
				rt.Errorf("deliveries are not in the order of their ids")
			}
			full, _ := w.delivery(d.ID)
			if want := fmt.Sprintf("%s %s", h.is.EventType, d.EventUID); string(full.Body) != want {
				rt.Errorf("delivery %d has the body %q, want %q", d.ID, full.Body, want)
			}
		}
		same(rt, fmt.Sprintf("events of the webhook for %s", h.is.EventType), got, h.want)
	}
	_, oldest, err := w.store.DeliveryBacklog(w.ctx())
	w.must(err)
	if !oldest.IsZero() && oldest.Before(start.Add(-time.Hour)) {
		rt.Errorf("the backlog is from %s", oldest)
	}
}
