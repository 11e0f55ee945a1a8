package httpapi

import (
	"context"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

// fakeWebhooks has no webhooks and takes all.
type fakeWebhooks struct{}

func (fakeWebhooks) List(context.Context, *tideline.Principal) ([]tideline.Webhook, error) {
	return nil, nil
}

func (fakeWebhooks) Create(_ context.Context, _ *tideline.Principal, q webhook.Subscription) (tideline.Webhook, error) {
	return tideline.Webhook{ID: 1, EventType: q.EventType, URL: q.URL, Enabled: !q.Disabled}, nil
}

func (fakeWebhooks) Get(context.Context, *tideline.Principal, int64) (tideline.Webhook, error) {
	return tideline.Webhook{}, tideline.Errorf(tideline.CodeNotFound, "no webhook")
}

func (fakeWebhooks) Update(context.Context, *tideline.Principal, int64, store.WebhookUpdate) (tideline.Webhook, error) {
	return tideline.Webhook{}, tideline.Errorf(tideline.CodeNotFound, "no webhook")
}

func (fakeWebhooks) Delete(context.Context, *tideline.Principal, int64) error {
	return tideline.Errorf(tideline.CodeNotFound, "no webhook")
}

func (fakeWebhooks) Events(context.Context, *tideline.Principal, string, int) ([]webhook.FeedEvent, bool, error) {
	return nil, false, nil
}
