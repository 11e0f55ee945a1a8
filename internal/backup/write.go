package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
)

// The tables whose rows name blobs, and their column with the key.
const (
	filesTable = "files"
	partsTable = "archive_parts"
	blobColumn = "blob"
)

// archivePrefix begins the keys of archived messages and their files
// (internal/retention). No row names the files.
const archivePrefix = "archive/"

// Source is what a backup is made of. What its rows say must have been so before
// its blobs are read: then a file that comes later is in neither, and one that is
// deleted meanwhile is in the rows only.
type Source struct {
	Header Header // Format, Schema, Sessions and Tables are filled in
	Rows   store.Snapshot
	Blobs  Blobs // not touched when Header.NoFiles is set
	Folder []FolderFile
	// Progress is told after each table and now and then between files; it may be nil.
	Progress func(what string, done int64)
}

// Blobs are the bytes of files; a blob.Store has them.
type Blobs interface {
	Open(ctx context.Context, key string) (io.ReadSeekCloser, error)
	List(ctx context.Context, prefix, after string, fn func(blob.Entry) error) error
}

// FolderFile is a file of the data folder.
type FolderFile struct {
	Name string // below the folder, with slashes
	Open func() (io.ReadSeekCloser, error)
}

// Write writes a backup. What was written before an error is no backup.
func Write(ctx context.Context, w io.Writer, s Source) (Summary, error) {
	s.Header.Format, s.Header.Schema, s.Header.Sessions, s.Header.Tables = Format, s.Rows.Schema(), s.Rows.Sessions(), s.Rows.Tables()
	if s.Progress == nil {
		s.Progress = func(string, int64) {}
	}
	a := &archive{tar: tar.NewWriter(w), at: s.Header, summary: newSummary(s.Header)}
	if err := a.write(ctx, s); err != nil {
		return a.summary, fmt.Errorf("write backup: %w", err)
	}
	return a.summary, nil
}

// archive is a backup that is being written.
type archive struct {
	tar     *tar.Writer
	at      Header
	list    list
	summary Summary
	blobs   []string // keys that rows name
}

func (a *archive) write(ctx context.Context, s Source) error {
	header, err := json.MarshalIndent(a.at, "", "  ")
	if err != nil {
		return err
	}
	if err := a.part(Part{Name: headerName, Size: int64(len(header))}, bytes.NewReader(header)); err != nil {
		return err
	}
	for _, t := range a.at.Tables {
		if err := a.rows(ctx, s.Rows, t); err != nil {
			return err
		}
		s.Progress("rows of "+t.Name, a.summary.Tables[t.Name])
	}
	if err := a.archived(ctx, s); err != nil {
		return err
	}
	for i, key := range a.blobs {
		if err := a.blob(ctx, s.Blobs, key); err != nil {
			return err
		}
		if i%1000 == 999 || i == len(a.blobs)-1 {
			s.Progress("files", int64(i+1))
		}
	}
	for _, f := range s.Folder {
		if err := a.folder(ctx, f); err != nil {
			return err
		}
	}
	if a.list.Sum, err = a.list.seal(); err != nil {
		return err
	}
	end, err := json.Marshal(a.list)
	if err != nil {
		return err
	}
	a.summary.Missing = a.list.Missing
	if err := a.part(Part{Name: listName, Size: int64(len(end))}, bytes.NewReader(end)); err != nil {
		return err
	}
	return a.tar.Close()
}

// part adds an entry of p.Size bytes.
func (a *archive) part(p Part, r io.Reader) error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: p.Name, Size: p.Size, Mode: 0o600, ModTime: a.at.MadeAt}); err != nil {
		return err
	}
	sum := sha256.New()
	if n, err := io.Copy(io.MultiWriter(a.tar, sum), r); err != nil || n != p.Size {
		return errors.Join(fmt.Errorf("%s: %d of %d bytes written", p.Name, n, p.Size), err)
	}
	p.SHA256 = hex.EncodeToString(sum.Sum(nil))
	a.list.Parts = append(a.list.Parts, p)
	a.summary.count(p)
	return nil
}

// rows adds the rows of a table, in parts that fit into memory.
func (a *archive) rows(ctx context.Context, from store.RowReader, t store.Table) error {
	key := -1
	for i, c := range t.Columns {
		if (t.Name == filesTable || t.Name == partsTable) && c.Name == blobColumn && !a.at.NoFiles {
			key = i
		}
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	number, size, p, line := 0, 0, Part{}, []byte(nil)
	end := func() error {
		if err := zip.Close(); err != nil {
			return err
		}
		p.Name, p.Size = fmt.Sprintf("%s%s/%06d.jsonl.gz", rowsPrefix, t.Name, number), int64(packed.Len())
		if err := a.part(p, &packed); err != nil {
			return err
		}
		packed.Reset()
		zip.Reset(&packed)
		number, size, p = number+1, 0, Part{}
		return nil
	}
	for row, err := range from.Rows(ctx, t.Name) {
		if err != nil {
			return err
		}
		if line, err = appendRow(line[:0], row); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
		if len(line) > maxChunk-chunkSize {
			return fmt.Errorf("table %s: a row of %d bytes is larger than a backup can hold", t.Name, len(line))
		}
		if _, err := zip.Write(line); err != nil {
			return err
		}
		p.Rows++
		if key >= 0 {
			if text, _ := row[key].(string); text != "" {
				a.blobs = append(a.blobs, text)
			}
		}
		if size += len(line); size >= chunkSize {
			if err := end(); err != nil {
				return err
			}
		}
	}
	if p.Rows == 0 {
		return nil
	}
	return end()
}

// archived adds what only the place itself knows of: the files in the archive.
func (a *archive) archived(ctx context.Context, s Source) error {
	if a.at.NoFiles {
		return nil
	}
	named := make(map[string]bool)
	for _, key := range a.blobs {
		if strings.HasPrefix(key, archivePrefix) {
			named[key] = true
		}
	}
	return s.Blobs.List(ctx, archivePrefix, "", func(e blob.Entry) error {
		if !named[e.Key] {
			a.blobs = append(a.blobs, e.Key)
		}
		return nil
	})
}

// blob adds the bytes of a file. That they are gone is noted and no error.
func (a *archive) blob(ctx context.Context, from Blobs, key string) (err error) {
	r, err := from.Open(ctx, key)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrBadKey) {
		a.list.Missing = append(a.list.Missing, strings.ToValidUTF8(key, "\uFFFD"))
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return a.whole(ctx, filesPrefix+key, r)
}

func (a *archive) folder(ctx context.Context, f FolderFile) (err error) {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return a.whole(ctx, folderPrefix+f.Name, r)
}

// whole adds all of a file.
func (a *archive) whole(ctx context.Context, name string, r io.ReadSeeker) error {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return a.part(Part{Name: name, Size: size}, &contextReader{ctx: ctx, r: io.LimitReader(r, size)})
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
