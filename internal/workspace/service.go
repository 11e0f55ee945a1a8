package workspace

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Storage is what this room needs from store.Store.
type Storage interface {
	store.Workspaces
	store.Members
	Retention(ctx context.Context, workspaceID int64) (tideline.Retention, error)
	SetRetention(ctx context.Context, workspaceID int64, r tideline.Retention, at time.Time) error
}

// Service creates and changes workspaces, members and plans.
type Service struct {
	store Storage
	now   func() time.Time
}

// New makes a Service; now nil = time.Now.
func New(s Storage, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store: s, now: now}
}

// Creation describes a new workspace. Only Slug is required.
type Creation struct {
	Slug        string
	DisplayName string // "" = the slug
	TimeZone    string // IANA name; "" = UTC
	Plan        string // "" = tideline.DefaultPlan
	OwnerName   string // "" = "Owner"
	OwnerEmail  string // "" = owner@<slug>.invalid, which no one can receive mail at
}

// Create makes a workspace and its owner. Errors: validation_error, conflict
// (slug taken), not_found (plan).
func (s *Service) Create(ctx context.Context, c Creation) (tideline.Workspace, tideline.Member, error) {
	w := tideline.Workspace{
		Slug: c.Slug, DisplayName: orElse(c.DisplayName, c.Slug), TimeZone: orElse(c.TimeZone, "UTC"),
		Plan: tideline.Plan{Name: orElse(c.Plan, tideline.DefaultPlan)}, Gap: tideline.DefaultGap, CreatedAt: s.now(),
	}
	owner := tideline.Member{
		DisplayName: orElse(c.OwnerName, "Owner"), Email: orElse(c.OwnerEmail, "owner@"+c.Slug+".invalid"),
		Role: tideline.RoleOwner, CreatedAt: s.now(),
	}
	if err := firstError(tideline.CheckSlug(w.Slug), checkName(w.DisplayName), tideline.CheckTimeZone(w.TimeZone), checkMember(owner)); err != nil {
		return tideline.Workspace{}, tideline.Member{}, err
	}
	return s.store.CreateWorkspace(ctx, w, owner)
}

// Pick finds the workspace named slug; "" means the only one there is. Errors:
// not_found, validation_error when there are several to choose from.
func (s *Service) Pick(ctx context.Context, slug string) (tideline.Workspace, error) {
	if slug != "" {
		w, err := s.store.WorkspaceBySlug(ctx, slug)
		if !tideline.IsCode(err, tideline.CodeNotFound) {
			return w, err
		}
	}
	all, err := s.store.ListWorkspaces(ctx)
	if err != nil {
		return tideline.Workspace{}, err
	}
	slugs := make([]string, len(all))
	for i, w := range all {
		slugs[i] = w.Slug
	}
	switch {
	case len(all) == 0:
		return tideline.Workspace{}, tideline.Errorf(tideline.CodeNotFound, "there is no workspace yet: tideline serve makes one, as does tideline workspace create")
	case slug != "":
		return tideline.Workspace{}, tideline.Errorf(tideline.CodeNotFound, "there is no workspace %s; there is %s", slug, strings.Join(slugs, ", "))
	case len(all) > 1:
		return tideline.Workspace{}, tideline.Errorf(tideline.CodeValidation, "there are several workspaces: name one with --workspace: %s", strings.Join(slugs, ", "))
	}
	return all[0], nil
}

// List gives all workspaces by slug.
func (s *Service) List(ctx context.Context) ([]tideline.Workspace, error) {
	return s.store.ListWorkspaces(ctx)
}

// Change says what to change of a workspace; nil stays as it is.
type Change struct {
	DisplayName *string
	TimeZone    *string
	Plan        *string
	Credits     *tideline.Credits // per period
	AddCredits  *tideline.Credits // non-recurring; negative takes some away
	Gap         *tideline.Gap
	By          string // who did it, for the ledger
}

// Set changes a workspace. A plan that doesn't allow another gap brings the
// default gap with it. Errors: validation_error, not_found (plan),
// plan_feature_unavailable (gap).
func (s *Service) Set(ctx context.Context, w tideline.Workspace, c Change) (tideline.Workspace, error) {
	u := store.WorkspaceUpdate{
		DisplayName: c.DisplayName, TimeZone: c.TimeZone, Plan: c.Plan,
		Credits: c.Credits, AddExtra: c.AddCredits, Gap: c.Gap, Note: c.By, At: s.now(),
	}
	if c.DisplayName != nil {
		if err := checkName(*c.DisplayName); err != nil {
			return w, err
		}
	}
	if c.TimeZone != nil {
		if err := tideline.CheckTimeZone(*c.TimeZone); err != nil {
			return w, err
		}
	}
	if c.Credits != nil {
		if err := tideline.CheckGrant(*c.Credits); err != nil {
			return w, err
		}
	}
	plan := w.Plan
	if c.Plan != nil {
		var err error
		if plan, err = s.plan(ctx, *c.Plan); err != nil {
			return w, err
		}
	}
	if c.Gap != nil {
		if err := c.Gap.Check(); err != nil {
			return w, err
		}
		if !plan.GapAdjustable && *c.Gap != tideline.DefaultGap {
			return w, tideline.Errorf(tideline.CodePlanFeatureUnavailable, "the plan %s keeps the gap at %s; choose another plan to change it", plan.Name, tideline.DefaultGap)
		}
	} else if !plan.GapAdjustable && w.Gap != tideline.DefaultGap {
		u.Gap = &tideline.DefaultGap
	}
	return s.store.UpdateWorkspace(ctx, w.ID, u)
}

func (s *Service) plan(ctx context.Context, name string) (tideline.Plan, error) {
	plans, err := s.store.ListPlans(ctx)
	if err != nil {
		return tideline.Plan{}, err
	}
	names := make([]string, len(plans))
	for i, p := range plans {
		if p.Name == name {
			return p, nil
		}
		names[i] = p.Name
	}
	return tideline.Plan{}, tideline.Errorf(tideline.CodeNotFound, "there is no plan %s; there is %s", name, strings.Join(names, ", "))
}

// Plans gives all plans by name.
func (s *Service) Plans(ctx context.Context) ([]tideline.Plan, error) { return s.store.ListPlans(ctx) }

// PlanChange says what to change of a plan; nil stays as it is.
type PlanChange struct {
	Credits       *tideline.Credits
	APICalls      *int64
	Seats         *int
	Webhooks      *int
	MaxFileBytes  *int64
	API           *bool
	Attachments   *bool
	GapAdjustable *bool
}

// SetPlan changes a plan, or makes one that starts as a copy of the default
// plan. Running periods keep the credits they were granted. Errors: validation_error.
func (s *Service) SetPlan(ctx context.Context, name string, c PlanChange) (tideline.Plan, error) {
	if err := tideline.CheckSlug(name); err != nil {
		return tideline.Plan{}, tideline.Errorf(tideline.CodeValidation, "plan %q: use 1 to 30 lower-case letters, digits and inner dashes", name)
	}
	p, err := s.plan(ctx, name)
	if tideline.IsCode(err, tideline.CodeNotFound) {
		p, err = s.plan(ctx, tideline.DefaultPlan)
	}
	if err != nil {
		return tideline.Plan{}, err
	}
	p.Name = name
	set(&p.Credits, c.Credits)
	set(&p.APICalls, c.APICalls)
	set(&p.Seats, c.Seats)
	set(&p.Webhooks, c.Webhooks)
	set(&p.MaxFileBytes, c.MaxFileBytes)
	set(&p.API, c.API)
	set(&p.Attachments, c.Attachments)
	set(&p.GapAdjustable, c.GapAdjustable)
	if p.Credits < -1 || p.APICalls < -1 || p.Seats < -1 || p.Webhooks < -1 || p.MaxFileBytes < 0 {
		return tideline.Plan{}, tideline.Errorf(tideline.CodeValidation, "a plan's figures are 0 or more, or unlimited (-1)")
	}
	return p, s.store.PutPlan(ctx, p)
}

// ParseCredits reads "500" or "unlimited".
func ParseCredits(text string) (tideline.Credits, error) {
	if text == "unlimited" {
		return tideline.Unlimited, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, tideline.Errorf(tideline.CodeValidation, "credits %q: use a number such as 500, or unlimited", text)
	}
	return tideline.Credits(n), nil
}

const maxName = 100 // characters of a workspace's or member's name

func checkName(name string) error {
	if strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return tideline.Errorf(tideline.CodeValidation, "name %q: use 1 to %d printable characters", name, maxName)
	}
	return nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func orElse(s, otherwise string) string {
	if strings.TrimSpace(s) == "" {
		return otherwise
	}
	return s
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
