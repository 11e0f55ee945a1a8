package httpapi_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/client"
)

// TestTheClientUnderstandsTheServer holds the two together: each is tested
// against the documents alone elsewhere.
func TestTheClientUnderstandsTheServer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		ctx := t.Context()
		c, err := client.New(strings.TrimSuffix(w.url, "/integrations/api"), w.token, client.WithHTTPClient(http.DefaultClient), client.WithAttempts(1))
		w.must(err)

		up, err := c.Upload(ctx, "prices.csv", "text/csv", strings.NewReader("a,1\n"))
		w.must(err)
		if up.Name != "prices.csv" || up.MIMEType != "text/csv" || up.Size != 4 || up.UploadedAt.IsZero() {
			t.Errorf("upload %+v", up)
		}
		again, err := c.File(ctx, up.UID)
		w.must(err)
		up.DownloadURL, again.DownloadURL = "", ""
		if diff := cmp.Diff(up, again, cmp.Comparer(func(a, b client.Time) bool { return a.Equal(b.Time) })); diff != "" {
			t.Errorf("file (-uploaded +shown):\n%s", diff)
		}

		m := client.Message{Phone: "+14840000000", AccountPhone: string(w.acc.Phone), Text: "hi", FileUID: up.UID, Label: "vip", ChatName: "Ada", IdempotencyKey: "k"}
		sent, err := c.Send(ctx, m)
		w.must(err)
		replayed, err := c.Send(ctx, m)
		w.must(err)
		if sent.Replayed || !replayed.Replayed || sent.MessageUID != replayed.MessageUID {
			t.Errorf("sent %+v, then %+v", sent, replayed)
		}
		info, err := c.Message(ctx, sent.MessageUID)
		w.must(err)
		if info.Text != "hi" || info.Status != "Pending" || info.AttachmentFilename != "prices.csv" || info.RecipientName != "Ada" || info.Timestamp.IsZero() {
			t.Errorf("message %+v", info)
		}
		history, err := c.StatusHistory(ctx, sent.MessageUID)
		w.must(err)
		if len(history) != 0 {
			t.Errorf("history %+v", history)
		}
		accounts, err := c.Accounts(ctx)
		w.must(err)
		if len(accounts) != 1 || accounts[0].Phone != string(w.acc.Phone) || accounts[0].Status != "active" {
			t.Errorf("accounts %+v", accounts)
		}
		ws, err := c.Workspace(ctx)
		w.must(err)
		q, err := c.Quotas(ctx)
		w.must(err)
		if ws.ID != "acme" || ws.Messages.Used != 2 || q.Messages.Used != 2 || q.APICalls.Total != client.Unlimited || !q.NonRecurring.UpdatedAt.IsZero() {
			t.Errorf("workspace %+v, quotas %+v", ws, q)
		}

		hook, err := c.CreateWebhook(ctx, "message:new", hookURL)
		w.must(err)
		off := false
		changed, err := c.UpdateWebhook(ctx, hook.ID, client.WebhookChange{Enabled: &off})
		w.must(err)
		shown, err := c.Webhook(ctx, hook.ID)
		w.must(err)
		list, err := c.Webhooks(ctx)
		w.must(err)
		if !hook.Enabled || hook.URL != hookURL || changed.Enabled || shown != changed || len(list) != 1 || list[0] != changed {
			t.Errorf("webhooks %+v, %+v, %+v, %+v", hook, changed, shown, list)
		}
		w.must(c.DeleteWebhook(ctx, hook.ID))
		if _, err := c.Webhook(ctx, hook.ID); client.Code(err) != client.CodeNotFound {
			t.Errorf("a webhook that is gone: %v", err)
		}
		events, more, err := c.Events(ctx, "", 1)
		w.must(err)
		if len(events) != 1 || !more || events[0].EventType != "whatsapp:account:connected" || events[0].Timestamp.IsZero() || len(events[0].Body) == 0 {
			t.Errorf("events %+v, more %v", events, more)
		}
		rest, more, err := c.Events(ctx, events[0].UID, 0)
		w.must(err)
		if len(rest) != 1 || more || rest[0].ID <= events[0].ID {
			t.Errorf("the rest %+v, more %v", rest, more)
		}

		_, err = c.Send(ctx, client.Message{Phone: "nobody"})
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 400 || e.Code != client.CodeValidation || len(e.Fields) != 2 {
			t.Errorf("refusal %+v", err)
		}
		_, err = c.Message(ctx, "../quotas?x=1")
		if client.Code(err) != client.CodeNotFound {
			t.Errorf("a uid that is a path: %v", err)
		}
	})
}
