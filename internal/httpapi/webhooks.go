package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

// Webhooks keeps subscriptions and reads the log of events; *webhook.Service is
// one.
type Webhooks interface {
	List(ctx context.Context, p *tideline.Principal) ([]tideline.Webhook, error)
	Create(ctx context.Context, p *tideline.Principal, q webhook.Subscription) (tideline.Webhook, error)
	Get(ctx context.Context, p *tideline.Principal, id int64) (tideline.Webhook, error)
	Update(ctx context.Context, p *tideline.Principal, id int64, u store.WebhookUpdate) (tideline.Webhook, error)
	Delete(ctx context.Context, p *tideline.Principal, id int64) error
	Events(ctx context.Context, p *tideline.Principal, after string, limit int) ([]webhook.FeedEvent, bool, error)
}

// ListWebhooks implements apigen.ServerInterface.
func (s *server) ListWebhooks(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	hooks, err := s.webhooks.List(r.Context(), x.principal)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	list := make([]apigen.Webhook, len(hooks))
	for i := range hooks {
		list[i] = webhookInfo(&hooks[i])
	}
	s.reply(x, http.StatusOK, apigen.WebhooksResponse{Status: apigen.Ok, Data: list})
}

// CreateWebhook implements apigen.ServerInterface.
func (s *server) CreateWebhook(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	body, err := s.decodeWebhook(r, true)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	w, err := s.webhooks.Create(r.Context(), x.principal, webhook.Subscription{
		EventType: *body.EventType, URL: *body.URL, Disabled: body.Enabled != nil && !*body.Enabled,
	})
	s.replyWebhook(x, r, w, err)
}

// GetWebhook implements apigen.ServerInterface.
func (s *server) GetWebhook(_ http.ResponseWriter, r *http.Request, id apigen.WebhookID) {
	x := of(r)
	n, err := webhookID(id)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	w, err := s.webhooks.Get(r.Context(), x.principal, n)
	s.replyWebhook(x, r, w, err)
}

// UpdateWebhook implements apigen.ServerInterface.
func (s *server) UpdateWebhook(_ http.ResponseWriter, r *http.Request, id apigen.WebhookID) {
	x := of(r)
	n, err := webhookID(id)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	body, err := s.decodeWebhook(r, false)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	w, err := s.webhooks.Update(r.Context(), x.principal, n, body)
	s.replyWebhook(x, r, w, err)
}

// DeleteWebhook implements apigen.ServerInterface.
func (s *server) DeleteWebhook(_ http.ResponseWriter, r *http.Request, id apigen.WebhookID) {
	x := of(r)
	n, err := webhookID(id)
	if err == nil {
		err = s.webhooks.Delete(r.Context(), x.principal, n)
	}
	if err != nil {
		s.fail(x, r, noWebhook(err))
		return
	}
	s.reply(x, http.StatusOK, apigen.DoneResponse{Status: apigen.Ok, Message: "Webhook deleted"})
}

func (s *server) replyWebhook(x *exchange, r *http.Request, w tideline.Webhook, err error) {
	if err != nil {
		s.fail(x, r, noWebhook(err))
		return
	}
	s.reply(x, http.StatusOK, apigen.WebhookResponse{Status: apigen.Ok, Data: webhookInfo(&w)})
}

// webhookID reads the id of a webhook out of a path.
func webhookID(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return 0, tideline.Errorf(tideline.CodeNotFound, "Webhook not found: the id of a webhook is a number")
	}
	return n, nil
}

// noWebhook says not_found without repeating more than the client asked.
func noWebhook(err error) error {
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return tideline.Errorf(tideline.CodeNotFound, "Webhook not found")
	}
	return err
}

func webhookInfo(w *tideline.Webhook) apigen.Webhook {
	return apigen.Webhook{
		Id: w.ID, EventType: apigen.EventType(w.EventType), Enabled: w.Enabled, Url: w.URL, ErrorsCounter: w.ErrorsCounter,
	}
}

// decodeWebhook reads the body of a webhook, of which all or only some may be
// required.
func (s *server) decodeWebhook(r *http.Request, whole bool) (store.WebhookUpdate, error) {
	b, err := s.bodyOf(r)
	if err != nil {
		return store.WebhookUpdate{}, err
	}
	text := func(name string) *string {
		if whole {
			return new(b.required(name))
		}
		return b.text(name)
	}
	var u store.WebhookUpdate
	if t := text("event_type"); t != nil {
		u.EventType = new(tideline.EventType(*t))
	}
	u.URL = text("url")
	u.Enabled = b.boolean("enabled")
	return u, b.err()
}

// Bounds of GET /events.
const (
	eventsUsual = 100
	eventsMost  = 500
)

// eventsAnswer is apigen.EventsResponse with bodies that are JSON already.
type eventsAnswer struct {
	Status apigen.OK `json:"status"`
	Data   struct {
		HasMore bool        `json:"has_more"`
		Events  []feedEvent `json:"events"`
	} `json:"data"`
}

type feedEvent struct {
	ID        int64          `json:"id"`
	EventUID  string         `json:"event_uid"`
	EventType string         `json:"event_type"`
	Timestamp string         `json:"timestamp"`
	Body      jsontext.Value `json:"body"`
}

// ListEvents implements apigen.ServerInterface.
func (s *server) ListEvents(_ http.ResponseWriter, r *http.Request, _ apigen.ListEventsParams) {
	x := of(r)
	q := queryOf(r)
	after, limit := q.text("after"), eventsUsual
	if v := q.text("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > eventsMost {
			q.blame("limit", "must be a number from 1 to 500")
		}
		limit = n
	}
	if err := q.err(); err != nil {
		s.fail(x, r, err)
		return
	}
	events, more, err := s.webhooks.Events(r.Context(), x.principal, after, limit)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	loc := x.principal.Workspace.Location()
	answer := eventsAnswer{Status: apigen.Ok}
	answer.Data.HasMore, answer.Data.Events = more, make([]feedEvent, len(events))
	for i := range events {
		e := &events[i]
		answer.Data.Events[i] = feedEvent{ID: e.ID, EventUID: e.UID, EventType: string(e.Kind), Timestamp: timestamp(e.At, loc), Body: e.Body}
	}
	s.reply(x, http.StatusOK, answer)
}
