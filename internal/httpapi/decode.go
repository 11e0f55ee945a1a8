package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// decoder is what reading one JSON body needs, kept for the next request.
type decoder struct {
	body  bytes.Buffer
	limit io.LimitedReader
	json  jsontext.Decoder
}

// maxKept is the largest buffer, in bytes, that waits for the next request.
const maxKept = 64 << 10

func (s *server) getDecoder() *decoder {
	if d, ok := s.decoders.Get().(*decoder); ok {
		return d
	}
	return new(decoder)
}

func (s *server) putDecoder(d *decoder) {
	d.limit.R = nil
	if d.body.Cap() <= maxKept {
		d.body.Reset()
		s.decoders.Put(d)
	}
}

// read reads the request's body and makes sure that it claims to be JSON, is
// UTF-8 and not larger than max bytes. The slice is valid until the decoder is
// put back.
func (d *decoder) read(r *http.Request, max int64) ([]byte, error) {
	if err := checkHeaders(r); err != nil {
		return nil, err
	}
	if r.ContentLength > max {
		return nil, bodyTooLarge(max)
	}
	if r.ContentLength > 0 {
		d.body.Grow(int(r.ContentLength) + bytes.MinRead) // with less, ReadFrom would grow once more
	}
	d.limit = io.LimitedReader{R: r.Body, N: max + 1}
	if _, err := d.body.ReadFrom(&d.limit); err != nil {
		if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, bodyTooLarge(tooLarge.Limit)
		}
		return nil, &tideline.Error{Code: tideline.CodeValidation, Message: "The body did not arrive completely", Err: err}
	}
	body := d.body.Bytes()
	switch {
	case int64(len(body)) > max:
		return nil, bodyTooLarge(max)
	case len(bytes.TrimLeft(body, " \t\r\n")) == 0:
		return nil, badJSON("the body is empty")
	case !utf8.Valid(body):
		return nil, badJSON(describeBadUTF8(body))
	}
	return body, nil
}

func bodyTooLarge(max int64) error {
	return tideline.Errorf(tideline.CodeTooLarge, "The body is larger than %d bytes", max)
}

// checkHeaders refuses a body that says it is something else than plain JSON.
func checkHeaders(r *http.Request) error {
	if given := r.Header["Content-Type"]; len(given) > 0 && (len(given) > 1 || given[0] != "application/json") {
		if err := checkContentType(given); err != nil {
			return err
		}
	}
	if given := r.Header["Content-Encoding"]; len(given) > 1 || len(given) == 1 && !strings.EqualFold(given[0], "identity") {
		return tideline.Errorf(tideline.CodeValidation, "Content-Encoding is not supported: send the JSON as it is")
	}
	return nil
}

// checkContentType is for all but the most common way to say it.
func checkContentType(given []string) error {
	media, params, err := mime.ParseMediaType(given[0])
	switch {
	case len(given) > 1, err != nil, media != "application/json":
		return tideline.Errorf(tideline.CodeValidation, "Content-Type must be application/json")
	case params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") && !strings.EqualFold(params["charset"], "utf8"):
		return tideline.Errorf(tideline.CodeValidation, "Content-Type must be application/json in UTF-8, no other charset")
	}
	return nil
}

// badJSON makes the error for a body that can't be read at all. Clients know it
// by how it begins.
func badJSON(detail string) error {
	return &tideline.Error{Code: tideline.CodeValidation, Message: "Bad JSON format: " + detail}
}

// syntaxError says where a body stops being JSON.
func syntaxError(err error, length int) error {
	at := int64(length)
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at, err = e.ByteOffset, e.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return badJSON("the body ends in the middle of a value")
	}
	return badJSON(fmt.Sprintf("%s at byte %d", strings.TrimPrefix(err.Error(), "jsontext: "), at))
}

// describeBadUTF8 names the first byte that is not UTF-8, in the words of the
// decoder that clients of the original service know.
func describeBadUTF8(body []byte) string {
	at := 0
	for at < len(body) {
		r, size := utf8.DecodeRune(body[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	if at >= len(body) {
		return "the body is not UTF-8"
	}
	reason := "invalid continuation byte"
	switch b := body[at]; {
	case b < 0xC2 || b > 0xF4:
		reason = "invalid start byte"
	case !utf8.FullRune(body[at:]):
		reason = "unexpected end of data"
	}
	return fmt.Sprintf("'utf-8' codec can't decode byte 0x%02x in position %d: %s", body[at], at, reason)
}
