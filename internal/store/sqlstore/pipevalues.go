package sqlstore

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// The values of flights go over the wire in PostgreSQL's binary formats: for the
// few types that nearly all columns have they are written here, for all others
// by pgx.

// span is where a parameter lies in the buffer; from < 0 = it is NULL.
type span struct{ from, to int }

// encode writes the parameters of a statement to c.params.
func (c *pipeConn) encode(p *prepared, args []any) error {
	if len(args) != len(p.ParamOIDs) {
		return fmt.Errorf("%d arguments for %d parameters of %q", len(args), len(p.ParamOIDs), p.SQL)
	}
	c.begin()
	for i, arg := range args {
		from := len(c.buf)
		format := int16(pgx.BinaryFormatCode)
		null, err := c.append(p.ParamOIDs[i], arg)
		if err != nil { // a text for a time, for example, which the server reads
			format = pgx.TextFormatCode
			var other error
			if null, other = c.convert(p.ParamOIDs[i], format, arg); other != nil {
				return err
			}
		}
		c.formats = append(c.formats, format)
		if null {
			from = -1
		}
		c.spans = append(c.spans, span{from, len(c.buf)})
	}
	c.end()
	return nil
}

// encodeArrays writes args, the rows one after the other, to c.params as one
// array for each column. The format is that of array_send in PostgreSQL's
// arrayfuncs.c: the number of dimensions, whether there are NULLs, the type of the
// elements, then length and lower bound of the dimension, then the elements, each
// with its length; -1 is NULL.
func (c *pipeConn) encodeArrays(p *prepared, args []any) error {
	cols := len(p.elements)
	rows := len(args) / cols
	c.begin()
	for col, oid := range p.elements {
		from := len(c.buf)
		c.buf = binary.BigEndian.AppendUint32(c.buf, 1)
		nulls := len(c.buf)
		c.buf = binary.BigEndian.AppendUint32(c.buf, 0)
		c.buf = binary.BigEndian.AppendUint32(c.buf, oid)
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(rows))
		c.buf = binary.BigEndian.AppendUint32(c.buf, 1)
		for row := range rows {
			size := len(c.buf)
			c.buf = append(c.buf, 0xff, 0xff, 0xff, 0xff)
			null, err := c.append(oid, args[row*cols+col])
			if err != nil {
				return err
			}
			if null {
				binary.BigEndian.PutUint32(c.buf[nulls:], 1)
				continue
			}
			binary.BigEndian.PutUint32(c.buf[size:], uint32(len(c.buf)-size-4))
		}
		c.spans = append(c.spans, span{from, len(c.buf)})
	}
	c.formats = append(c.formats, pgx.BinaryFormatCode) // one is for all
	c.end()
	return nil
}

func (c *pipeConn) begin() {
	c.buf, c.spans, c.params, c.formats = c.buf[:0], c.spans[:0], c.params[:0], c.formats[:0]
}

// end makes the parameters of what lies in the buffer, which does not move any more.
func (c *pipeConn) end() {
	for _, s := range c.spans {
		if s.from < 0 {
			c.params = append(c.params, nil)
		} else {
			c.params = append(c.params, c.buf[s.from:s.to:s.to])
		}
	}
}

// append writes a value to the buffer, in the binary format.
func (c *pipeConn) append(oid uint32, arg any) (null bool, err error) {
	switch v := arg.(type) {
	case nil:
		return true, nil
	case int64:
		if oid == pgtype.Int8OID {
			c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v))
			return false, nil
		}
	case int:
		if oid == pgtype.Int8OID {
			c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v))
			return false, nil
		}
	case string:
		if oid == pgtype.TextOID {
			c.buf = append(c.buf, v...)
			return false, nil
		}
	case []byte:
		if oid == pgtype.ByteaOID {
			c.buf = append(c.buf, v...)
			return v == nil, nil
		}
	case bool:
		if oid == pgtype.BoolOID {
			b := byte(0)
			if v {
				b = 1
			}
			c.buf = append(c.buf, b)
			return false, nil
		}
	}
	format := int16(pgx.BinaryFormatCode)
	if oid == pgtype.TextOID { // a number: both formats of a text are the same
		format = pgx.TextFormatCode
	}
	return c.convert(oid, format, arg)
}

// convert has pgx write a value to the buffer.
func (c *pipeConn) convert(oid uint32, format int16, arg any) (null bool, err error) {
	buf, err := c.Conn.Conn().TypeMap().Encode(oid, format, arg, c.buf)
	if err != nil {
		return false, err
	}
	if buf == nil {
		return true, nil
	}
	c.buf = buf
	return false, nil
}

// decoder turns a value as the server sends it, nil = NULL, into what a
// database/sql driver gives.
type decoder func(raw []byte) (driver.Value, error)

func decoderOf(types *pgtype.Map, oid uint32) decoder {
	switch oid {
	case pgtype.Int8OID:
		return func(raw []byte) (driver.Value, error) {
			if len(raw) != 8 {
				return nil, wrongSize(raw)
			}
			return int64(binary.BigEndian.Uint64(raw)), nil
		}
	case pgtype.TextOID:
		return func(raw []byte) (driver.Value, error) {
			if raw == nil {
				return nil, nil
			}
			return string(raw), nil
		}
	}
	t, ok := types.TypeForOID(oid)
	if !ok {
		return func([]byte) (driver.Value, error) {
			return nil, fmt.Errorf("a column has the type %d, which is not known: cast it to one that is", oid)
		}
	}
	return func(raw []byte) (driver.Value, error) {
		return t.Codec.DecodeDatabaseSQLValue(types, oid, pgx.BinaryFormatCode, raw)
	}
}

// wrongSize is nil for NULL.
func wrongSize(raw []byte) error {
	if raw == nil {
		return nil
	}
	return fmt.Errorf("a number came in %d bytes", len(raw))
}
