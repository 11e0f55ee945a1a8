package admin

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/workspace"
)

// settingsView is what the page of settings shows.
type settingsView struct {
	Workspace  tideline.Workspace
	Balance    tideline.Balance
	Left       int64 // credits that can be spent; -1 = unlimited
	Unlimited  bool
	SetCredits bool // the reader may
	Form       settingsForm
	Problems   map[string]string
	Keep       keepView
}

// settingsForm is what is filled in.
type settingsForm struct {
	Name, Zone, Min, Max, Credits string
	NoLimit                       bool
}

func (s *section) showSettings(q *ui.Request) error {
	return s.settings(q, http.StatusOK, settingsOf(q), nil)
}

// settingsOf is the form as it is set.
func settingsOf(q *ui.Request) settingsForm {
	w := &q.Principal.Workspace
	f := settingsForm{Name: w.DisplayName, Zone: w.TimeZone, Min: seconds(w.Gap.Min), Max: seconds(w.Gap.Max), NoLimit: w.Grant() == tideline.Unlimited}
	if !f.NoLimit {
		f.Credits = strconv.FormatInt(int64(w.Grant()), 10)
	}
	return f
}

func (s *section) settings(q *ui.Request, status int, f settingsForm, problems map[string]string) error {
	r, err := s.Storage.Retention(q.Context(), q.Principal.Workspace.ID)
	if err != nil {
		return err
	}
	return s.settingsWith(q, status, f, problems, s.keepOf(q, r, ""))
}

func (s *section) settingsWith(q *ui.Request, status int, f settingsForm, problems map[string]string, keep keepView) error {
	p := q.Principal
	b, err := s.Storage.Balance(q.Context(), p.Workspace.ID, s.Now())
	if err != nil {
		return err
	}
	v := settingsView{Workspace: p.Workspace, Balance: b, Left: int64(b.Available()), Unlimited: b.Available() < 0,
		SetCredits: workspace.MaySetCredits(p), Form: f, Problems: problems, Keep: keep}
	return q.PageStatus(status, "admin/settings", page("admin.settings.title", "settings", v))
}

// seconds writes a duration as people fill it in: "1.5".
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// changeSettings changes what differs from what is set: what was not touched needs
// no right.
func (s *section) changeSettings(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	f := settingsForm{Name: strings.TrimSpace(form.Get("name")), Zone: strings.TrimSpace(form.Get("zone")), Min: form.Get("gap_min"), Max: form.Get("gap_max"),
		Credits: form.Get("credits"), NoLimit: form.Get("unlimited") != ""}
	problems := map[string]string{}
	c := s.changeOf(q, &f, form.Has("gap_min"), form.Has("credits") || f.NoLimit, problems)
	if len(problems) == 0 && c != (workspace.Change{}) {
		_, err = s.Workspaces.SetAs(q.Context(), q.Principal, c)
		switch {
		case tideline.IsCode(err, tideline.CodeValidation):
			problems[blamed(c)] = err.(*tideline.Error).Message //nolint:errorlint,forcetypeassert // it has a code, so it is one
		case err != nil:
			return err
		}
	}
	if len(problems) == 0 {
		return q.Done("/settings", "admin.saved")
	}
	if q.WantsJSON() {
		var fields []tideline.FieldError
		for _, name := range []string{"name", "zone", "gap_min", "credits"} {
			if problems[name] != "" {
				fields = append(fields, tideline.FieldError{Path: []string{name}, Msg: problems[name]})
			}
		}
		return tideline.Invalid(fields)
	}
	return s.settings(q, http.StatusUnprocessableEntity, f, problems)
}

// blamed names the field that a change must have been refused for: those that are
// checked here are not among them.
func blamed(c workspace.Change) string {
	switch {
	case c.TimeZone != nil && tideline.CheckTimeZone(*c.TimeZone) != nil:
		return "zone"
	case c.Gap != nil && c.Gap.Check() != nil:
		return "gap_min"
	case c.Credits != nil && tideline.CheckGrant(*c.Credits) != nil:
		return "credits"
	}
	return "name"
}

// changeOf gives what the form changes of the workspace, and notes what can't be
// read.
func (s *section) changeOf(q *ui.Request, f *settingsForm, gap, credits bool, problems map[string]string) (c workspace.Change) {
	w := &q.Principal.Workspace
	if f.Name != w.DisplayName {
		c.DisplayName = &f.Name
	}
	if f.Zone != w.TimeZone {
		c.TimeZone = &f.Zone
	}
	if gap {
		g, err := gapOf(f.Min, f.Max)
		if err != nil {
			problems["gap_min"] = q.T("admin.settings.gap.wrong")
		} else if g != w.Gap {
			c.Gap = &g
		}
	}
	if credits {
		n, err := tideline.Unlimited, error(nil)
		if !f.NoLimit {
			n, err = workspace.ParseCredits(strings.TrimSpace(f.Credits))
		}
		if err != nil {
			problems["credits"] = q.T("admin.settings.credits.wrong")
		} else if n != w.Grant() {
			c.Credits = &n
		}
	}
	return c
}

// gapOf reads a gap that is given in seconds.
func gapOf(least, most string) (tideline.Gap, error) {
	var ends [2]time.Duration
	for i, text := range []string{least, most} {
		n, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(text), ",", ".", 1), 64)
		if err != nil || !(n >= 0 && n <= tideline.MaxGap.Seconds()) {
			return tideline.Gap{}, fmt.Errorf("%q is no number of seconds up to a day", text)
		}
		ends[i] = time.Duration(n * float64(time.Second)).Round(time.Millisecond)
	}
	g := tideline.Gap{Min: ends[0], Max: ends[1]}
	return g, g.Check()
}
