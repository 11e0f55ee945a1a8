package team_test

import (
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// TestNobodyTakesAnAccountsChatsByAnEMail tries what would show a member the chats
// of an account: to have the e-mail address that owns it.
func TestNobodyTakesAnAccountsChatsByAnEMail(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	for _, role := range roles {
		p := o.member(role)
		_, err := o.ChangeSelf(t.Context(), p, team.SelfChange{Email: new("ada@acme.example"), DisplayName: new("Ada")})
		if may := role == tideline.RoleOwner; may != (err == nil) || !may && !tideline.IsCode(err, tideline.CodePermissionDenied) {
			t.Errorf("%s: %v", role, err)
		}
		members, err := o.store.ListMembers(t.Context(), o.ws.ID)
		o.must(err)
		for _, m := range members {
			if m.ID == p.Member.ID && role != tideline.RoleOwner && (m.Email != p.Member.Email || m.DisplayName != p.Member.DisplayName) {
				t.Errorf("%s: half of a refused change was made: %+v", role, m)
			}
		}
		// Their own address, as a form sends it along, is no change.
		m, err := o.ChangeSelf(t.Context(), p, team.SelfChange{Email: new(" " + p.Member.Email + " "), DisplayName: new(" Zoé "), Language: new("es")})
		o.must(err)
		if m.DisplayName != "Zoé" || m.Language != "es" {
			t.Errorf("%s became %+v", role, m)
		}
	}
}

func TestMembersSayNoNonsenseOfThemselves(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	p := o.member(tideline.RoleOwner)
	other := o.member(tideline.RoleAgent)
	for name, c := range map[string]team.SelfChange{
		"no name": {DisplayName: new("  ")}, "long name": {DisplayName: new(strings.Repeat("é", 151))}, "control": {DisplayName: new("a\nb")},
		"bytes": {DisplayName: new("a\xff")}, "e-mail": {Email: new("ana")}, "e-mail with a name": {Email: new("Ana <ana@x.example>")},
		"long e-mail": {Email: new(strings.Repeat("a", 250) + "@x.example")}, "language": {Language: new("../en")},
		"somebody's e-mail": {Email: new(strings.ToUpper(other.Member.Email))}, "one right, one wrong": {DisplayName: new("Ana"), Language: new("e")},
	} {
		if _, err := o.ChangeSelf(t.Context(), p, c); !tideline.IsCode(err, tideline.CodeValidation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	members, err := o.store.ListMembers(t.Context(), o.ws.ID)
	o.must(err)
	if members[0].DisplayName != p.Member.DisplayName || members[0].Email != p.Member.Email {
		t.Errorf("refused changes made %+v", members[0])
	}
}
