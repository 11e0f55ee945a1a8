package webhook

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// RotationOverlap is how long the secret before the current one goes on to sign,
// unless somebody says otherwise.
const RotationOverlap = 24 * time.Hour

// Subscriptions is what a Service needs of store.Store.
type Subscriptions interface {
	store.Webhooks
	store.DeliveryLog
	store.WebhookHealth
	ListEvents(ctx context.Context, workspaceID, after int64, limit int) ([]store.EventView, bool, error)
	EventID(ctx context.Context, workspaceID int64, uid string) (int64, error)
}

// Service keeps subscriptions and reads the log of events. It is safe for
// concurrent use.
type Service struct {
	store    Subscriptions
	renderer *Renderer
	changed  func()
	now      func() time.Time
}

// NewService makes a Service. changed is told after every change that a
// Dispatcher should notice at once, and now gives the time; both may be nil.
func NewService(s Subscriptions, r *Renderer, changed func(), now func() time.Time) *Service {
	if changed == nil {
		changed = func() {}
	}
	if now == nil {
		now = time.Now
	}
	return &Service{store: s, renderer: r, changed: changed, now: now}
}

// Subscription asks for a webhook.
type Subscription struct {
	EventType tideline.EventType
	URL       string
	Disabled  bool
	Accounts  []int64 // only events of these; empty = of all
}

// mayManage refuses who may not see or change webhooks. Their URLs hold secrets,
// and whoever changes one reads everything that is said.
func mayManage(p *tideline.Principal) error {
	if p.Member.Role != tideline.RoleOwner && p.Member.Role != tideline.RoleAdmin {
		return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not manage webhooks; owners and admins may", p.Member.Role)
	}
	return nil
}

// Create makes a webhook, or gives back, enables or restores the one of the
// workspace with the same event type and URL; asking twice is fine. Errors:
// permission_denied, validation_error, plan_feature_unavailable (the plan's limit
// is reached), not_found (an account).
func (s *Service) Create(ctx context.Context, p *tideline.Principal, q Subscription) (tideline.Webhook, error) {
	if err := mayManage(p); err != nil {
		return tideline.Webhook{}, err
	}
	if err := check(&q.EventType, &q.URL); err != nil {
		return tideline.Webhook{}, err
	}
	now := s.now()
	w, made, err := s.store.PutWebhook(ctx, tideline.Webhook{
		WorkspaceID: p.Workspace.ID, EventType: q.EventType, URL: q.URL, Enabled: !q.Disabled, Accounts: q.Accounts,
		CreatedBy: p.Member.Email, UpdatedBy: p.Member.Email, CreatedAt: now, UpdatedAt: now, Secret: NewSecret(),
	}, p.Workspace.Plan.Webhooks)
	if made {
		s.changed()
	}
	return w, err
}

// check reports all fields that are wrong; nil is not looked at.
func check(as *tideline.EventType, url *string) error {
	var wrong []tideline.FieldError
	add := func(err error) {
		if e, ok := err.(*tideline.Error); ok { //nolint:errorlint // as Invalid made it
			wrong = append(wrong, e.Fields...)
		}
	}
	if as != nil {
		add(tideline.CheckEventType(*as))
	}
	if url != nil {
		add(tideline.CheckWebhookURL(*url))
	}
	return tideline.Invalid(wrong)
}

// List gives the workspace's webhooks by id. Errors: permission_denied.
func (s *Service) List(ctx context.Context, p *tideline.Principal) ([]tideline.Webhook, error) {
	if err := mayManage(p); err != nil {
		return nil, err
	}
	return s.store.ListWebhooks(ctx, p.Workspace.ID)
}

// Get shows a webhook. Errors: permission_denied, not_found.
func (s *Service) Get(ctx context.Context, p *tideline.Principal, id int64) (tideline.Webhook, error) {
	if err := mayManage(p); err != nil {
		return tideline.Webhook{}, err
	}
	return s.store.Webhook(ctx, p.Workspace.ID, id)
}

// Update changes what u sets; By and At are set here. Errors: permission_denied,
// not_found, validation_error (also when another webhook has the event type and
// the URL).
func (s *Service) Update(ctx context.Context, p *tideline.Principal, id int64, u store.WebhookUpdate) (tideline.Webhook, error) {
	if err := mayManage(p); err != nil {
		return tideline.Webhook{}, err
	}
	if err := check(u.EventType, u.URL); err != nil {
		return tideline.Webhook{}, err
	}
	u.By, u.At = p.Member.Email, s.now()
	w, err := s.store.UpdateWebhook(ctx, p.Workspace.ID, id, u)
	if tideline.IsCode(err, tideline.CodeConflict) {
		return w, tideline.Errorf(tideline.CodeValidation, "Another webhook of the workspace has this event type and URL; change or delete that one")
	}
	if err == nil {
		s.changed()
	}
	return w, err
}

// Delete ends a subscription; what waits for delivery is given up. Errors:
// permission_denied, not_found.
func (s *Service) Delete(ctx context.Context, p *tideline.Principal, id int64) error {
	if err := mayManage(p); err != nil {
		return err
	}
	err := s.store.DeleteWebhook(ctx, p.Workspace.ID, id, p.Member.Email, s.now())
	if err == nil {
		s.changed()
	}
	return err
}

// RotateSecret draws a new secret. The one before it goes on to sign for overlap,
// so that the receiver can change without losing anything. Errors:
// permission_denied, not_found.
func (s *Service) RotateSecret(ctx context.Context, p *tideline.Principal, id int64, overlap time.Duration) (tideline.Webhook, error) {
	if err := mayManage(p); err != nil {
		return tideline.Webhook{}, err
	}
	now := s.now()
	w, err := s.store.RotateSecret(ctx, p.Workspace.ID, id, NewSecret(), p.Member.Email, now, now.Add(overlap))
	if err == nil {
		s.changed()
	}
	return w, err
}

// Test puts a made-up event of the webhook's type in line for it. Errors:
// permission_denied, not_found, validation_error (the webhook is disabled, or its
// type never happens here).
func (s *Service) Test(ctx context.Context, p *tideline.Principal, id int64) (store.Delivery, error) {
	w, err := s.Get(ctx, p, id)
	if err != nil {
		return store.Delivery{}, err
	}
	if !w.Enabled {
		return store.Delivery{}, tideline.Errorf(tideline.CodeValidation, "The webhook %d is disabled; enable it first", id)
	}
	uid, err := uuid.NewV7()
	if err != nil {
		return store.Delivery{}, fmt.Errorf("draw event uid: %w", err)
	}
	now := s.now()
	body, err := s.renderer.Render(sample(w.EventType, p.Workspace, uid.String(), now), w.EventType)
	if err != nil {
		return store.Delivery{}, tideline.Errorf(tideline.CodeValidation, "There is no example of %s: it doesn't happen with numbers that are linked by QR code", w.EventType)
	}
	d, err := s.store.AddDelivery(ctx, store.NewDelivery{WorkspaceID: p.Workspace.ID, WebhookID: id, EventUID: uid.String(), EventAt: now}, body, now)
	if err == nil {
		s.changed()
	}
	return d, err
}

// Replay puts one delivery in line again. Errors: permission_denied, not_found.
func (s *Service) Replay(ctx context.Context, p *tideline.Principal, deliveryID int64) (store.Delivery, error) {
	if err := mayManage(p); err != nil {
		return store.Delivery{}, err
	}
	d, err := s.store.ReplayDelivery(ctx, p.Workspace.ID, deliveryID, s.now())
	if err == nil {
		s.changed()
	}
	return d, err
}

// ReplayAll puts the deliveries of a webhook that f selects in line again, in the
// order of their events, and gives their number. Errors: permission_denied,
// not_found.
func (s *Service) ReplayAll(ctx context.Context, p *tideline.Principal, webhookID int64, f store.DeliveryFilter) (int64, error) {
	if err := mayManage(p); err != nil {
		return 0, err
	}
	n, err := s.store.ReplayDeliveries(ctx, p.Workspace.ID, webhookID, f, s.now())
	if err == nil && n > 0 {
		s.changed()
	}
	return n, err
}

// Deliveries lists a webhook's deliveries, the latest first. Errors:
// permission_denied.
func (s *Service) Deliveries(ctx context.Context, p *tideline.Principal, webhookID int64, f store.DeliveryFilter, page store.Page) ([]store.Delivery, bool, error) {
	if err := mayManage(p); err != nil {
		return nil, false, err
	}
	return s.store.ListDeliveries(ctx, p.Workspace.ID, webhookID, f, page)
}

// Health says how the deliveries of the workspace's webhooks fare, by their ids.
// Errors: permission_denied.
func (s *Service) Health(ctx context.Context, p *tideline.Principal) (map[int64]store.Health, error) {
	if err := mayManage(p); err != nil {
		return nil, err
	}
	return s.store.WebhookHealth(ctx, p.Workspace.ID)
}

// Delivery shows one with what was sent and answered. Errors: permission_denied,
// not_found.
func (s *Service) Delivery(ctx context.Context, p *tideline.Principal, id int64) (store.Delivery, []store.Attempt, error) {
	if err := mayManage(p); err != nil {
		return store.Delivery{}, nil, err
	}
	return s.store.Delivery(ctx, p.Workspace.ID, id)
}

// FeedEvent is an event of the feed, with the body that webhooks get.
type FeedEvent struct {
	tideline.Event
	Body []byte
}

// Events lists events after the one that after names, by its id or uid, oldest
// first; "" and "0" are the beginning of what is kept. It says whether there are
// more. Events of messages that are not kept any more are left out. Errors:
// not_found (the uid), validation_error.
func (s *Service) Events(ctx context.Context, p *tideline.Principal, after string, limit int) ([]FeedEvent, bool, error) {
	id, err := s.eventID(ctx, p.Workspace.ID, after)
	if err != nil {
		return nil, false, err
	}
	for {
		views, more, err := s.store.ListEvents(ctx, p.Workspace.ID, id, limit)
		if err != nil {
			return nil, false, err
		}
		list := make([]FeedEvent, 0, len(views))
		for i := range views {
			v := &views[i]
			id = v.Event.ID
			if v.Event.MessageID != 0 && v.Message == nil {
				continue
			}
			body, err := s.renderer.Render(v, v.Event.Kind)
			if err != nil {
				return nil, false, err
			}
			list = append(list, FeedEvent{Event: v.Event, Body: body})
		}
		// A page with nothing left would give whoever reads on nothing to go on from.
		if len(list) > 0 || !more {
			return list, more, nil
		}
	}
}

func (s *Service) eventID(ctx context.Context, workspaceID int64, after string) (int64, error) {
	if after == "" {
		return 0, nil
	}
	if n, err := strconv.ParseInt(after, 10, 64); err == nil && n >= 0 {
		return n, nil
	}
	uid, err := uuid.Parse(after)
	if err != nil {
		return 0, tideline.Invalid([]tideline.FieldError{{Path: []string{"after"}, Msg: "must be the id or the uid of an event"}})
	}
	id, err := s.store.EventID(ctx, workspaceID, uid.String())
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return 0, tideline.Errorf(tideline.CodeNotFound, "There is no event %s, or no longer: leave after out to begin with the oldest that is kept", uid)
	}
	return id, err
}
