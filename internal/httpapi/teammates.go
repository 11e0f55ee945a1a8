package httpapi

import (
	"net/http"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/team"
)

// ListTeammates implements apigen.ServerInterface.
func (s *server) ListTeammates(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	titles, members, err := s.team.Teammates(r.Context(), x.principal)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	data := apigen.TeammatesResponse_Data{Teams: make([]apigen.Team, len(titles)), Teammates: make([]apigen.Teammate, len(members))}
	for i, title := range titles {
		data.Teams[i] = apigen.Team{Title: title}
	}
	for i := range members {
		data.Teammates[i] = teammate(r, &members[i])
	}
	s.reply(x, http.StatusOK, apigen.TeammatesResponse{Status: apigen.Ok, Data: data})
}

// ListTeammatesAlias implements apigen.ServerInterface.
func (s *server) ListTeammatesAlias(w http.ResponseWriter, r *http.Request) { s.ListTeammates(w, r) }

// GetMe implements apigen.ServerInterface.
func (s *server) GetMe(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	m, err := s.team.Me(r.Context(), x.principal)
	s.replyTeammate(x, r, &m, err)
}

// InviteTeammate implements apigen.ServerInterface.
func (s *server) InviteTeammate(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	b, err := s.bodyOf(r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	in := team.Invitation{Email: b.required("email"), Role: b.required("role")}
	for _, f := range []struct {
		name string
		into *string
	}{{"first_name", &in.FirstName}, {"last_name", &in.LastName}, {"team_title", &in.Team}} {
		if v := b.text(f.name); v != nil {
			*f.into = *v
		}
	}
	if err := b.err(); err != nil {
		s.fail(x, r, err)
		return
	}
	m, err := s.team.Invite(r.Context(), x.principal, in)
	s.replyTeammate(x, r, &m, err)
}

func (s *server) replyTeammate(x *exchange, r *http.Request, m *team.Teammate, err error) {
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.TeammateResponse{Status: apigen.Ok, Data: teammate(r, m)})
}

// RevokeInvitation implements apigen.ServerInterface.
func (s *server) RevokeInvitation(_ http.ResponseWriter, r *http.Request, userID string) {
	x := of(r)
	id, err := number(userID, "Invitation")
	if err == nil {
		err = s.team.Revoke(r.Context(), x.principal, id)
	}
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.MessageResult{Status: apigen.Ok, Message: "Invitation revoked successfully"})
}

// teammate shows a member to who asked in r.
func teammate(r *http.Request, m *team.Teammate) apigen.Teammate {
	loc := of(r).principal.Workspace.Location()
	shown := apigen.Teammate{
		UserId: m.Member.ID, DisplayName: m.Member.DisplayName, Email: m.Member.Email, Role: apigen.TeammateRole(m.Member.Role),
		Team: m.Team, Status: apigen.TeammateStatus(m.Member.Status()), CreatedAt: timestamp(m.Member.CreatedAt, loc),
		WhatsappAccounts: make([]apigen.WhatsappAccount, len(m.Accounts)),
	}
	if m.Invitation != "" {
		status := apigen.TeammateInvitationStatus(m.Invitation)
		shown.InvitationStatus = &status
	}
	for i := range m.Accounts {
		shown.WhatsappAccounts[i] = whatsappAccount(&m.Accounts[i], loc)
	}
	return shown
}
