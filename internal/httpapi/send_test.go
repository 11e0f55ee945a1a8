package httpapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestASendIsDurableAndPaidWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.setCredits(10)
		uid := w.send(map[string]any{"phone": "\u202a+1 (484) 000\u00a00000\u202c", "text": "hello\nworld", "label": "vip", "chat_name": "Ada", "chat_id": 123, "reply_to": nil})
		v, err := w.store.MessageByUID(t.Context(), w.ws.ID, uid)
		w.must(err)
		if v.Message.Text != "hello\nworld" || v.Chat.Phone != "+14840000000" || v.Chat.Name != "Ada" || v.Account.ID != w.acc.ID ||
			v.Message.Status != tideline.StatusPending || v.Message.Origin != tideline.OriginPublicAPI {
			t.Errorf("stored %+v in %+v", v.Message, v.Chat)
		}
		if labels, err := w.store.ChatLabels(t.Context(), w.ws.ID, v.Chat.ID); err != nil || len(labels) != 1 || labels[0] != "vip" {
			t.Errorf("labels %v, %v", labels, err)
		}
		file := w.fileUID("a.txt", "hi")
		w.send(map[string]any{"phone": "14840000000", "file_uid": file})
		w.send(map[string]any{"phone": "0014840000000", "file_uid": file, "text": "look"})
		b, err := w.store.Balance(t.Context(), w.ws.ID, time.Now())
		w.must(err)
		if b.Used != 4 || b.Available() != 6 {
			t.Errorf("used %d, left %d; want 1 + 1 + 2 used of 10", b.Used, b.Available())
		}
	})
}

func TestASendNamesItsAccountByPhoneOrByID(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		first := w.acc
		w.clock.move(time.Minute)
		second := w.newAccount(w.ws, tideline.AccountActive)
		for name, tc := range map[string]struct {
			body map[string]any
			want tideline.Account
		}{
			"the most recently connected": {map[string]any{}, second},
			"by phone":                    {map[string]any{"whatsapp_account_phone": first.Phone}, first},
			"by id":                       {map[string]any{"whatsapp_account_id": first.JID}, first},
			"null is nobody":              {map[string]any{"whatsapp_account_phone": nil}, second},
		} {
			tc.body["phone"], tc.body["text"] = "+14840000000", name
			v, err := w.store.MessageByUID(t.Context(), w.ws.ID, w.send(tc.body))
			w.must(err)
			if v.Account.ID != tc.want.ID {
				t.Errorf("%s: sent by %s, want %s", name, v.Account.Phone, tc.want.Phone)
			}
		}
		w.refused(w.post("/messages", map[string]any{"phone": "+14840000000", "text": "x", "whatsapp_account_phone": "+14849999999"}), 404, "not_found")
	})
}

func TestSendsAreRefusedForTheirReasons(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		_, _, otherToken, otherAccount := w.newTenant("other")
		mine := w.token
		w.token = otherToken
		otherFile := w.fileUID("secret.txt", "secret")
		w.token = mine
		ok := map[string]any{"phone": "+14840000000", "text": "x"}
		with := func(key string, value any) map[string]any {
			m := map[string]any{}
			for k, v := range ok {
				m[k] = v
			}
			m[key] = value
			return m
		}
		w.refused(w.post("/messages", with("whatsapp_account_phone", otherAccount.Phone)), 404, "not_found")
		w.refused(w.post("/messages", with("whatsapp_account_id", otherAccount.JID)), 404, "not_found")
		w.refused(w.post("/messages", with("file_uid", otherFile)), 404, "not_found")
		w.refused(w.post("/messages", with("file_uid", "no such file")), 404, "not_found")
		w.refused(w.post("/messages", with("attachment_template_id", 4711)), 404, "not_found")
		w.refused(w.post("/messages", with("file_url", "https://example.com/a.png")), 400, "validation_error", "file_url")
		w.refused(w.post("/messages", with("text", strings.Repeat("☀", 2001))), 400, "validation_error", "text")
		w.refused(w.post("/messages", with("text", " \n\t")), 400, "validation_error", "text")
		if uid := w.send(with("text", strings.Repeat("☀", 2000))); uid == "" {
			t.Error("2000 characters were not taken")
		}

		w.setCredits(1)
		w.refused(w.post("/messages", ok), 403, "quota_exceeded")
		w.setCredits(2)
		w.send(ok)
		w.refused(w.post("/messages", ok), 403, "quota_exceeded")

		w.must(w.store.SetAccountState(t.Context(), w.acc.ID, tideline.AccountDisconnected, "", w.clock.now()))
		w.refused(w.post("/messages", ok), 400, "validation_error")
	})
}

func TestAKeyMakesARepeatedSendTheFirstOne(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		key := http.Header{"Idempotency-Key": {"order-4711.shipped_1"}, "Content-Type": {"application/json"}}
		send := func(body string) answer {
			return w.do(request{method: http.MethodPost, path: "/messages", header: key, body: body})
		}
		body := `{"phone":"+14840000000","text":"once"}`
		answers := make([]answer, 8)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = send(body) })
		}
		wg.Wait()
		fresh := 0
		for _, a := range answers {
			if a.header.Get("Idempotent-Replay") != "true" {
				fresh++
			}
			if string(a.body) != string(answers[0].body) || a.status != 200 {
				t.Errorf("answered %d %s and %s", a.status, a.body, answers[0].body)
			}
		}
		if fresh != 1 {
			t.Errorf("%d of 8 at once were sent, want one", fresh)
		}
		if n, err := w.store.QueueLength(t.Context(), w.ws.ID); err != nil || n != 1 {
			t.Errorf("%d messages in the outbox, %v", n, err)
		}
		w.refused(send(`{"phone":"+14840000000","text":"twice"}`), 409, "validation_error")
		w.refused(send(`{"phone":"+14840000000","text":""}`), 400, "validation_error", "text")
	})
}

func TestABadKeyIsAWrongField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	for name, values := range map[string][]string{
		"empty":    {""},
		"too long": {strings.Repeat("a", 256)},
		"space":    {"a b"},
		"several":  {"a", "b"},
		"umlaut":   {"ä"},
	} {
		a := w.do(request{method: http.MethodPost, path: "/messages", header: http.Header{"Idempotency-Key": values}, body: `{"phone":"+14840000000","text":7}`})
		t.Log(name)
		w.refused(a, 400, "validation_error", "text", "Idempotency-Key")
	}
	a := w.do(request{method: http.MethodPost, path: "/messages", header: http.Header{"Idempotency-Key": {strings.Repeat("a", 255)}}, body: `{"phone":"+14840000000","text":"x"}`})
	w.uid(a)
}
