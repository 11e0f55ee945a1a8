package tools

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/webhook"
)

const webhooksPath = "/webhooks"

// eventGroup is types of events that belong together.
type eventGroup struct {
	Name  string // its text is tools.group.<name>
	Types []tideline.EventType
}

// eventGroups are the types that are offered. Those that never happen here can be
// subscribed to by the API, and are shown as they are written there.
var eventGroups = []eventGroup{
	{"messages", []tideline.EventType{tideline.EventMessageNew, tideline.EventMessageReceived, tideline.EventMessageSent, tideline.EventReaction}},
	{"chats", []tideline.EventType{tideline.EventChatNew, tideline.EventChatIncoming, tideline.EventChatOutgoing, tideline.EventChatAssigned, tideline.EventChatUnassigned}},
	{"numbers", []tideline.EventType{tideline.EventAccountConnected, tideline.EventAccountDisconnected}},
	{"calls", []tideline.EventType{tideline.EventCallMissed, tideline.EventCallEnded, tideline.EventCallOutgoingDone}},
}

// offered reports whether a type has a text.
func offered(t tideline.EventType) bool {
	return slices.ContainsFunc(eventGroups, func(g eventGroup) bool { return slices.Contains(g.Types, t) })
}

// eventKey gives the key of the text of a type; "" for those that have none.
func eventKey(t tideline.EventType) string {
	if !offered(t) {
		return ""
	}
	return "tools.event." + strings.ReplaceAll(string(t), ":", "_")
}

// eventInWords names a type.
func eventInWords(q *ui.Request, t tideline.EventType) string {
	if key := eventKey(t); key != "" {
		return q.T(key)
	}
	return string(t)
}

// hook is a webhook as it is shown.
type hook struct {
	tideline.Webhook
	Event   string
	Health  health
	Numbers []string // that it is for; none = all
}

// accounts gives the workspace's WhatsApp numbers.
func (s *section) accounts(q *ui.Request) ([]tideline.Account, error) {
	list, _, err := s.Accounts.AccountsOf(q.Context(), q.Principal.Workspace.ID)
	return list, err
}

// show puts together what is shown of webhooks.
func (s *section) show(q *ui.Request, hooks ...tideline.Webhook) ([]hook, error) {
	healths, err := s.Webhooks.Health(q.Context(), q.Principal)
	if err != nil {
		return nil, err
	}
	accounts, err := s.accounts(q)
	if err != nil {
		return nil, err
	}
	list := make([]hook, len(hooks))
	for i := range hooks {
		w := &hooks[i]
		list[i] = hook{Webhook: *w, Event: eventInWords(q, w.EventType), Health: healthOf(w, healths[w.ID])}
		for _, a := range accounts {
			if slices.Contains(w.Accounts, a.ID) {
				list[i].Numbers = append(list[i].Numbers, numberName(&a))
			}
		}
	}
	return list, nil
}

func numberName(a *tideline.Account) string {
	if a.Name == "" {
		return string(a.Phone)
	}
	return a.Name + " " + string(a.Phone)
}

func (s *section) listWebhooks(q *ui.Request) error {
	hooks, err := s.Webhooks.List(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	list, err := s.show(q, hooks...)
	if err != nil {
		return err
	}
	return s.page(q, "tools/webhooks", "tools.webhooks.title", "webhooks", list)
}

// choice is a type or number to choose.
type choice struct {
	Value   string
	Text    string
	Explain string
	Chosen  bool
}

// hookForm is what the form of a webhook is filled with.
type hookForm struct {
	Webhook  tideline.Webhook // without an id it is made
	Groups   []choiceGroup
	Accounts []choice
}

type choiceGroup struct {
	Text    string
	Choices []choice
}

func (s *section) hookForm(q *ui.Request, w tideline.Webhook) (hookForm, error) {
	f := hookForm{Webhook: w}
	for _, g := range eventGroups {
		cg := choiceGroup{Text: q.T("tools.group." + g.Name)}
		for _, t := range g.Types {
			cg.Choices = append(cg.Choices, choice{Value: string(t), Text: eventInWords(q, t), Explain: q.T(eventKey(t) + "_text"), Chosen: t == w.EventType})
		}
		f.Groups = append(f.Groups, cg)
	}
	if w.EventType != "" && !offered(w.EventType) {
		f.Groups = append(f.Groups, choiceGroup{q.T("tools.group.other"), []choice{
			{Value: string(w.EventType), Text: string(w.EventType), Explain: q.T("tools.event.never"), Chosen: true}}})
	}
	accounts, err := s.accounts(q)
	for _, a := range accounts {
		f.Accounts = append(f.Accounts, choice{Value: strconv.FormatInt(a.ID, 10), Text: numberName(&a), Chosen: slices.Contains(w.Accounts, a.ID)})
	}
	return f, err
}

func (s *section) newWebhook(q *ui.Request) error {
	if _, err := s.Webhooks.List(q.Context(), q.Principal); err != nil { // who may not see them may not make one
		return err
	}
	f, err := s.hookForm(q, tideline.Webhook{EventType: tideline.EventMessageNew})
	if err != nil {
		return err
	}
	return s.ask(q, "webhooks", form{Name: "webhook", Title: "tools.webhooks.new", Back: webhooksPath, Data: f})
}

// webhook finds the webhook of the path.
func (s *section) webhook(q *ui.Request) (tideline.Webhook, error) {
	id, err := q.PathID("id")
	if err != nil {
		return tideline.Webhook{}, err
	}
	return s.Webhooks.Get(q.Context(), q.Principal, id)
}

func (s *section) editWebhook(q *ui.Request) error {
	w, err := s.webhook(q)
	if err != nil {
		return err
	}
	f, err := s.hookForm(q, w)
	if err != nil {
		return err
	}
	return s.ask(q, "webhooks", form{Name: "webhook", Title: "tools.webhooks.edit", Back: hookPath(w.ID), Data: f})
}

func hookPath(id int64) string { return webhooksPath + "/" + strconv.FormatInt(id, 10) }

// chosenAccounts reads which numbers were chosen.
func chosenAccounts(f url.Values) ([]int64, error) {
	ids := []int64{}
	for _, v := range f["account"] {
		id, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, ui.Missing()
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (s *section) createWebhook(q *ui.Request) error {
	f, err := q.Form()
	if err != nil {
		return err
	}
	accounts, err := chosenAccounts(f)
	if err != nil {
		return err
	}
	w, err := s.Webhooks.Create(q.Context(), q.Principal, webhook.Subscription{
		EventType: tideline.EventType(f.Get("event_type")), URL: strings.TrimSpace(f.Get("url")), Accounts: accounts,
	})
	if err != nil {
		return err
	}
	return s.showSecret(q, &w, "tools.webhooks.created")
}

// showSecret ends a request that drew a secret. It is in the answer itself and
// nowhere else: no page shows it again.
func (s *section) showSecret(q *ui.Request, w *tideline.Webhook, key string) error {
	if q.WantsJSON() {
		return q.JSON(200, map[string]any{"ok": true, "message": q.T(key), "path": hookPath(w.ID), "secret": string(w.Secret)})
	}
	return s.page(q, "tools/secret", "tools.secret.title", "webhooks", w)
}

func (s *section) changeWebhook(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	f, err := q.Form()
	if err != nil {
		return err
	}
	accounts, err := chosenAccounts(f)
	if err != nil {
		return err
	}
	event, address := tideline.EventType(f.Get("event_type")), strings.TrimSpace(f.Get("url"))
	_, err = s.Webhooks.Update(q.Context(), q.Principal, id, store.WebhookUpdate{EventType: &event, URL: &address, Accounts: &accounts})
	if err != nil {
		return err
	}
	return q.Done(hookPath(id), "tools.saved")
}

func (s *section) enableWebhook(q *ui.Request) error  { return s.switchWebhook(q, true) }
func (s *section) disableWebhook(q *ui.Request) error { return s.switchWebhook(q, false) }

func (s *section) switchWebhook(q *ui.Request, on bool) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if _, err := s.Webhooks.Update(q.Context(), q.Principal, id, store.WebhookUpdate{Enabled: &on}); err != nil {
		return err
	}
	if on {
		return q.Done(hookPath(id), "tools.webhooks.enabled")
	}
	return q.Done(hookPath(id), "tools.webhooks.disabled")
}

func (s *section) deleteWebhook(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Webhooks.Delete(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(webhooksPath, "tools.deleted")
}

func (s *section) rotateSecret(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	w, err := s.Webhooks.RotateSecret(q.Context(), q.Principal, id, webhook.RotationOverlap)
	if err != nil {
		return err
	}
	return s.showSecret(q, &w, "tools.webhooks.rotated")
}

func (s *section) testWebhook(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if _, err := s.Webhooks.Test(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(hookPath(id), "tools.webhooks.tested")
}
