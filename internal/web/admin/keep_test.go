package admin_test

import (
	"net/url"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestHowLongThingsAreKeptIsSetTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, admin := w.of[tideline.RoleOwner], w.of[tideline.RoleAdmin]
	kept := func() tideline.Retention {
		t.Helper()
		r, err := w.store.Retention(t.Context(), w.ws.ID)
		w.must(err)
		return r
	}
	form := func(messages, files, archive string, sure ...string) url.Values {
		return url.Values{"messages": {messages}, "files": {files}, "archive": {archive}, "sure": sure}
	}
	w.is("shown", w.ask(admin, "/settings", nil), 200, "How long things are kept", `value="default" selected`, "For ever")
	w.is("shown in Spanish", w.ask(admin, "/settings", nil, inSpanish), 200, "Para siempre")
	before := len(w.log(100))
	w.is("nothing", w.ask(admin, "/settings/keep", form("default", "default", "default")), 303)
	if n := len(w.log(100)) - before; n != 0 {
		t.Errorf("%d entries of no change", n)
	}
	w.is("not sure", w.ask(owner, "/settings/keep", form("365d", "default", "files")), 422, "Tick this box", `value="365d" selected`, `value="files" selected`)
	w.is("not sure, to a script", w.ask(owner, "/settings/keep", form("default", "30d", "default"), asScript), 422, `"fields":[{"path"`)
	if kept() != tideline.RetentionDefault {
		t.Fatalf("what nobody was sure of is set: %+v", kept())
	}
	w.is("sure", w.ask(admin, "/settings/keep", form("365d", "90d", "files", "yes")), 303)
	if want := (tideline.Retention{Messages: 365, Files: 90, Archive: tideline.ArchiveFiles}); kept() != want {
		t.Errorf("set to %+v", kept())
	}
	if e := w.log(1)[0]; e.Action != tideline.AuditWorkspaceChanged || e.Actor.MemberID != admin.ID || len(e.Changes) != 3 {
		t.Errorf("written down as %+v", e)
	}
	w.is("longer needs no second word", w.ask(admin, "/settings/keep", form("730d", "forever", "files")), 303)
	w.is("without the archive it does", w.ask(admin, "/settings/keep", form("730d", "forever", "none")), 422)
	w.is("shorter does", w.ask(admin, "/settings/keep", form("729d", "forever", "files")), 422)
	w.must(w.store.SetRetention(t.Context(), w.ws.ID, tideline.Retention{Messages: 123}, w.ws.CreatedAt))
	w.is("set otherwise", w.ask(admin, "/settings", nil), 200, `value="123d" selected`)
	for _, wrong := range []url.Values{form("6d", "default", "default", "yes"), form("soon", "default", "default", "yes"), form("default", "default", "all", "yes")} {
		if p := w.ask(admin, "/settings/keep", wrong); p.status < 400 || p.status >= 500 {
			t.Errorf("%v: answered %d", wrong, p.status)
		}
	}
	w.is("by an agent", w.ask(w.of[tideline.RoleAgent], "/settings/keep", form("forever", "forever", "files", "yes")), 403)
	if kept().Messages != 123 {
		t.Errorf("set to %+v in the end", kept())
	}
}
