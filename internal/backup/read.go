package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"

	"github.com/tidelinehq/tideline/internal/store"
)

// reader reads a backup part by part. Every byte of a part goes through its hash,
// whether anybody wants it or not.
type reader struct {
	ctx     context.Context
	tar     *tar.Reader
	header  Header
	summary Summary

	part   Part // the one that is being read
	sum    hash.Hash
	body   io.Reader
	seen   []Part
	names  map[string]bool
	place  int // where rows may go on: table and number of its next part
	number int
}

// openReader reads the header.
func openReader(ctx context.Context, from io.Reader) (*reader, error) {
	r := &reader{ctx: ctx, tar: tar.NewReader(&contextReader{ctx: ctx, r: from}), names: make(map[string]bool)}
	if err := r.next(); err != nil {
		if errors.Is(err, io.EOF) {
			err = damaged("it is empty")
		}
		return nil, err
	}
	if r.part.Name != headerName {
		return nil, damaged("it does not begin with %s", headerName)
	}
	data, err := r.all(maxHeader)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &r.header); err != nil {
		return nil, damaged("%s: %v", headerName, err)
	}
	if err := r.header.check(); err != nil {
		return nil, err
	}
	r.summary = newSummary(r.header)
	return r, nil
}

// check refuses what this program can't read.
func (h *Header) check() error {
	if h.Format < 1 || h.Format > Format {
		return fmt.Errorf("the backup has the form %d, this program knows up to %d: use the tideline that made it (%s) or a newer one", h.Format, Format, h.Program)
	}
	seen := map[string]bool{}
	for _, t := range h.Tables {
		if rowsName.FindStringSubmatch(rowsPrefix+t.Name+"/000000.jsonl.gz") == nil || seen[t.Name] || len(t.Columns) == 0 {
			return damaged("its table %.100q is none", t.Name)
		}
		seen[t.Name] = true
		for _, c := range t.Columns {
			if c.Kind != store.Integer && c.Kind != store.Text && c.Kind != store.Bytes {
				return damaged("column %.100q of table %s is of kind %.100q", c.Name, t.Name, c.Kind)
			}
		}
	}
	return nil
}

// next ends the part that is being read and goes to the next one. io.EOF after the
// list, which is then known to be right.
func (r *reader) next() error {
	if err := r.finish(); err != nil {
		return err
	}
	h, err := r.tar.Next()
	if errors.Is(err, io.EOF) {
		if len(r.seen) == 0 {
			return io.EOF
		}
		return damaged("it ends before its list of parts: it was cut short")
	}
	if err != nil {
		return r.broken(err)
	}
	if h.Typeflag != tar.TypeReg {
		return damaged("entry %.100q is no file", h.Name)
	}
	if err := checkName(h.Name); err != nil {
		return err
	}
	if r.names[h.Name] {
		return damaged("it has two entries %s", h.Name)
	}
	r.names[h.Name] = true
	r.part, r.sum = Part{Name: h.Name, Size: h.Size}, sha256.New()
	r.body = io.TeeReader(r.tar, r.sum)
	if h.Name == listName {
		return r.end()
	}
	return r.inPlace()
}

// broken tells an archive that can't be read from a file that can't.
func (r *reader) broken(err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, tar.ErrFieldTooLong) ||
		errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return damaged("%v", err)
	}
	return fmt.Errorf("read backup: %w", err)
}

// finish notes the part that was being read.
func (r *reader) finish() error {
	if r.body == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, r.body); err != nil {
		return r.broken(err)
	}
	r.part.SHA256 = hex.EncodeToString(r.sum.Sum(nil))
	r.seen = append(r.seen, r.part)
	if r.part.Name != headerName {
		r.summary.count(r.part)
	} else {
		r.summary.Parts++
	}
	r.body = nil
	return nil
}

// all reads the part into memory.
func (r *reader) all(most int64) ([]byte, error) {
	if r.part.Size > most {
		return nil, damaged("%s has %d bytes", r.part.Name, r.part.Size)
	}
	data, err := io.ReadAll(r.body)
	if err != nil {
		return nil, r.broken(err)
	}
	return data, nil
}

// inPlace refuses rows in another order than the tables', which is the one in which
// they can be written, and parts without a header before them.
func (r *reader) inPlace() error {
	if len(r.seen) == 0 || r.part.Name == headerName {
		return nil // openReader looks at it
	}
	m := rowsName.FindStringSubmatch(r.part.Name)
	if m == nil {
		r.place = len(r.header.Tables) // no rows after this
		return nil
	}
	number, err := strconv.Atoi(m[2])
	place, ok := r.header.table(m[1])
	if err != nil || !ok || place < r.place {
		return damaged("%s is not where it belongs", r.part.Name)
	}
	if place > r.place {
		r.place, r.number = place, 0
	}
	if number != r.number {
		return damaged("%s comes where part %d of its table belongs", r.part.Name, r.number)
	}
	r.number++
	return nil
}

// end compares the list with what was read.
func (r *reader) end() error {
	data, err := r.all(maxList)
	if err != nil {
		return err
	}
	var l list
	if err := json.Unmarshal(data, &l); err != nil {
		return damaged("%s: %v", listName, err)
	}
	if sum, err := l.seal(); err != nil || sum != l.Sum {
		return damaged("%s is not what it was", listName)
	}
	for i := range max(len(l.Parts), len(r.seen)) {
		switch {
		case i >= len(r.seen):
			return damaged("%.100q is missing", l.Parts[i].Name)
		case i >= len(l.Parts):
			return damaged("%s is not in its list of parts", r.seen[i].Name)
		case l.Parts[i].Name != r.seen[i].Name:
			return damaged("%s comes where %.100q belongs", r.seen[i].Name, l.Parts[i].Name)
		case l.Parts[i].SHA256 != r.seen[i].SHA256 || l.Parts[i].Size != r.seen[i].Size:
			return damaged("%s is not what it was", r.seen[i].Name)
		case l.Parts[i].Rows != r.seen[i].Rows:
			return damaged("%s has %d rows, not %d", r.seen[i].Name, r.seen[i].Rows, l.Parts[i].Rows)
		}
	}
	r.summary.Missing = l.Missing
	r.summary.Parts++ // the list
	r.body = nil
	return io.EOF
}

// rowsOf gives the name of the table whose rows the part has; "" when it has none.
func (r *reader) rowsOf() string {
	if m := rowsName.FindStringSubmatch(r.part.Name); m != nil {
		return m[1]
	}
	return ""
}

// eachRow reads the rows of the part and counts them. Stopping early leaves the rest
// uncounted.
func (r *reader) eachRow(yield func(store.Row) bool) (stopped bool, err error) {
	place, ok := r.header.table(r.rowsOf())
	if !ok {
		return false, damaged("%s is of no table", r.part.Name)
	}
	zip, err := gzip.NewReader(r.body)
	if err != nil {
		return false, damaged("%s: %v", r.part.Name, err)
	}
	limited := &io.LimitedReader{R: zip, N: maxChunk}
	dec := newRowDecoder(limited, r.header.Tables[place].Columns)
	for {
		row, err := dec.next()
		if errors.Is(err, io.EOF) && limited.N > 0 {
			return false, nil
		}
		if r.ctx.Err() != nil {
			return false, r.ctx.Err()
		}
		if err != nil {
			return false, damaged("%s: row %d: %v", r.part.Name, r.part.Rows+1, err)
		}
		r.part.Rows++
		if !yield(row) {
			return true, nil
		}
	}
}

// Verify reads a backup to its end: that every part is what it was, and that every
// row can be read. The error is ErrDamaged when one is not.
func Verify(ctx context.Context, from io.Reader) (Summary, error) {
	r, err := openReader(ctx, from)
	if err != nil {
		return Summary{}, err
	}
	for {
		err := r.next()
		if errors.Is(err, io.EOF) {
			return r.summary, nil
		}
		if err == nil && r.rowsOf() != "" {
			_, err = r.eachRow(func(store.Row) bool { return true })
		}
		if err != nil {
			return r.summary, err
		}
	}
}

// ReadHeader reads what a backup is of, and no further.
func ReadHeader(ctx context.Context, from io.Reader) (Header, error) {
	r, err := openReader(ctx, from)
	if err != nil {
		return Header{}, err
	}
	return r.header, nil
}
