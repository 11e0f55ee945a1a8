package workspace

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// fakeStore keeps one or more workspaces in memory, without any rule of its own.
type fakeStore struct {
	workspaces []tideline.Workspace
	members    []tideline.Member
	plans      []tideline.Plan
	updates    []store.WorkspaceUpdate
}

func (*fakeStore) Retention(context.Context, int64) (tideline.Retention, error) {
	return tideline.RetentionDefault, nil
}

func (*fakeStore) SetRetention(context.Context, int64, tideline.Retention, time.Time) error {
	return nil
}

func (f *fakeStore) CreateWorkspace(_ context.Context, w tideline.Workspace, owner tideline.Member) (tideline.Workspace, tideline.Member, error) {
	w.ID = int64(len(f.workspaces) + 1)
	owner.WorkspaceID = w.ID
	f.workspaces = append(f.workspaces, w)
	f.members = append(f.members, owner)
	return w, owner, nil
}

func (f *fakeStore) WorkspaceBySlug(_ context.Context, slug string) (tideline.Workspace, error) {
	for _, w := range f.workspaces {
		if w.Slug == slug {
			return w, nil
		}
	}
	return tideline.Workspace{}, tideline.Errorf(tideline.CodeNotFound, "no")
}

func (f *fakeStore) ListWorkspaces(context.Context) ([]tideline.Workspace, error) {
	return f.workspaces, nil
}

func (f *fakeStore) UpdateWorkspace(_ context.Context, id int64, u store.WorkspaceUpdate) (tideline.Workspace, error) {
	f.updates = append(f.updates, u)
	return f.workspaces[id-1], nil
}

func (f *fakeStore) PutPlan(_ context.Context, p tideline.Plan) error {
	f.plans = append(slices.DeleteFunc(f.plans, func(o tideline.Plan) bool { return o.Name == p.Name }), p)
	return nil
}

func (f *fakeStore) ListPlans(context.Context) ([]tideline.Plan, error) { return f.plans, nil }

func (f *fakeStore) AddMember(_ context.Context, m tideline.Member) (tideline.Member, error) {
	f.members = append(f.members, m)
	return m, nil
}

func (f *fakeStore) ListMembers(context.Context, int64) ([]tideline.Member, error) {
	return f.members, nil
}

func (f *fakeStore) SetMemberRole(context.Context, int64, int64, tideline.Role) error { return nil }

func (f *fakeStore) RemoveMember(context.Context, int64, int64, time.Time) error { return nil }

var (
	generous = tideline.Plan{Name: tideline.DefaultPlan, Credits: 1000, Seats: -1, GapAdjustable: true}
	small    = tideline.Plan{Name: "small", Credits: 10, Seats: 2}
)

func setup(t *testing.T) (*Service, *fakeStore, tideline.Workspace) {
	t.Helper()
	f := &fakeStore{plans: []tideline.Plan{generous, small}}
	s := New(f, nil)
	w, _, err := s.Create(t.Context(), Creation{Slug: "main"})
	if err != nil {
		t.Fatal(err)
	}
	w.Plan = generous
	f.workspaces[0] = w
	return s, f, w
}

func wantCode(t *testing.T, what string, err error, want tideline.Code) {
	t.Helper()
	if got := tideline.ErrorCode(err); got != want {
		t.Errorf("%s: %v, want code %q", what, err, want)
	}
}

func TestCreateFillsInAndRefuses(t *testing.T) {
	t.Parallel()
	s, f, w := setup(t)
	owner := f.members[0]
	if w.DisplayName != "main" || w.TimeZone != "UTC" || w.Gap != tideline.DefaultGap || owner.Role != tideline.RoleOwner || owner.Email == "" {
		t.Errorf("made %+v with owner %+v", w, owner)
	}
	for what, c := range map[string]Creation{
		"slug":      {Slug: "Main Street"},
		"time zone": {Slug: "a", TimeZone: "Mars/Olympus"},
		"local":     {Slug: "a", TimeZone: "Local"},
		"name":      {Slug: "a", DisplayName: strings.Repeat("x", 101)},
		"e-mail":    {Slug: "a", OwnerEmail: "nobody"},
	} {
		_, _, err := s.Create(t.Context(), c)
		wantCode(t, what, err, tideline.CodeValidation)
	}
}

func TestPickTheOnlyOneOrAsk(t *testing.T) {
	t.Parallel()
	s := New(&fakeStore{}, nil)
	_, err := s.Pick(t.Context(), "")
	wantCode(t, "none", err, tideline.CodeNotFound)
	s, f, w := setup(t)
	got, err := s.Pick(t.Context(), "")
	if err != nil || got.ID != w.ID {
		t.Errorf("the only one: %v, %v", got, err)
	}
	f.workspaces = append(f.workspaces, tideline.Workspace{ID: 2, Slug: "shop"})
	_, err = s.Pick(t.Context(), "")
	wantCode(t, "two", err, tideline.CodeValidation)
	if !strings.Contains(err.Error(), "main, shop") {
		t.Errorf("the error doesn't list them: %v", err)
	}
	if got, err = s.Pick(t.Context(), "shop"); err != nil || got.ID != 2 {
		t.Errorf("by name: %v, %v", got, err)
	}
	_, err = s.Pick(t.Context(), "mian")
	wantCode(t, "misspelt", err, tideline.CodeNotFound)
	if !strings.Contains(err.Error(), "main, shop") {
		t.Errorf("the error doesn't list them: %v", err)
	}
}

func TestGapIsThePlansToGive(t *testing.T) {
	t.Parallel()
	s, f, w := setup(t)
	quick := tideline.Gap{Min: time.Millisecond, Max: time.Second}
	if _, err := s.Set(t.Context(), w, Change{Gap: &quick}); err != nil {
		t.Errorf("on a plan that allows it: %v", err)
	}
	w.Plan = small
	_, err := s.Set(t.Context(), w, Change{Gap: &quick})
	wantCode(t, "on a plan that doesn't", err, tideline.CodePlanFeatureUnavailable)
	if _, err = s.Set(t.Context(), w, Change{Gap: &tideline.DefaultGap}); err != nil {
		t.Errorf("the default gap on such a plan: %v", err)
	}
	name := tideline.DefaultPlan
	if _, err = s.Set(t.Context(), w, Change{Gap: &quick, Plan: &name}); err != nil {
		t.Errorf("together with a plan that allows it: %v", err)
	}
	w.Plan, w.Gap, name = generous, quick, "small"
	if _, err = s.Set(t.Context(), w, Change{Plan: &name}); err != nil {
		t.Fatal(err)
	}
	if last := f.updates[len(f.updates)-1]; last.Gap == nil || *last.Gap != tideline.DefaultGap {
		t.Errorf("a plan with a fixed gap leaves gap %v", last.Gap)
	}
}

func TestSetRefusesNonsense(t *testing.T) {
	t.Parallel()
	s, f, w := setup(t)
	bad, less := "nowhere", tideline.Credits(-2)
	for what, c := range map[string]Change{
		"time zone": {TimeZone: &bad},
		"credits":   {Credits: &less},
		"gap":       {Gap: &tideline.Gap{Min: 2, Max: 1}},
	} {
		_, err := s.Set(t.Context(), w, c)
		wantCode(t, what, err, tideline.CodeValidation)
	}
	_, err := s.Set(t.Context(), w, Change{Plan: &bad})
	wantCode(t, "plan", err, tideline.CodeNotFound)
	if len(f.updates) != 0 {
		t.Errorf("%d updates were made", len(f.updates))
	}
}

func TestSeatsBoundMembers(t *testing.T) {
	t.Parallel()
	s, _, w := setup(t)
	w.Plan = small
	if _, err := s.AddMember(t.Context(), w, tideline.Member{Email: "a@example.com", Role: tideline.RoleAgent}); err != nil {
		t.Fatal(err)
	}
	_, err := s.AddMember(t.Context(), w, tideline.Member{Email: "b@example.com", Role: tideline.RoleAgent})
	wantCode(t, "third member of two", err, tideline.CodePlanFeatureUnavailable)
}

func TestExactlyOneOwner(t *testing.T) {
	t.Parallel()
	s, _, w := setup(t)
	_, err := s.AddMember(t.Context(), w, tideline.Member{Email: "a@example.com", Role: tideline.RoleOwner})
	wantCode(t, "second owner", err, tideline.CodeValidation)
	if _, err = s.AddMember(t.Context(), w, tideline.Member{Email: "a@example.com", Role: tideline.RoleAgent}); err != nil {
		t.Fatal(err)
	}
	_, err = s.SetRole(t.Context(), w, "a@example.com", tideline.RoleOwner)
	wantCode(t, "promote to owner", err, tideline.CodeValidation)
	_, err = s.SetRole(t.Context(), w, "", tideline.RoleAdmin)
	wantCode(t, "demote the owner", err, tideline.CodeValidation)
	_, err = s.RemoveMember(t.Context(), w, "")
	wantCode(t, "remove the owner", err, tideline.CodeValidation)
	_, err = s.SetRole(t.Context(), w, "A@example.com", "king")
	wantCode(t, "unknown role", err, tideline.CodeValidation)
	if _, err = s.SetRole(t.Context(), w, "A@Example.com", tideline.RoleAdmin); err != nil {
		t.Errorf("e-mails differ in case only: %v", err)
	}
	_, err = s.RemoveMember(t.Context(), w, "c@example.com")
	wantCode(t, "nobody", err, tideline.CodeNotFound)
}

func TestPlansAreData(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	credits, seats := tideline.Credits(5), 3
	p, err := s.SetPlan(t.Context(), "tiny", PlanChange{Credits: &credits})
	if err != nil || p.Name != "tiny" || p.Credits != 5 || !p.GapAdjustable {
		t.Errorf("a new plan is %+v, %v", p, err)
	}
	if p, err = s.SetPlan(t.Context(), "tiny", PlanChange{Seats: &seats}); err != nil || p.Credits != 5 || p.Seats != 3 {
		t.Errorf("a changed plan is %+v, %v", p, err)
	}
	seats = -2
	_, err = s.SetPlan(t.Context(), "tiny", PlanChange{Seats: &seats})
	wantCode(t, "negative seats", err, tideline.CodeValidation)
	_, err = s.SetPlan(t.Context(), "Tiny Plan", PlanChange{})
	wantCode(t, "name", err, tideline.CodeValidation)
}

func TestParseCredits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]tideline.Credits{"0": 0, "500": 500, "unlimited": tideline.Unlimited} {
		if got, err := ParseCredits(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5", "lots", "Unlimited"} {
		_, err := ParseCredits(text)
		wantCode(t, text, err, tideline.CodeValidation)
	}
}
