package inbox

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// mediaPath is where a file's bytes are for pages.
func mediaPath(uid string) string { return "/media/" + url.PathEscape(uid) }

// inlineTypes are what a browser may show by itself: it runs nothing in them.
// SVG and HTML are not among them, whatever they claim to be.
var inlineTypes = map[string]bool{
	"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true, "image/avif": true, "image/bmp": true,
	"video/mp4": true, "video/webm": true, "video/3gpp": true, "video/quicktime": true, "video/ogg": true,
	"audio/mpeg": true, "audio/mp4": true, "audio/aac": true, "audio/ogg": true, "audio/webm": true, "audio/wav": true, "audio/x-wav": true,
	"audio/x-m4a": true, "audio/amr": true, "audio/flac": true, "application/ogg": true,
}

// inlineType reports whether files of a type are shown in the page.
func inlineType(mimeType string) bool {
	base, _, err := mime.ParseMediaType(mimeType)
	return err == nil && inlineTypes[base]
}

// media serves a file to who may see it: a file of a message or the picture of a
// chat that they see, or their own upload; owner and admins all of the
// workspace's. The bytes are a stranger's: a browser is told to run nothing.
func (s *section) media(q *ui.Request) error {
	f, err := s.Files.ByUID(q.Context(), q.Principal, q.R.PathValue("uid"))
	if err != nil {
		return err
	}
	may, err := s.maySee(q, &f)
	if err != nil {
		return err
	}
	if !may {
		return tideline.Errorf(tideline.CodeNotFound, "%s", q.T("inbox.error.no_file"))
	}
	content, err := s.Files.Open(q.Context(), f)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // it was only read
	disposition := "attachment"
	if inlineType(f.MIMEType) && q.R.URL.Query().Get("save") == "" {
		disposition = "inline"
	}
	h := q.W.Header()
	h.Set("Content-Type", f.MIMEType)
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": f.Name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	// What is under a uid never changes; who may see it can.
	h.Set("Cache-Control", "private, max-age=86400")
	http.ServeContent(q.W, q.R, "", f.UploadedAt, content)
	return nil
}

// maySee reports whether the member may see a file: the address names the
// message or chat that it belongs to.
func (s *section) maySee(q *ui.Request, f *tideline.File) (bool, error) {
	if q.Principal.Member.Role.Administers() || f.MemberID == q.Principal.Member.ID {
		return true, nil
	}
	query := q.R.URL.Query()
	if uid := query.Get("message"); uuid.Validate(uid) == nil {
		m, err := s.Storage.MessageByUID(q.Context(), q.Principal.Workspace.ID, uid)
		if err != nil || m.Message.FileID != f.ID {
			return false, passOver(err)
		}
		_, err = s.chat(q, m.Message.ChatID)
		return err == nil, passOver(err)
	}
	if id, err := strconv.ParseInt(query.Get("chat"), 10, 64); err == nil && id > 0 {
		v, err := s.chat(q, id)
		return err == nil && v.PhotoUID == f.UID, passOver(err)
	}
	return false, nil
}

// passOver drops not_found.
func passOver(err error) error {
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil
	}
	return err
}

// sentName is the name of a file as a browser gives it, without a path.
func sentName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	return name
}
