package httpapi

import (
	"mime"
	"net/http"
	"net/url"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// UploadFile implements apigen.ServerInterface.
func (s *server) UploadFile(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	f, err := s.upload(x, r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.replyFile(x, r, &f)
}

func (s *server) upload(x *exchange, r *http.Request) (tideline.File, error) {
	limit, err := file.MaxBytes(x.principal)
	if err != nil {
		return tideline.File{}, err
	}
	form, err := openUploadForm(x, r, limit, nil)
	if err != nil {
		return tideline.File{}, err
	}
	return s.files.Upload(r.Context(), x.principal, file.Upload{Body: form, Describe: form.describe})
}

// GetFile implements apigen.ServerInterface.
func (s *server) GetFile(_ http.ResponseWriter, r *http.Request, uid string) {
	x := of(r)
	f, err := s.files.ByUID(r.Context(), x.principal, uid)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.replyFile(x, r, &f)
}

func (s *server) replyFile(x *exchange, r *http.Request, f *tideline.File) {
	s.reply(x, http.StatusOK, apigen.FileResponse{
		Status: apigen.Ok,
		Data:   fileInfo(f, x.principal.Workspace.Location(), s.fileLink(r, f.UID)),
	})
}

// fileLink gives a fresh link to a file's bytes.
func (s *server) fileLink(r *http.Request, uid string) string {
	return s.baseURL(r) + Base + "/files/" + url.PathEscape(uid) + "/download?" + s.files.Link(uid).Encode()
}

// download serves a file's bytes to whoever has a good link. The bytes are a
// stranger's: whatever they are, a browser saves them and runs nothing.
func (s *server) download(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	f, err := s.files.Follow(r.Context(), r.PathValue("uid"), r.URL.Query())
	if err != nil {
		s.fail(x, r, err)
		return
	}
	content, err := s.files.Open(r.Context(), f)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	defer func() { _ = content.Close() }() // it was only read
	h := x.Header()
	h.Set("Content-Type", f.MIMEType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-store")
	h["X-Content-Type-Options"] = s.values.nosniff
	http.ServeContent(x, r, "", f.UploadedAt, content)
}
