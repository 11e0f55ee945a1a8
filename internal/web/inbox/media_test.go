package inbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// upload keeps a file and gives its uid.
func (o *office) upload(name, kind, content string) string {
	o.t.Helper()
	return o.ask(http.MethodPost, "/inbox/upload?name="+name, "", content, func(r *http.Request) { r.Header.Set("Content-Type", kind) }).field("uid")
}

const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"

func TestFilesAreServedSoThatNothingInThemRuns(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	for name, c := range map[string]struct {
		kind, content, disposition string
	}{
		"a.png":  {"image/png", png, "inline"},
		"a.html": {"text/html", "<html><script>alert(1)</script>", "attachment"},
		"a.svg":  {"image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, "attachment"},
		"x.png":  {"image/png", "<html><script>alert(1)</script>", "attachment"}, // the bytes tell what it is
		"a.pdf":  {"application/pdf", "%PDF-1.7\n", "attachment"},
	} {
		a := o.get("/media/" + o.upload(name, c.kind, c.content))
		if got, _, _ := strings.Cut(a.header.Get("Content-Disposition"), ";"); a.status != http.StatusOK || got != c.disposition || a.body != c.content {
			t.Errorf("%s: %d as %q (%s)", name, a.status, a.header.Get("Content-Disposition"), a.header.Get("Content-Type"))
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
			t.Errorf("%s: headers %v", name, a.header)
		}
	}
	uid := o.upload("a.png", "image/png", png)
	part := o.ask(http.MethodGet, "/media/"+uid, "", nil, func(r *http.Request) { r.Header.Set("Range", "bytes=1-3") })
	if part.status != http.StatusPartialContent || part.body != "PNG" {
		t.Errorf("a range: %d %q", part.status, part.body)
	}
	if got := o.get("/media/" + uid + "?save=1").header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
		t.Errorf("saved as %q", got)
	}
	o.get("/media/" + uuid.NewString()).refused(http.StatusNotFound)
	o.get("/media/x").refused(http.StatusNotFound)
}

func TestAFileIsSeenByWhoSeesItsChat(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	agent, secret := o.member(tideline.RoleAgent)
	_, _, foreign, _ := o.tenant("other")
	hidden := o.receive("+14840000101", "Ana", "x").ChatID
	mine := o.receive("+14840000102", "Bob", "x").ChatID
	o.post(fmt.Sprintf("/inbox/%d/change", mine), map[string]any{"assignee": agent.Email}).ok()
	send := func(chat int64) (file, message string) {
		file = o.upload("a.png", "image/png", png)
		return file, o.post(fmt.Sprintf("/inbox/%d/send", chat), map[string]string{"file": file, "text": "see"}).field("uid")
	}
	secretFile, secretMessage := send(hidden)
	file, message := send(mine)
	ask := func(path, who string) int { return o.ask(http.MethodGet, path, who, nil).status }
	for path, want := range map[string]int{
		"/media/" + file + "?message=" + message:             200,
		"/media/" + file:                                     404,
		"/media/" + file + "?message=" + secretMessage:       404,
		"/media/" + secretFile + "?message=" + message:       404,
		"/media/" + secretFile + "?message=" + secretMessage: 404,
		"/media/" + secretFile + "?message=x":                404,
		fmt.Sprintf("/media/%s?chat=%d", secretFile, mine):   404,
	} {
		if got := ask(path, secret); got != want {
			t.Errorf("the agent gets %d for %s, want %d", got, path, want)
		}
	}
	if got := ask("/media/"+secretFile, ""); got != 200 {
		t.Errorf("the owner gets %d", got)
	}
	if got := ask("/media/"+file+"?message="+message, foreign); got != 404 {
		t.Errorf("another workspace gets %d", got)
	}
	if img := o.get(fmt.Sprintf("/inbox/%d", mine)).class("picture"); len(img) != 1 || !strings.HasPrefix(attr(img[0], "href"), "/media/"+file) {
		t.Error("the picture is not in its bubble")
	}
}

func TestAnUploadCanBeTakenBack(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	_, secret := o.member(tideline.RoleAgent)
	uid := o.upload("a.png", "image/png", png)
	o.ask(http.MethodPost, "/inbox/upload/"+uid+"/discard", secret, nil).refused(http.StatusNotFound)
	o.post("/inbox/upload/"+uid+"/discard", nil).ok()
	o.get("/media/" + uid).refused(http.StatusNotFound)
	o.ask(http.MethodPost, "/inbox/upload?name=x", "", "").refused(http.StatusUnprocessableEntity)
	o.ask(http.MethodPost, "/inbox/upload?name=x", "", "x", func(r *http.Request) { r.ContentLength = 1 << 40 }).refused(http.StatusRequestEntityTooLarge)
	_, reader := o.member(tideline.RoleCollaborator)
	o.ask(http.MethodPost, "/inbox/upload?name=x", reader, "x").refused(http.StatusForbidden)
}

func TestARecordingThatIsNoneIsRefusedAndNotKept(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	chat := o.receive("+14840000101", "Ana", "x").ChatID
	o.ask(http.MethodPost, fmt.Sprintf("/inbox/%d/voice?name=a.webm", chat), "", "this is a letter", func(r *http.Request) {
		r.Header.Set("Content-Type", "audio/webm")
	}).refused(http.StatusUnprocessableEntity)
	files, err := o.store.ListFiles(t.Context(), o.ws.ID, "")
	o.must(err)
	if len(files) != 0 {
		t.Errorf("kept %+v", files)
	}
}
