package admin_test

import (
	"encoding/csv"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestAnInvitationIsALinkThatIsShownOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.of[tideline.RoleOwner]
	w.is("a team", w.ask(owner, "/team/teams", url.Values{"title": {"Sales"}}), 303)
	p := w.is("invited", w.ask(owner, "/team/invite", url.Values{"email": {"new@acme.example"}, "name": {"Nina"}, "role": {"teammate"}, "team": {"Sales"}}), 200, "Nina")
	secret := w.found(p, `id="link">`+base+`/enter/([^<]+)<`)
	invited, err := w.sessions.Link(t.Context(), secret)
	w.must(err)
	if invited.Member.Email != "new@acme.example" || invited.Member.Role != tideline.RoleTeammate || invited.Link.Purpose != tideline.LinkInvitation {
		t.Errorf("the link lets in %+v", invited)
	}
	w.is("the list", w.ask(owner, "/team", nil), 200, "new@acme.example", "Invited", "!"+secret)
	w.is("the same again", w.ask(owner, "/team/members/"+id(invited.Member.ID)+"/link", url.Values{}), 200, base+"/enter/")
	w.is("of who is there", w.ask(owner, "/team/invite", url.Values{"email": {w.of[tideline.RoleAgent].Email}, "role": {"admin"}}), 422, "a member already", `value="`+w.of[tideline.RoleAgent].Email)
	w.is("no address", w.ask(owner, "/team/invite", url.Values{"email": {"nobody"}, "role": {"agent"}}), 422, `class="problem"`)
	w.is("too high a role", w.ask(w.of[tideline.RoleTeamSupervisor], "/team/invite", url.Values{"email": {"x@acme.example"}, "role": {"admin"}}), 403)
	w.is("a link of who has joined", w.ask(owner, "/team/members/"+id(owner.ID)+"/link", url.Values{}), 409)
	w.is("taken back", w.ask(owner, "/team/members/"+id(invited.Member.ID)+"/revoke", url.Values{}), 303)
	if _, err := w.sessions.Link(t.Context(), secret); !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("a link of an invitation that was taken back: %v", err)
	}
	e := w.log(1)[0]
	if e.Action != tideline.AuditInvitationRevoked || e.Actor != (tideline.Actor{MemberID: owner.ID, Via: tideline.ViaInbox}) {
		t.Errorf("written down as %+v", e)
	}
}

func TestAMemberIsChangedMovedAndMadeTheOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, admin, agent := w.of[tideline.RoleOwner], w.of[tideline.RoleAdmin], w.of[tideline.RoleAgent]
	w.is("a team", w.ask(owner, "/team/teams", url.Values{"title": {"Sales"}}), 303)
	teams, err := w.store.ListTeams(t.Context(), w.ws.ID)
	w.must(err)
	path := "/team/members/" + id(agent.ID)
	w.is("changed", w.ask(admin, path, url.Values{"role": {"teammate"}, "team": {id(teams[0].ID)}}, asScript), 200, `"ok":true`)
	w.is("shown", w.ask(admin, path, nil), 200, `value="teammate" selected`, `value="`+id(teams[0].ID)+`" selected`)
	w.is("a wrong team", w.ask(admin, path, url.Values{"team": {"x"}}), 422)
	w.is("a wrong role", w.ask(admin, path, url.Values{"role": {"owner"}}), 422)
	w.is("an admin makes an owner", w.ask(admin, "/team/members/"+id(admin.ID)+"/owner", url.Values{}), 403)
	w.is("the owner's page, to an admin", w.ask(admin, "/team/members/"+id(owner.ID), nil), 200, "!/remove", "!/owner")
	w.is("the admin's page, to the owner", w.ask(owner, "/team/members/"+id(admin.ID), nil), 200, "/remove", "/owner")
	w.is("handed over", w.ask(owner, "/team/members/"+id(admin.ID)+"/owner", url.Values{}), 303)
	w.is("afterwards", w.ask(owner, "/team/members/"+id(agent.ID)+"/owner", url.Values{}), 403)
	w.is("removed", w.ask(admin, "/team/members/"+id(owner.ID)+"/remove", url.Values{}), 303)
	w.is("renamed", w.ask(admin, "/team/teams/"+id(teams[0].ID), url.Values{"title": {"Support"}}), 303)
	w.is("deleted", w.ask(admin, "/team/teams/"+id(teams[0].ID)+"/delete", url.Values{}), 303)
	w.is("the list", w.ask(admin, "/team", nil), 200, "!Sales", "!Support", "!owner@acme.example")
}

func TestATokensTextIsShownOnceWithAReadyLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agent := w.of[tideline.RoleAgent]
	p := w.is("made", w.ask(agent, "/tokens", url.Values{"name": {"till"}, "scope": {"send"}, "life": {"30"}}), 200, "curl "+base+"/integrations/api/messages")
	token := w.found(p, `id="token">(tla_[0-9A-Za-z]+)<`)
	if strings.Count(p.body, token) != 2 {
		t.Errorf("the token is %d times on the page, not once alone and once in the line", strings.Count(p.body, token))
	}
	principal, err := auth.New(w.store, auth.Config{}).Authenticate(t.Context(), token)
	w.must(err)
	if principal.Member.ID != agent.ID || principal.Token.Scope != tideline.ScopeSend || time.Until(principal.Token.ExpiresAt) > 31*24*time.Hour {
		t.Errorf("the token is %+v of member %d", principal.Token, principal.Member.ID)
	}
	w.is("the list", w.ask(agent, "/tokens", nil), 200, "till", "Never", "!"+token)
	w.is("of another agent", w.ask(w.of[tideline.RoleTeammate], "/tokens", nil), 200, "!till")
	w.is("of an admin", w.ask(w.of[tideline.RoleAdmin], "/tokens", nil), 200, "till", agent.DisplayName)
	w.must(w.store.PutTokenUses(t.Context(), []store.TokenUse{{WorkspaceID: w.ws.ID, TokenID: principal.Token.ID, At: time.Now(), From: "203.0.113.0/24"}}))
	w.is("after it was used", w.ask(agent, "/tokens", nil), 200, "203.0.113.0/24", "!Never")
	w.is("a collaborator's", w.ask(w.of[tideline.RoleCollaborator], "/tokens", url.Values{"name": {"look"}, "scope": {"all"}}), 200, "!/messages", "/integrations/api/workspace")
	w.is("without a name", w.ask(agent, "/tokens", url.Values{"name": {" "}, "scope": {"read"}}), 422, `class="problem"`, `value="read" checked`)
	w.is("of another scope", w.ask(agent, "/tokens", url.Values{"name": {"x"}, "scope": {"write"}}), 422)
	w.is("for too long", w.ask(agent, "/tokens", url.Values{"name": {"x"}, "scope": {"all"}, "life": {"9999"}}), 422)
	w.is("ended", w.ask(w.of[tideline.RoleAdmin], "/tokens/"+id(principal.Token.ID)+"/revoke", url.Values{}), 303)
	w.is("ended ones are left out", w.ask(agent, "/tokens", nil), 200, "!>till<", "Show 1 token that has ended")
	w.is("and shown when asked for", w.ask(agent, "/tokens?all", nil), 200, "till", "Ended")
	if _, err := auth.New(w.store, auth.Config{}).Authenticate(t.Context(), token); !tideline.IsCode(err, tideline.CodeInvalidToken) {
		t.Errorf("an ended token: %v", err)
	}
}

func TestSettingsAreCheckedAndWrittenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, admin := w.of[tideline.RoleOwner], w.of[tideline.RoleAdmin]
	good := func(change ...string) url.Values {
		f := url.Values{"name": {"Acme"}, "zone": {"UTC"}, "gap_min": {"1"}, "gap_max": {"3"}}
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	before := len(w.log(100))
	w.is("nothing changed", w.ask(admin, "/settings", good()), 303)
	if got := len(w.log(100)); got != before {
		t.Errorf("%d entries of no change", got-before)
	}
	w.is("an admin sees no credits to set", w.ask(admin, "/settings", nil), 200, `name="gap_min"`, `!name="credits"`)
	w.is("the owner does", w.ask(owner, "/settings", nil), 200, `name="credits"`)
	w.is("changed", w.ask(owner, "/settings", good("name", "Acme & Sons", "zone", "Europe/Berlin", "gap_min", "1,5", "credits", "500")), 303)
	ws, err := w.store.WorkspaceBySlug(t.Context(), "acme")
	w.must(err)
	if ws.DisplayName != "Acme & Sons" || ws.TimeZone != "Europe/Berlin" || ws.Gap != (tideline.Gap{Min: 1500 * time.Millisecond, Max: 3 * time.Second}) || ws.Grant() != 500 {
		t.Errorf("changed to %+v", ws)
	}
	e := w.log(1)[0]
	if e.Action != tideline.AuditWorkspaceChanged || e.Actor.MemberID != owner.ID || len(e.Changes) != 4 {
		t.Errorf("written down as %+v", e)
	}
	w.is("shown", w.ask(owner, "/settings", nil), 200, `value="1.5"`, `value="500"`, "Acme &amp; Sons")
	w.is("credits by an admin", w.ask(admin, "/settings", good("name", "Acme & Sons", "zone", "Europe/Berlin", "gap_min", "1.5", "credits", "9")), 403)
	for field, wrong := range map[string]string{"zone": "Mars", "name": " ", "gap_min": "-1", "gap_max": "NaN", "credits": "many"} {
		w.is("a wrong "+field, w.ask(owner, "/settings", good(field, wrong)), 422, `class="problem"`)
		w.is("a wrong "+field+", to a script", w.ask(owner, "/settings", good(field, wrong), asScript), 422, `"fields":[{"path"`)
	}
	w.is("no limit", w.ask(owner, "/settings", good("unlimited", "yes")), 303)
	if ws, err = w.store.WorkspaceBySlug(t.Context(), "acme"); err != nil || ws.Grant() != tideline.Unlimited {
		t.Errorf("credits %v, %v", ws.Grant(), err)
	}
}

func TestTheLogIsFilteredPagedAndExported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, admin := w.of[tideline.RoleOwner], w.of[tideline.RoleAdmin]
	for i := range 60 {
		w.is("a team", w.ask(owner, "/team/teams", url.Values{"title": {"=T" + id(int64(i))}}), 303)
	}
	w.is("a token", w.ask(admin, "/tokens", url.Values{"name": {"<b>"}, "scope": {"all"}}), 200)
	p := w.is("the first page", w.ask(admin, "/audit", nil), 200, "Token created", "&lt;b&gt;", "!Workspace created", "on the pages")
	if n := strings.Count(p.body, `id="entry-`); n != 50 {
		t.Errorf("%d entries on a page", n)
	}
	older := strings.ReplaceAll(w.found(p, `href="(/audit\?past=[0-9]+)"`), "&amp;", "&")
	w.is("the next page", w.ask(admin, older, nil), 200, "Workspace created", "!Token created")
	p = w.is("teams", w.ask(admin, "/audit?group=team", nil), 200, "!Token created", `value="team" selected`)
	older = strings.ReplaceAll(w.found(p, `href="(/audit\?[^"]*past=[0-9]+)"`), "&amp;", "&")
	if p = w.is("more teams", w.ask(admin, older, nil), 200); strings.Count(p.body, `id="entry-`) != 10 {
		t.Errorf("the second page of teams has %d entries", strings.Count(p.body, `id="entry-`))
	}
	w.is("by a member", w.ask(admin, "/audit?member="+id(admin.ID), nil), 200, "Token created", "!Team created")
	w.is("by another way", w.ask(admin, "/audit?via=api", nil), 200, "No change fits")
	w.is("in the past", w.ask(admin, "/audit?to=2001-01-01", nil), 200, "No change fits")
	w.is("today", w.ask(admin, "/audit?from="+time.Now().UTC().Format(time.DateOnly)+"&to="+time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly), nil), 200, "Token created")
	w.is("nonsense", w.ask(admin, "/audit?group=x&member=y&from=z&past=-1&via=nobody", nil), 200, "Token created")
	w.is("of a chat that is not there", w.ask(admin, "/audit?chat=4711", nil), 404)

	p = w.is("exported", w.ask(admin, "/audit.csv?group=team", nil), 200)
	rows, err := csv.NewReader(strings.NewReader(p.body)).ReadAll()
	w.must(err)
	if len(rows) != 61 || rows[1][7] != "'=T59" || rows[1][2] != "Owner" || rows[1][1] != "inbox" {
		t.Errorf("%d rows, the second %q", len(rows), rows[1])
	}
	if got := p.header.Get("Content-Disposition"); !strings.Contains(got, `filename="audit-acme.csv"`) {
		t.Errorf("disposition %q", got)
	}
}
