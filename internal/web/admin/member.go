package admin

import (
	"strconv"

	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// memberView is what the page of a member shows, and what its reader may do.
type memberView struct {
	memberRow
	Roles  []option
	Teams  []option
	Invite bool // take the invitation back, or make another link
	Moves  bool
	Remove bool
	Owner  bool // make them the owner
}

// member finds the member of the path.
func (s *section) member(q *ui.Request) (team.Teammate, error) {
	id, err := q.PathID("id")
	if err != nil {
		return team.Teammate{}, err
	}
	_, members, err := s.Team.Teammates(q.Context(), q.Principal)
	if err != nil {
		return team.Teammate{}, err
	}
	for _, m := range members {
		if m.Member.ID == id {
			return m, nil
		}
	}
	return team.Teammate{}, ui.Missing()
}

func (s *section) showMember(q *ui.Request) error {
	m, err := s.member(q)
	if err != nil {
		return err
	}
	teams, err := s.Team.Teams(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	me := q.Principal.Member
	joined := m.Member.Status() == tideline.MemberActive
	v := memberView{memberRow: memberRow{Teammate: m, Role: q.T("admin.role." + string(m.Member.Role)), Me: m.Member.ID == me.ID,
		Change: me.Role.MayInvite(m.Member.Role)}, Teams: teamOptions(teams, m.Member.TeamID), Moves: me.Role.Administers()}
	if v.Change {
		v.Roles = roleOptions(q, m.Member.Role)
		v.Invite = !joined
		v.Remove = joined && me.Role.Administers() && !v.Me
	}
	v.Owner = me.Role == tideline.RoleOwner && m.Member.Role == tideline.RoleAdmin && joined
	p := page("admin.member.title", "team", v)
	p.TitleOf = []any{"name", m.Member.DisplayName}
	return q.Page("admin/member", p)
}

// memberPath is where a member is shown.
func memberPath(id int64) string { return "/team/members/" + strconv.FormatInt(id, 10) }

// changeMember gives a member another role and team, those that the form has.
func (s *section) changeMember(q *ui.Request) error {
	m, err := s.member(q)
	if err != nil {
		return err
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	to := m.Member.TeamID
	if form.Has("team") {
		if to, err = strconv.ParseInt(form.Get("team"), 10, 64); err != nil || to < 0 {
			return tideline.Invalid([]tideline.FieldError{{Path: []string{"team"}, Msg: q.T("admin.member.team.wrong")}})
		}
	}
	if role := tideline.Role(form.Get("role")); form.Has("role") && role != m.Member.Role {
		if err := s.Team.SetRole(q.Context(), q.Principal, m.Member.ID, role); err != nil {
			return err
		}
	}
	if to != m.Member.TeamID {
		if err := s.Team.MoveMember(q.Context(), q.Principal, m.Member.ID, to); err != nil {
			return err
		}
	}
	return q.Done(memberPath(m.Member.ID), "admin.saved")
}

// inviteAgain makes another link for who has not joined, and the invitation good
// for as long as a new one.
func (s *section) inviteAgain(q *ui.Request) error {
	m, err := s.member(q)
	if err != nil {
		return err
	}
	if m.Member.Status() != tideline.MemberInvited {
		return tideline.Errorf(tideline.CodeConflict, "%s", q.T("admin.member.joined"))
	}
	m, err = s.Team.Invite(q.Context(), q.Principal, team.Invitation{Email: m.Member.Email, Team: m.Team, Role: string(m.Member.Role)})
	if err != nil {
		return err
	}
	return s.showLink(q, &m)
}

func (s *section) revokeInvitation(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Team.Revoke(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(teamPath, "admin.member.revoked")
}

func (s *section) removeMember(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Team.RemoveMember(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(teamPath, "admin.member.removed")
}

func (s *section) handOver(q *ui.Request) error {
	m, err := s.member(q)
	if err != nil {
		return err
	}
	if err := s.Team.HandOver(q.Context(), q.Principal, m.Member.ID); err != nil {
		return err
	}
	return q.Done(teamPath, "admin.member.handed", "name", m.Member.DisplayName)
}
