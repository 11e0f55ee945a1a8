package httpapi

import (
	"net/http"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// ListFiles implements apigen.ServerInterface.
func (s *server) ListFiles(_ http.ResponseWriter, r *http.Request, _ apigen.ListFilesParams) {
	x := of(r)
	q := queryOf(r)
	part := q.text("filename")
	if err := q.err(); err != nil {
		s.fail(x, r, err)
		return
	}
	files, err := s.files.List(r.Context(), x.principal, part)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	loc := x.principal.Workspace.Location()
	list := make([]apigen.FileInfoShort, len(files))
	for i := range files {
		f := fileInfo(&files[i], loc, "")
		list[i] = apigen.FileInfoShort{Uid: f.Uid, Filename: f.Filename, Size: f.Size, Mimetype: f.Mimetype,
			UploadedByEmail: f.UploadedByEmail, UploadedAt: f.UploadedAt}
	}
	s.reply(x, http.StatusOK, apigen.FilesResponse{Status: apigen.Ok, Data: list})
}

// UploadFileByURL implements apigen.ServerInterface.
func (s *server) UploadFileByURL(_ http.ResponseWriter, r *http.Request) {
	x := of(r)
	f, err := s.uploadByURL(x, r)
	if err != nil {
		s.fail(x, r, err)
		return
	}
	s.replyFile(x, r, &f)
}

func (s *server) uploadByURL(x *exchange, r *http.Request) (tideline.File, error) {
	if _, err := file.MaxBytes(x.principal); err != nil {
		return tideline.File{}, err
	}
	b, err := s.bodyOf(r)
	if err != nil {
		return tideline.File{}, err
	}
	name := "download_url"
	if !b.given(name) && b.given("url") {
		name = "url" // as guides call it
	}
	address := b.required(name)
	var d file.Description
	if v := b.text("filename"); v != nil {
		d.Name = *v
	}
	if v := b.text("content_type"); v != nil {
		d.ContentType = *v
	}
	if err := b.err(); err != nil {
		return tideline.File{}, err
	}
	return s.files.UploadFrom(r.Context(), x.principal, address, d)
}

// DeleteFile implements apigen.ServerInterface.
func (s *server) DeleteFile(_ http.ResponseWriter, r *http.Request, uid string) {
	x := of(r)
	if err := s.files.Delete(r.Context(), x.principal, uid); err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.MessageResult{Status: apigen.Ok, Message: "File deleted"})
}
