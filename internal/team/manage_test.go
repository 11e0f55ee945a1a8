package team_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func wantCode(t *testing.T, what string, err error, code tideline.Code) {
	t.Helper()
	if !tideline.IsCode(err, code) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestOnlyTheOwnerHandsOverAndOnlyToAnAdmin(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	owner, heir, agent := o.member(tideline.RoleOwner), o.member(tideline.RoleAdmin), o.member(tideline.RoleAgent)
	for _, role := range roles[1:] {
		wantCode(t, string(role), o.HandOver(ctx, o.member(role), heir.Member.ID), tideline.CodePermissionDenied)
	}
	wantCode(t, "to an agent", o.HandOver(ctx, owner, agent.Member.ID), tideline.CodeConflict)
	wantCode(t, "to nobody", o.HandOver(ctx, owner, 4711), tideline.CodeNotFound)
	invited, err := o.Invite(ctx, owner, team.Invitation{Email: "new@acme.example", Role: "admin"})
	o.must(err)
	wantCode(t, "to who has not joined", o.HandOver(ctx, owner, invited.Member.ID), tideline.CodeConflict)
	wantCode(t, "another role", o.SetRole(ctx, heir, owner.Member.ID, tideline.RoleAgent), tideline.CodeConflict)
	wantCode(t, "a second one", o.SetRole(ctx, owner, heir.Member.ID, tideline.RoleOwner), tideline.CodeValidation)
	wantCode(t, "removed", o.RemoveMember(ctx, heir, owner.Member.ID), tideline.CodeConflict)
	wantCode(t, "by themselves", o.RemoveMember(ctx, heir, heir.Member.ID), tideline.CodeConflict)
	o.must(o.HandOver(ctx, owner, heir.Member.ID))
	members, err := o.store.ListMembers(ctx, o.ws.ID)
	o.must(err)
	got := map[int64]tideline.Role{}
	owners := 0
	for _, m := range members {
		got[m.ID] = m.Role
		if m.Role == tideline.RoleOwner {
			owners++
		}
	}
	if got[owner.Member.ID] != tideline.RoleAdmin || got[heir.Member.ID] != tideline.RoleOwner || owners != 1 {
		t.Errorf("afterwards: %v", got)
	}
}

func TestWhoOwnedNumbersIsReplacedByWhoAdministersOnly(t *testing.T) {
	t.Parallel()
	o := openOffice(t) // the account's owner, Ada, is no member
	ctx := t.Context()
	supervisor := o.member(tideline.RoleTeamSupervisor)
	ada := team.Invitation{Email: "ADA@acme.example", Role: "agent"}
	_, err := o.Invite(ctx, supervisor, ada)
	wantCode(t, "invited by a supervisor", err, tideline.CodePermissionDenied)
	if v, err := o.Viewer(ctx, supervisor); err != nil || len(v.Accounts) > 0 {
		t.Errorf("the supervisor sees the chats of %v, %v", v, err)
	}
	_, err = o.Invite(ctx, supervisor, team.Invitation{Email: "adam@acme.example", Role: "agent"})
	o.must(err)
	_, err = o.Invite(ctx, o.member(tideline.RoleAdmin), ada)
	o.must(err)
	_, err = o.Invite(ctx, supervisor, ada) // again, now that they are here
	o.must(err)
}

func TestATeamsTitleIsItsOwn(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	owner := o.member(tideline.RoleOwner)
	made, err := o.CreateTeam(ctx, owner, "  Sales ")
	if err != nil || made.Title != "Sales" {
		t.Fatalf("made %+v, %v", made, err)
	}
	for _, title := range []string{"", "  ", "Sales", "default", "Default team", string(make([]byte, 200)), "a\x00"} {
		_, err := o.CreateTeam(ctx, owner, title)
		wantCode(t, "made "+title, err, tideline.CodeValidation)
	}
	support, err := o.CreateTeam(ctx, owner, "Support")
	o.must(err)
	wantCode(t, "renamed", o.RenameTeam(ctx, owner, support.ID, "Sales"), tideline.CodeValidation)
	wantCode(t, "nothing renamed", o.RenameTeam(ctx, owner, 4711, "X"), tideline.CodeNotFound)
	o.must(o.MoveMember(ctx, owner, owner.Member.ID, made.ID))
	o.must(o.DeleteTeam(ctx, owner, made.ID))
	me, err := o.Me(ctx, owner)
	o.must(err)
	if me.Team != tideline.DefaultTeam {
		t.Errorf("after the team is gone: %q", me.Team)
	}
}

func TestAChatsHistoryIsSeenByWhoSeesTheChat(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	owner := o.member(tideline.RoleOwner)
	_, err := o.ChangeChat(ctx, owner, o.chat, team.ChatChange{Closed: new(true)})
	o.must(err)
	_, err = o.ChangeChat(ctx, owner, o.chat, team.ChatChange{Closed: new(false)})
	o.must(err)
	for _, role := range roles {
		p := o.member(role)
		entries, more, err := o.ChatHistory(ctx, p, o.chat, 0, 1)
		if !role.Administers() {
			wantCode(t, string(role), err, tideline.CodeNotFound)
			_, changed := o.ChangeChat(ctx, owner, o.chat, team.ChatChange{Responsible: &p.Member.Email})
			o.must(changed)
			entries, more, err = o.ChatHistory(ctx, p, o.chat, latestAssignment(t, o, p), 1)
		}
		o.must(err)
		if len(entries) != 1 || !more {
			t.Errorf("%s sees %d entries and more: %v", role, len(entries), more)
		}
	}
	_, _, err = o.ChatHistory(ctx, owner, 4711, 0, 1)
	wantCode(t, "of no chat", err, tideline.CodeNotFound)
}

// latestAssignment reads the latest entry of the chat, which must be that p has it now,
// and gives its id.
func latestAssignment(t *testing.T, o *office, p *tideline.Principal) int64 {
	t.Helper()
	entries, _, err := o.ChatHistory(t.Context(), p, o.chat, 0, 1)
	o.must(err)
	if diff := cmp.Diff(tideline.AuditChatAssigned, entries[0].Action); diff != "" {
		t.Errorf("latest (-want +got):\n%s", diff)
	}
	return entries[0].ID
}
