package httpapi

import (
	"bytes"
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// sendField is a key of the body of a send that means something, in the
// order in which errors are listed.
type sendField uint8

const (
	noField sendField = iota
	fieldPhone
	fieldJID
	fieldAccountPhone
	fieldAccountID
	fieldText
	fieldFileUID
	fieldFileURL
	fieldTemplateID
	fieldReplyTo
	fieldLabel
	fieldChatName
	fieldIdempotencyKey // a header, but its errors are listed with the others
)

// name gives the key, which is also the path of its errors.
func (f sendField) name() string {
	switch f {
	case fieldPhone:
		return "phone"
	case fieldJID:
		return "jid"
	case fieldAccountPhone:
		return "whatsapp_account_phone"
	case fieldAccountID:
		return "whatsapp_account_id"
	case fieldText:
		return "text"
	case fieldFileUID:
		return "file_uid"
	case fieldFileURL:
		return "file_url"
	case fieldTemplateID:
		return "attachment_template_id"
	case fieldReplyTo:
		return "reply_to"
	case fieldLabel:
		return "label"
	case fieldChatName:
		return "chat_name"
	case fieldIdempotencyKey:
		return idempotencyHeader
	default:
		return ""
	}
}

// fieldNamed finds the field of a key.
func fieldNamed[T ~string | ~[]byte](key T) sendField {
	switch string(key) {
	case "phone":
		return fieldPhone
	case "jid":
		return fieldJID
	case "whatsapp_account_phone":
		return fieldAccountPhone
	case "whatsapp_account_id":
		return fieldAccountID
	case "text":
		return fieldText
	case "file_uid":
		return fieldFileUID
	case "file_url":
		return fieldFileURL
	case "attachment_template_id":
		return fieldTemplateID
	case "reply_to":
		return fieldReplyTo
	case "label":
		return fieldLabel
	case "chat_name":
		return fieldChatName
	case idempotencyHeader:
		return fieldIdempotencyKey
	default:
		return noField
	}
}

// sendTarget is how a send names where it goes. It decides which keys of the
// body mean something; the others are ignored like unknown ones.
type sendTarget uint8

const (
	toPhone sendTarget = iota
	toJID
	toChat
	toName
	toChatPlain // to a chat, without reply_to
)

// takes reports whether f means something for a send to t.
func (t sendTarget) takes(f sendField) bool {
	switch f {
	case fieldPhone:
		return t == toPhone
	case fieldJID:
		return t == toJID
	case fieldReplyTo:
		return t != toPhone && t != toChatPlain
	case fieldAccountPhone, fieldAccountID:
		return t != toChat && t != toChatPlain
	}
	return true
}

// sendBody is the decoded body of a send. Values of a wrong type leave
// their error in wrong and a stand-in in request, so that rules about several
// fields together don't complain about what the client did mean to give.
type sendBody struct {
	target  sendTarget
	request message.SendRequest
	wrong   []tideline.FieldError
	blamed  uint16 // bit set of the fields that need no further errors
	seen    uint16 // bit set of the fields that were there
}

func (b *sendBody) blame(f sendField, msg string) {
	b.wrong = append(b.wrong, tideline.FieldError{Path: []string{f.name()}, Msg: msg})
	b.blamed |= 1 << f
}

// decode reads the fields out of a body that is UTF-8. It gives an error when
// the body is no JSON object at all; what is wrong with single fields is in wrong.
func (b *sendBody) decode(body *bytes.Buffer, d *jsontext.Decoder) error {
	length := body.Len()
	d.Reset(body, jsontext.AllowDuplicateNames(true)) // reads in place, copies nothing
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
		if err := b.member(d); err != nil {
			return syntaxError(err, length)
		}
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

// member reads one key and its value.
func (b *sendBody) member(d *jsontext.Decoder) error {
	key, err := d.ReadValue()
	if err != nil {
		return err
	}
	f := noField
	if inner := key[1 : len(key)-1]; bytes.IndexByte(inner, '\\') < 0 {
		f = fieldNamed(inner)
	} else if unquoted, err := jsontext.AppendUnquote(nil, key); err == nil {
		f = fieldNamed(unquoted)
	}
	switch {
	case f == noField || f == fieldIdempotencyKey || !b.target.takes(f):
		return d.SkipValue()
	case b.seen&(1<<f) != 0:
		if b.blamed&(1<<f) == 0 {
			b.blame(f, "is given more than once")
		}
		return d.SkipValue()
	}
	b.seen |= 1 << f
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	return b.set(f, value)
}

// set takes over a value, which is valid JSON.
func (b *sendBody) set(f sendField, value jsontext.Value) error {
	kind := value.Kind()
	switch {
	case kind == 'n':
		return nil
	case f == fieldFileURL:
		b.blame(fieldFileURL, "is no longer supported: upload the file and give its file_uid")
		b.standIn(fieldFileUID)
		b.blamed |= 1 << fieldFileUID
		return nil
	case f == fieldTemplateID:
		id, ok := integer(value)
		if !ok {
			b.blame(f, "must be an integer")
		}
		b.request.TemplateID = &id
		return nil
	case kind != '"':
		b.blame(f, "must be a string, not "+describeKind(kind))
		b.standIn(f)
		return nil
	}
	text, err := unquote(value)
	if err != nil {
		return err
	}
	if strings.IndexByte(text, 0) >= 0 {
		b.blame(f, "must not contain the character U+0000")
	}
	b.setString(f, text)
	return nil
}

func (b *sendBody) setString(f sendField, text string) {
	switch r := &b.request; f {
	case fieldPhone:
		r.Phone = text
	case fieldJID:
		r.JID = &text
	case fieldReplyTo:
		r.ReplyTo = &text
	case fieldAccountPhone:
		r.AccountPhone = &text
	case fieldAccountID:
		r.AccountID = &text
	case fieldText:
		r.Text = &text
	case fieldFileUID:
		r.FileUID = &text
	case fieldLabel:
		r.Label = &text
	case fieldChatName:
		if b.target == toName {
			r.ToName = &text
			return
		}
		r.ChatName = &text
	}
}

// standIn marks a string field as given although its value can't be used.
func (b *sendBody) standIn(f sendField) {
	if f == fieldFileUID && b.request.FileUID != nil {
		return
	}
	b.setString(f, "?")
}

// allWrong joins the type errors with what the domain finds wrong with the
// values, one kind per field, in the order of the documented fields.
func (b *sendBody) allWrong() error {
	all := b.wrong
	for _, e := range message.Validate(&b.request) {
		if b.blamed&(1<<fieldNamed(e.Path[0])) == 0 {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(x, y tideline.FieldError) int {
		return cmp.Compare(fieldNamed(x.Path[0]), fieldNamed(y.Path[0]))
	})
	return tideline.Invalid(all)
}

// unquote gives the text of a JSON string.
func unquote(value jsontext.Value) (string, error) {
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	text, err := jsontext.AppendUnquote(nil, value)
	return string(text), err
}

// integer reads a JSON number without a fraction; 12.0 and 1.2e1 are twelve.
func integer(value jsontext.Value) (int64, bool) {
	if value.Kind() != '0' {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return n, true
	}
	const exact = 1 << 53
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f != float64(int64(f)) || f > exact || f < -exact {
		return 0, false
	}
	return int64(f), true
}

func describeKind(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	case '{':
		return "an object"
	case '[':
		return "an array"
	default:
		return "this"
	}
}
