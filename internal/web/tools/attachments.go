package tools

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

const filesPath = "/templates/files"

// Bounds of an upload.
const (
	uploadTimeout = 15 * time.Minute
	maxFieldBytes = 4 << 10
)

// attachment is an attachment template as it is shown.
type attachment struct {
	file.Template
	Size string
	Kind string // "image", "video", "audio" or "file"
}

// attachmentList is what the page of attachment templates shows.
type attachmentList struct {
	Query     string
	Templates []attachment
	May       bool // make one
	Any       bool // there is one, whether or not it was searched for
}

func (s *section) listFiles(q *ui.Request) error {
	all, err := s.Files.ListTemplates(q.Context(), q.Principal)
	if err != nil {
		return err
	}
	data := attachmentList{Query: q.R.URL.Query().Get("q"), Any: len(all) > 0}
	_, refused := file.MaxBytes(q.Principal)
	data.May = refused == nil
	wanted := strings.ToLower(strings.TrimSpace(data.Query))
	for _, t := range all {
		if strings.Contains(strings.ToLower(t.Name), wanted) || strings.Contains(strings.ToLower(t.File.Name), wanted) {
			data.Templates = append(data.Templates, attachment{t, sizeInWords(q, t.File.Size), kindOf(t.File.MIMEType)})
		}
	}
	return s.page(q, "tools/files", "tools.files.title", "templates", data)
}

// sizeInWords writes a number of bytes.
func sizeInWords(q *ui.Request, n int64) string {
	switch {
	case n < 1<<10:
		return q.N("tools.size.b", n)
	case n < 1<<20:
		return q.T("tools.size.kb", "n", (n+(1<<9))>>10)
	}
	return q.T("tools.size.mb", "n", fmt.Sprintf("%.1f", float64(n)/(1<<20)))
}

// kindOf says how a file is shown. Only what no browser runs is shown as itself.
func kindOf(mimeType string) string {
	base, _, _ := mime.ParseMediaType(mimeType)
	kind, _, _ := strings.Cut(base, "/")
	switch {
	case base == "image/jpeg", base == "image/png", base == "image/gif", base == "image/webp":
		return "image"
	case kind == "audio", kind == "video":
		return kind
	}
	return "file"
}

func (s *section) template(q *ui.Request) (file.Template, error) {
	id, err := q.PathID("id")
	if err != nil {
		return file.Template{}, err
	}
	return s.Files.TemplateOf(q.Context(), q.Principal, id)
}

func (s *section) newFile(q *ui.Request) error {
	return s.ask(q, "templates", form{Name: "file", Title: "tools.files.new", Back: filesPath, Data: file.Template{}})
}

func (s *section) editFile(q *ui.Request) error {
	t, err := s.template(q)
	if err != nil {
		return err
	}
	return s.ask(q, "templates", form{Name: "file-name", Title: "tools.files.rename", Back: filesPath, Data: t})
}

func (s *section) chooseFile(q *ui.Request) error {
	t, err := s.template(q)
	if err != nil {
		return err
	}
	return s.ask(q, "templates", form{Name: "file", Title: "tools.files.replace", Back: filesPath, Data: t})
}

// fileContent sends the bytes of a template's file. What a browser could run is
// only saved.
func (s *section) fileContent(q *ui.Request) error {
	t, err := s.template(q)
	if err != nil {
		return err
	}
	r, err := s.Files.Open(q.Context(), t.File)
	if err != nil {
		return err
	}
	defer r.Close()
	how, kind := "inline", t.File.MIMEType
	if kindOf(kind) == "file" || q.R.URL.Query().Has("save") {
		how, kind = "attachment", "application/octet-stream"
	}
	h := q.W.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": t.File.Name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "private, max-age=3600")
	h.Set("ETag", `"`+t.File.UID+`"`)
	http.ServeContent(q.W, q.R, "", t.File.UploadedAt, r)
	return nil
}

func (s *section) addFile(q *ui.Request) error {
	name, u, err := s.upload(q)
	if err != nil {
		return err
	}
	t, err := s.Files.AddTemplate(q.Context(), q.Principal, name, u)
	if err != nil {
		return err
	}
	return q.Done(filesPath, "tools.files.created", "name", t.Name)
}

func (s *section) replaceFile(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	_, u, err := s.upload(q)
	if err != nil {
		return err
	}
	if err := s.Files.ReplaceTemplate(q.Context(), q.Principal, id, u); err != nil {
		return err
	}
	return q.Done(filesPath, "tools.saved")
}

// upload reads a form up to its file, which is the last field: its bytes are read
// by whoever keeps them and never held in memory. Without a name the file's own
// is taken.
func (s *section) upload(q *ui.Request) (name string, u file.Upload, err error) {
	if _, err := file.MaxBytes(q.Principal); err != nil {
		return "", u, err
	}
	_ = http.NewResponseController(q.W).SetReadDeadline(time.Now().Add(uploadTimeout)) // not every writer can
	broken := tideline.Errorf(tideline.CodeValidation, "%s", q.T("tools.files.broken"))
	reader, err := q.R.MultipartReader()
	if err != nil {
		return "", u, broken
	}
	for {
		part, err := reader.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return "", u, tideline.Invalid([]tideline.FieldError{{Path: []string{"file"}, Msg: q.T("tools.files.none")}})
		case err != nil:
			return "", u, broken
		case part.FormName() == "name":
			text, err := io.ReadAll(io.LimitReader(part, maxFieldBytes))
			if err != nil {
				return "", u, broken
			}
			name = string(text)
		case part.FormName() == "file" && part.FileName() != "":
			if strings.TrimSpace(name) == "" {
				name = part.FileName()
			}
			return name, file.Upload{Body: part, Describe: describe(part)}, nil
		}
	}
}

func describe(part *multipart.Part) func() (file.Description, error) {
	return func() (file.Description, error) {
		return file.Description{SentName: part.FileName(), SentType: part.Header.Get("Content-Type")}, nil
	}
}

func (s *section) renameFile(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	f, err := q.Form()
	if err != nil {
		return err
	}
	if err := s.Files.RenameTemplate(q.Context(), q.Principal, id, f.Get("name")); err != nil {
		return err
	}
	return q.Done(filesPath, "tools.saved")
}

func (s *section) deleteFile(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Files.DeleteTemplate(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(filesPath, "tools.deleted")
}
