package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/admin"
)

// joining has the member who is invited again join just before that.
type joining struct {
	admin.Team
	join func(email string)
}

func (j joining) Invite(ctx context.Context, p *tideline.Principal, i team.Invitation) (team.Teammate, error) {
	j.join(i.Email)
	return j.Team.Invite(ctx, p, i)
}

func TestWhoJoinsMeanwhileIsLetInByNoLinkOfAnother(t *testing.T) {
	t.Parallel()
	var w *world
	var eve tideline.Member
	w = newWorld(t, func(d *admin.Deps) {
		d.Team = joining{d.Team, func(string) {
			_, err := w.store.CreateSession(t.Context(), tideline.Session{WorkspaceID: w.ws.ID, MemberID: eve.ID, CreatedAt: time.Now(),
				SeenAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}, [32]byte{1})
			w.must(err)
		}}
	})
	var err error
	eve, _, err = w.store.Invite(t.Context(), tideline.Member{WorkspaceID: w.ws.ID, Email: "eve@acme.example", DisplayName: "Eve", Role: tideline.RoleAgent,
		CreatedAt: time.Now(), InvitedAt: time.Now()}, "", -1)
	w.must(err)
	w.is("a link for who joined", w.ask(w.of[tideline.RoleTeamSupervisor], fmt.Sprintf("/team/members/%d/link", eve.ID), url.Values{}), http.StatusConflict, "!/enter/")
	entries, _, err := w.store.Audit(t.Context(), w.ws.ID, store.AuditFilter{}, 20)
	w.must(err)
	for _, e := range entries {
		if e.Action == tideline.AuditLinkCreated {
			t.Errorf("a link was made: %+v", e)
		}
	}
}
