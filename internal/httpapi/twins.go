package httpapi

import (
	"net/http"
	"slices"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ListChatsV2 implements apigen.ServerInterface. It shows what the token's member
// may see, and has no filter by phone.
func (s *server) ListChatsV2(_ http.ResponseWriter, r *http.Request, _ apigen.ListChatsV2Params) {
	x := of(r)
	viewer, err := s.team.Viewer(r.Context(), x.principal)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	q := queryOf(r)
	q.values.Del("phone")
	s.listChats(x, r, q, viewer)
}

// ListChatMessagesV2 implements apigen.ServerInterface.
func (s *server) ListChatMessagesV2(w http.ResponseWriter, r *http.Request, id apigen.ChatID, _ apigen.ListChatMessagesV2Params) {
	s.ListChatMessages(w, r, id, apigen.ListChatMessagesParams{})
}

// ListWhatsappAccountsV2 implements apigen.ServerInterface.
func (s *server) ListWhatsappAccountsV2(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	accounts, _, err := s.storage.AccountsOf(r.Context(), x.principal.Workspace.ID)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	viewer, err := s.team.Viewer(r.Context(), x.principal)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	loc := x.principal.Workspace.Location()
	list := make([]apigen.WhatsappAccountV2, len(accounts))
	for i := range accounts {
		a := whatsappAccount(&accounts[i], loc)
		list[i] = apigen.WhatsappAccountV2{
			Id: a.Id, Phone: a.Phone, ConnectedOn: a.ConnectedOn, Status: apigen.WhatsappAccountV2Status(a.Status),
			OwnerName: a.OwnerName, OwnerEmail: a.OwnerEmail, AccountName: a.AccountName,
			IsVisible: viewer == nil || slices.Contains(viewer.Accounts, accounts[i].ID),
		}
	}
	s.reply(x, http.StatusOK, apigen.WhatsappAccountsV2Response{Status: apigen.Ok,
		Data: apigen.WhatsappAccountsV2Response_Data{WhatsappAccounts: list}})
}

// noBusinessPlatform answers for everything below /waba: those operations are
// for numbers on Meta's own platform, and ours are linked devices.
func (s *server) noBusinessPlatform(_ http.ResponseWriter, r *http.Request) {
	s.fail(of(r), r, tideline.Errorf(tideline.CodeNotSupported,
		"The workspace has no account on the WhatsApp Business Platform: its numbers are linked devices, see /whatsapp_accounts"))
}
