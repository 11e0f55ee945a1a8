package backup

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidelinehq/tideline/internal/store"
)

// notUTF8 is the key of a text that JSON can't hold as a string.
const notUTF8 = "base64"

// appendRow adds a row as one line of JSON.
func appendRow(to []byte, row store.Row) ([]byte, error) {
	to = append(to, '[')
	for i, v := range row {
		if i > 0 {
			to = append(to, ',')
		}
		switch v := v.(type) {
		case nil:
			to = append(to, "null"...)
		case int64:
			to = strconv.AppendInt(to, v, 10)
		case []byte:
			to = append(to, '"')
			to = base64.StdEncoding.AppendEncode(to, v)
			to = append(to, '"')
		case string:
			if !utf8.ValidString(v) {
				to = append(to, `{"`+notUTF8+`":"`...)
				to = base64.StdEncoding.AppendEncode(to, []byte(v))
				to = append(to, `"}`...)
				continue
			}
			var err error
			if to, err = jsontext.AppendQuote(to, v); err != nil {
				return to, err
			}
		default:
			return to, fmt.Errorf("a value of type %T can't be written", v)
		}
	}
	return append(to, "]\n"...), nil
}

// rowDecoder reads lines that appendRow wrote.
type rowDecoder struct {
	dec     *jsontext.Decoder
	columns []store.Column
	row     store.Row
}

func newRowDecoder(r io.Reader, columns []store.Column) *rowDecoder {
	return &rowDecoder{dec: jsontext.NewDecoder(r), columns: columns, row: make(store.Row, len(columns))}
}

// next gives a row, which counts until the next call; io.EOF after the last one.
func (d *rowDecoder) next() (store.Row, error) {
	begin, err := d.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	if begin.Kind() != '[' {
		return nil, fmt.Errorf("a row begins with %s", begin.Kind())
	}
	for i, c := range d.columns {
		if d.row[i], err = d.value(c.Kind); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, unexpected(err))
		}
	}
	end, err := d.dec.ReadToken()
	if err != nil {
		return nil, unexpected(err)
	}
	if end.Kind() != ']' {
		return nil, errors.New("a row has more values than its table has columns")
	}
	return d.row, nil
}

// value reads one value of a kind.
func (d *rowDecoder) value(kind store.ColumnKind) (any, error) {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	switch is := raw.Kind(); {
	case is == 'n':
		return nil, nil
	case is == '0' && kind == store.Integer:
		return strconv.ParseInt(string(raw), 10, 64)
	case is == '"' && kind == store.Text:
		text, err := jsontext.AppendUnquote(nil, raw)
		return string(text), err
	case is == '"' && kind == store.Bytes:
		return base64.StdEncoding.AppendDecode([]byte{}, raw[1:len(raw)-1])
	case is == '{' && kind == store.Text:
		inner, begins := bytes.CutPrefix(raw, []byte(`{"`+notUTF8+`":"`))
		inner, ends := bytes.CutSuffix(inner, []byte(`"}`))
		if !begins || !ends {
			return nil, errors.New("an object that is no text")
		}
		text, err := base64.StdEncoding.AppendDecode(nil, inner)
		return string(text), err
	default:
		return nil, fmt.Errorf("a JSON %s is no %s", is, kind)
	}
}

// unexpected makes an end in the middle of a row an error that is no end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
