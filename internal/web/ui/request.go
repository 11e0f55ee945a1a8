package ui

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/text"
)

// Request is one request and its answer.
type Request struct {
	W http.ResponseWriter
	R *http.Request
	// Principal is who is signed in; nil on public routes when nobody is.
	Principal *tideline.Principal
	// ID is in the answer's headers and in the log.
	ID string

	kit      *Kit
	text     *text.Catalogue
	position string // see Config.Position
}

// Page is what is shown in the frame around a page.
type Page struct {
	Title   string   // key of a text
	TitleOf []any    // what fills in the title's places: names and values in turn
	Nav     string   // the entry of the menu that the page belongs to
	Styles  []string // assets: "labels/list.css"
	Scripts []string // assets, ES modules: "labels/list.js"
	Full    bool     // takes the height of the window and scrolls inside
	Data    any
}

// Context is the request's context.
func (q *Request) Context() context.Context { return q.R.Context() }

// Lang is the BCP 47 tag of the language that the answer is in.
func (q *Request) Lang() string { return q.text.Lang }

// T gives a text in the member's language; args are names and values in turn.
func (q *Request) T(key string, args ...any) string { return q.text.T(key, args...) }

// N gives a text for a count; see text.Catalogue.N.
func (q *Request) N(key string, n int64, args ...any) string { return q.text.N(key, n, args...) }

// choose picks the language: the member's own, else the browser's.
func (q *Request) choose() {
	var tags []string
	if q.Principal != nil && q.kit.cfg.Language != nil {
		if own := q.kit.cfg.Language(q.Principal); own != "" {
			tags = append(tags, own)
		}
	}
	q.text = q.kit.catalogues.Best(append(tags, text.Accepted(q.R.Header.Get("Accept-Language"))...)...)
}

// WantsJSON reports whether a script asks, rather than a person's browser.
func (q *Request) WantsJSON() bool {
	return strings.HasPrefix(q.R.Header.Get("Accept"), "application/json")
}

// Form reads the form of the body; the query is not in it. A form with files must be
// read by the handler itself. Errors: validation_error.
func (q *Request) Form() (url.Values, error) {
	q.R.Body = http.MaxBytesReader(q.W, q.R.Body, maxForm)
	var err error
	if strings.HasPrefix(q.R.Header.Get("Content-Type"), "multipart/form-data") {
		err = q.R.ParseMultipartForm(maxForm)
	} else {
		err = q.R.ParseForm()
	}
	if err != nil {
		return nil, tideline.Errorf(tideline.CodeValidation, "The form could not be read: it is broken or larger than %d bytes", maxForm)
	}
	return q.R.PostForm, nil
}

// Decode reads a JSON body into v. Errors: validation_error.
func (q *Request) Decode(v any) error {
	d := json.NewDecoder(http.MaxBytesReader(q.W, q.R.Body, maxForm))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); errors.Is(more, io.EOF) {
			return nil
		}
	}
	return tideline.Errorf(tideline.CodeValidation, "The body must be one JSON object as the page's script sends it, of at most %d bytes", maxForm)
}

// PathID reads a number of the path: not_found when it is none.
func (q *Request) PathID(name string) (int64, error) {
	id, err := strconv.ParseInt(q.R.PathValue(name), 10, 64)
	if err != nil || id <= 0 {
		return 0, errMissing
	}
	return id, nil
}

// Page answers with a page in the frame with the menu.
func (q *Request) Page(name string, p Page) error { return q.page(http.StatusOK, "ui/frame", name, p) }

// Bare answers with a page in a frame without menu.
func (q *Request) Bare(name string, p Page) error { return q.page(http.StatusOK, "ui/bare", name, p) }

// PageStatus is Page with another status, such as 422 for a form to be mended.
func (q *Request) PageStatus(status int, name string, p Page) error {
	return q.page(status, "ui/frame", name, p)
}

// BareStatus is Bare with another status.
func (q *Request) BareStatus(status int, name string, p Page) error {
	return q.page(status, "ui/bare", name, p)
}

// Fragment answers with a template alone.
func (q *Request) Fragment(name string, data any) error {
	var b bytes.Buffer
	if err := q.kit.execute(&b, q, name, data); err != nil {
		return err
	}
	return q.html(http.StatusOK, b.Bytes())
}

// Render gives a template alone, for answers of more than one.
func (q *Request) Render(name string, data any) (string, error) {
	var b strings.Builder
	err := q.kit.execute(&b, q, name, data)
	return b.String(), err
}

// JSON answers with v as JSON.
func (q *Request) JSON(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.W.Header().Set("Content-Type", "application/json; charset=utf-8")
	q.write(status, body)
	return nil
}

// Redirect sends the browser to a path of ours with a GET.
func (q *Request) Redirect(path string) error {
	http.Redirect(q.W, q.R, path, http.StatusSeeOther)
	return nil
}

// Done ends a POST that succeeded: it sends the browser to path, where a text is
// shown once. A script gets {"ok":true,"message","path"}.
func (q *Request) Done(path, key string, args ...any) error {
	message := q.T(key, args...)
	if q.WantsJSON() {
		return q.JSON(http.StatusOK, map[string]any{"ok": true, "message": message, "path": path})
	}
	q.setFlash(message)
	return q.Redirect(path)
}

func (q *Request) html(status int, body []byte) error {
	q.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.write(status, body)
	return nil
}

// compressAbove is the size in bytes from which on compressing pays.
const compressAbove = 1400

func (q *Request) write(status int, body []byte) {
	h := q.W.Header()
	h.Add("Vary", "Accept-Encoding, Accept, Accept-Language, Cookie")
	if len(body) > compressAbove && acceptsGzip(q.R) {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // a valid level is no error
		_, _ = z.Write(body)                            // nor is writing to memory
		_ = z.Close()
		h.Set("Content-Encoding", "gzip")
		body = b.Bytes()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	q.W.WriteHeader(status)
	if q.R.Method != http.MethodHead {
		_, _ = q.W.Write(body) // the client is gone; there is no one to tell
	}
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.ReplaceAll(params, " ", "") != "q=0" {
			return true
		}
	}
	return false
}
