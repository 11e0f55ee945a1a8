package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// addDelivery puts a delivery in line that no event made.
func (w *world) addDelivery(h tideline.Webhook, chatID int64) store.Delivery {
	w.t.Helper()
	uid := uuid.Must(uuid.NewV7()).String()
	d, err := w.store.AddDelivery(w.ctx(), store.NewDelivery{WorkspaceID: w.ws.ID, WebhookID: h.ID, EventUID: uid, ChatID: chatID, EventAt: w.now},
		[]byte("body of "+uid), w.now)
	w.must(err)
	return d
}

// outcome stores the outcome of an attempt.
func (w *world) outcome(d store.Delivery, state tideline.DeliveryState, change ...func(*store.Outcome)) {
	w.t.Helper()
	o := store.Outcome{WorkspaceID: d.WorkspaceID, WebhookID: d.WebhookID, DeliveryID: d.ID, State: state, At: w.now,
		Attempt: &store.Attempt{At: w.now.Add(time.Duration(w.serial.Add(1)) * time.Microsecond), Duration: 1234 * time.Microsecond, StatusCode: 200}}
	if state.Pending() {
		o.DueAt = w.now.Add(time.Second)
	}
	for _, c := range change {
		c(&o)
	}
	w.must(w.putOutcome(w.store, o))
}

// putOutcome stores one outcome.
func (w *world) putOutcome(s store.Store, o store.Outcome) error {
	return s.PutOutcomes(w.ctx(), []store.Outcome{o})[0]
}

// delivery reads a delivery with its attempts.
func (w *world) delivery(id int64) (store.Delivery, []store.Attempt) {
	w.t.Helper()
	d, attempts, err := w.store.Delivery(w.ctx(), w.ws.ID, id)
	w.must(err)
	return d, attempts
}

// waiting gives the ids of the deliveries in line for a webhook.
func (w *world) waiting(h tideline.Webhook) []int64 {
	w.t.Helper()
	ids := []int64{}
	for after := int64(0); ; {
		page, err := w.store.WaitingDeliveries(w.ctx(), w.ws.ID, h.ID, after, 3)
		w.must(err)
		if len(page) == 0 {
			return ids
		}
		for _, d := range page {
			ids = append(ids, d.ID)
			after = d.ID
		}
	}
}

// webhook reads a webhook.
func (w *world) webhook(id int64) tideline.Webhook {
	w.t.Helper()
	h, err := w.store.Webhook(w.ctx(), w.ws.ID, id)
	w.must(err)
	return h
}

var deliveryTests = map[string]func(*testing.T, *world){
	"GoFromTheLogToEveryoneWhoWantsThem": func(t *testing.T, w *world) {
		all := w.putHook()
		received := w.putHook(hookType(tideline.EventMessageReceived), hookURL("https://example.com/received"))
		w.putHook(hookType(tideline.EventMessageSent))
		w.putHook(hookURL("https://example.com/off"), func(h *tideline.Webhook) { h.Enabled = false })
		second := w.account(w.ws, "+14840000002")
		w.putHook(hookURL("https://example.com/second"), func(h *tideline.Webhook) { h.Accounts = []int64{second.ID} })
		got := w.receiveMessage("A")
		page, err := w.store.UnsentEvents(w.ctx(), 100)
		w.must(err)
		if len(page.Events) != 1 {
			t.Fatalf("%d events are wanted, want 1", len(page.Events))
		}
		e := page.Events[0]
		same(t, "message", e.Message.Message.UID, got.UID)
		same(t, "wanted by", e.Webhooks, []store.WebhookTarget{{ID: all.ID, EventType: tideline.EventMessageNew},
			{ID: received.ID, EventType: tideline.EventMessageReceived}})

		put := store.Deliveries{Bodies: [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`)}}
		for i, h := range e.Webhooks {
			put.Rows = append(put.Rows, store.NewDelivery{WorkspaceID: w.ws.ID, WebhookID: h.ID, EventID: e.Event.ID, EventUID: e.Event.UID,
				ChatID: e.Event.ChatID, Body: i, EventAt: e.Event.At})
		}
		now := w.now.Add(time.Minute)
		made, err := w.store.PutDeliveries(w.ctx(), page, put, now)
		w.must(err)
		stored, attempts := w.delivery(made[1].ID)
		same(t, "delivery", stored, store.Delivery{ID: made[1].ID, WorkspaceID: w.ws.ID, WebhookID: received.ID, EventID: e.Event.ID,
			EventUID: e.Event.UID, ChatID: got.ChatID, State: tideline.DeliveryWaiting, MadeAt: now, EventAt: e.Event.At, DueAt: now, Body: []byte(`{"b":2}`)})
		same(t, "as it was given", made[1], stored)
		same(t, "attempts", len(attempts), 0)

		_, err = w.store.PutDeliveries(w.ctx(), page, put, now)
		w.wantCode(err, tideline.CodeConflict)
		next, err := w.store.UnsentEvents(w.ctx(), 100)
		w.must(err)
		same(t, "nothing is left", []int64{next.From, next.To}, []int64{page.To, page.To})
		pending, err := w.store.PendingWebhooks(w.ctx())
		w.must(err)
		same(t, "pending", []int64{pending[0].ID, pending[1].ID}, []int64{all.ID, received.ID})
		n, oldest, err := w.store.DeliveryBacklog(w.ctx())
		w.must(err)
		same(t, "backlog", n, int64(2))
		same(t, "oldest", oldest, now)
	},

	"WaitInOrderUntilTheyEnd": func(t *testing.T, w *world) {
		h := w.putHook()
		var d []store.Delivery
		for range 5 {
			d = append(d, w.addDelivery(h, 7))
		}
		same(t, "in line", w.waiting(h), []int64{d[0].ID, d[1].ID, d[2].ID, d[3].ID, d[4].ID})
		w.outcome(d[0], tideline.DeliveryDelivered)
		w.outcome(d[1], tideline.DeliveryWaiting)
		w.outcome(d[2], tideline.DeliveryAside, func(o *store.Outcome) { o.DueAt = w.now.Add(time.Hour) })
		w.outcome(d[3], tideline.DeliveryDead, func(o *store.Outcome) { o.Note = "too late" })
		same(t, "in line", w.waiting(h), []int64{d[1].ID, d[4].ID})
		waiting, err := w.store.WaitingDeliveries(w.ctx(), w.ws.ID, h.ID, 0, 1)
		w.must(err)
		same(t, "after an attempt", []any{waiting[0].Attempts, waiting[0].DueAt, string(waiting[0].Body)}, []any{1, w.now.Add(time.Second), string(d[1].Body)})
		dead, _ := w.delivery(d[3].ID)
		same(t, "dead", []any{dead.State, dead.Note, dead.DueAt, dead.EndedAt}, []any{tideline.DeliveryDead, "too late", time.Time{}, w.now})

		due, next, err := w.store.AsideDeliveries(w.ctx(), w.ws.ID, h.ID, w.now, 10)
		w.must(err)
		same(t, "aside, later", []any{len(due), next}, []any{0, w.now.Add(time.Hour)})
		due, next, err = w.store.AsideDeliveries(w.ctx(), w.ws.ID, h.ID, w.now.Add(time.Hour), 10)
		w.must(err)
		same(t, "aside, due", []any{due[0].ID, next}, []any{d[2].ID, time.Time{}})
		n, _, err := w.store.DeliveryBacklog(w.ctx())
		w.must(err)
		same(t, "backlog", n, int64(3))
	},

	"CountErrorsInARow": func(t *testing.T, w *world) {
		h := w.putHook()
		d := []store.Delivery{w.addDelivery(h, 0), w.addDelivery(h, 0), w.addDelivery(h, 0)}
		failing := func(o *store.Outcome) { o.Failed = true }
		w.outcome(d[0], tideline.DeliveryWaiting)
		w.outcome(d[0], tideline.DeliveryAside, failing)
		w.outcome(d[1], tideline.DeliveryAside, failing)
		same(t, "errors", w.webhook(h.ID).ErrorsCounter, int64(2))
		w.outcome(d[2], tideline.DeliveryDelivered)
		same(t, "after a success", w.webhook(h.ID).ErrorsCounter, int64(0))
	},

	"KeepTheCircuitAndDisable": func(t *testing.T, w *world) {
		h := w.putHook()
		d := w.addDelivery(h, 0)
		open := tideline.Circuit{Failures: 7, OpenSince: w.now, ProbeAt: w.now.Add(time.Minute)}
		w.outcome(d, tideline.DeliveryWaiting, func(o *store.Outcome) { o.Circuit = &open })
		same(t, "circuit", w.webhook(h.ID).Circuit, open)
		w.outcome(d, tideline.DeliveryWaiting)
		same(t, "as it was", w.webhook(h.ID).Circuit, open)
		w.outcome(d, tideline.DeliveryWaiting, func(o *store.Outcome) { o.Disable, o.Failed = "410 Gone", true })
		off := w.webhook(h.ID)
		same(t, "disabled", []any{off.Enabled, off.Trouble, off.ErrorsCounter}, []any{false, "410 Gone", int64(1)})
		pending, err := w.store.PendingWebhooks(w.ctx())
		w.must(err)
		same(t, "pending", len(pending), 0)
		on, err := w.store.UpdateWebhook(w.ctx(), w.ws.ID, h.ID, store.WebhookUpdate{Enabled: ptr(true), At: w.now})
		w.must(err)
		same(t, "enabled", []any{on.Trouble, on.ErrorsCounter, on.Circuit}, []any{"", int64(0), tideline.Circuit{}})
		same(t, "still in line", w.waiting(h), []int64{d.ID})
	},

	"LogEveryAttempt": func(t *testing.T, w *world) {
		h := w.putHook()
		d := w.addDelivery(h, 0)
		first := store.Attempt{At: w.now, Duration: 5 * time.Second, Error: "timeout", Request: "webhook-id: x"}
		second := store.Attempt{At: w.now.Add(time.Second), Duration: 12 * time.Millisecond, StatusCode: 204, Response: "server: nginx"}
		w.outcome(d, tideline.DeliveryWaiting, func(o *store.Outcome) { o.Attempt = &first })
		w.outcome(d, tideline.DeliveryWaiting, func(o *store.Outcome) { o.Attempt = nil })
		w.outcome(d, tideline.DeliveryDelivered, func(o *store.Outcome) { o.Attempt = &second })
		got, attempts := w.delivery(d.ID)
		same(t, "attempts", attempts, []store.Attempt{first, second})
		same(t, "counted", got.Attempts, 2)
	},

	"TakeWhatStrangersAnswer": func(t *testing.T, w *world) {
		h := w.putHook()
		d := w.addDelivery(h, 0)
		hostile := "a\x00b\xff\xfe" + strings.Repeat("€", store.MaxAttemptText)
		w.outcome(d, tideline.DeliveryDelivered, func(o *store.Outcome) {
			o.Attempt.Response, o.Attempt.Error, o.Note = hostile, hostile, hostile
		})
		_, attempts := w.delivery(d.ID)
		if got := attempts[0].Response; !strings.HasPrefix(got, "a\uFFFDb\uFFFD€€") || len(got) > store.MaxAttemptText+8 {
			t.Errorf("the answer was stored as %d bytes: %.20q", len(got), got)
		}
	},

	"StayEndedWhenAnOutcomeComesLate": func(t *testing.T, w *world) {
		h := w.putHook()
		d := w.addDelivery(h, 0)
		w.must(w.store.DeleteWebhook(w.ctx(), w.ws.ID, h.ID, "", w.now))
		w.outcome(d, tideline.DeliveryDelivered)
		got, attempts := w.delivery(d.ID)
		same(t, "state", []any{got.State, got.Note, got.Attempts}, []any{tideline.DeliveryDead, "the webhook was deleted", 0})
		same(t, "attempts", len(attempts), 1)
		w.wantCode(w.putOutcome(w.store, store.Outcome{WorkspaceID: w.ws.ID, WebhookID: h.ID, DeliveryID: 9999, State: tideline.DeliveryDead, At: w.now}),
			tideline.CodeNotFound)
	},

	"AreReplayedInTheirPlace": func(t *testing.T, w *world) {
		h := w.putHook()
		var d []store.Delivery
		for range 4 {
			w.now = w.now.Add(time.Minute)
			d = append(d, w.addDelivery(h, 0))
		}
		w.outcome(d[0], tideline.DeliveryDelivered)
		w.outcome(d[1], tideline.DeliveryDead)
		w.outcome(d[2], tideline.DeliveryDead)
		again, err := w.store.ReplayDelivery(w.ctx(), w.ws.ID, d[0].ID, w.now)
		w.must(err)
		want := d[0]
		want.MadeAt, want.DueAt = w.now, w.now
		same(t, "replayed", again, want)
		n, err := w.store.ReplayDeliveries(w.ctx(), w.ws.ID, h.ID, store.DeliveryFilter{States: []tideline.DeliveryState{tideline.DeliveryDead},
			After: d[2].EventAt, Before: d[3].EventAt}, w.now)
		w.must(err)
		same(t, "replayed of a time range", n, int64(1))
		same(t, "in line", w.waiting(h), []int64{d[0].ID, d[2].ID, d[3].ID})
		log, more, err := w.store.ListDeliveries(w.ctx(), w.ws.ID, h.ID, store.DeliveryFilter{}, store.Page{Offset: 1, Limit: 2})
		w.must(err)
		same(t, "log", []any{log[0].ID, log[1].ID, more, log[0].Body == nil}, []any{d[2].ID, d[1].ID, true, true})
	},

	"OfAChatThatWasTakenOverKeepItsOrder": func(t *testing.T, w *world) {
		hidden := w.receiveMessage("A", from(byLID))
		h := w.putHook()
		d := w.addDelivery(h, hidden.ChatID)
		w.receiveMessage("B", from(byNumber))
		both := w.receiveMessage("C", from(byBoth))
		got, _ := w.delivery(d.ID)
		same(t, "chat", got.ChatID, both.ChatID)
	},

	"AreForgottenAfterTenDays": func(t *testing.T, w *world) {
		h := w.putHook()
		w.receiveMessage("A")
		w.fanOut(100)
		old := w.addDelivery(h, 0)
		w.outcome(old, tideline.DeliveryDelivered)
		w.receiveMessage("B") // never fanned out
		w.now = w.now.Add(9 * 24 * time.Hour)
		young := w.addDelivery(h, 0)
		w.outcome(young, tideline.DeliveryDead)
		w.must(w.store.Prune(w.ctx(), start.Add(tideline.DeliveryLogWindow-time.Minute)))
		w.delivery(old.ID)
		w.must(w.store.Prune(w.ctx(), start.Add(tideline.DeliveryLogWindow+time.Minute)))
		_, _, err := w.store.Delivery(w.ctx(), w.ws.ID, old.ID)
		w.wantCode(err, tideline.CodeNotFound)
		_, attempts := w.delivery(young.ID)
		same(t, "attempts of the young", len(attempts), 1)
		same(t, "in line", w.waiting(h), []int64{})
		same(t, "events", w.kinds(0), []tideline.EventType{tideline.EventMessageReceived}) // B's
		page, err := w.store.UnsentEvents(w.ctx(), 10)
		w.must(err)
		same(t, "unsent", len(page.Events), 1)
	},

	"OutcomesAreStoredEachForItself": func(t *testing.T, w *world) {
		h, other := w.putHook(), w.putHook(func(h *tideline.Webhook) { h.URL += "/other" })
		first, second, elsewhere := w.addDelivery(h, 1), w.addDelivery(h, 1), w.addDelivery(other, 1)
		of := func(d store.Delivery, state tideline.DeliveryState) store.Outcome {
			return store.Outcome{WorkspaceID: w.ws.ID, WebhookID: d.WebhookID, DeliveryID: d.ID, State: state, At: w.now,
				Attempt: &store.Attempt{At: w.now, StatusCode: 200}}
		}
		gone := of(first, tideline.DeliveryDelivered)
		gone.DeliveryID = 9999
		errs := w.store.PutOutcomes(w.ctx(), []store.Outcome{
			of(first, tideline.DeliveryDelivered), gone, of(second, "lost"), of(elsewhere, tideline.DeliveryDelivered), of(second, tideline.DeliveryDead),
		})
		same(t, "outcomes that were stored", []bool{errs[0] == nil, errs[1] == nil, errs[2] == nil, errs[3] == nil, errs[4] == nil},
			[]bool{true, false, false, true, true})
		w.wantCode(errs[1], tideline.CodeNotFound)
		for d, want := range map[int64]tideline.DeliveryState{
			first.ID: tideline.DeliveryDelivered, second.ID: tideline.DeliveryDead, elsewhere.ID: tideline.DeliveryDelivered,
		} {
			got, attempts := w.delivery(d)
			same(t, "state and attempts", []any{got.State, got.Attempts, len(attempts)}, []any{want, 1, 1})
		}
		same(t, "nothing to store", len(w.store.PutOutcomes(w.ctx(), nil)), 0)
	},

	"ArrivalsAreCheckedLikeOtherOutcomes": func(t *testing.T, w *world) {
		h, other := w.putHook(), w.putHook(func(h *tideline.Webhook) { h.URL += "/other" })
		twice, dead, foreign, good := w.addDelivery(h, 1), w.addDelivery(h, 2), w.addDelivery(other, 3), w.addDelivery(h, 4)
		w.outcome(dead, tideline.DeliveryDead)
		of := func(d store.Delivery, state tideline.DeliveryState, n int) store.Outcome {
			return store.Outcome{WorkspaceID: w.ws.ID, WebhookID: h.ID, DeliveryID: d.ID, State: state, At: w.now, DueAt: w.now,
				Failed: state == tideline.DeliveryWaiting, Attempt: &store.Attempt{At: w.now.Add(time.Duration(n) * time.Second), StatusCode: 200 + n}}
		}
		stranger := of(good, tideline.DeliveryDelivered, 1)
		stranger.WorkspaceID++
		errs := w.store.PutOutcomes(w.ctx(), []store.Outcome{
			of(twice, tideline.DeliveryWaiting, 1), of(good, tideline.DeliveryDelivered, 2), of(dead, tideline.DeliveryDelivered, 3),
			of(foreign, tideline.DeliveryDelivered, 4), of(twice, tideline.DeliveryDelivered, 5),
		})
		w.wantCode(errs[3], tideline.CodeNotFound)
		same(t, "the others are stored", []error{errs[0], errs[1], errs[2], errs[4]}, []error{nil, nil, nil, nil})
		w.wantCode(w.store.PutOutcomes(w.ctx(), []store.Outcome{stranger})[0], tideline.CodeNotFound)
		for _, c := range []struct {
			d        store.Delivery
			state    tideline.DeliveryState
			attempts int // counted
			logged   int
		}{
			{twice, tideline.DeliveryDelivered, 2, 2}, {good, tideline.DeliveryDelivered, 1, 1}, {dead, tideline.DeliveryDead, 1, 2},
			{foreign, tideline.DeliveryWaiting, 0, 0},
		} {
			got, attempts := w.delivery(c.d.ID)
			same(t, "state, attempts, log", []any{got.State, got.Attempts, len(attempts)}, []any{c.state, c.attempts, c.logged})
		}
		after, err := w.store.Webhook(w.ctx(), w.ws.ID, h.ID)
		w.must(err)
		same(t, "errors in the order of outcomes", after.ErrorsCounter, int64(0))
	},

	"OutcomesAtOnceAllCount": func(t *testing.T, w *world) {
		stores := []store.Store{w.store, w.another()}
		h := w.putHook()
		const n = 40
		d := make([]store.Delivery, n)
		for i := range d {
			d[i] = w.addDelivery(h, int64(i%3))
		}
		together(n, func(i int) {
			err := w.putOutcome(stores[i%2], store.Outcome{WorkspaceID: w.ws.ID, WebhookID: h.ID, DeliveryID: d[i].ID, State: tideline.DeliveryAside,
				DueAt: w.now, Failed: true, At: w.now, Attempt: &store.Attempt{At: w.now, Error: fmt.Sprint(i)}})
			if err != nil {
				t.Error(err)
			}
		})
		same(t, "errors", w.webhook(h.ID).ErrorsCounter, int64(n))
		due, _, err := w.store.AsideDeliveries(w.ctx(), w.ws.ID, h.ID, w.now, 100)
		w.must(err)
		same(t, "aside", len(due), n)
	},
}
