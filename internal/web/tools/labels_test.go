package tools_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// label gives the id of a label of acme.
func (w *world) label(name string) string {
	w.t.Helper()
	list, err := w.store.ListLabels(w.t.Context(), w.acme.ID)
	w.must(err)
	for _, l := range list {
		if l.Name == name {
			return fmt.Sprint(l.ID)
		}
	}
	w.t.Fatalf("there is no label %q in %v", name, list)
	return ""
}

func TestLabelsAreMadeColouredAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	has(t, w.page("acme", "/labels"), "No labels yet", `href="/labels/new"`)
	w.done("acme", "/labels", "name", "<vip> & co", "colour", "teal")
	page := w.page("acme", "/labels")
	has(t, page, `data-colour="teal">&lt;vip&gt; &amp; co</span>`, `href="/inbox?label=%3cvip%3e%20%26%20co"`, "0 chats")
	id := w.label("<vip> & co")
	form := w.page("acme", "/labels/"+id+"/edit?part")
	has(t, form, `value="&lt;vip&gt; &amp; co"`, `value="teal" checked`, `data-label=""`)
	hasNot(t, form, "<html")
	has(t, w.page("acme", "/labels/"+id+"/edit"), "<html", `data-label="follow"`)
	w.done("acme", "/labels/"+id, "name", "gold", "colour", "")
	has(t, w.page("acme", "/labels"), `data-colour="`+string(tideline.ColourOf("gold"))+`">gold<`)
	w.done("acme", "/labels/"+id+"/delete")
	has(t, w.page("acme", "/labels"), "No labels yet")
}

func TestALabelThatTakesAnothersNameIsMergedWhenAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.done("acme", "/labels", "name", "gold")
	w.done("acme", "/labels", "name", "vip")
	gold, vip := w.label("gold"), w.label("vip")
	a := w.post("acme", "/labels/"+vip, "name", "gold")
	refused(t, "without asking", a, http.StatusConflict)
	has(t, a.Body, `"code":"conflict"`)
	w.label("vip")

	// Without a script, a page asks.
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/labels/"+vip, strings.NewReader("name=gold"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	has(t, w.do("acme", r).Body, `name="merge"`, "“vip”", "“gold”")

	w.done("acme", "/labels/"+vip, "name", "gold", "merge", "yes")
	if w.label("gold") != gold {
		t.Error("the label that was there is not the one that is left")
	}
	refused(t, "the merged one", w.get("acme", "/labels/"+vip+"/edit"), http.StatusNotFound)
}

func TestLabelsAreForThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.done("agent", "/labels", "name", "mine")
	id := w.label("mine")
	page := w.page("agent", "/labels")
	has(t, page, `href="/labels/new"`, "mine")
	hasNot(t, page, "/edit", "/delete")
	refused(t, "an agent renames", w.post("agent", "/labels/"+id, "name", "x"), http.StatusForbidden)
	refused(t, "an agent deletes", w.post("agent", "/labels/"+id+"/delete"), http.StatusForbidden)
	hasNot(t, w.page("other", "/labels"), "mine")
	refused(t, "a stranger reads", w.get("other", "/labels/"+id+"/edit"), http.StatusNotFound)
	refused(t, "a stranger renames", w.post("other", "/labels/"+id, "name", "x"), http.StatusNotFound)
	refused(t, "a stranger deletes", w.post("other", "/labels/"+id+"/delete"), http.StatusNotFound)
	refused(t, "nobody", w.get("nobody", "/labels"), http.StatusSeeOther)
	refused(t, "no name", w.post("acme", "/labels", "name", " "), http.StatusUnprocessableEntity)
	refused(t, "no colour", w.post("acme", "/labels", "name", "x", "colour", "plaid"), http.StatusUnprocessableEntity)
	refused(t, "no number", w.post("acme", "/labels/x/delete"), http.StatusNotFound)
	w.label("mine")
}
