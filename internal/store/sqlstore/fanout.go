package sqlstore

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const eventsBehindCursor = `e.id > $1 AND e.id <= $2 ORDER BY e.id LIMIT $3`

// UnsentEvents implements store.FanOut.
func (s *Store) UnsentEvents(ctx context.Context, limit int) (store.EventPage, error) {
	page, err := s.unsentEvents(ctx, limit)
	return page, failed("unsent events", err)
}

func (s *Store) unsentEvents(ctx context.Context, limit int) (page store.EventPage, err error) {
	if err := s.reader().one(ctx, `SELECT event FROM fan_out WHERE id = 1`, nil, &page.From); err != nil {
		return page, err
	}
	page.To = page.From
	settled, err := s.settledEvents(ctx, page.From)
	if err != nil || settled <= page.From {
		return page, err
	}
	return page, s.read(ctx, func(t *tx) error {
		page.To, page.Events = page.From, nil
		events, err := t.listEvents(ctx, eventsBehindCursor, page.From, settled, limit)
		if err != nil || len(events) == 0 {
			return err
		}
		page.To = events[len(events)-1].ID
		webhooks, err := t.enabledWebhooks(ctx, events)
		if err != nil {
			return err
		}
		var wanted []tideline.Event
		var targets [][]store.WebhookTarget
		for i := range events {
			var of []store.WebhookTarget
			for _, w := range webhooks[events[i].WorkspaceID] {
				if w.Wants(&events[i]) {
					of = append(of, store.WebhookTarget{ID: w.ID, EventType: w.EventType})
				}
			}
			if len(of) > 0 {
				wanted, targets = append(wanted, events[i]), append(targets, of)
			}
		}
		views, err := t.eventViews(ctx, wanted)
		for i := range views {
			page.Events = append(page.Events, store.WantedEvent{EventView: views[i], Webhooks: targets[i]})
		}
		return err
	})
}

var selectEnabledWebhooks = newMulti(`SELECT `+webhookColumns+` FROM (VALUES `,
	`) AS v CROSS JOIN webhooks w WHERE w.workspace_id = v.column1 AND w.workspace_id = v.column2
	AND w.enabled AND w.deleted_at IS NULL ORDER BY w.id`, "BIGINT", "BIGINT")

// enabledWebhooks reads those of the events' workspaces, by workspace.
func (t *tx) enabledWebhooks(ctx context.Context, events []tideline.Event) (map[int64][]*tideline.Webhook, error) {
	of := make(map[int64][]*tideline.Webhook)
	args := idPairs(events, func(e *tideline.Event) int64 { return e.WorkspaceID })
	return of, t.eachAll(ctx, selectEnabledWebhooks, args, scanWebhooks(func(w *tideline.Webhook) {
		of[w.WorkspaceID] = append(of[w.WorkspaceID], w)
	}))
}

var (
	insertBodies     = newInsert(`delivery_bodies (id, body, made_at)`, `(?, ?, ?)`, "")
	insertDeliveries = newInsert(`deliveries (id, workspace_id, webhook_id, event_id, event_uid, event_at, chat_id, body_id,
		state, attempts, made_at, due_at, note)`,
		`(?, ?, ?, ?, ?, ?, ?, ?, '`+string(tideline.DeliveryWaiting)+`', 0, ?, ?, '')`, "")
)

// PutDeliveries implements store.FanOut. The cursor is moved by who finds it
// where the page begins, in the transaction that stores the deliveries.
func (s *Store) PutDeliveries(ctx context.Context, page store.EventPage, put store.Deliveries, now time.Time) ([]store.Delivery, error) {
	var made []store.Delivery
	err := s.write(ctx, "put deliveries", s.fenced(func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE fan_out SET event = $1 WHERE id = 1 AND event = $2`, page.To, page.From)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrCursorMoved
		}
		made, err = t.insertDeliveries(ctx, put, now)
		return err
	}))
	return made, err
}

// insertDeliveries stores new deliveries, due at once.
func (t *tx) insertDeliveries(ctx context.Context, put store.Deliveries, now time.Time) ([]store.Delivery, error) {
	at := now.UnixMilli()
	var bodies, ids []int64
	if err := t.askIDs(ctx, "delivery_bodies", len(put.Bodies), &bodies); err != nil {
		return nil, err
	}
	if err := t.askIDs(ctx, "deliveries", len(put.Rows), &ids); err != nil {
		return nil, err
	}
	if err := t.await(ctx); err != nil {
		return nil, err
	}
	args := make([]any, 0, len(bodies)*insertBodies.cols)
	for i, body := range put.Bodies {
		args = append(args, bodies[i], body, at)
	}
	if err := t.execAll(ctx, insertBodies, args); err != nil {
		return nil, err
	}
	made := make([]store.Delivery, len(ids))
	args = make([]any, 0, len(ids)*insertDeliveries.cols)
	for i, d := range put.Rows {
		args = append(args, ids[i], d.WorkspaceID, d.WebhookID, d.EventID, d.EventUID, d.EventAt.UnixMilli(), d.ChatID, bodies[d.Body], at, at)
		made[i] = store.Delivery{ID: ids[i], WorkspaceID: d.WorkspaceID, WebhookID: d.WebhookID, EventID: d.EventID,
			EventUID: d.EventUID, ChatID: d.ChatID, State: tideline.DeliveryWaiting, MadeAt: time.UnixMilli(at).UTC(),
			EventAt: d.EventAt, DueAt: time.UnixMilli(at).UTC(), Body: put.Bodies[d.Body]}
	}
	return made, t.execAll(ctx, insertDeliveries, args)
}
