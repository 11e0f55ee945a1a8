package httpapi

import (
	"net/http"

	"github.com/tidelinehq/tideline/internal/httpapi/apigen"
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

// DeleteFile implements apigen.ServerInterface.
func (s *server) DeleteFile(_ http.ResponseWriter, r *http.Request, uid string) {
	x := of(r)
	if err := s.files.Delete(r.Context(), x.principal, uid); err != nil {
		s.fail(x, r, err)
		return
	}
	s.reply(x, http.StatusOK, apigen.MessageResult{Status: apigen.Ok, Message: "File deleted"})
}
