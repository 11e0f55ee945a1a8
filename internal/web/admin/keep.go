package admin

import (
	"net/http"
	"slices"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/workspace"
)

// keepView is the part of the settings about how long things are kept.
type keepView struct {
	Messages, Files, Archive []option
	Problem                  string
}

// keepChoices are the times that people choose from; one that was set otherwise, by a
// command, is among them too while it holds.
var keepChoices = [...]tideline.Keep{tideline.KeepDefault, tideline.KeepForever, 30, 90, 180, 365, 730, 1825}

// keepOptions are the choices as words, the chosen one marked.
func keepOptions(q *ui.Request, chosen tideline.Keep) []option {
	choices := keepChoices[:]
	if !slices.Contains(choices, chosen) {
		choices = append(slices.Clone(choices), chosen)
	}
	var list []option
	for _, k := range choices {
		text := ""
		switch k {
		case tideline.KeepDefault:
			text = q.T("admin.keep.default")
		case tideline.KeepForever:
			text = q.T("admin.keep.forever")
		default:
			text = q.T("admin.keep.days", "n", int(k))
		}
		list = append(list, option{k.String(), text, k == chosen})
	}
	return list
}

func archiveOptions(q *ui.Request, chosen tideline.Archiving) []option {
	var list []option
	for _, a := range []tideline.Archiving{tideline.ArchiveDefault, tideline.ArchiveNone, tideline.ArchiveMessages, tideline.ArchiveFiles} {
		list = append(list, option{a.String(), q.T("admin.keep.archive." + a.String()), a == chosen})
	}
	return list
}

// keepOf shows what is set, or what was filled in and refused.
func (s *section) keepOf(q *ui.Request, r tideline.Retention, problem string) keepView {
	return keepView{Messages: keepOptions(q, r.Messages), Files: keepOptions(q, r.Files), Archive: archiveOptions(q, r.Archive), Problem: problem}
}

// changeKeep changes how long things are kept. What may delete something needs to be
// said twice, because nothing brings it back.
func (s *section) changeKeep(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	set, err := s.Storage.Retention(q.Context(), q.Principal.Workspace.ID)
	if err != nil {
		return err
	}
	r := set
	for name, to := range map[string]*tideline.Keep{"messages": &r.Messages, "files": &r.Files} {
		if form.Has(name) {
			if *to, err = tideline.ParseKeep(form.Get(name)); err != nil {
				return err
			}
		}
	}
	if form.Has("archive") {
		if r.Archive, err = tideline.ParseArchiving(form.Get("archive")); err != nil {
			return err
		}
	}
	if mayDelete(set, r) && form.Get("sure") == "" {
		problem := q.T("admin.keep.sure.missing")
		if q.WantsJSON() {
			return tideline.Invalid([]tideline.FieldError{{Path: []string{"sure"}, Msg: problem}})
		}
		return s.settingsWith(q, http.StatusUnprocessableEntity, settingsOf(q), nil, s.keepOf(q, r, problem))
	}
	if r != set {
		err := s.Workspaces.SetRetentionAs(q.Context(), q.Principal, workspace.RetentionChange{Messages: &r.Messages, Files: &r.Files, Archive: &r.Archive})
		if err != nil {
			return err
		}
	}
	return q.Done("/settings", "admin.saved")
}

// mayDelete reports whether something may be deleted by the setting after that was
// kept, or archived, by the one before.
func mayDelete(before, after tideline.Retention) bool {
	shorter := func(a, b tideline.Keep) bool { return a != b && b != tideline.KeepForever }
	return shorter(before.Messages, after.Messages) && (before.Messages <= tideline.KeepForever || after.Messages < before.Messages) ||
		shorter(before.Files, after.Files) && (before.Files <= tideline.KeepForever || after.Files < before.Files) ||
		before.Archive != after.Archive && after.Archive != tideline.ArchiveFiles && after.Messages != tideline.KeepForever
}
