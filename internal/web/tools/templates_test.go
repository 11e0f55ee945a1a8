package tools_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// text gives the id of the text template that was changed last.
func (w *world) text() string {
	w.t.Helper()
	list, err := w.store.ListTextTemplates(w.t.Context(), w.acme.ID)
	w.must(err)
	if len(list) == 0 {
		w.t.Fatal("there is no text template")
	}
	return fmt.Sprint(list[0].ID)
}

func TestTextTemplatesAreMadeFoundAndChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	has(t, w.page("acme", "/templates"), "No text templates yet", `aria-current="page"`)
	form := w.page("acme", "/templates/texts/new?part")
	has(t, form, tideline.PlaceholderContact, tideline.PlaceholderPhone, tideline.PlaceholderMe, `data-me="Olga"`, `value="public" selected`, "<option>Default</option>")
	w.done("acme", "/templates/texts", "name", "Hours", "text", "<b>9 to 5</b> {my_name}", "visibility", "read-only", "team", "Default")
	w.done("agent", "/templates/texts", "name", "Greeting", "text", "Hi {contact_name}", "visibility", "private", "team", "")
	secret := w.text()
	page := w.page("acme", "/templates")
	has(t, page, "Hours", "&lt;b&gt;9 to 5&lt;/b&gt; {my_name}", "Read only", "Default")
	hasNot(t, page, "Greeting", "<b>9")
	refused(t, "another's private one", w.get("acme", "/templates/texts/"+secret+"/edit"), http.StatusNotFound)
	has(t, w.page("agent", "/templates?q=GREET"), "Greeting", `value="GREET"`)
	hasNot(t, w.page("agent", "/templates?q=GREET"), "Hours")
	has(t, w.page("agent", "/templates?q=%3Cscript%3E"), "Nothing found", "&lt;script&gt;")
	has(t, w.page("agent", "/templates/texts/"+secret+"/edit?part"), "Hi {contact_name}", `value="private" selected`)
	w.done("agent", "/templates/texts/"+secret, "name", "Greeting", "text", "Hello", "visibility", "public", "team", "")
	has(t, w.page("acme", "/templates"), "Greeting", "Hello")
	w.done("agent", "/templates/texts/"+secret+"/delete")
	hasNot(t, w.page("acme", "/templates"), "Greeting")
}

func TestATextTemplateKeepsItsTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.done("acme", "/templates/texts", "name", "a", "text", "b", "visibility", "public", "team", "Default")
	has(t, w.page("acme", "/templates/texts/"+w.text()+"/edit?part"), "<option selected>Default</option>")
	w.done("acme", "/templates/texts/"+w.text(), "name", "a", "text", "b", "visibility", "public", "team", "")
	list, err := w.store.ListTextTemplates(t.Context(), w.acme.ID)
	w.must(err)
	if list[0].TeamID != nil {
		t.Errorf("it is for the team %d only", *list[0].TeamID)
	}
}

func TestTextTemplatesAreForThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.done("acme", "/templates/texts", "name", "Hours", "text", "9 to 5", "visibility", "read-only")
	id := w.text()
	hasNot(t, w.page("agent", "/templates"), "/edit", "/delete")
	refused(t, "an agent changes", w.post("agent", "/templates/texts/"+id, "name", "x", "text", "x", "visibility", "public"), http.StatusForbidden)
	refused(t, "an agent deletes", w.post("agent", "/templates/texts/"+id+"/delete"), http.StatusForbidden)
	refused(t, "a stranger changes", w.post("other", "/templates/texts/"+id, "name", "x", "text", "x", "visibility", "public"), http.StatusNotFound)
	refused(t, "a stranger deletes", w.post("other", "/templates/texts/"+id+"/delete"), http.StatusNotFound)
	a := w.post("acme", "/templates/texts", "name", "x", "text", strings.Repeat("x", tideline.MaxTemplateText+1), "visibility", "public")
	refused(t, "too long", a, http.StatusUnprocessableEntity)
	has(t, a.Body, `"path":"text"`)
	refused(t, "no visibility", w.post("acme", "/templates/texts", "name", "x", "text", "x", "visibility", "x"), http.StatusUnprocessableEntity)
	refused(t, "no team", w.post("acme", "/templates/texts", "name", "x", "text", "x", "visibility", "public", "team", "Nobody"), http.StatusNotFound)
}

// fileTemplate gives the id of the attachment template that was made last.
func (w *world) fileTemplate() string {
	w.t.Helper()
	list, err := w.store.ListTemplates(w.t.Context(), w.acme.ID)
	w.must(err)
	return fmt.Sprint(list[len(list)-1].ID)
}

const (
	png  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
	html = "<!DOCTYPE html><script>alert(1)</script>"
)

func TestAttachmentTemplatesAreUploadedShownAndReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	has(t, w.page("agent", "/templates/files"), "No attachment templates yet")
	refused(t, "uploaded", w.upload("agent", "/templates/files", "Logo", "logo.png", png), http.StatusOK)
	id := w.fileTemplate()
	has(t, w.page("agent", "/templates/files"), "Logo", "logo.png", "image/png", fmt.Sprint(len(png))+" bytes", "used 0 times", "<img ", "agent@acme.example")
	a := w.get("agent", "/templates/files/"+id+"/content")
	if a.Body != png || a.Header.Get("Content-Type") != "image/png" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "inline") ||
		a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
		t.Errorf("content: %+v", a)
	}
	r := w.get("agent", "/templates/files/"+id+"/content?save")
	has(t, r.Header.Get("Content-Disposition"), "attachment", "logo.png")

	has(t, w.page("agent", "/templates/files/"+id+"/replace?part"), "/templates/files/"+id+"/replace", "“Logo”")
	refused(t, "replaced", w.upload("agent", "/templates/files/"+id+"/replace", "", "page.html", html), http.StatusOK)
	a = w.get("agent", "/templates/files/"+id+"/content")
	if a.Body != html || a.Header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("what a browser would run: %+v", a)
	}
	w.done("agent", "/templates/files/"+id, "name", "Page")
	has(t, w.page("agent", "/templates/files?q=pAGE"), "Page", "page.html")
	has(t, w.page("agent", "/templates/files?q=logo"), "Nothing found")
	w.done("agent", "/templates/files/"+id+"/delete")
	has(t, w.page("agent", "/templates/files"), "No attachment templates yet")

	// Without a name it is called as its file.
	refused(t, "without a name", w.upload("agent", "/templates/files", " ", "menu.txt", "soup"), http.StatusOK)
	has(t, w.page("agent", "/templates/files"), "<h2>menu.txt</h2>")
}

func TestAttachmentTemplatesAreForThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refused(t, "uploaded", w.upload("acme", "/templates/files", "Logo", "logo.png", png), http.StatusOK)
	id := w.fileTemplate()
	has(t, w.page("agent", "/templates/files"), "Logo")
	hasNot(t, w.page("agent", "/templates/files"), "/edit", "/delete", "/replace")
	for _, who := range []string{"agent", "other"} {
		status := map[string]int{"agent": http.StatusForbidden, "other": http.StatusNotFound}[who]
		refused(t, who+" renames", w.post(who, "/templates/files/"+id, "name", "x"), status)
		refused(t, who+" replaces", w.upload(who, "/templates/files/"+id+"/replace", "", "x.txt", "x"), status)
		refused(t, who+" deletes", w.post(who, "/templates/files/"+id+"/delete"), status)
	}
	refused(t, "a stranger reads", w.get("other", "/templates/files/"+id+"/content"), http.StatusNotFound)
	refused(t, "no file", w.upload("acme", "/templates/files", "x", "", ""), http.StatusUnprocessableEntity)
	refused(t, "an empty file", w.upload("acme", "/templates/files", "x", "x.txt", ""), http.StatusUnprocessableEntity)
	refused(t, "no form with files", w.post("acme", "/templates/files", "name", "x"), http.StatusUnprocessableEntity)
	refused(t, "a bad name", w.post("acme", "/templates/files/"+id, "name", "a\nb"), http.StatusUnprocessableEntity)
	w.people["agent"].Member.Role = tideline.RoleCollaborator
	hasNot(t, w.page("agent", "/templates/files"), "/templates/files/new")
	refused(t, "a collaborator uploads", w.upload("agent", "/templates/files", "x", "x.txt", "x"), http.StatusForbidden)
}
