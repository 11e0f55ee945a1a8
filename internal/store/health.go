package store

import (
	"context"
	"time"
)

// WebhookHealth says how deliveries fare.
type WebhookHealth interface {
	// WebhookHealth looks at the deliveries of the webhooks that are not deleted,
	// by their ids. It reads a bounded number of rows per webhook, however many
	// deliveries there are.
	WebhookHealth(ctx context.Context, workspaceID int64) (map[int64]Health, error)
}

// MaxBacklog is how many pending deliveries of a webhook WebhookHealth counts; a
// Health with that many stands for that many or more.
const MaxBacklog = 1000

// Health is how a webhook's deliveries fare. What is believed of the endpoint as a
// whole is in tideline.Webhook.
type Health struct {
	Pending int       // deliveries that may still be tried, at most MaxBacklog
	Since   time.Time // when the first of them in line was made or replayed; zero = none is pending
	Note    string    // what its last attempt failed with; "" = nothing
	// Delivered is when the latest of the last deliveries arrived; zero = none of
	// those that were looked at.
	Delivered time.Time
}
