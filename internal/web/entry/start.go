package entry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// What is kept of the first steps, in storage's settings, by workspace.
const (
	firstMessageSetting = "first steps: message of workspace %d" // uid
	skippedSetting      = "first steps: skipped in workspace %d"
	skipped             = "yes"
)

// ledgerLines is how much of the ledger is looked through for a message: the
// entries of a workspace that has sent nothing are a handful.
const ledgerLines = 50

// startPage is what the template entry/start gets.
type startPage struct {
	Accounts []tideline.Account
	Active   bool // one of them can send
	Sent     bool
	First    *firstMessage // nil = none from this page
	Token    bool
	Done     bool // all of it

	Phone, Text string // of the form
	Problems    problems

	NewToken string // shown once
	Curl     string
}

// firstMessage is the message that was sent from the page.
type firstMessage struct {
	To     string
	Status tideline.Status
	Reason tideline.Reason
}

// Over reports whether the message will change no more.
func (m *firstMessage) Over() bool {
	return m.Status == tideline.StatusRead || m.Status == tideline.StatusFailed
}

// Reached reports whether the message has come as far as a status.
func (m *firstMessage) Reached(status string) bool {
	return m.Status != tideline.StatusFailed && m.Status.Rank() >= tideline.Status(status).Rank()
}

func (s *section) startRoutes(r *ui.Router) {
	administers := tideline.Role.Administers
	r.HandleFor(administers, "GET /start", s.showStart)
	r.HandleFor(administers, "GET /start/message", s.showFirst)
	r.HandleFor(administers, "POST /start/message", s.sendFirst)
	r.HandleFor(administers, "POST /start/token", s.firstToken)
	r.HandleFor(administers, "POST /start/skip", s.skip)
}

// over reports whether there is nothing more to do, or nobody wants to.
func (s *section) over(ctx context.Context, p *tideline.Principal) (bool, error) {
	v, err := s.Storage.Setting(ctx, fmt.Sprintf(skippedSetting, p.Workspace.ID))
	if err != nil || v == skipped {
		return v == skipped, err
	}
	page, err := s.steps(ctx, p)
	return page.Done, err
}

// steps looks at how far the workspace has come.
func (s *section) steps(ctx context.Context, p *tideline.Principal) (startPage, error) {
	page := startPage{Phone: s.Customer}
	var err error
	if page.Accounts, _, err = s.Storage.AccountsOf(ctx, p.Workspace.ID); err != nil {
		return page, err
	}
	for i := range page.Accounts {
		page.Active = page.Active || page.Accounts[i].State == tideline.AccountActive
	}
	if page.First, err = s.first(ctx, p); err != nil {
		return page, err
	}
	page.Sent = page.First != nil && page.First.Reached(string(tideline.StatusSent))
	if page.First == nil || page.First.Status == tideline.StatusFailed { // another one may have gone another way
		entries, err := s.Storage.LedgerEntries(ctx, p.Workspace.ID, 0, ledgerLines)
		if err != nil {
			return page, err
		}
		page.Sent = charged(entries)
	}
	tokens, err := s.Tokens.List(ctx, p.Workspace.ID)
	if err != nil {
		return page, err
	}
	page.Token = slices.ContainsFunc(tokens, func(t tideline.Token) bool {
		return t.RevokedAt.IsZero() && t.ExpiresAt.IsZero() && !slices.Contains(s.Shown, t.Name)
	})
	page.Done = len(page.Accounts) > 0 && page.Sent && page.Token
	return page, nil
}

// charged reports whether a message was paid for that did not fail.
func charged(entries []tideline.Entry) bool {
	open := map[int64]bool{}
	for i := range entries {
		switch entries[i].Kind {
		case tideline.EntryCharge:
			open[entries[i].MessageID] = true
		case tideline.EntryRefund:
			delete(open, entries[i].MessageID)
		}
	}
	return len(open) > 0
}

// first gives the message that was sent from the page; nil when there is none.
func (s *section) first(ctx context.Context, p *tideline.Principal) (*firstMessage, error) {
	uid, err := s.Storage.Setting(ctx, fmt.Sprintf(firstMessageSetting, p.Workspace.ID))
	if err != nil || uid == "" {
		return nil, err
	}
	v, err := s.Messages.Get(ctx, p, uid)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &firstMessage{To: shownName(&v), Status: v.Message.Status, Reason: v.Message.Reason}, nil
}

func shownName(v *store.MessageView) string {
	if v.Chat.Name != "" {
		return v.Chat.Name
	}
	return string(v.Chat.Phone)
}

func (s *section) showStart(q *ui.Request) error {
	page, err := s.steps(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	page.Text = q.T("entry.start.text")
	return s.startForm(q, http.StatusOK, page)
}

func (s *section) startForm(q *ui.Request, status int, page startPage) error {
	return q.PageStatus(status, "entry/start", ui.Page{
		Title: "entry.start.title", Nav: "start", Styles: styles, Scripts: []string{"entry/start.js"}, Data: page,
	})
}

// showFirst answers with how far the message has come, for the page's script.
func (s *section) showFirst(q *ui.Request) error {
	m, err := s.first(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	if m == nil {
		return ui.Missing()
	}
	return q.Fragment("entry/ticks", m)
}

// sendFirst sends the first message, or another one when that failed.
func (s *section) sendFirst(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	phone, text := strings.TrimSpace(form.Get("phone")), form.Get("text")
	receipt, err := s.Messages.Send(q.Context(), q.Principal, message.SendRequest{Phone: phone, Text: &text, Origin: tideline.OriginInbox})
	if wrong, ok := errors.AsType[*tideline.Error](err); ok && wrong.Code != tideline.CodeInternal {
		page, err := s.steps(q.Context(), q.Principal)
		if err != nil {
			return err
		}
		page.Phone, page.Text, page.Problems = phone, text, sendProblems(q, wrong)
		return s.startForm(q, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	if err := s.Storage.SetSetting(q.Context(), fmt.Sprintf(firstMessageSetting, q.Principal.Workspace.ID), receipt.MessageUID); err != nil {
		return err
	}
	return q.Redirect("/start#message")
}

// sendProblems puts a refused send beside the fields of the form.
func sendProblems(q *ui.Request, err *tideline.Error) problems {
	p := problems{}
	for _, f := range err.Fields {
		switch {
		case len(f.Path) == 0:
		case f.Path[0] == "phone":
			p["phone"] = q.T("entry.problem.phone")
		case f.Path[0] == "text":
			p["text"] = q.T("entry.problem.text")
		}
	}
	if len(p) == 0 {
		p[""] = err.Message
	}
	return p
}

// firstToken makes a token and shows it, once, with a line that uses it.
func (s *section) firstToken(q *ui.Request) error {
	text, _, err := s.Tokens.Create(q.Context(), q.Principal.Workspace, q.Principal.Member, q.T("entry.start.token.name"), 0)
	if err != nil {
		return err
	}
	page, err := s.steps(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	page.Text = q.T("entry.start.text")
	to := page.Phone
	if to == "" {
		to = "+1..."
	}
	page.NewToken = text
	page.Curl = fmt.Sprintf(`curl -sS %s/messages -H "Authorization: Bearer %s" -H "Content-Type: application/json" -d '{"phone":"%s","text":"Hello from Tideline"}'`,
		s.base(q.R)+s.APIBase, text, to)
	return s.startForm(q, http.StatusOK, page)
}

// base is how the member reaches the server.
func (s *section) base(r *http.Request) string {
	if s.PublicURL != "" {
		return s.PublicURL
	}
	scheme := "http"
	if r.TLS != nil || s.Secure {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// skip ends the first steps for the workspace.
func (s *section) skip(q *ui.Request) error {
	if err := s.Storage.SetSetting(q.Context(), fmt.Sprintf(skippedSetting, q.Principal.Workspace.ID), skipped); err != nil {
		return err
	}
	return q.Redirect("/inbox")
}
