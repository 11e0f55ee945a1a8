package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// body reads the keys of a JSON object one by one and collects all that is wrong
// with them, as query does for parameters. Unknown keys are ignored, however
// often they are there; null counts as not given. Sends, of which there are many,
// have a decoder of their own.
type body struct {
	values   map[string]jsontext.Value
	repeated map[string]bool
	wrong    []tideline.FieldError
}

// bodyOf reads the body of a request; it must be an object.
func (s *server) bodyOf(r *http.Request) (*body, error) {
	d := s.getDecoder()
	defer s.putDecoder(d)
	raw, err := d.read(r, s.maxJSON)
	if err != nil {
		return nil, err
	}
	b := &body{values: map[string]jsontext.Value{}, repeated: map[string]bool{}}
	if err := b.decode(jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true)), len(raw)); err != nil {
		return nil, err
	}
	return b, nil
}

// decode reads an object of length bytes, and nothing after it.
func (b *body) decode(d *jsontext.Decoder, length int) error {
	if kind := d.PeekKind(); kind != '{' && kind != 0 {
		// Read it first: what is no JSON should be called that.
		if err := d.SkipValue(); err != nil {
			return syntaxError(err, length)
		}
		return badJSON("the body must be an object, not " + describeKind(kind))
	}
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(err, length)
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return syntaxError(err, length)
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return syntaxError(err, length)
		}
		b.repeated[key] = b.values[key] != nil
		b.values[key] = value.Clone()
	}
	if _, err := d.ReadToken(); err != nil { // the closing brace, or what is wrong
		return syntaxError(err, length)
	}
	if _, err := d.ReadToken(); err != io.EOF { //nolint:errorlint // documented to be io.EOF itself
		if err != nil {
			return syntaxError(err, length)
		}
		return badJSON("there is more after the object")
	}
	return nil
}

func (b *body) blame(msg string, path ...string) {
	b.wrong = append(b.wrong, tideline.FieldError{Path: path, Msg: msg})
}

// err gives all that is wrong; nil when nothing is.
func (b *body) err() error { return tideline.Invalid(b.wrong) }

// given reports whether there is a value other than null.
func (b *body) given(name string) bool {
	if b.repeated[name] {
		b.blame("is given more than once", name)
		b.repeated[name] = false
	}
	v := b.values[name]
	return v != nil && v.Kind() != 'n'
}

// isNull reports whether the value is null, and not missing.
func (b *body) isNull(name string) bool {
	v := b.values[name]
	return v != nil && v.Kind() == 'n'
}

// text reads a text that a database takes; nil when it is not given.
func (b *body) text(name string) *string {
	if !b.given(name) {
		return nil
	}
	text, msg := textOf(b.values[name])
	if msg != "" {
		b.blame(msg, name)
		return nil
	}
	return &text
}

// required reads a text that must be there; an empty one is the reader's business.
func (b *body) required(name string) string {
	if v := b.text(name); v != nil {
		return *v
	}
	if !b.given(name) {
		b.blame("is required", name)
	}
	return ""
}

// boolean reads true or false; nil when it is not given.
func (b *body) boolean(name string) *bool {
	if !b.given(name) {
		return nil
	}
	switch b.values[name].Kind() {
	case 't':
		return new(true)
	case 'f':
		return new(false)
	}
	b.blame("must be true or false", name)
	return nil
}

// id reads the number of something, which must be there.
func (b *body) id(name string) int64 {
	if !b.given(name) {
		b.blame("is required", name)
		return 0
	}
	n, err := strconv.ParseInt(string(b.values[name]), 10, 64)
	if err != nil || n <= 0 {
		b.blame("must be a number from 1", name)
		return 0
	}
	return n
}

// texts reads a list of texts, which must be there.
func (b *body) texts(name string) []string {
	if !b.given(name) {
		b.blame("is required: a list of texts", name)
		return nil
	}
	var values []jsontext.Value
	if b.values[name].Kind() != '[' || json.Unmarshal(b.values[name], &values) != nil {
		b.blame("must be a list of texts", name)
		return nil
	}
	list := make([]string, len(values))
	for i, v := range values {
		text, msg := textOf(v)
		if msg != "" {
			b.blame(msg, name, fmt.Sprint(i))
		}
		list[i] = text
	}
	return list
}

// textOf reads a JSON string; otherwise it says what is wrong.
func textOf(v jsontext.Value) (text, wrong string) {
	if v.Kind() != '"' || json.Unmarshal(v, &text) != nil {
		return "", "must be a text"
	}
	if strings.IndexByte(text, 0) >= 0 {
		return "", "must not contain the character U+0000"
	}
	return text, ""
}

// number reads the id of something out of a path.
func number(id, what string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return 0, tideline.Errorf(tideline.CodeNotFound, "%s not found: its id is a number", what)
	}
	return n, nil
}
