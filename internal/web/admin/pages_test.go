package admin_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/text"
)

func id(n int64) string { return strconv.FormatInt(n, 10) }

// TestEveryPageIsShownToWhoMaySeeIt opens all pages as all roles in both
// languages. A key of a text on a page is a text that is missing.
func TestEveryPageIsShownToWhoMaySeeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.of[tideline.RoleOwner]
	w.is("invited", w.ask(owner, "/team/invite", url.Values{"email": {"new@acme.example"}, "role": {"agent"}}), 200)
	w.is("a token", w.ask(owner, "/tokens", url.Values{"name": {"shop"}, "scope": {"read"}, "life": {"30"}}), 200)
	invited := w.lastMember()
	missing := regexp.MustCompile(`>[^<]*\badmin\.[a-z_.]+|"admin\.[a-z_.]+"`)
	for _, role := range allRoles {
		for target, everybody := range map[string]bool{
			"/team": true, "/team/members/" + id(owner.ID): true, "/team/members/" + id(invited.ID): true, "/team/members/" + id(w.of[tideline.RoleAdmin].ID): true,
			"/tokens": true, "/tokens?all": true, "/settings": false, "/audit": false, "/audit.csv": false,
		} {
			for _, lang := range []func(*http.Request){func(*http.Request) {}, inSpanish} {
				p := w.ask(w.of[role], target, nil, lang)
				want := http.StatusOK
				if !everybody && !role.Administers() {
					want = http.StatusForbidden
				}
				w.is(string(role)+" "+target, p, want)
				if found := missing.FindString(p.body); found != "" && target != "/audit.csv" {
					t.Errorf("%s as %s shows a key: %s", target, role, found)
				}
				if strings.Contains(p.body, " style=") || strings.Contains(p.body, "<script>") {
					t.Errorf("%s has an inline style or script, which its own policy forbids", target)
				}
			}
		}
	}
}

// lastMember is who came last.
func (w *world) lastMember() tideline.Member {
	w.t.Helper()
	members, err := w.store.ListMembers(w.t.Context(), w.ws.ID)
	w.must(err)
	return members[len(members)-1]
}

// TestTheWallsOfEveryChange makes each change with ids of another workspace, and
// as the roles that may not.
func TestTheWallsOfEveryChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	farTeam, err := w.store.CreateTeam(ctx, w.far.ID, "Far")
	w.must(err)
	farToken, err := w.store.CreateToken(ctx, tideline.Token{WorkspaceID: w.far.ID, MemberID: w.stranger.ID, Name: "x", Prefix: "tla_x"}, [32]byte{9})
	w.must(err)
	nearTeam, err := w.store.CreateTeam(ctx, w.ws.ID, "Near")
	w.must(err)
	nearToken, err := w.store.CreateToken(ctx, tideline.Token{WorkspaceID: w.ws.ID, MemberID: w.of[tideline.RoleOwner].ID, Name: "x", Prefix: "tla_y"}, [32]byte{8})
	w.must(err)
	agent, owner := w.of[tideline.RoleAgent], w.of[tideline.RoleOwner]
	for _, c := range []struct {
		near, far string // "" = names nothing
		form      url.Values
		denied    int // what an agent and a collaborator get
	}{
		{"/team/invite", "", url.Values{"email": {"a@b.example"}, "role": {"collaborator"}}, 403},
		{"/team/teams", "", url.Values{"title": {"T"}}, 403},
		{"/team/teams/" + id(nearTeam.ID), "/team/teams/" + id(farTeam.ID), url.Values{"title": {"T"}}, 403},
		{"/team/teams/" + id(nearTeam.ID) + "/delete", "/team/teams/" + id(farTeam.ID) + "/delete", url.Values{}, 403},
		{"/team/members/" + id(agent.ID), "/team/members/" + id(w.stranger.ID), url.Values{"role": {"teammate"}}, 403},
		{"/team/members/" + id(agent.ID), "/team/members/" + id(w.stranger.ID), url.Values{"team": {id(nearTeam.ID)}}, 403},
		{"/team/members/" + id(agent.ID) + "/remove", "/team/members/" + id(w.stranger.ID) + "/remove", url.Values{}, 403},
		{"/team/members/" + id(agent.ID) + "/owner", "/team/members/" + id(w.stranger.ID) + "/owner", url.Values{}, 403},
		{"", "/team/members/" + id(w.stranger.ID) + "/link", url.Values{}, 0},
		{"", "/team/members/" + id(w.stranger.ID) + "/revoke", url.Values{}, 0},
		{"/tokens/" + id(nearToken.ID) + "/revoke", "/tokens/" + id(farToken.ID) + "/revoke", url.Values{}, 404},
		{"/settings", "", url.Values{"name": {"Mine"}, "zone": {"UTC"}}, 403},
	} {
		before := len(w.log(1000))
		if c.near != "" {
			for _, role := range []tideline.Role{tideline.RoleAgent, tideline.RoleCollaborator} {
				w.is(string(role)+" "+c.near, w.ask(w.of[role], c.near, c.form), c.denied)
			}
		}
		if c.far != "" {
			w.is("far "+c.far, w.ask(owner, c.far, c.form), 404)
		}
		if got := len(w.log(1000)); got != before {
			t.Errorf("%s: %d entries were written for what was refused", c.near+c.far, got-before)
		}
	}
	w.is("into another workspace's team", w.ask(owner, "/team/members/"+id(agent.ID), url.Values{"team": {id(farTeam.ID)}}), 404)
	for _, path := range []string{"/team/members/0", "/team/members/x", "/team/members/99999999999999999999", "/team/members/" + id(w.stranger.ID)} {
		w.is(path, w.ask(owner, path, nil), 404)
	}
	w.is("from another site", w.ask(owner, "/tokens", url.Values{"name": {"x"}}, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }), 403)
}

func TestTheLogHasAWordForEverything(t *testing.T) {
	t.Parallel()
	all, err := text.Load()
	if err != nil {
		t.Fatal(err)
	}
	for lang, c := range all {
		var keys []string
		for _, a := range tideline.AuditActions() {
			keys = append(keys, "admin.action."+string(a))
		}
		for _, g := range tideline.AuditGroups() {
			keys = append(keys, "admin.group."+g)
		}
		for _, r := range allRoles {
			keys = append(keys, "admin.role."+string(r), "admin.role."+string(r)+".may")
		}
		for _, key := range keys {
			if !c.Has(key) {
				t.Errorf("%s has no text %s", lang, key)
			}
		}
	}
}
