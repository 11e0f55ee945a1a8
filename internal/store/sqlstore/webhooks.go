package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const webhookColumns = `w.id, w.workspace_id, w.event_type, w.url, w.enabled, w.accounts, w.errors_counter, w.trouble,
	w.secret, w.previous, w.previous_until, w.failures, w.open_since, w.probe_at, w.created_by, w.updated_by, w.created_at, w.updated_at`

func webhookFields(w *tideline.Webhook) []any {
	return []any{&w.ID, &w.WorkspaceID, &w.EventType, &w.URL, &w.Enabled, idsText{&w.Accounts}, &w.ErrorsCounter, &w.Trouble,
		&w.Secret, &w.Previous, millis{&w.PreviousUntil}, &w.Circuit.Failures, millis{&w.Circuit.OpenSince}, millis{&w.Circuit.ProbeAt},
		&w.CreatedBy, &w.UpdatedBy, millis{&w.CreatedAt}, millis{&w.UpdatedAt}}
}

// scanWebhooks gives a scanner of webhookColumns that calls fn for every row.
func scanWebhooks(fn func(*tideline.Webhook)) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		w := &tideline.Webhook{}
		err := r.Scan(webhookFields(w)...)
		fn(w)
		return err
	}
}

// webhooks lists the webhooks that the condition finds.
func (t *tx) webhooks(ctx context.Context, where string, args ...any) ([]tideline.Webhook, error) {
	var found []tideline.Webhook
	err := t.each(ctx, `SELECT `+webhookColumns+` FROM webhooks w WHERE `+where, args, scanWebhooks(func(w *tideline.Webhook) {
		found = append(found, *w)
	}))
	return found, err
}

// webhook reads one that is not deleted.
func (t *tx) webhook(ctx context.Context, workspaceID, webhookID int64) (tideline.Webhook, error) {
	found, err := t.webhooks(ctx, `w.workspace_id = $1 AND w.id = $2 AND w.deleted_at IS NULL`, workspaceID, webhookID)
	if err == nil && len(found) == 0 {
		err = notFound("webhook")
	}
	if err != nil {
		return tideline.Webhook{}, err
	}
	return found[0], nil
}

// lockWebhooks keeps others from changing the workspace's webhooks until the end
// of the transaction, so that what is looked up here stays true: how many there
// are, and that none has the same event type and URL.
func (t *tx) lockWebhooks(ctx context.Context, workspaceID int64) error {
	query := `SELECT w.id FROM workspaces w WHERE w.id = $1`
	if t.d == dialectPostgres {
		query += ` FOR NO KEY UPDATE OF w` // rows that refer to the workspace may still be made
	}
	var id int64
	return missing(t.one(ctx, query, []any{workspaceID}, &id), "workspace")
}

// ListWebhooks implements store.Webhooks.
func (s *Store) ListWebhooks(ctx context.Context, workspaceID int64) ([]tideline.Webhook, error) {
	found, err := s.reader().webhooks(ctx, `w.workspace_id = $1 AND w.deleted_at IS NULL ORDER BY w.id`, workspaceID)
	return found, failed("list webhooks", err)
}

// Webhook implements store.Webhooks.
func (s *Store) Webhook(ctx context.Context, workspaceID, webhookID int64) (tideline.Webhook, error) {
	w, err := s.reader().webhook(ctx, workspaceID, webhookID)
	return w, failed("webhook", err)
}

// PutWebhook implements store.Webhooks.
func (s *Store) PutWebhook(ctx context.Context, w tideline.Webhook, limit int) (put tideline.Webhook, changed bool, err error) {
	err = s.write(ctx, "put webhook", func(ctx context.Context, t *tx) error {
		put, changed = tideline.Webhook{}, false
		if err := t.lockWebhooks(ctx, w.WorkspaceID); err != nil {
			return err
		}
		// The one that is there comes before a deleted one; of those, the last.
		var id int64
		var deleted sql.NullInt64
		var before *tideline.Webhook
		err := t.one(ctx, `SELECT w.id, w.deleted_at FROM webhooks w WHERE w.workspace_id = $1 AND w.event_type = $2 AND w.url = $3
			ORDER BY coalesce(w.deleted_at, 0) > 0, w.id DESC LIMIT 1`,
			[]any{w.WorkspaceID, string(w.EventType), w.URL}, &id, &deleted)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			changed = true
			id, err = t.insertWebhook(ctx, w, limit)
		case err == nil && deleted.Valid:
			changed = true
			err = t.restoreWebhook(ctx, w, id, limit)
		case err == nil && w.Enabled:
			var old tideline.Webhook
			if old, err = t.webhook(ctx, w.WorkspaceID, id); err != nil {
				return err
			}
			before = &old
			changed, err = t.enableWebhook(ctx, w, id)
		}
		if err != nil {
			return err
		}
		if changed {
			t.tellSettings(w.WorkspaceID)
		}
		if put, err = t.webhook(ctx, w.WorkspaceID, id); err != nil || !changed {
			return err
		}
		return t.auditWebhook(ctx, before, put, w.UpdatedAt)
	})
	return put, changed, err
}

// insertWebhook makes a webhook.
func (t *tx) insertWebhook(ctx context.Context, w tideline.Webhook, limit int) (id int64, err error) {
	if err := t.checkWebhookLimit(ctx, w.WorkspaceID, limit); err != nil {
		return 0, err
	}
	accounts, err := t.encodeAccounts(ctx, w.WorkspaceID, w.Accounts)
	if err != nil {
		return 0, err
	}
	err = t.one(ctx, `INSERT INTO webhooks (workspace_id, event_type, url, enabled, accounts, errors_counter, trouble, secret, previous,
		failures, created_by, updated_by, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, 0, '', $6, '', 0, $7, $7, $8, $8) RETURNING id`,
		[]any{w.WorkspaceID, string(w.EventType), w.URL, w.Enabled, accounts, string(w.Secret), w.UpdatedBy, w.UpdatedAt.UnixMilli()}, &id)
	return id, err
}

// cleared is what a webhook is set to that begins anew.
const cleared = `errors_counter = 0, trouble = '', failures = 0, open_since = NULL, probe_at = NULL`

// restoreWebhook brings a deleted webhook back.
func (t *tx) restoreWebhook(ctx context.Context, w tideline.Webhook, id int64, limit int) error {
	if err := t.checkWebhookLimit(ctx, w.WorkspaceID, limit); err != nil {
		return err
	}
	accounts, err := t.encodeAccounts(ctx, w.WorkspaceID, w.Accounts)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE webhooks SET enabled = $1, deleted_at = NULL, accounts = $2, updated_by = $3, updated_at = $4, `+cleared+`
		WHERE id = $5 AND workspace_id = $6`, w.Enabled, accounts, w.UpdatedBy, w.UpdatedAt.UnixMilli(), id, w.WorkspaceID)
	return err
}

// enableWebhook enables a webhook; false when it is already.
func (t *tx) enableWebhook(ctx context.Context, w tideline.Webhook, id int64) (changed bool, err error) {
	accounts, err := t.encodeAccounts(ctx, w.WorkspaceID, w.Accounts)
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `UPDATE webhooks SET enabled = TRUE, accounts = $1, updated_by = $2, updated_at = $3, `+cleared+`
		WHERE id = $4 AND workspace_id = $5 AND NOT enabled`, accounts, w.UpdatedBy, w.UpdatedAt.UnixMilli(), id, w.WorkspaceID)
	return n > 0, err
}

// checkWebhookLimit refuses one more than limit.
func (t *tx) checkWebhookLimit(ctx context.Context, workspaceID int64, limit int) error {
	var n int
	err := t.one(ctx, `SELECT count(*) FROM webhooks WHERE workspace_id = $1 AND deleted_at IS NULL`, []any{workspaceID}, &n)
	if err == nil && limit >= 0 && n >= limit {
		return tideline.Errorf(tideline.CodePlanFeatureUnavailable,
			"the workspace's plan allows %d webhooks and there are %d: delete one, or change the plan", limit, n)
	}
	return err
}

// UpdateWebhook implements store.Webhooks.
func (s *Store) UpdateWebhook(ctx context.Context, workspaceID, webhookID int64, u store.WebhookUpdate) (tideline.Webhook, error) {
	var updated tideline.Webhook
	err := s.write(ctx, "update webhook", func(ctx context.Context, t *tx) error {
		if err := t.lockWebhooks(ctx, workspaceID); err != nil {
			return err
		}
		w, err := t.webhook(ctx, workspaceID, webhookID)
		if err != nil {
			return err
		}
		before := w
		sets := "updated_by = $1, updated_at = $2"
		if u.Enabled != nil && *u.Enabled && !w.Enabled {
			sets += ", " + cleared
		}
		assign(&w.EventType, u.EventType)
		assign(&w.URL, u.URL)
		assign(&w.Enabled, u.Enabled)
		assign(&w.Accounts, u.Accounts)
		accounts, err := t.encodeAccounts(ctx, workspaceID, w.Accounts)
		if err != nil {
			return err
		}
		var other int64
		err = t.one(ctx, `SELECT w.id FROM webhooks w WHERE w.workspace_id = $1 AND w.event_type = $2 AND w.url = $3 AND w.id <> $4
			AND w.deleted_at IS NULL`, []any{workspaceID, string(w.EventType), w.URL, webhookID}, &other)
		if err == nil {
			return tideline.Errorf(tideline.CodeConflict, "webhook %d has this event type and URL already: change or delete that one", other)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = t.exec(ctx, `UPDATE webhooks SET `+sets+`, event_type = $3, url = $4, enabled = $5, accounts = $6
			WHERE id = $7 AND workspace_id = $8`, u.By, u.At.UnixMilli(), string(w.EventType), w.URL, w.Enabled, accounts, webhookID, workspaceID)
		if err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		if updated, err = t.webhook(ctx, workspaceID, webhookID); err != nil {
			return err
		}
		return t.auditWebhook(ctx, &before, updated, u.At)
	})
	return updated, err
}

// assign sets dest when there is a value.
func assign[T any](dest, value *T) {
	if value != nil {
		*dest = *value
	}
}

// DeleteWebhook implements store.Webhooks.
func (s *Store) DeleteWebhook(ctx context.Context, workspaceID, webhookID int64, by string, at time.Time) error {
	return s.write(ctx, "delete webhook", func(ctx context.Context, t *tx) error {
		if err := t.lockWebhooks(ctx, workspaceID); err != nil {
			return err
		}
		w, err := t.webhook(ctx, workspaceID, webhookID)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE webhooks SET deleted_at = $1, updated_by = $2, updated_at = $1
			WHERE id = $3 AND workspace_id = $4 AND deleted_at IS NULL`, at.UnixMilli(), by, webhookID, workspaceID)
		if err := mustChange(n, err, "webhook"); err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		// One statement per state: each has an index of its own.
		for _, state := range []string{`'waiting'`, `'aside'`} {
			_, err := t.exec(ctx, `UPDATE deliveries SET state = 'dead', due_at = NULL, ended_at = $1, note = 'the webhook was deleted'
				WHERE webhook_id = $2 AND workspace_id = $3 AND state = `+state, at.UnixMilli(), webhookID, workspaceID)
			if err != nil {
				return err
			}
		}
		return t.audit(ctx, aboutWebhook(w, tideline.AuditWebhookDeleted, at))
	})
}

// RotateSecret implements store.Webhooks.
func (s *Store) RotateSecret(ctx context.Context, workspaceID, webhookID int64, secret tideline.SigningSecret, by string, at, until time.Time) (tideline.Webhook, error) {
	var rotated tideline.Webhook
	err := s.write(ctx, "rotate secret", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE webhooks SET previous = secret, previous_until = $1, secret = $2, updated_by = $3, updated_at = $4
			WHERE id = $5 AND workspace_id = $6 AND deleted_at IS NULL`,
			until.UnixMilli(), string(secret), by, at.UnixMilli(), webhookID, workspaceID)
		if err != nil {
			return err
		}
		t.tellSettings(workspaceID)
		if rotated, err = t.webhook(ctx, workspaceID, webhookID); err != nil {
			return err
		}
		return t.audit(ctx, aboutWebhook(rotated, tideline.AuditSecretRotated, at))
	})
	return rotated, err
}

// encodeAccounts gives the stored form of a webhook's accounts, which must be
// the workspace's; "" for none.
func (t *tx) encodeAccounts(ctx context.Context, workspaceID int64, ids []int64) (string, error) {
	if len(ids) == 0 {
		return "", nil
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		var found int64
		err := t.one(ctx, `SELECT id FROM accounts WHERE id = $1 AND workspace_id = $2`, []any{id, workspaceID}, &found)
		if err != nil {
			return "", missing(err, "WhatsApp account")
		}
	}
	text, err := json.Marshal(ids)
	return string(text), err
}

// idsText reads what encodeAccounts wrote.
type idsText struct{ ids *[]int64 }

// Scan implements sql.Scanner.
func (i idsText) Scan(src any) error {
	*i.ids = nil
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a list of ids is stored as %T", src)
	}
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), i.ids)
}
