package tools

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// logPage is how many deliveries a page of the log has.
const logPage = 50

// logView is the log of a webhook's deliveries.
type logView struct {
	Hook       hook
	Deliveries []row
	States     []choice
	Kinds      []choice // to choose from; none when the webhook's type is one kind
	From, To   string   // as the fields write them
	Filtered   bool
	Query      string // of the address of this page, for the script that reads it again
	Live       bool   // it begins with the latest
	Older      string // address of the next page; "" = there is none
	Latest     string // address of the first page
}

// row is a delivery as it is shown.
type row struct {
	store.Delivery
	Event string
	Class string // of the state's badge
	Word  string // key of its text
	Hint  string
}

// states are the choices of the log's filter.
var states = []struct {
	name   string
	states []tideline.DeliveryState
}{
	{"failed", []tideline.DeliveryState{tideline.DeliveryDead, tideline.DeliveryAside}},
	{"pending", []tideline.DeliveryState{tideline.DeliveryWaiting, tideline.DeliveryAside}},
	{"ok", []tideline.DeliveryState{tideline.DeliveryDelivered}},
}

// kindsOf gives the kinds of events that a webhook's type covers.
func kindsOf(t tideline.EventType) []tideline.EventType {
	switch t {
	case tideline.EventMessageNew:
		return []tideline.EventType{tideline.EventMessageReceived, tideline.EventMessageSent}
	case tideline.EventChatNew:
		return []tideline.EventType{tideline.EventChatIncoming, tideline.EventChatOutgoing, tideline.EventChatNew}
	}
	return nil
}

// localTime is the form of a field of the type datetime-local.
const localTime = "2006-01-02T15:04"

// filterOf reads what of a log is wanted; unknown words select nothing in
// particular. Times are those of the workspace's zone.
func filterOf(v url.Values, w *tideline.Webhook, zone *time.Location) store.DeliveryFilter {
	var f store.DeliveryFilter
	for _, s := range states {
		if s.name == v.Get("state") {
			f.States = s.states
		}
	}
	if kind := tideline.EventType(v.Get("kind")); slices.Contains(kindsOf(w.EventType), kind) {
		f.Kinds = []tideline.EventType{kind}
	}
	f.After, _ = time.ParseInLocation(localTime, v.Get("from"), zone)
	f.Before, _ = time.ParseInLocation(localTime, v.Get("to"), zone)
	if n, err := strconv.ParseInt(v.Get("below"), 10, 64); err == nil && n > 0 {
		f.Below = n
	}
	return f
}

func (s *section) log(q *ui.Request) (logView, error) {
	w, err := s.webhook(q)
	if err != nil {
		return logView{}, err
	}
	shown, err := s.show(q, w)
	if err != nil {
		return logView{}, err
	}
	query := q.R.URL.Query()
	f := filterOf(query, &w, q.Principal.Workspace.Location())
	list, more, err := s.Webhooks.Deliveries(q.Context(), q.Principal, w.ID, f, store.Page{Limit: logPage})
	if err != nil {
		return logView{}, err
	}
	path := hookPath(w.ID)
	v := logView{Hook: shown[0], From: query.Get("from"), To: query.Get("to"), Live: f.Below == 0, Latest: path,
		Filtered: len(f.States) > 0 || len(f.Kinds) > 0 || !f.After.IsZero() || !f.Before.IsZero()}
	for _, s := range states {
		v.States = append(v.States, choice{Value: s.name, Text: q.T("tools.filter." + s.name), Chosen: query.Get("state") == s.name})
	}
	for _, kind := range kindsOf(w.EventType) {
		v.Kinds = append(v.Kinds, choice{Value: string(kind), Text: eventInWords(q, kind), Chosen: slices.Contains(f.Kinds, kind)})
	}
	query.Del("below")
	v.Query = query.Encode()
	if v.Query != "" {
		v.Latest += "?" + v.Query
	}
	for i := range list {
		v.Deliveries = append(v.Deliveries, shownRow(q, &list[i]))
	}
	if more {
		query.Set("below", strconv.FormatInt(list[len(list)-1].ID, 10))
		v.Older = path + "?" + query.Encode()
	}
	return v, nil
}

// shownRow says how a delivery fares.
func shownRow(q *ui.Request, d *store.Delivery) row {
	r := row{Delivery: *d, Event: q.T("tools.delivery.test"), Hint: hintFor(d.Note)}
	if d.EventID != 0 {
		r.Event = q.T("tools.delivery.old")
		if d.Kind != "" {
			r.Event = eventInWords(q, d.Kind)
		}
	}
	switch {
	case d.State == tideline.DeliveryDelivered:
		r.Class, r.Word = "ok", "tools.state.ok"
	case d.State == tideline.DeliveryDead:
		r.Class, r.Word = "danger", "tools.state.dead"
	case d.State == tideline.DeliveryAside:
		r.Class, r.Word = "warn", "tools.state.aside"
	case d.Attempts > 0:
		r.Class, r.Word = "warn", "tools.state.again"
	default:
		r.Class, r.Word = "info", "tools.state.waiting"
	}
	return r
}

func (s *section) showWebhook(q *ui.Request) error {
	v, err := s.log(q)
	if err != nil {
		return err
	}
	return s.page(q, "tools/webhook", "tools.webhooks.single", "webhooks", v)
}

// webhookLog is the part of a webhook's page that changes by itself.
func (s *section) webhookLog(q *ui.Request) error {
	v, err := s.log(q)
	if err != nil {
		return err
	}
	return q.Fragment("tools/log", v)
}

// deliveryView is one delivery with all that was said.
type deliveryView struct {
	Hook tideline.Webhook
	row
	Body string
	Said []attempt
}

// attempt is an attempt as it is shown, the last one first.
type attempt struct {
	store.Attempt
	N        int
	Took     string
	Hint     string
	Response string // with a body that is easy to read
}

func (s *section) showDelivery(q *ui.Request) error {
	w, err := s.webhook(q)
	if err != nil {
		return err
	}
	d, attempts, err := s.delivery(q, &w)
	if err != nil {
		return err
	}
	v := deliveryView{Hook: w, row: shownRow(q, &d), Body: pretty(d.Body)}
	for i, a := range attempts {
		head, body, _ := strings.Cut(a.Response, "\n\n")
		if body != "" {
			head += "\n\n" + pretty([]byte(body))
		}
		v.Said = append(v.Said, attempt{Attempt: a, N: i + 1, Took: inWords(a.Duration), Hint: hintFor(a.Error), Response: head})
	}
	slices.Reverse(v.Said)
	return s.page(q, "tools/delivery", "tools.delivery.title", "webhooks", v)
}

// delivery finds the delivery of the path, which must be one of w. The log knows
// its kind, which reading it alone doesn't tell.
func (s *section) delivery(q *ui.Request, w *tideline.Webhook) (store.Delivery, []store.Attempt, error) {
	id, err := q.PathID("delivery")
	if err != nil {
		return store.Delivery{}, nil, err
	}
	d, attempts, err := s.Webhooks.Delivery(q.Context(), q.Principal, id)
	if err == nil && d.WebhookID != w.ID {
		err = ui.Missing()
	}
	if err != nil {
		return store.Delivery{}, nil, err
	}
	list, _, err := s.Webhooks.Deliveries(q.Context(), q.Principal, w.ID, store.DeliveryFilter{Below: d.ID + 1}, store.Page{Limit: 1})
	if err == nil && len(list) == 1 && list[0].ID == d.ID {
		d.Kind = list[0].Kind
	}
	return d, attempts, err
}

// maxNested is how many brackets of JSON may be within each other for it to be
// indented: each makes all lines between its ends longer, and a receiver answers
// what it likes.
const maxNested = 100

// pretty writes JSON on lines of its own, and anything else as it is.
func pretty(text []byte) string {
	var b bytes.Buffer
	if nested(text) > maxNested || json.Indent(&b, bytes.TrimSpace(text), "", "  ") != nil {
		return string(text)
	}
	return b.String()
}

// nested is how many brackets are within each other at most, those in strings too:
// they are few in what people read.
func nested(text []byte) int {
	depth, most := 0, 0
	for _, c := range text {
		switch c {
		case '[', '{':
			depth++
			most = max(most, depth)
		case ']', '}':
			depth--
		}
	}
	return most
}

func (s *section) replayDelivery(q *ui.Request) error {
	w, err := s.webhook(q)
	if err != nil {
		return err
	}
	d, _, err := s.delivery(q, &w)
	if err != nil {
		return err
	}
	if _, err := s.Webhooks.Replay(q.Context(), q.Principal, d.ID); err != nil {
		return err
	}
	return q.Done(hookPath(w.ID)+"/deliveries/"+strconv.FormatInt(d.ID, 10), "tools.delivery.replayed")
}

// replayRange puts in line again what happened in a time.
func (s *section) replayRange(q *ui.Request) error {
	w, err := s.webhook(q)
	if err != nil {
		return err
	}
	v, err := q.Form()
	if err != nil {
		return err
	}
	f := filterOf(v, &w, q.Principal.Workspace.Location())
	f.Below = 0
	var wrong []tideline.FieldError
	for name, at := range map[string]time.Time{"from": f.After, "to": f.Before} {
		if at.IsZero() {
			wrong = append(wrong, tideline.FieldError{Path: []string{name}, Msg: q.T("tools.replay.time")})
		}
	}
	if len(wrong) == 0 && !f.After.Before(f.Before) {
		wrong = append(wrong, tideline.FieldError{Path: []string{"to"}, Msg: q.T("tools.replay.order")})
	}
	if err := tideline.Invalid(wrong); err != nil {
		return err
	}
	n, err := s.Webhooks.ReplayAll(q.Context(), q.Principal, w.ID, f)
	if err != nil {
		return err
	}
	if n == 1 {
		return q.Done(hookPath(w.ID), "tools.replay.done.one")
	}
	return q.Done(hookPath(w.ID), "tools.replay.done.other", "n", n)
}
