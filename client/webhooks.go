package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Webhook is a subscription: events of one type are posted to a URL.
type Webhook struct {
	ID            int64  `json:"id"`
	EventType     string `json:"event_type"` // such as message:new
	Enabled       bool   `json:"enabled"`
	URL           string `json:"url"`
	ErrorsCounter int64  `json:"errors_counter"` // deliveries that failed, since the last one that succeeded
}

// WebhookChange changes the fields of a webhook that are not nil.
type WebhookChange struct {
	EventType *string `json:"event_type,omitempty"`
	URL       *string `json:"url,omitempty"`
	Enabled   *bool   `json:"enabled,omitempty"`
}

// Event is something that happened in the workspace.
type Event struct {
	ID        int64           `json:"id"`         // grows; what to go on after
	UID       string          `json:"event_uid"`  // what deliveries of it have as webhook-id
	EventType string          `json:"event_type"` // the most specific one
	Timestamp Time            `json:"timestamp"`
	Body      json.RawMessage `json:"body"` // what a webhook gets
}

// Webhooks lists the workspace's webhooks by id.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	var list []Webhook
	err := c.get(ctx, "/webhooks", &list)
	return list, err
}

// Webhook shows a webhook.
func (c *Client) Webhook(ctx context.Context, id int64) (Webhook, error) {
	var w Webhook
	err := c.get(ctx, webhookPath(id), &w)
	return w, err
}

// CreateWebhook subscribes a URL to events of a type. Asking for one that exists
// enables it and changes nothing else, so the call is safe to repeat.
func (c *Client) CreateWebhook(ctx context.Context, eventType, to string) (Webhook, error) {
	return c.putWebhook(ctx, http.MethodPost, "/webhooks", WebhookChange{EventType: &eventType, URL: &to})
}

// UpdateWebhook changes a webhook.
func (c *Client) UpdateWebhook(ctx context.Context, id int64, change WebhookChange) (Webhook, error) {
	return c.putWebhook(ctx, http.MethodPut, webhookPath(id), change)
}

// DeleteWebhook ends a subscription.
func (c *Client) DeleteWebhook(ctx context.Context, id int64) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: webhookPath(id)}, nil)
	return err
}

// Events lists what happened after an event, which is named by its id or uid,
// oldest first; "" begins with the oldest that is kept. limit is how many at most,
// 1 to 500; 0 leaves it to the server. more says that there are more.
func (c *Client) Events(ctx context.Context, after string, limit int) (events []Event, more bool, err error) {
	query := url.Values{}
	if after != "" {
		query.Set("after", after)
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var answer struct {
		More   bool    `json:"has_more"`
		Events []Event `json:"events"`
	}
	err = c.get(ctx, "/events?"+query.Encode(), &answer)
	return answer.Events, answer.More, err
}

func webhookPath(id int64) string { return "/webhooks/" + strconv.FormatInt(id, 10) }

func (c *Client) putWebhook(ctx context.Context, method, path string, change WebhookChange) (Webhook, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return Webhook{}, fmt.Errorf("encode webhook: %w", err)
	}
	var w Webhook
	_, err = c.do(ctx, call{method: method, path: path, body: body, contentType: "application/json", repeatable: true}, &w)
	return w, err
}
