package storetest

import (
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

var teamSettingsTests = map[string]func(*testing.T, *world){
	"ATeamThatIsDeletedLeavesItsMembersToTheDefaultTeam": func(t *testing.T, w *world) {
		ben := w.member("ben@example.com", tideline.RoleAgent)
		sales, err := w.store.CreateTeam(w.ctx(), w.ws.ID, "Sales")
		w.must(err)
		_, err = w.store.CreateTeam(w.ctx(), w.ws.ID, "Sales")
		w.wantCode(err, tideline.CodeConflict)
		support, err := w.store.CreateTeam(w.ctx(), w.ws.ID, "Support")
		w.must(err)
		w.wantCode(w.store.RenameTeam(w.ctx(), w.ws.ID, support.ID, "Sales"), tideline.CodeConflict)
		w.must(w.store.RenameTeam(w.ctx(), w.ws.ID, support.ID, "Help"))
		w.must(w.store.MoveMember(w.ctx(), w.ws.ID, ben.ID, sales.ID))
		tmpl, err := w.store.CreateTextTemplate(w.ctx(), tideline.TextTemplate{WorkspaceID: w.ws.ID, Name: "x", Text: "x", TeamID: &sales.ID,
			Visibility: tideline.VisibilityPublic, AuthorID: ben.ID, CreatedAt: w.now})
		w.must(err)
		other, _ := w.workspace("other", 10)
		w.wantCode(w.store.DeleteTeam(w.ctx(), other.ID, sales.ID), tideline.CodeNotFound)
		w.wantCode(w.store.RenameTeam(w.ctx(), other.ID, sales.ID, "y"), tideline.CodeNotFound)
		w.wantCode(w.store.MoveMember(w.ctx(), other.ID, ben.ID, 0), tideline.CodeNotFound)
		theirs, err := w.store.CreateTeam(w.ctx(), other.ID, "Sales")
		w.must(err)
		w.wantCode(w.store.MoveMember(w.ctx(), w.ws.ID, ben.ID, theirs.ID), tideline.CodeNotFound)
		version := w.version()
		w.must(w.store.DeleteTeam(w.ctx(), w.ws.ID, sales.ID))
		if w.version() <= version {
			t.Error("what is remembered of the team's members was not made void")
		}
		members, err := w.store.ListMembers(w.ctx(), w.ws.ID)
		w.must(err)
		same(t, "team of the member", members[1].TeamID, int64(0))
		tmpl, err = w.store.TextTemplate(w.ctx(), w.ws.ID, tmpl.ID)
		w.must(err)
		same(t, "team of the template", tmpl.TeamID, new(int64))
		w.wantCode(w.store.DeleteTeam(w.ctx(), w.ws.ID, sales.ID), tideline.CodeNotFound)
		w.wantCode(w.store.MoveMember(w.ctx(), w.ws.ID, ben.ID, sales.ID), tideline.CodeNotFound)
	},

	"AWorkspaceIsHandedOverWhole": func(t *testing.T, w *world) {
		ben := w.member("ben@example.com", tideline.RoleAdmin)
		cat, _, err := w.store.Invite(w.ctx(), invitee(w, "cat@example.com", tideline.RoleAdmin), "", -1)
		w.must(err)
		other, stranger := w.workspace("other", 10)
		roles := func() map[string]tideline.Role {
			t.Helper()
			members, err := w.store.ListMembers(w.ctx(), w.ws.ID)
			w.must(err)
			all := map[string]tideline.Role{}
			for _, m := range members {
				all[m.Email] = m.Role
			}
			return all
		}
		before := roles()
		w.wantCode(w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, w.owner.ID), tideline.CodeConflict)
		w.wantCode(w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, cat.ID), tideline.CodeConflict)
		w.wantCode(w.store.HandOver(w.ctx(), w.ws.ID, ben.ID, w.owner.ID), tideline.CodeConflict)
		w.wantCode(w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, stranger.ID), tideline.CodeNotFound)
		w.wantCode(w.store.HandOver(w.ctx(), other.ID, w.owner.ID, stranger.ID), tideline.CodeNotFound)
		same(t, "roles", roles(), before)
		version := w.version()
		w.must(w.store.HandOver(w.ctx(), w.ws.ID, w.owner.ID, ben.ID))
		same(t, "roles", roles(), map[string]tideline.Role{w.owner.Email: tideline.RoleAdmin, ben.Email: tideline.RoleOwner, cat.Email: tideline.RoleAdmin})
		if w.version() <= version {
			t.Error("what is remembered of the two was not made void")
		}
	},
}
