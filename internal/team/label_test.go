package team_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestWhoMayManageLabels(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	serial := 0
	for _, role := range roles {
		p := o.member(role)
		fresh := func() tideline.Label {
			serial++
			l, err := o.CreateLabel(ctx, o.member(tideline.RoleOwner), "label "+strconv.Itoa(serial), "")
			o.must(err)
			return l
		}
		serial++
		_, made := o.CreateLabel(ctx, p, "made "+strconv.Itoa(serial), tideline.ColourRed)
		_, changed := o.ChangeLabel(ctx, p, fresh().ID, team.LabelChange{Name: new("changed " + strconv.Itoa(serial))})
		deleted := o.DeleteLabel(ctx, p, fresh().ID)
		_, listed := o.AllLabels(ctx, p)
		manages := role == tideline.RoleOwner || role == tideline.RoleAdmin || role == tideline.RoleTeamSupervisor
		for _, x := range []struct {
			what string
			err  error
			may  bool
		}{{"makes", made, role != tideline.RoleCollaborator}, {"changes", changed, manages}, {"deletes", deleted, manages}, {"lists", listed, true}} {
			if x.may && x.err != nil || !x.may && !tideline.IsCode(x.err, tideline.CodePermissionDenied) {
				t.Errorf("%s %s: %v", role, x.what, x.err)
			}
		}
	}
}

func TestLabelsAreCleanedAndChecked(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	p := o.member(tideline.RoleAdmin)
	l, err := o.CreateLabel(ctx, p, "  vip ", tideline.ColourTeal)
	o.must(err)
	if l.Name != "vip" || l.Colour() != tideline.ColourTeal {
		t.Errorf("%+v", l)
	}
	if _, err := o.CreateLabel(ctx, p, "vip", ""); !tideline.IsCode(err, tideline.CodeConflict) {
		t.Errorf("twice: %v", err)
	}
	for name, colour := range map[string]tideline.Colour{
		" ": "", strings.Repeat("ü", tideline.MaxLabel+1): "", "a\x00b": "", "fine": "chartreuse",
	} {
		_, created := o.CreateLabel(ctx, p, name, colour)
		_, changed := o.ChangeLabel(ctx, p, l.ID, team.LabelChange{Name: &name, Colour: &colour})
		for _, err := range []error{created, changed} {
			if !tideline.IsCode(err, tideline.CodeValidation) {
				t.Errorf("%q in %q: %v", name, colour, err)
			}
		}
	}
	_, err = o.PutLabels(ctx, p, o.chat, []string{"gold"}, true)
	o.must(err)
	if _, err := o.ChangeLabel(ctx, p, l.ID, team.LabelChange{Name: new("gold")}); !tideline.IsCode(err, tideline.CodeConflict) {
		t.Errorf("to a name that is taken: %v", err)
	}
	left, err := o.ChangeLabel(ctx, p, l.ID, team.LabelChange{Name: new(" gold "), Merge: true})
	o.must(err)
	list, err := o.AllLabels(ctx, p)
	o.must(err)
	if diff := cmp.Diff([]team.Label{{Label: left, LabelCount: store.LabelCount{Open: 1, All: 1}}}, list); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	colours, err := o.LabelColours(ctx, p)
	o.must(err)
	if diff := cmp.Diff(map[string]tideline.Colour{"gold": tideline.ColourOf("gold")}, colours); diff != "" {
		t.Errorf("colours (-want +got):\n%s", diff)
	}
	// Counts are those of the chats that one sees.
	list, err = o.AllLabels(ctx, o.member(tideline.RoleAgent))
	o.must(err)
	if len(list) != 1 || list[0].All != 0 {
		t.Errorf("an agent without chats is shown %+v", list)
	}
}

func TestTemplatesAreFoundByTheirWords(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	ctx := t.Context()
	p := o.member(tideline.RoleAgent)
	make := func(ctx context.Context, p *tideline.Principal, name, text, visibility string) int64 {
		t.Helper()
		made, err := o.CreateTemplate(ctx, p, team.TemplateChange{Name: &name, Text: &text, Visibility: &visibility})
		o.must(err)
		return made.ID
	}
	make(ctx, p, "Öffnungszeiten", "We are open 9 to 5", "public")
	used := make(ctx, p, "Address", "Opening the door: press 5", "public")
	make(ctx, p, "When we open", "from 9", "public")
	make(ctx, p, "Open", "now", "public")
	make(ctx, o.member(tideline.RoleAgent), "Open secret", "x", "private")
	o.must(o.CountUse(ctx, p, used))
	for query, want := range map[string][]string{
		"":         {"Address", "Open", "When we open", "Öffnungszeiten"},
		"OPEN":     {"Open", "When we open", "Address", "Öffnungszeiten"},
		"open 9":   {"When we open", "Öffnungszeiten"},
		"öFFNUNGS": {"Öffnungszeiten"},
		"nothing":  {},
	} {
		found, err := o.SearchTemplates(ctx, p, query)
		o.must(err)
		names := []string{}
		for _, t := range found {
			names = append(names, t.Name)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
}
