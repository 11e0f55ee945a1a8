package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// lookBack is how many deliveries are looked at for one that arrived.
const lookBack = 500

// The states stand in the text, so that the partial indexes are used; see
// waitingInLine.
const (
	countPending = `SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.webhook_id = $1 AND d.workspace_id = $2 AND d.state = `
	firstWaiting = `SELECT d.id, d.made_at, d.note FROM deliveries d WHERE d.webhook_id = $1 AND d.workspace_id = $2
		AND d.state = 'waiting' ORDER BY d.id LIMIT 1`
	firstAside = `SELECT d.made_at, d.note FROM deliveries d WHERE d.webhook_id = $1 AND d.workspace_id = $2
		AND d.state = 'aside' ORDER BY d.due_at, d.id LIMIT 1`
	lastArrived = `SELECT max(r.ended_at) FROM (SELECT d.state, d.ended_at FROM deliveries d WHERE d.webhook_id = $1 AND d.workspace_id = $2
		AND d.id < $3 ORDER BY d.id DESC LIMIT $4) r WHERE r.state = 'delivered'`
)

// WebhookHealth implements store.WebhookHealth. What arrived last is among the
// latest deliveries while an endpoint works, and just before the first in line
// while it does not.
func (s *Store) WebhookHealth(ctx context.Context, workspaceID int64) (map[int64]store.Health, error) {
	health := make(map[int64]store.Health)
	err := s.read(ctx, func(t *tx) error {
		ids, err := t.ids(ctx, `SELECT w.id FROM webhooks w WHERE w.workspace_id = $1 AND w.deleted_at IS NULL`, []any{workspaceID})
		if err != nil {
			return err
		}
		for _, id := range ids {
			if health[id], err = t.health(ctx, workspaceID, id); err != nil {
				return err
			}
		}
		return nil
	})
	return health, failed("webhook health", err)
}

func (t *tx) health(ctx context.Context, workspaceID, webhookID int64) (h store.Health, err error) {
	hook := []any{webhookID, workspaceID}
	for _, state := range []string{`'waiting'`, `'aside'`} {
		var n int
		if err := t.one(ctx, countPending+state+` LIMIT $3) AS p`, append(hook, store.MaxBacklog), &n); err != nil {
			return h, err
		}
		h.Pending = min(h.Pending+n, store.MaxBacklog)
	}
	const end = int64(1) << 62
	first := end
	err = t.one(ctx, firstWaiting, hook, &first, millis{&h.Since}, &h.Note)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.one(ctx, firstAside, hook, millis{&h.Since}, &h.Note)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return h, err
	}
	for _, below := range []int64{end, first} {
		var at time.Time
		if err := t.one(ctx, lastArrived, append(hook, below, lookBack), millis{&at}); err != nil {
			return h, err
		}
		if at.After(h.Delivered) {
			h.Delivered = at
		}
		if first == end {
			break
		}
	}
	return h, nil
}
