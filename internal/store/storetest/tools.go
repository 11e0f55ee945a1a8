package storetest

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var toolTests = map[string]func(*testing.T, *world){
	"AnAttachmentTemplateCountsTheMessagesThatHaveIt": func(t *testing.T, w *world) {
		f := w.file("menu.pdf")
		made, err := w.store.CreateTemplate(w.ctx(), tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "menu", FileID: f.ID, CreatedAt: w.now})
		w.must(err)
		same(t, "uses at first", made.Uses, int64(0))
		with := func(a *store.Acceptance) {
			a.Message.FileID, a.Message.TemplateID, a.Message.Credits = f.ID, made.ID, 2
		}
		w.accept(with)
		together(5, func(int) {
			if out := w.store.Accept(w.ctx(), w.acceptance(with)); out.Err != nil {
				t.Error(out.Err)
			}
		})
		w.accept(func(a *store.Acceptance) { a.Message.FileID, a.Message.Credits = f.ID, 2 })
		// One that is refused is no use, nor is one that was accepted before.
		w.wantCode(w.store.Accept(w.ctx(), w.acceptance(with, func(a *store.Acceptance) { a.Message.Credits = 100000 })).Err, tideline.CodeQuotaExceeded)
		keyed := w.acceptance(with, func(a *store.Acceptance) { a.Idem = &store.Idempotency{Key: "k"} })
		w.must(w.store.Accept(w.ctx(), keyed).Err)
		w.must(w.store.Accept(w.ctx(), keyed).Err)
		list, err := w.store.ListTemplateFiles(w.ctx(), w.ws.ID)
		w.must(err)
		made.Uses = 7
		same(t, "list", list, []store.TemplateFile{{AttachmentTemplate: made, File: f}})
		w.must(w.store.DeleteTemplate(w.ctx(), w.ws.ID, made.ID))
		w.accept(with) // was looked up before
	},

	"AnAttachmentTemplateIsChangedAndForgotten": func(t *testing.T, w *world) {
		f, other := w.file("menu.pdf"), w.file("other.pdf")
		made, err := w.store.CreateTemplate(w.ctx(), tideline.AttachmentTemplate{WorkspaceID: w.ws.ID, Name: "menu", FileID: f.ID, CreatedAt: w.now})
		w.must(err)
		w.must(w.store.UpdateTemplate(w.ctx(), w.ws.ID, made.ID, store.TemplateUpdate{Name: ptr("Menu")}))
		w.must(w.store.UpdateTemplate(w.ctx(), w.ws.ID, made.ID, store.TemplateUpdate{FileID: &other.ID}))
		got, file, err := w.store.Template(w.ctx(), w.ws.ID, made.ID)
		w.must(err)
		same(t, "changed", []any{got.Name, file.Name}, []any{"Menu", "other.pdf"})

		stranger, _ := w.workspace("stranger", 10)
		w.wantCode(w.store.UpdateTemplate(w.ctx(), stranger.ID, made.ID, store.TemplateUpdate{Name: ptr("stolen")}), tideline.CodeNotFound)
		w.wantCode(w.store.UpdateTemplate(w.ctx(), w.ws.ID, made.ID, store.TemplateUpdate{FileID: ptr(int64(4711))}), tideline.CodeNotFound)
		w.wantCode(w.store.DeleteTemplate(w.ctx(), stranger.ID, made.ID), tideline.CodeNotFound)
		list, err := w.store.ListTemplateFiles(w.ctx(), stranger.ID)
		w.must(err)
		same(t, "of the stranger", len(list), 0)
		theirs, err := w.store.CreateFile(w.ctx(), tideline.File{UID: "00000000-0000-7000-8000-00000000000f", WorkspaceID: stranger.ID, Name: "x", UploadedAt: w.now})
		w.must(err)
		w.wantCode(w.store.UpdateTemplate(w.ctx(), w.ws.ID, made.ID, store.TemplateUpdate{FileID: &theirs.ID}), tideline.CodeNotFound)

		w.must(w.store.DeleteTemplate(w.ctx(), w.ws.ID, made.ID))
		w.wantCode(w.store.DeleteTemplate(w.ctx(), w.ws.ID, made.ID), tideline.CodeNotFound)
		_, err = w.store.FileByUID(w.ctx(), w.ws.ID, other.UID)
		w.must(err) // its file stays
	},

	"TheHealthOfAWebhookIsThatOfItsDeliveries": func(t *testing.T, w *world) {
		h, idle := w.putHook(), w.putHook(hookURL("https://example.com/idle"))
		health := func() store.Health {
			t.Helper()
			all, err := w.store.WebhookHealth(w.ctx(), w.ws.ID)
			w.must(err)
			same(t, "of the one without deliveries", all[idle.ID], store.Health{})
			same(t, "webhooks", len(all), 2)
			return all[h.ID]
		}
		same(t, "at first", health(), store.Health{})
		first, second, third := w.addDelivery(h, 1), w.addDelivery(h, 2), w.addDelivery(h, 3)
		same(t, "three wait", health(), store.Health{Pending: 3, Since: w.now})
		before := w.now
		w.now = w.now.Add(time.Minute)
		w.outcome(first, tideline.DeliveryDelivered)
		arrived := w.now
		w.outcome(second, tideline.DeliveryWaiting, func(o *store.Outcome) { o.Note = "no answer" })
		same(t, "one arrived, one failed", health(), store.Health{Pending: 2, Since: before, Note: "no answer", Delivered: arrived})
		w.outcome(second, tideline.DeliveryAside, func(o *store.Outcome) { o.Note = "answered 400" })
		same(t, "one is set aside", health(), store.Health{Pending: 2, Since: before, Delivered: arrived})
		w.now = w.now.Add(time.Minute)
		w.outcome(third, tideline.DeliveryDelivered)
		same(t, "only that is left", health(), store.Health{Pending: 1, Since: before, Note: "answered 400", Delivered: w.now})
		w.outcome(second, tideline.DeliveryDead)
		same(t, "none is left", health(), store.Health{Delivered: w.now})

		// However many wait, what arrived before them is found, and counting ends.
		for range store.MaxBacklog + 5 {
			w.addDelivery(h, 1)
		}
		same(t, "many wait", health(), store.Health{Pending: store.MaxBacklog, Since: w.now, Delivered: w.now})
		other, _ := w.workspace("other", 10)
		all, err := w.store.WebhookHealth(w.ctx(), other.ID)
		w.must(err)
		same(t, "of another workspace", len(all), 0)
		w.must(w.store.DeleteWebhook(w.ctx(), w.ws.ID, idle.ID, "x", w.now))
		all, err = w.store.WebhookHealth(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "without the deleted one", len(all), 1)
	},

	"TheLogIsReadByKindAndOnwards": func(t *testing.T, w *world) {
		h := w.putHook()
		w.receiveMessage("A")
		page, err := w.store.UnsentEvents(w.ctx(), 100)
		w.must(err)
		e := page.Events[0].Event
		put := store.Deliveries{Bodies: [][]byte{[]byte(`{}`)}, Rows: []store.NewDelivery{{WorkspaceID: w.ws.ID, WebhookID: h.ID, EventID: e.ID, EventUID: e.UID, EventAt: e.At}}}
		made, err := w.store.PutDeliveries(w.ctx(), page, put, w.now)
		w.must(err)
		tests := []store.Delivery{w.addDelivery(h, 0), w.addDelivery(h, 0)}
		list := func(f store.DeliveryFilter) (ids []int64, kinds []tideline.EventType) {
			t.Helper()
			found, _, err := w.store.ListDeliveries(w.ctx(), w.ws.ID, h.ID, f, store.Page{Limit: 10})
			w.must(err)
			for _, d := range found {
				ids, kinds = append(ids, d.ID), append(kinds, d.Kind)
			}
			return ids, kinds
		}
		ids, kinds := list(store.DeliveryFilter{})
		same(t, "all", ids, []int64{tests[1].ID, tests[0].ID, made[0].ID})
		same(t, "their kinds", kinds, []tideline.EventType{"", "", tideline.EventMessageReceived})
		ids, _ = list(store.DeliveryFilter{Kinds: []tideline.EventType{tideline.EventMessageReceived, tideline.EventMessageSent}})
		same(t, "received", ids, []int64{made[0].ID})
		ids, _ = list(store.DeliveryFilter{Kinds: []tideline.EventType{tideline.EventMessageSent}})
		same(t, "sent", len(ids), 0)
		ids, _ = list(store.DeliveryFilter{Below: tests[1].ID})
		same(t, "onwards", ids, []int64{tests[0].ID, made[0].ID})
		n, err := w.store.ReplayDeliveries(w.ctx(), w.ws.ID, h.ID, store.DeliveryFilter{Kinds: []tideline.EventType{tideline.EventMessageReceived}}, w.now)
		w.must(err)
		same(t, "replayed", n, int64(1))
	},
}
