package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// server implements the generated routes; a route without a method here does
// not compile.
var _ apigen.ServerInterface = (*server)(nil)

// GetMessage implements apigen.ServerInterface.
func (s *server) GetMessage(_ http.ResponseWriter, r *http.Request, uid apigen.MessageUID) {
	x := of(r)
	v, err := s.message(r.Context(), x.principal, uid)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.MessageResponse{Status: apigen.Ok, Data: s.messageInfo(r, &v)})
}

// message finds a message. What can't be a uid is not looked for: it may not even
// be text that a database takes.
func (s *server) message(ctx context.Context, p *tideline.Principal, uid string) (store.MessageView, error) {
	parsed, err := uuid.Parse(uid)
	if err != nil {
		return store.MessageView{}, tideline.Errorf(tideline.CodeNotFound, "Message not found: this is not the uid of a message")
	}
	return s.messages.Get(ctx, p, parsed.String())
}

// GetMessageStatusHistory implements apigen.ServerInterface.
func (s *server) GetMessageStatusHistory(_ http.ResponseWriter, r *http.Request, uid apigen.MessageUID) {
	x := of(r)
	v, err := s.message(r.Context(), x.principal, uid)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.StatusHistoryResponse{
		Status: apigen.Ok,
		Data:   statusHistory(v.History, x.principal.Workspace.Location()),
	})
}

// ListWhatsappAccounts implements apigen.ServerInterface.
func (s *server) ListWhatsappAccounts(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	accounts, _, err := s.storage.AccountsOf(r.Context(), x.principal.Workspace.ID)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	loc := x.principal.Workspace.Location()
	list := make([]apigen.WhatsappAccount, len(accounts))
	for i := range accounts {
		list[i] = whatsappAccount(&accounts[i], loc)
	}
	s.reply(x, http.StatusOK, apigen.WhatsappAccountsResponse{
		Status: apigen.Ok,
		Data:   apigen.WhatsappAccountsResponse_Data{WhatsappAccounts: list},
	})
}

// GetWorkspace implements apigen.ServerInterface.
func (s *server) GetWorkspace(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	w := &x.principal.Workspace
	q, err := s.quotas(r.Context(), w)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.WorkspaceResponse{
		Status: apigen.Ok,
		Data: apigen.WorkspaceResponse_Data{
			WorkspaceId:       w.Slug,
			DisplayName:       w.DisplayName,
			Plan:              w.Plan.Name,
			MessagingQuota:    q.MessagingQuota,
			ApiCallsQuota:     q.ApiCallsQuota,
			NonRecurringQuota: q.NonRecurringQuota,
		},
	})
}

// GetWorkspaceQuotas implements apigen.ServerInterface.
func (s *server) GetWorkspaceQuotas(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	q, err := s.quotas(r.Context(), &x.principal.Workspace)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.QuotasResponse{Status: apigen.Ok, Data: q})
}

// GetQuotas implements apigen.ServerInterface.
func (s *server) GetQuotas(w http.ResponseWriter, r *http.Request) { s.GetWorkspaceQuotas(w, r) }

// quotas reads what the workspace has left.
func (s *server) quotas(ctx context.Context, w *tideline.Workspace) (apigen.QuotasResponse_Data, error) {
	b, err := s.storage.Balance(ctx, w.ID, s.now())
	if err != nil {
		return apigen.QuotasResponse_Data{}, err
	}
	calls, err := s.meter.Usage(ctx, w)
	if err != nil {
		return apigen.QuotasResponse_Data{}, err
	}
	loc := w.Location()
	return apigen.QuotasResponse_Data{
		MessagingQuota:    messagingQuota(&b, loc),
		ApiCallsQuota:     callQuota(w.Plan.APICalls, calls, loc),
		NonRecurringQuota: apigen.NonRecurringQuota{RemainingBalance: int64(b.Extra)},
	}, nil
}
