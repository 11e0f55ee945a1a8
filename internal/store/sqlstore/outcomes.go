package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// PutOutcomes implements store.Deliverer. Each outcome is a job of its own, so
// that one that can't be stored doesn't keep the others from it.
func (s *Store) PutOutcomes(ctx context.Context, outcomes []store.Outcome) []error {
	const call = "put outcomes"
	errs := make([]error, len(outcomes))
	jobs := make([]*job, len(outcomes))
	of := make(map[*committer][]*job, 1)
	for i := range outcomes {
		var o store.Outcome
		if o, errs[i] = storableOutcome(outcomes[i]); errs[i] == nil {
			jobs[i] = &job{outcome: &o}
			c := s.settler(o.WebhookID)
			of[c] = append(of[c], jobs[i])
		}
	}
	for c, jobs := range of {
		if err := c.enqueue(ctx, jobs...); err != nil {
			for _, j := range jobs {
				j.refuse(ctx, err)
			}
		}
	}
	for i, j := range jobs {
		if j != nil {
			if errs[i] = j.wait(); errs[i] == nil {
				errs[i] = j.err
			}
		}
		errs[i] = failed(call, errs[i])
	}
	return errs
}

// storableOutcome gives an outcome as both databases take it.
func storableOutcome(o store.Outcome) (store.Outcome, error) {
	switch o.State {
	case tideline.DeliveryWaiting, tideline.DeliveryAside, tideline.DeliveryDelivered, tideline.DeliveryDead:
	default:
		return o, fmt.Errorf("an outcome can't make a delivery %q", o.State)
	}
	if o.Attempt != nil {
		a := *o.Attempt
		a.Error, a.Request, a.Response = storable(a.Error), storable(a.Request), storable(a.Response)
		o.Attempt = &a
	}
	o.Note, o.Disable = storable(o.Note), storable(o.Disable)
	return o, nil
}

// storable makes what a stranger answered into text that both databases take.
func storable(s string) string {
	if len(s) > store.MaxAttemptText {
		s = s[:store.MaxAttemptText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// endpoint is a webhook as outcomes change it.
type endpoint struct {
	tideline.Webhook
	deleted bool
	changed bool
}

// inDelivery is a delivery as outcomes change it.
type inDelivery struct {
	workspaceID, webhookID int64
	state                  tideline.DeliveryState
	attempts               int
	dueAt, endedAt         time.Time
	note                   string
	changed                bool
}

var insertAttempts = newInsert(`delivery_attempts (delivery_id, at, duration_us, status_code, error, request, response)`,
	"(?, ?, ?, ?, ?, ?, ?)", " ON CONFLICT (delivery_id, at) DO NOTHING")

// putOutcomes applies outcomes in the order of jobs: first the webhooks are
// locked, then their deliveries.
func (s *Store) putOutcomes(ctx context.Context, t *tx, jobs []*job) error {
	endpoints, err := t.lockEndpoints(ctx, jobs)
	if err != nil {
		return err
	}
	arrived, err := t.putDelivered(ctx, jobs)
	if err != nil {
		return err
	}
	if err := t.await(ctx); err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return arrived[j.outcome.DeliveryID] })
	deliveries, err := t.lockDeliveries(ctx, others)
	if err != nil {
		return err
	}
	attempts := make([]any, 0, len(jobs)*insertAttempts.cols)
	for _, j := range jobs {
		j.err = nil
		o := j.outcome
		w, d := endpoints[o.WebhookID], deliveries[o.DeliveryID]
		here := arrived[o.DeliveryID] || d != nil && d.workspaceID == o.WorkspaceID && d.webhookID == o.WebhookID
		if w == nil || w.WorkspaceID != o.WorkspaceID || !here {
			j.err = notFound("delivery")
			continue
		}
		if a := o.Attempt; a != nil {
			attempts = append(attempts, o.DeliveryID, a.At.UnixMicro(), a.Duration.Microseconds(), a.StatusCode, a.Error, a.Request, a.Response)
		}
		switch {
		case d == nil:
			w.apply(o)
		case d.state.Pending():
			d.apply(o)
			w.apply(o)
		}
	}
	if err := t.execAll(ctx, insertAttempts, attempts); err != nil {
		return err
	}
	if err := t.saveDeliveries(ctx, deliveries); err != nil {
		return err
	}
	return t.saveEndpoints(ctx, endpoints)
}

var updateDelivered = newMulti(`UPDATE deliveries SET state = '`+string(tideline.DeliveryDelivered)+`', attempts = attempts + 1, due_at = NULL,
	ended_at = v.column4, note = '' FROM (VALUES `, `) AS v WHERE deliveries.id = v.column1 AND deliveries.webhook_id = v.column2
	AND deliveries.workspace_id = v.column3 AND deliveries.state IN ('`+string(tideline.DeliveryWaiting)+`', '`+string(tideline.DeliveryAside)+`')
	RETURNING deliveries.id`, "BIGINT", "BIGINT", "BIGINT", "BIGINT")

// putDelivered ends the deliveries that arrived, as nearly all do, without reading
// them before, and says which these are. It leaves out what is not as expected,
// and deliveries with several outcomes, which have to be taken one by one. See ask.
func (t *tx) putDelivered(ctx context.Context, jobs []*job) (arrived map[int64]bool, err error) {
	times := make(map[int64]int, len(jobs))
	for _, j := range jobs {
		times[j.outcome.DeliveryID]++
	}
	args := make([]any, 0, len(jobs)*updateDelivered.cols)
	for _, j := range jobs {
		o := j.outcome
		if o.State == tideline.DeliveryDelivered && o.Attempt != nil && o.Note == "" && times[o.DeliveryID] == 1 {
			args = append(args, o.DeliveryID, o.WebhookID, o.WorkspaceID, toMillis(o.At))
		}
	}
	arrived = make(map[int64]bool, len(jobs))
	return arrived, t.askAll(ctx, updateDelivered, args, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		arrived[id] = true
		return err
	})
}

func (d *inDelivery) apply(o *store.Outcome) {
	d.changed = true
	d.state, d.dueAt, d.note = o.State, o.DueAt, o.Note
	if o.Attempt != nil {
		d.attempts++
	}
	if !o.State.Pending() {
		d.dueAt, d.endedAt = time.Time{}, o.At
	}
}

func (w *endpoint) apply(o *store.Outcome) {
	before, circuit := w.Webhook, w.Circuit
	switch {
	case o.State == tideline.DeliveryDelivered:
		w.ErrorsCounter = 0
	case o.Failed:
		w.ErrorsCounter++
	}
	if o.Circuit != nil {
		w.Circuit = *o.Circuit
	}
	if o.Disable != "" && w.Enabled {
		w.Enabled, w.Trouble = false, o.Disable
	}
	w.changed = w.changed || w.ErrorsCounter != before.ErrorsCounter || w.Circuit != circuit || w.Enabled != before.Enabled
}

var (
	selectEndpoints = newMulti(`SELECT `+webhookColumns+`, w.deleted_at FROM (VALUES `,
		`) AS v CROSS JOIN webhooks w WHERE w.id = v.column1 ORDER BY w.id`, "BIGINT")
	lockEndpoints = newMulti(`SELECT `+webhookColumns+`, w.deleted_at FROM (VALUES `,
		`) AS v CROSS JOIN webhooks w WHERE w.id = v.column1 ORDER BY w.id FOR UPDATE OF w`, "BIGINT")
	selectInDelivery = newMulti(`SELECT d.id, d.workspace_id, d.webhook_id, d.state, d.attempts, d.due_at, d.ended_at, d.note FROM (VALUES `,
		`) AS v CROSS JOIN deliveries d WHERE d.id = v.column1 ORDER BY d.id`, "BIGINT")
	lockInDelivery = newMulti(`SELECT d.id, d.workspace_id, d.webhook_id, d.state, d.attempts, d.due_at, d.ended_at, d.note FROM (VALUES `,
		`) AS v CROSS JOIN deliveries d WHERE d.id = v.column1 ORDER BY d.id FOR UPDATE OF d`, "BIGINT")
)

// distinct gives the distinct ids in ascending order, as parameters.
func distinct(jobs []*job, id func(*store.Outcome) int64) []any {
	ids := make([]int64, len(jobs))
	for i, j := range jobs {
		ids[i] = id(j.outcome)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return args
}

// lockEndpoints locks the webhooks of jobs and reads them, see ask.
func (t *tx) lockEndpoints(ctx context.Context, jobs []*job) (map[int64]*endpoint, error) {
	query := selectEndpoints
	if t.d == dialectPostgres {
		query = lockEndpoints
	}
	found := make(map[int64]*endpoint)
	args := distinct(jobs, func(o *store.Outcome) int64 { return o.WebhookID })
	return found, t.askAll(ctx, query, args, func(r *sql.Rows) error {
		w := &endpoint{}
		var deleted sql.NullInt64
		err := r.Scan(append(webhookFields(&w.Webhook), &deleted)...)
		w.deleted = deleted.Valid
		found[w.ID] = w
		return err
	})
}

func (t *tx) lockDeliveries(ctx context.Context, jobs []*job) (map[int64]*inDelivery, error) {
	query := selectInDelivery
	if t.d == dialectPostgres {
		query = lockInDelivery
	}
	found := make(map[int64]*inDelivery)
	args := distinct(jobs, func(o *store.Outcome) int64 { return o.DeliveryID })
	return found, t.eachAll(ctx, query, args, func(r *sql.Rows) error {
		var id int64
		d := &inDelivery{}
		err := r.Scan(&id, &d.workspaceID, &d.webhookID, &d.state, &d.attempts, millis{&d.dueAt}, millis{&d.endedAt}, &d.note)
		found[id] = d
		return err
	})
}

var updateDeliveries = newMulti(`UPDATE deliveries SET state = v.column2, attempts = v.column3, due_at = v.column4, ended_at = v.column5,
	note = v.column6 FROM (VALUES `, `) AS v WHERE deliveries.id = v.column1`, "BIGINT", "TEXT", "BIGINT", "BIGINT", "BIGINT", "TEXT")

func (t *tx) saveDeliveries(ctx context.Context, deliveries map[int64]*inDelivery) error {
	args := make([]any, 0, len(deliveries)*updateDeliveries.cols)
	for _, id := range sortedKeys(deliveries) {
		if d := deliveries[id]; d.changed {
			args = append(args, id, string(d.state), d.attempts, toMillis(d.dueAt), toMillis(d.endedAt), d.note)
		}
	}
	return t.execAll(ctx, updateDeliveries, args)
}

// saveEndpoints writes the webhooks that outcomes changed: most change nothing.
func (t *tx) saveEndpoints(ctx context.Context, endpoints map[int64]*endpoint) error {
	for _, id := range sortedKeys(endpoints) {
		w := endpoints[id]
		if !w.changed || w.deleted {
			continue
		}
		err := t.later(ctx, `UPDATE webhooks SET enabled = $1, trouble = $2, errors_counter = $3, failures = $4, open_since = $5, probe_at = $6
			WHERE id = $7 AND workspace_id = $8`, w.Enabled, w.Trouble, w.ErrorsCounter, w.Circuit.Failures,
			toMillis(w.Circuit.OpenSince), toMillis(w.Circuit.ProbeAt), id, w.WorkspaceID)
		if err != nil {
			return err
		}
		t.tellSettings(w.WorkspaceID)
	}
	return nil
}
