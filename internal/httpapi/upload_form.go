package httpapi

import (
	"errors"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	// maxFormParts and formOverhead, in bytes, bound what a form holds besides
	// its file.
	maxFormParts = 32
	formOverhead = 64 << 10
	maxFormField = 8 << 10
)

// uploadForm streams the file out of a multipart form, so that it is never in
// memory as a whole or on disk twice. The fields that describe it may stand
// before or after it. Read gives the file's bytes; then describe the rest.
type uploadForm struct {
	parts *multipart.Reader
	file  *multipart.Part
	limit int64
	count int
	desc  file.Description
	hash  hash.Hash // of the file's bytes; nil = not asked for
	// captioned: the form has a caption for the file; otherwise that field is
	// ignored like unknown ones.
	captioned bool
	caption   string
	seen      map[string]bool
	wrong     []tideline.FieldError
}

// openUploadForm reads up to the file, whose size may be limit. adjust, when not
// nil, says which form it is.
func openUploadForm(x *exchange, r *http.Request, limit int64, adjust func(*uploadForm)) (*uploadForm, error) {
	if err := checkFormType(x, r); err != nil {
		return nil, err
	}
	if r.ContentLength > limit+formOverhead {
		return nil, file.TooLarge(limit)
	}
	r.Body = http.MaxBytesReader(x.ResponseWriter, r.Body, limit+formOverhead)
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, badForm(err)
	}
	f := &uploadForm{parts: parts, limit: limit, seen: map[string]bool{}}
	if adjust != nil {
		adjust(f)
	}
	for f.file == nil {
		more, err := f.next()
		if err != nil {
			return nil, err
		}
		if !more {
			f.blame("file", "is required")
			return nil, tideline.Invalid(f.wrong)
		}
	}
	return f, nil
}

// checkFormType tells a form from everything else. JSON is answered as something
// that this path doesn't support.
func checkFormType(x *exchange, r *http.Request) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case media == "application/json":
		x.Header().Set("Allow", "OPTIONS, POST")
		return tideline.Errorf(tideline.CodeNotSupported, "JSON is not supported here: send the file as multipart/form-data in the field \"file\"")
	case err != nil || media != "multipart/form-data" || params["boundary"] == "":
		return tideline.Errorf(tideline.CodeValidation, "Content-Type must be multipart/form-data with a boundary, and the file in the field \"file\"")
	}
	return nil
}

// next takes one part; more is false after the last one. When it is the file,
// its bytes come next.
func (f *uploadForm) next() (more bool, err error) {
	part, err := f.parts.NextPart()
	if err == io.EOF { // documented to be io.EOF itself
		return false, nil
	}
	if err != nil {
		return false, f.formError(err)
	}
	if f.count++; f.count > maxFormParts {
		return false, tideline.Errorf(tideline.CodeValidation, "Bad multipart form: it has more than %d parts", maxFormParts)
	}
	name := part.FormName()
	switch name {
	case "file", "filename", "content_type":
	case "caption":
		if !f.captioned {
			return true, nil
		}
	default:
		return true, nil
	}
	if f.seen[name] {
		f.blame(name, "is given more than once")
		return true, nil
	}
	f.seen[name] = true
	if name == "file" {
		f.file = part
		f.desc.SentName, f.desc.SentType = part.FileName(), part.Header.Get("Content-Type")
		return true, nil
	}
	return true, f.field(name, part)
}

// field takes over one of the fields that describe the file.
func (f *uploadForm) field(name string, part *multipart.Part) error {
	raw, err := io.ReadAll(io.LimitReader(part, maxFormField+1))
	if err != nil {
		return f.formError(err)
	}
	text := string(raw)
	switch {
	case len(raw) > maxFormField:
		f.blame(name, "is too long")
	case !utf8.ValidString(text):
		f.blame(name, "must be UTF-8")
	case strings.IndexByte(text, 0) >= 0:
		f.blame(name, "must not contain the character U+0000")
	case name == "filename":
		f.desc.Name = text
	case name == "caption":
		f.caption = text
	default:
		f.desc.ContentType = text
	}
	return nil
}

// Read implements io.Reader with the file's bytes.
func (f *uploadForm) Read(p []byte) (int, error) {
	n, err := f.file.Read(p)
	if f.hash != nil {
		f.hash.Write(p[:n])
	}
	if err != nil && err != io.EOF { //nolint:errorlint // readers give io.EOF itself
		err = f.formError(err)
	}
	return n, err
}

// describe reads the parts behind the file and gives what all of them said.
func (f *uploadForm) describe() (file.Description, error) {
	for {
		more, err := f.next()
		if err != nil {
			return file.Description{}, err
		}
		if !more {
			f.checkCaption()
			return f.desc, tideline.Invalid(f.wrong)
		}
	}
}

func (f *uploadForm) blame(field, msg string) {
	f.wrong = append(f.wrong, tideline.FieldError{Path: []string{field}, Msg: msg})
}

// formError says what a failed read means to the client.
func (f *uploadForm) formError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return file.TooLarge(f.limit)
	}
	return badForm(err)
}

// badForm makes the error for a form that can't be read. What it says to the
// client is not the cause's text, which may name addresses of the server.
func badForm(err error) error {
	detail := "it is malformed"
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		detail = "it did not arrive completely"
	}
	return &tideline.Error{Code: tideline.CodeValidation, Message: "Bad multipart form: " + detail, Err: err}
}
