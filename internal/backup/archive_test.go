package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/sha256"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
)

// memory is a database in memory: a snapshot and a loader.
type memory struct {
	tables    []store.Table
	rows      map[string][]store.Row
	committed bool
}

func (m *memory) Tables() []store.Table { return m.tables }
func (m *memory) Schema() int64         { return 15 }
func (m *memory) Sessions() int64       { return 1 }
func (m *memory) Close() error          { return nil }

func (m *memory) Rows(_ context.Context, table string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		for _, r := range m.rows[table] {
			if !yield(slices.Clone(r), nil) {
				return
			}
		}
	}
}

func (m *memory) Empty(context.Context) (bool, error) { return len(m.rows) == 0, nil }
func (m *memory) Clear(context.Context) error         { return nil }
func (m *memory) Fit(store.Table, store.Row) bool     { return false }
func (m *memory) Commit(context.Context) error        { m.committed = true; return nil }

func (m *memory) Load(_ context.Context, t store.Table, rows iter.Seq2[store.Row, error]) (n int64, err error) {
	for r, err := range rows {
		if err != nil {
			return n, err
		}
		m.rows[t.Name] = append(m.rows[t.Name], slices.Clone(r))
		n++
	}
	return n, nil
}

// blobs are bytes by key.
type blobs map[string]string

type opened struct{ *strings.Reader }

func (opened) Close() error { return nil }

func (b blobs) Open(_ context.Context, key string) (io.ReadSeekCloser, error) {
	text, ok := b[key]
	if !ok {
		return nil, blob.ErrNotFound
	}
	return opened{strings.NewReader(text)}, nil
}

func (b blobs) List(_ context.Context, prefix, _ string, fn func(blob.Entry) error) error {
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := fn(blob.Entry{Key: key}); err != nil {
			return err
		}
	}
	return nil
}

func (b blobs) Put(_ context.Context, key string, r io.Reader) (blob.Written, error) {
	data, err := io.ReadAll(r)
	b[key] = string(data)
	return blob.Written{}, err
}

func example() (*memory, blobs) {
	m := &memory{
		tables: []store.Table{
			{Name: "config", Columns: []store.Column{{Name: "id", Kind: store.Integer}}, Key: []string{"id"}},
			{Name: "empty", Columns: []store.Column{{Name: "id", Kind: store.Integer}}, Key: []string{"id"}, Serial: "id", LastID: 9},
			{Name: "files", Columns: []store.Column{{Name: "id", Kind: store.Integer}, {Name: "blob", Kind: store.Text}, {Name: "hash", Kind: store.Bytes}}, Key: []string{"id"}},
		},
		rows: map[string][]store.Row{
			"config": {{int64(-1 << 63)}, {int64(1<<63 - 1)}},
			"files": {
				{int64(1), "files/0a/one", []byte{}}, {int64(2), "files/0a/gone", []byte{0, 1}}, {int64(3), "", nil},
				{int64(4), "not UTF-8 \xff\x00", []byte("x")},
				{int64(5), "line\nbreak \" \\ <>&  🙂 " + strings.Repeat("x", chunkSize), nil}, {int64(6), "", nil},
			},
		},
	}
	return m, blobs{"files/0a/one": "hello\x00world", "archive/1-shop/files/ab": "a picture"}
}

func written(t testing.TB) []byte {
	t.Helper()
	m, b := example()
	var out bytes.Buffer
	s, err := Write(context.Background(), &out, Source{
		Header: Header{Kind: "sandbox", MadeAt: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}, Rows: m, Blobs: b,
		Folder: []FolderFile{{Name: "network/wasim.db", Open: func() (io.ReadSeekCloser, error) { return opened{strings.NewReader("phones")}, nil }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Rows != 8 || s.Files != 2 || len(s.Missing) != 3 {
		t.Fatalf("wrote %+v", s)
	}
	return out.Bytes()
}

func TestABackupGivesBackWhatWasWritten(t *testing.T) {
	t.Parallel()
	archive := written(t)
	found, err := Verify(t.Context(), bytes.NewReader(archive))
	if err != nil || found.Rows != 8 || found.Files != 2 || found.Tables["files"] != 6 || len(found.Missing) != 3 {
		t.Fatalf("Verify: %+v, %v", found, err)
	}
	want, wantBlobs := example()
	got, gotBlobs, folder := &memory{tables: want.tables, rows: map[string][]store.Row{}}, blobs{}, map[string]string{}
	_, err = Restore(t.Context(), bytes.NewReader(archive), Target{Rows: got, Blobs: gotBlobs, Put: func(name string, r io.Reader) error {
		data, err := io.ReadAll(r)
		folder[name] = string(data)
		return err
	}})
	if err != nil || !got.committed {
		t.Fatalf("Restore: %v, committed %t", err, got.committed)
	}
	if diff := cmp.Diff(want.rows, got.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantBlobs, gotBlobs); diff != "" || folder["network/wasim.db"] != "phones" {
		t.Errorf("files (-want +got):\n%s%v", diff, folder)
	}
}

// Without files a backup touches none, misses none, and says so.
func TestABackupCanLeaveFilesOut(t *testing.T) {
	t.Parallel()
	m, _ := example()
	var out bytes.Buffer
	if _, err := Write(t.Context(), &out, Source{Header: Header{Kind: "sandbox", NoFiles: true}, Rows: m}); err != nil {
		t.Fatal(err)
	}
	found, err := Verify(t.Context(), &out)
	if err != nil || !found.Header.NoFiles || found.Files != 0 || len(found.Missing) != 0 || found.Rows != 8 {
		t.Errorf("it is read as %d rows, %d files, %d missing, without files: %t, %v", found.Rows, found.Files, len(found.Missing), found.Header.NoFiles, err)
	}
}

// TestEveryDamageIsNoticed changes or cuts the archive everywhere.
func TestEveryDamageIsNoticed(t *testing.T) {
	t.Parallel()
	archive := written(t)
	// Past the tar's own end are only zeros, which carry nothing.
	end := bytes.LastIndex(archive, []byte("}")) + 1
	for at := 0; at < end; at += end/40 + 1 {
		if _, err := Verify(t.Context(), bytes.NewReader(archive[:at])); err == nil {
			t.Fatalf("cut after %d of %d bytes: no error", at, end)
		}
	}
	head := tarParts(t, archive)
	for _, e := range head {
		data := bytes.Clone(archive)
		data[e.at+e.size/2] ^= 1
		if _, err := Verify(t.Context(), bytes.NewReader(data)); err == nil {
			t.Errorf("a byte of %s changed: no error", e.name)
		}
	}
}

type tarPart struct {
	name     string
	at, size int64
	data     []byte
}

func tarParts(t testing.TB, archive []byte) (parts []tarPart) {
	t.Helper()
	r := bytes.NewReader(archive)
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		at := int64(len(archive)) - int64(r.Len())
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, tarPart{h.Name, at, h.Size, data})
	}
}

// forged makes an archive of entries, with a list that agrees with them.
func forged(t *testing.T, change func(h *tar.Header), entries ...tarPart) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	var l list
	put := func(name string, data []byte) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600}
		if name != headerName && name != listName && change != nil {
			change(h)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		sum := sha256.Sum256(data)
		l.Parts = append(l.Parts, Part{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	}
	for _, e := range entries {
		put(e.name, e.data)
	}
	var err error
	if l.Sum, err = l.seal(); err != nil {
		t.Fatal(err)
	}
	end, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	put(listName, end)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestForgedArchivesAreRefused(t *testing.T) {
	t.Parallel()
	parts := tarParts(t, written(t))
	head, rows := parts[0], parts[1]
	for name, archive := range map[string][]byte{
		"a name that climbs out":   forged(t, nil, head, tarPart{name: "folder/../../etc/passwd"}),
		"an absolute name":         forged(t, nil, head, tarPart{name: "/etc/passwd"}),
		"a blob that climbs out":   forged(t, nil, head, tarPart{name: "files/../tideline.kind"}),
		"a hidden file":            forged(t, nil, head, tarPart{name: "folder/.ssh"}),
		"a name in capitals":       forged(t, nil, head, tarPart{name: "files/A"}),
		"a backslash":              forged(t, nil, head, tarPart{name: `folder/a\b`}),
		"a table nobody has":       forged(t, nil, head, tarPart{name: "rows/other/000000.jsonl.gz"}),
		"rows before the header":   forged(t, nil, rows, head),
		"rows twice":               forged(t, nil, head, rows, rows),
		"rows that begin late":     forged(t, nil, head, tarPart{name: "rows/config/000001.jsonl.gz", data: rows.data}),
		"rows after files":         forged(t, nil, head, tarPart{name: "files/a"}, rows),
		"no header":                forged(t, nil),
		"a link":                   forged(t, func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc", 0 }, head, tarPart{name: "folder/link"}),
		"a folder":                 forged(t, func(h *tar.Header) { h.Typeflag = tar.TypeDir }, head, tarPart{name: "folder/network"}),
		"rows that are no gzip":    forged(t, nil, head, tarPart{name: rows.name, data: []byte("[1]\n")}),
		"an unknown form":          forged(t, nil, tarPart{name: headerName, data: []byte(`{"format": 2}`)}),
		"a table that climbs out":  forged(t, nil, tarPart{name: headerName, data: []byte(`{"format": 1, "tables": [{"name": "../x", "columns": [{"name": "a", "kind": "int"}]}]}`)}),
		"a column of unknown kind": forged(t, nil, tarPart{name: headerName, data: []byte(`{"format": 1, "tables": [{"name": "x", "columns": [{"name": "a", "kind": "json"}]}]}`)}),
	} {
		if _, err := Verify(t.Context(), bytes.NewReader(archive)); err == nil {
			t.Errorf("%s: no error", name)
		}
		touched := &memory{tables: []store.Table{{Name: "config"}, {Name: "empty"}, {Name: "files"}}, rows: map[string][]store.Row{}}
		_, err := Restore(t.Context(), bytes.NewReader(archive), Target{Rows: touched, Blobs: blobs{}, Put: func(name string, _ io.Reader) error {
			return errors.New("wrote " + name)
		}})
		if err == nil || strings.HasPrefix(err.Error(), "wrote ") || touched.committed {
			t.Errorf("%s: restored: %v", name, err)
		}
	}
}

// FuzzVerify reads whatever there is. What it takes must be an archive that a restore
// takes too, and names nothing outside.
func FuzzVerify(f *testing.F) {
	archive := written(f)
	f.Add(archive[:20_000])
	small := &memory{tables: []store.Table{{Name: "config", Columns: []store.Column{{Name: "id", Kind: store.Integer}}, Key: []string{"id"}}},
		rows: map[string][]store.Row{"config": {{int64(1)}}}}
	var out bytes.Buffer
	if _, err := Write(context.Background(), &out, Source{Rows: small, Blobs: blobs{}}); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := Verify(t.Context(), bytes.NewReader(data))
		if err != nil {
			return
		}
		to := &memory{tables: found.Header.Tables, rows: map[string][]store.Row{}}
		_, err = Restore(t.Context(), bytes.NewReader(data), Target{Rows: to, Blobs: blobs{}, Put: func(name string, r io.Reader) error {
			if strings.Contains(name, "..") || strings.HasPrefix(name, "/") {
				t.Errorf("writes %q", name)
			}
			_, err := io.Copy(io.Discard, r)
			return err
		}})
		if err != nil {
			t.Errorf("verified and not restored: %v", err)
		}
	})
}

// FuzzRow reads lines as rows; what is read must be written the same way again.
func FuzzRow(f *testing.F) {
	columns := []store.Column{{Name: "a", Kind: store.Integer}, {Name: "b", Kind: store.Text}, {Name: "c", Kind: store.Bytes}}
	for _, seed := range []string{`[1,"x","eA=="]`, `[null,null,null]`, `[-1,{"base64":"/w=="},""]`, `[1e3,"",""]`, `[1,{"a":1},""]`, `[1`, `{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		row, err := newRowDecoder(bytes.NewReader(data), columns).next()
		if err != nil {
			return
		}
		line, err := appendRow(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		row = slices.Clone(row)
		again, err := newRowDecoder(bytes.NewReader(line), columns).next()
		if diff := cmp.Diff(row, again); err != nil || diff != "" {
			t.Errorf("%s became %s: %v %s", data, line, err, diff)
		}
	})
}
