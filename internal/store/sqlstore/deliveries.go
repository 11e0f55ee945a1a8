package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// The chat is the one that took over the delivery's, when one did, so that the
// order within it holds.
const (
	deliveryColumns = `d.id, d.workspace_id, d.webhook_id, d.event_id, d.event_uid, coalesce(ca.now_id, d.chat_id), d.state, d.attempts,
	d.made_at, d.event_at, d.due_at, d.ended_at, d.note`
	deliveryChat     = ` LEFT JOIN chat_aliases ca ON ca.chat_id = d.chat_id AND ca.workspace_id = d.workspace_id`
	selectWithBodies = `SELECT ` + deliveryColumns + `, b.body FROM deliveries d` + deliveryChat +
		` JOIN delivery_bodies b ON b.id = d.body_id WHERE `
)

func deliveryFields(d *store.Delivery) []any {
	return []any{&d.ID, &d.WorkspaceID, &d.WebhookID, &d.EventID, &d.EventUID, &d.ChatID, &d.State, &d.Attempts,
		millis{&d.MadeAt}, millis{&d.EventAt}, millis{&d.DueAt}, millis{&d.EndedAt}, &d.Note}
}

// deliveriesWithBodies lists the deliveries that the condition finds.
func (t *tx) deliveriesWithBodies(ctx context.Context, where string, args ...any) ([]store.Delivery, error) {
	var found []store.Delivery
	err := t.each(ctx, selectWithBodies+where, args,
		func(r *sql.Rows) error {
			var d store.Delivery
			err := r.Scan(append(deliveryFields(&d), &d.Body)...)
			found = append(found, d)
			return err
		})
	return found, err
}

// PendingWebhooks implements store.Deliverer.
func (s *Store) PendingWebhooks(ctx context.Context) ([]tideline.Webhook, error) {
	found, err := s.reader().webhooks(ctx, `w.enabled AND w.deleted_at IS NULL AND (
		EXISTS (SELECT 1 FROM deliveries d WHERE d.webhook_id = w.id AND d.state = 'waiting') OR
		EXISTS (SELECT 1 FROM deliveries d WHERE d.webhook_id = w.id AND d.state = 'aside')) ORDER BY w.id`)
	return found, failed("pending webhooks", err)
}

// The states stand in the text, so that the indexes that have only them are used.
const (
	waitingInLine = `d.webhook_id = $1 AND d.workspace_id = $2 AND d.state = 'waiting' AND d.id > $3 ORDER BY d.id LIMIT $4`
	setAside      = `d.webhook_id = $1 AND d.workspace_id = $2 AND d.state = 'aside' AND d.due_at `
	asideNow      = setAside + `<= $3 ORDER BY d.due_at, d.id LIMIT $4`
	asideNext     = `SELECT d.due_at FROM deliveries d WHERE ` + setAside + `> $3 ORDER BY d.due_at LIMIT 1`
)

// WaitingDeliveries implements store.Deliverer.
func (s *Store) WaitingDeliveries(ctx context.Context, workspaceID, webhookID, after int64, limit int) ([]store.Delivery, error) {
	found, err := s.reader().deliveriesWithBodies(ctx, waitingInLine, webhookID, workspaceID, after, limit)
	return found, failed("waiting deliveries", err)
}

// AsideDeliveries implements store.Deliverer.
func (s *Store) AsideDeliveries(ctx context.Context, workspaceID, webhookID int64, now time.Time, limit int) (due []store.Delivery, next time.Time, err error) {
	err = s.read(ctx, func(t *tx) error {
		due, err = t.deliveriesWithBodies(ctx, asideNow, webhookID, workspaceID, now.UnixMilli(), limit)
		if err != nil {
			return err
		}
		err = t.one(ctx, asideNext, []any{webhookID, workspaceID, now.UnixMilli()}, millis{&next})
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return err
	})
	return due, next, failed("aside deliveries", err)
}

// DeliveryBacklog implements store.Deliverer. Counting reads an index only, and
// of those in line just the first is looked at: there may be millions. Few are
// set aside.
func (s *Store) DeliveryBacklog(ctx context.Context) (pending int64, oldest time.Time, err error) {
	const enabled = ` FROM webhooks w%s WHERE w.enabled AND w.deleted_at IS NULL`
	const joined = ` JOIN deliveries d ON d.webhook_id = w.id AND d.state = `
	err = s.read(ctx, func(t *tx) error {
		var waiting, aside int64
		var first, oldestAside time.Time
		err := t.one(ctx, `SELECT count(*)`+fmt.Sprintf(enabled, joined+`'waiting'`), nil, &waiting)
		if err != nil {
			return err
		}
		err = t.one(ctx, `SELECT min(f.made_at) FROM (SELECT (SELECT d.made_at FROM deliveries d WHERE d.webhook_id = w.id AND d.state = 'waiting'
			ORDER BY d.id LIMIT 1) AS made_at`+fmt.Sprintf(enabled, "")+`) AS f`, nil, millis{&first})
		if err != nil {
			return err
		}
		err = t.one(ctx, `SELECT count(*), min(d.made_at)`+fmt.Sprintf(enabled, joined+`'aside'`), nil, &aside, millis{&oldestAside})
		pending, oldest = waiting+aside, first
		if !oldestAside.IsZero() && (oldest.IsZero() || oldestAside.Before(oldest)) {
			oldest = oldestAside
		}
		return err
	})
	return pending, oldest, failed("delivery backlog", err)
}

// AddDelivery implements store.DeliveryLog.
func (s *Store) AddDelivery(ctx context.Context, d store.NewDelivery, body []byte, at time.Time) (store.Delivery, error) {
	var made store.Delivery
	err := s.write(ctx, "add delivery", func(ctx context.Context, t *tx) error {
		if _, err := t.webhook(ctx, d.WorkspaceID, d.WebhookID); err != nil {
			return err
		}
		// Ids are drawn under the lock of the cursor, as by PutDeliveries, so that
		// they grow in the order of commits.
		var event int64
		if err := t.one(ctx, `SELECT f.event FROM fan_out f WHERE f.id = 1`+t.forUpdate("f"), nil, &event); err != nil {
			return err
		}
		d.Body = 0
		added, err := t.insertDeliveries(ctx, store.Deliveries{Bodies: [][]byte{body}, Rows: []store.NewDelivery{d}}, at)
		if err == nil {
			made = added[0]
			t.tellSettings(d.WorkspaceID)
		}
		return err
	})
	return made, err
}

// filterDeliveries says what f selects of a webhook's deliveries d. args are
// parameters that come before its own.
func filterDeliveries(workspaceID, webhookID int64, f store.DeliveryFilter, args ...any) *conditions {
	c := &conditions{args: args}
	c.add(`d.webhook_id = ?`, webhookID)
	c.add(`d.workspace_id = ?`, workspaceID)
	if !f.After.IsZero() {
		c.add(`d.event_at >= ?`, f.After.UnixMilli())
	}
	if !f.Before.IsZero() {
		c.add(`d.event_at < ?`, f.Before.UnixMilli())
	}
	if f.Below != 0 {
		c.add(`d.id < ?`, f.Below)
	}
	addAny(c, f.States, func(state tideline.DeliveryState) string { return `d.state = ` + c.param(string(state)) })
	if len(f.Kinds) > 0 {
		kinds := make([]string, len(f.Kinds))
		for i, kind := range f.Kinds {
			kinds[i] = string(kind)
		}
		c.add(`EXISTS (SELECT 1 FROM events e WHERE e.id = d.event_id AND e.workspace_id = d.workspace_id AND e.kind IN (` + paramList(c, kinds) + `))`)
	}
	return c
}

// ListDeliveries implements store.DeliveryLog.
func (s *Store) ListDeliveries(ctx context.Context, workspaceID, webhookID int64, f store.DeliveryFilter, p store.Page) ([]store.Delivery, bool, error) {
	c := filterDeliveries(workspaceID, webhookID, f)
	query := `SELECT ` + deliveryColumns + `, coalesce(ev.kind, '') FROM deliveries d` + deliveryChat +
		` LEFT JOIN events ev ON ev.id = d.event_id AND ev.workspace_id = d.workspace_id WHERE ` + c.String() +
		` ORDER BY d.id DESC LIMIT ` + c.param(p.Limit+1) + ` OFFSET ` + c.param(p.Offset)
	var found []store.Delivery
	err := s.reader().each(ctx, query, c.args, func(r *sql.Rows) error {
		var d store.Delivery
		err := r.Scan(append(deliveryFields(&d), &d.Kind)...)
		found = append(found, d)
		return err
	})
	more := len(found) > p.Limit
	if more {
		found = found[:p.Limit]
	}
	return found, more, failed("list deliveries", err)
}

// delivery reads one with its body.
func (t *tx) delivery(ctx context.Context, workspaceID, deliveryID int64) (store.Delivery, error) {
	found, err := t.deliveriesWithBodies(ctx, `d.id = $1 AND d.workspace_id = $2`, deliveryID, workspaceID)
	if err == nil && len(found) == 0 {
		err = notFound("delivery")
	}
	if err != nil {
		return store.Delivery{}, err
	}
	return found[0], nil
}

// Delivery implements store.DeliveryLog.
func (s *Store) Delivery(ctx context.Context, workspaceID, deliveryID int64) (d store.Delivery, attempts []store.Attempt, err error) {
	err = s.read(ctx, func(t *tx) error {
		attempts = nil
		if d, err = t.delivery(ctx, workspaceID, deliveryID); err != nil {
			return err
		}
		return t.each(ctx, `SELECT a.at, a.duration_us, a.status_code, a.error, a.request, a.response
			FROM delivery_attempts a WHERE a.delivery_id = $1 ORDER BY a.at`, []any{d.ID}, func(r *sql.Rows) error {
			var a store.Attempt
			var at, duration int64
			err := r.Scan(&at, &duration, &a.StatusCode, &a.Error, &a.Request, &a.Response)
			a.At, a.Duration = time.UnixMicro(at).UTC(), time.Duration(duration)*time.Microsecond
			attempts = append(attempts, a)
			return err
		})
	})
	return d, attempts, failed("delivery", err)
}

// again is what a delivery is set to that is replayed at $1.
const again = `UPDATE deliveries AS d SET state = 'waiting', attempts = 0, made_at = $1, due_at = $1, ended_at = NULL, note = '' WHERE `

// ReplayDelivery implements store.DeliveryLog.
func (s *Store) ReplayDelivery(ctx context.Context, workspaceID, deliveryID int64, at time.Time) (store.Delivery, error) {
	var replayed store.Delivery
	err := s.write(ctx, "replay delivery", func(ctx context.Context, t *tx) error {
		var webhookID int64
		err := t.one(ctx, `SELECT webhook_id FROM deliveries WHERE id = $1 AND workspace_id = $2`, []any{deliveryID, workspaceID}, &webhookID)
		if err != nil {
			return missing(err, "delivery")
		}
		if err := t.lockWebhook(ctx, workspaceID, webhookID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, again+`d.id = $2 AND d.workspace_id = $3`, at.UnixMilli(), deliveryID, workspaceID); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		replayed, err = t.delivery(ctx, workspaceID, deliveryID)
		return err
	})
	return replayed, err
}

// ReplayDeliveries implements store.DeliveryLog.
func (s *Store) ReplayDeliveries(ctx context.Context, workspaceID, webhookID int64, f store.DeliveryFilter, at time.Time) (n int64, err error) {
	err = s.write(ctx, "replay deliveries", func(ctx context.Context, t *tx) error {
		if err := t.lockWebhook(ctx, workspaceID, webhookID); err != nil {
			return err
		}
		c := filterDeliveries(workspaceID, webhookID, f, at.UnixMilli())
		var err error
		n, err = t.exec(ctx, again+c.String(), c.args...)
		if n > 0 {
			t.tellSettings(workspaceID)
		}
		return err
	})
	return n, err
}

// lockWebhook locks the row of a webhook that is not deleted: it comes before
// its deliveries in the lock order.
func (t *tx) lockWebhook(ctx context.Context, workspaceID, webhookID int64) error {
	var id int64
	return missing(t.one(ctx, `SELECT w.id FROM webhooks w WHERE w.id = $1 AND w.workspace_id = $2 AND w.deleted_at IS NULL`+t.forUpdate("w"),
		[]any{webhookID, workspaceID}, &id), "webhook")
}
