package workspace

import (
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestWhatAMemberMayChangeOfTheirWorkspace(t *testing.T) {
	t.Parallel()
	const owner, admin = tideline.RoleOwner, tideline.RoleAdmin
	gap := tideline.Gap{Min: time.Second, Max: 2 * time.Second}
	for name, tc := range map[string]struct {
		plan   string
		change Change
		may    []tideline.Role
	}{
		"name":              {tideline.DefaultPlan, Change{DisplayName: new("New")}, []tideline.Role{owner, admin}},
		"time zone":         {tideline.DefaultPlan, Change{TimeZone: new("Europe/Berlin")}, []tideline.Role{owner, admin}},
		"gap":               {tideline.DefaultPlan, Change{Gap: &gap}, []tideline.Role{owner, admin}},
		"credits":           {tideline.DefaultPlan, Change{Credits: new(tideline.Credits(5))}, []tideline.Role{owner}},
		"credits of a plan": {"bought", Change{Credits: new(tideline.Credits(5))}, nil},
		"plan":              {tideline.DefaultPlan, Change{Plan: new("bought")}, nil},
		"extra credits":     {tideline.DefaultPlan, Change{AddCredits: new(tideline.Credits(5))}, nil},
	} {
		for _, role := range []tideline.Role{owner, admin, tideline.RoleTeamSupervisor, tideline.RoleTeammate, tideline.RoleAgent, tideline.RoleCollaborator} {
			w := tideline.Workspace{ID: 1, Plan: tideline.Plan{Name: tc.plan, GapAdjustable: true}, Gap: tideline.DefaultGap}
			f := &fakeStore{workspaces: []tideline.Workspace{w}, plans: []tideline.Plan{w.Plan, {Name: "bought"}}}
			p := &tideline.Principal{Workspace: w, Member: tideline.Member{Role: role, Email: "a@b.c"}}
			_, err := New(f, nil).SetAs(t.Context(), p, tc.change)
			may := false
			for _, r := range tc.may {
				may = may || r == role
			}
			switch {
			case may && (err != nil || len(f.updates) != 1 || f.updates[0].Note != "a@b.c"):
				t.Errorf("%s as %s: %v, %+v", name, role, err, f.updates)
			case !may && (!tideline.IsCode(err, tideline.CodePermissionDenied) || len(f.updates) > 0):
				t.Errorf("%s as %s: %v, %+v", name, role, err, f.updates)
			}
		}
	}
	p := &tideline.Principal{Workspace: tideline.Workspace{ID: 1, Plan: tideline.Plan{Name: tideline.DefaultPlan}}, Member: tideline.Member{Role: owner}}
	if _, err := New(&fakeStore{}, nil).SetAs(t.Context(), p, Change{TimeZone: new("Mars")}); !tideline.IsCode(err, tideline.CodeValidation) {
		t.Errorf("an unknown time zone: %v", err)
	}
	if _, err := New(&fakeStore{}, nil).SetAs(t.Context(), p, Change{Gap: &gap}); !tideline.IsCode(err, tideline.CodePlanFeatureUnavailable) {
		t.Errorf("a gap that the plan keeps: %v", err)
	}
}
