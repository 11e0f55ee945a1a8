package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// hook is a subscription to new messages.
func (w *world) hook(change ...func(*tideline.Webhook)) tideline.Webhook {
	h := tideline.Webhook{WorkspaceID: w.ws.ID, EventType: tideline.EventMessageNew, URL: "https://example.com/hook", Enabled: true,
		Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", UpdatedBy: "ann@example.com", UpdatedAt: w.now}
	for _, c := range change {
		c(&h)
	}
	return h
}

// putHook stores a subscription; it must succeed.
func (w *world) putHook(change ...func(*tideline.Webhook)) tideline.Webhook {
	w.t.Helper()
	put, _, err := w.store.PutWebhook(w.ctx(), w.hook(change...), -1)
	w.must(err)
	return put
}

func hookURL(url string) func(*tideline.Webhook) {
	return func(h *tideline.Webhook) { h.URL = url }
}

func hookType(t tideline.EventType) func(*tideline.Webhook) {
	return func(h *tideline.Webhook) { h.EventType = t }
}

var webhookTests = map[string]func(*testing.T, *world){
	"AreStoredWhole": func(t *testing.T, w *world) {
		second := w.account(w.ws, "+14840000002")
		put, changed, err := w.store.PutWebhook(w.ctx(), w.hook(func(h *tideline.Webhook) {
			h.URL = "https://u:p@example.com/" + strings.Repeat("ü", tideline.MaxWebhookURL-24)
			h.Accounts = []int64{second.ID, w.acc.ID, second.ID}
		}), -1)
		w.must(err)
		same(t, "changed", changed, true)
		want := w.hook()
		want.ID, want.URL, want.CreatedBy, want.CreatedAt = put.ID, put.URL, "ann@example.com", w.now
		want.Accounts = []int64{w.acc.ID, second.ID}
		same(t, "webhook", put, want)
		got, err := w.store.Webhook(w.ctx(), w.ws.ID, put.ID)
		w.must(err)
		same(t, "read again", got, put)
		other := w.putHook()
		list, err := w.store.ListWebhooks(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "list", list, []tideline.Webhook{put, other})
	},

	"PuttingOneTwiceGivesTheSame": func(t *testing.T, w *world) {
		first := w.putHook()
		again, changed, err := w.store.PutWebhook(w.ctx(), w.hook(func(h *tideline.Webhook) {
			h.Secret, h.UpdatedBy = "whsec_another", "bob@example.com"
		}), 1)
		w.must(err)
		same(t, "changed", changed, false)
		same(t, "webhook", again, first)

		_, err = w.store.UpdateWebhook(w.ctx(), w.ws.ID, first.ID, store.WebhookUpdate{Enabled: ptr(false), By: "x", At: w.now})
		w.must(err)
		off, changed, err := w.store.PutWebhook(w.ctx(), w.hook(func(h *tideline.Webhook) { h.Enabled = false }), 1)
		w.must(err)
		same(t, "disabled and put as disabled", []bool{off.Enabled, changed}, []bool{false, false})
		on, changed, err := w.store.PutWebhook(w.ctx(), w.hook(), 1)
		w.must(err)
		same(t, "enabled again", []bool{on.Enabled, changed, on.ID == first.ID}, []bool{true, true, true})
	},

	"ADeletedOneComesBackWithItsIDAndSecret": func(t *testing.T, w *world) {
		first := w.putHook()
		w.must(w.store.DeleteWebhook(w.ctx(), w.ws.ID, first.ID, "bob@example.com", w.now))
		_, err := w.store.Webhook(w.ctx(), w.ws.ID, first.ID)
		w.wantCode(err, tideline.CodeNotFound)
		w.wantCode(w.store.DeleteWebhook(w.ctx(), w.ws.ID, first.ID, "bob@example.com", w.now), tideline.CodeNotFound)
		w.now = w.now.Add(time.Hour)
		back := w.putHook(func(h *tideline.Webhook) { h.Secret = "whsec_another" })
		want := first
		want.UpdatedAt = w.now
		same(t, "restored", back, want)
	},

	"NoMoreThanTheLimit": func(t *testing.T, w *world) {
		put := func(url string) error {
			_, _, err := w.store.PutWebhook(w.ctx(), w.hook(hookURL(url)), 2)
			return err
		}
		w.must(put("https://example.com/1"))
		w.must(put("https://example.com/2"))
		w.wantCode(put("https://example.com/3"), tideline.CodePlanFeatureUnavailable)
		w.must(put("https://example.com/1"))
		list, err := w.store.ListWebhooks(w.ctx(), w.ws.ID)
		w.must(err)
		w.must(w.store.DeleteWebhook(w.ctx(), w.ws.ID, list[0].ID, "", w.now))
		w.must(put("https://example.com/3"))
		w.wantCode(put("https://example.com/1"), tideline.CodePlanFeatureUnavailable) // a restored one counts too
	},

	"PutAtOnceTheyStayOneAndWithinTheLimit": func(t *testing.T, w *world) {
		stores := []store.Store{w.store, w.another()}
		ids := make([]int64, 16)
		refused := make([]error, 16)
		together(32, func(i int) {
			if i < 16 {
				h, _, err := stores[i%2].PutWebhook(w.ctx(), w.hook(), -1)
				if err != nil {
					t.Error(err)
				}
				ids[i] = h.ID
				return
			}
			_, _, refused[i-16] = stores[i%2].PutWebhook(w.ctx(), w.hook(hookURL("https://example.com/"+string(rune('a'+i)))), 4)
		})
		for _, id := range ids {
			same(t, "id", id, ids[0])
		}
		for _, err := range refused {
			if err != nil && !tideline.IsCode(err, tideline.CodePlanFeatureUnavailable) {
				t.Error(err)
			}
		}
		list, err := w.store.ListWebhooks(w.ctx(), w.ws.ID)
		w.must(err)
		if len(list) > 5 || len(list) < 4 {
			t.Errorf("there are %d webhooks, want 4, or 5 when the one without a limit came last", len(list))
		}
	},

	"UpdatesKeepThemApart": func(t *testing.T, w *world) {
		first, second := w.putHook(), w.putHook(hookType(tideline.EventReaction))
		_, err := w.store.UpdateWebhook(w.ctx(), w.ws.ID, second.ID, store.WebhookUpdate{EventType: ptr(tideline.EventMessageNew)})
		w.wantCode(err, tideline.CodeConflict)
		w.must(w.store.DeleteWebhook(w.ctx(), w.ws.ID, first.ID, "", w.now))
		got, err := w.store.UpdateWebhook(w.ctx(), w.ws.ID, second.ID, store.WebhookUpdate{EventType: ptr(tideline.EventMessageNew),
			Accounts: ptr([]int64{w.acc.ID}), By: "bob@example.com", At: w.now.Add(time.Minute)})
		w.must(err)
		want := second
		want.EventType, want.Accounts, want.UpdatedBy, want.UpdatedAt = tideline.EventMessageNew, []int64{w.acc.ID}, "bob@example.com", w.now.Add(time.Minute)
		same(t, "updated", got, want)
		same(t, "put", w.putHook().ID, second.ID) // not the deleted one
		got, err = w.store.UpdateWebhook(w.ctx(), w.ws.ID, second.ID, store.WebhookUpdate{Accounts: ptr([]int64(nil)), URL: ptr("http://example.com/x"), At: w.now})
		w.must(err)
		same(t, "all accounts", len(got.Accounts), 0)
		same(t, "url", got.URL, "http://example.com/x")
	},

	"SecretsOverlapWhileTheyRotate": func(t *testing.T, w *world) {
		h := w.putHook()
		old := h.Secret
		h, err := w.store.RotateSecret(w.ctx(), w.ws.ID, h.ID, "whsec_new", "bob@example.com", w.now, w.now.Add(time.Hour))
		w.must(err)
		same(t, "during", h.Secrets(w.now.Add(59*time.Minute)), []tideline.SigningSecret{"whsec_new", old})
		same(t, "after", h.Secrets(w.now.Add(time.Hour)), []tideline.SigningSecret{"whsec_new"})
	},

	"TheyAreKeptApartByWorkspace": func(t *testing.T, w *world) {
		h := w.putHook()
		d := w.addDelivery(h, 0)
		other, _ := w.workspace("second", 10)
		ctx := w.ctx()
		for name, call := range map[string]func() error{
			"webhook":  func() error { _, err := w.store.Webhook(ctx, other.ID, h.ID); return err },
			"update":   func() error { _, err := w.store.UpdateWebhook(ctx, other.ID, h.ID, store.WebhookUpdate{}); return err },
			"deletion": func() error { return w.store.DeleteWebhook(ctx, other.ID, h.ID, "", w.now) },
			"secret":   func() error { _, err := w.store.RotateSecret(ctx, other.ID, h.ID, "x", "", w.now, w.now); return err },
			"account": func() error {
				_, _, err := w.store.PutWebhook(ctx, w.hook(func(h *tideline.Webhook) { h.WorkspaceID, h.Accounts = other.ID, []int64{w.acc.ID} }), -1)
				return err
			},
			"workspace": func() error {
				_, _, err := w.store.PutWebhook(ctx, w.hook(func(h *tideline.Webhook) { h.WorkspaceID = 9999 }), -1)
				return err
			},
			"test": func() error {
				_, err := w.store.AddDelivery(ctx, store.NewDelivery{WorkspaceID: other.ID, WebhookID: h.ID, EventAt: w.now}, nil, w.now)
				return err
			},
			"delivery": func() error { _, _, err := w.store.Delivery(ctx, other.ID, d.ID); return err },
			"replay":   func() error { _, err := w.store.ReplayDelivery(ctx, other.ID, d.ID, w.now); return err },
			"replays": func() error {
				_, err := w.store.ReplayDeliveries(ctx, other.ID, h.ID, store.DeliveryFilter{}, w.now)
				return err
			},
			"outcome": func() error {
				return w.putOutcome(w.store, store.Outcome{WorkspaceID: other.ID, WebhookID: h.ID, DeliveryID: d.ID, State: tideline.DeliveryDead, At: w.now})
			},
		} {
			if err := call(); !tideline.IsCode(err, tideline.CodeNotFound) {
				t.Errorf("%s: %v, want not_found", name, err)
			}
		}
		list, err := w.store.ListWebhooks(ctx, other.ID)
		w.must(err)
		same(t, "webhooks of the other", len(list), 0)
		log, _, err := w.store.ListDeliveries(ctx, other.ID, h.ID, store.DeliveryFilter{}, store.Page{Limit: 10})
		w.must(err)
		waiting, err := w.store.WaitingDeliveries(ctx, other.ID, h.ID, 0, 10)
		w.must(err)
		same(t, "deliveries of the other", len(log)+len(waiting), 0)
	},
}
