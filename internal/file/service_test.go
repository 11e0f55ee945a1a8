package file_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// records is a Storage in memory.
type records struct {
	mu        sync.Mutex
	files     map[string]tideline.File
	templates []tideline.AttachmentTemplate
	down      error
}

func (r *records) CreateFile(_ context.Context, f tideline.File) (tideline.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down != nil {
		return tideline.File{}, r.down
	}
	f.ID = int64(len(r.files) + 1)
	r.files[f.UID] = f
	return f, nil
}

func (r *records) WithdrawFile(_ context.Context, workspaceID, fileID int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid, f := range r.files {
		if f.ID == fileID && f.WorkspaceID == workspaceID {
			delete(r.files, uid)
		}
	}
	return r.down
}

func (r *records) FileByUID(ctx context.Context, workspaceID int64, uid string) (tideline.File, error) {
	f, err := r.FileForLink(ctx, uid)
	if err == nil && f.WorkspaceID != workspaceID {
		return tideline.File{}, tideline.Errorf(tideline.CodeNotFound, "no")
	}
	return f, err
}

func (r *records) FileForLink(_ context.Context, uid string) (tideline.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.files[uid]
	if !ok {
		return f, tideline.Errorf(tideline.CodeNotFound, "no")
	}
	return f, nil
}

func (r *records) CreateTemplate(_ context.Context, t tideline.AttachmentTemplate) (tideline.AttachmentTemplate, error) {
	t.ID = int64(len(r.templates) + 1)
	r.templates = append(r.templates, t)
	return t, nil
}

func (r *records) ListTemplates(context.Context, int64) ([]tideline.AttachmentTemplate, error) {
	return r.templates, nil
}

func (r *records) ListFiles(_ context.Context, workspaceID int64, part string) (list []tideline.File, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files {
		if f.WorkspaceID == workspaceID && strings.Contains(strings.ToLower(f.Name), strings.ToLower(part)) {
			list = append(list, f)
		}
	}
	return list, nil
}

func (r *records) DeleteFile(ctx context.Context, workspaceID int64, uid string) (tideline.File, error) {
	f, err := r.FileByUID(ctx, workspaceID, uid)
	if err != nil {
		return f, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.files, uid)
	return f, nil
}

// world is a file.Service over memory and a directory, at a time that the test
// sets.
type world struct {
	*file.Service
	records *records
	blobs   blob.Store
	folder  string // of blobs
	now     time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	folder := t.TempDir()
	blobs, err := local.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{records: &records{files: map[string]tideline.File{}}, blobs: blobs, folder: folder, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	w.Service = file.New(
		file.Config{LinkKey: []byte("0123456789abcdef0123456789abcdef"), Now: func() time.Time { return w.now }},
		file.Deps{Storage: w.records, Blobs: blobs, Log: slog.New(slog.DiscardHandler)},
	)
	return w
}

func principal(edit func(p *tideline.Principal)) *tideline.Principal {
	p := &tideline.Principal{
		Workspace: tideline.Workspace{ID: 7, Plan: tideline.Plan{Name: "small", MaxFileBytes: 100, Attachments: true}},
		Member:    tideline.Member{ID: 3, Email: "ada@example.com", Role: tideline.RoleAgent},
	}
	if edit != nil {
		edit(p)
	}
	return p
}

func described(d file.Description) func() (file.Description, error) {
	return func() (file.Description, error) { return d, nil }
}

func wantCode(t *testing.T, err error, code tideline.Code) {
	t.Helper()
	if got := tideline.ErrorCode(err); got != code {
		t.Fatalf("error %v has the code %q, want %q", err, got, code)
	}
}

const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"

func TestAnUploadComesBackAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	up, err := w.Upload(t.Context(), principal(nil), file.Upload{
		Body:     iotest.OneByteReader(strings.NewReader(png)),
		Describe: described(file.Description{SentName: `C:\pictures\..\me.png`, SentType: "application/x-made-up"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := tideline.File{
		ID: 1, WorkspaceID: 7, MemberID: 3, Name: "me.png", MIMEType: "image/png",
		Size: int64(len(png)), UploadedBy: "ada@example.com", UploadedAt: w.now,
	}
	if diff := cmp.Diff(want, up, cmpopts.IgnoreFields(tideline.File{}, "UID", "Blob")); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	found, err := w.ByUID(t.Context(), principal(nil), strings.ToUpper(up.UID))
	if err != nil || found != up {
		t.Fatalf("by its uid: %+v, %v", found, err)
	}
	r, err := w.Open(t.Context(), found)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if content, err := io.ReadAll(r); err != nil || string(content) != png {
		t.Errorf("content %q, %v", content, err)
	}
}

func TestAFileIsFoundInItsOwnWorkspaceOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	up, err := w.Upload(t.Context(), principal(nil), file.Upload{Body: strings.NewReader("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.ByUID(t.Context(), principal(func(p *tideline.Principal) { p.Workspace.ID = 8 }), up.UID)
	wantCode(t, err, tideline.CodeNotFound)
	_, err = w.ByUID(t.Context(), principal(nil), "../../etc/passwd")
	wantCode(t, err, tideline.CodeNotFound)
}

func TestUploadsAreRefusedForTheirReasons(t *testing.T) {
	t.Parallel()
	hundred := strings.Repeat("x", 100)
	long := strings.Repeat("é", file.MaxName)
	for name, tc := range map[string]struct {
		edit   func(p *tideline.Principal)
		body   io.Reader
		desc   file.Description
		code   tideline.Code // "" = accepted
		fields []string
	}{
		"as large as allowed":  {body: strings.NewReader(hundred)},
		"one byte too large":   {body: strings.NewReader(hundred + "x"), code: tideline.CodeTooLarge},
		"endless":              {body: endless{}, code: tideline.CodeTooLarge},
		"empty":                {body: strings.NewReader(""), code: tideline.CodeValidation, fields: []string{"file"}},
		"plan without":         {edit: func(p *tideline.Principal) { p.Workspace.Plan.Attachments = false }, code: tideline.CodePlanFeatureUnavailable},
		"role without":         {edit: func(p *tideline.Principal) { p.Member.Role = tideline.RoleCollaborator }, code: tideline.CodePermissionDenied},
		"longest name":         {desc: file.Description{Name: long}},
		"name too long":        {desc: file.Description{Name: long + "x"}, code: tideline.CodeValidation, fields: []string{"filename"}},
		"sent name too long":   {desc: file.Description{SentName: long + ".png"}},
		"type that is no type": {desc: file.Description{ContentType: "a picture"}, code: tideline.CodeValidation, fields: []string{"content_type"}},
		"type with a range":    {desc: file.Description{ContentType: "image/*"}, code: tideline.CodeValidation, fields: []string{"content_type"}},
		"type with a newline":  {desc: file.Description{ContentType: "text/plain\r\nX: y"}, code: tideline.CodeValidation, fields: []string{"content_type"}},
		"type too long":        {desc: file.Description{ContentType: "text/" + strings.Repeat("x", 136)}, code: tideline.CodeValidation, fields: []string{"content_type"}},
		"all at once": {
			body: strings.NewReader(""), desc: file.Description{Name: long + "x", ContentType: "x"},
			code: tideline.CodeValidation, fields: []string{"file", "filename", "content_type"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tc.body == nil {
				tc.body = strings.NewReader("x")
			}
			f, err := w.Upload(t.Context(), principal(tc.edit), file.Upload{Body: tc.body, Describe: described(tc.desc)})
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, tc.code)
			var fields []string
			if e, ok := errors.AsType[*tideline.Error](err); ok {
				for _, f := range e.Fields {
					fields = append(fields, f.Path...)
				}
			}
			if diff := cmp.Diff(tc.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if f != (tideline.File{}) || len(w.records.files) > 0 {
				t.Errorf("a refused upload left the record %+v", f)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// spy notes what is put and deleted.
type spy struct {
	blob.Store
	there map[string]bool
}

func (s *spy) Put(ctx context.Context, key string, r io.Reader) (blob.Written, error) {
	w, err := s.Store.Put(ctx, key, r)
	s.there[key] = err == nil
	return w, err
}

func (s *spy) Delete(ctx context.Context, key string) error {
	delete(s.there, key)
	return s.Store.Delete(ctx, key)
}

func TestBytesWithoutARecordDoNotStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &spy{Store: w.blobs, there: map[string]bool{}}
	w.records.down = errors.New("disk full")
	service := file.New(file.Config{LinkKey: []byte("k")}, file.Deps{Storage: w.records, Blobs: s, Log: slog.New(slog.DiscardHandler)})
	// Also when the request is over: cleaning up must not end with it.
	ctx, cancel := context.WithCancel(t.Context())
	_, err := service.Upload(ctx, principal(nil), file.Upload{Body: strings.NewReader("x"), Describe: func() (file.Description, error) {
		cancel()
		return file.Description{}, nil
	}})
	if !errors.Is(err, w.records.down) {
		t.Fatalf("got %v, want storage's error", err)
	}
	if len(s.there) > 0 {
		t.Errorf("left: %v", s.there)
	}
}

func TestALinkIsGoodForItsFileAndItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := principal(nil)
	one, err := w.Upload(t.Context(), p, file.Upload{Body: strings.NewReader("1")})
	if err != nil {
		t.Fatal(err)
	}
	two, err := w.Upload(t.Context(), p, file.Upload{Body: strings.NewReader("2")})
	if err != nil {
		t.Fatal(err)
	}
	link := w.Link(one.UID)
	follow := func(uid string, q url.Values) error {
		f, err := w.Follow(t.Context(), uid, q)
		if err == nil && f != one {
			t.Errorf("the link leads to %+v", f)
		}
		return err
	}
	with := func(key, value string) url.Values {
		q := url.Values{}
		for k, v := range link {
			q[k] = append([]string(nil), v...)
		}
		q.Set(key, value)
		return q
	}
	if err := follow(one.UID, link); err != nil {
		t.Fatal(err)
	}
	sig := link.Get("signature")
	other := "A"
	if sig[0] == 'A' {
		other = "B"
	}
	for name, err := range map[string]error{
		"another file":         follow(two.UID, link),
		"no signature":         follow(one.UID, with("signature", "")),
		"another signature":    follow(one.UID, with("signature", other+sig[1:])),
		"half a signature":     follow(one.UID, with("signature", sig[:len(sig)/2])),
		"padded signature":     follow(one.UID, with("signature", sig+"=")),
		"a later expiry":       follow(one.UID, with("expires", "99999999999")),
		"expiry written oddly": follow(one.UID, with("expires", "+"+link.Get("expires"))),
		"uid written oddly":    follow(strings.ToUpper(one.UID), link),
		"nothing":              follow(one.UID, nil),
		"unknown file":         follow("0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51", w.Link("0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51")),
	} {
		if !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("%s: %v, want not_found", name, err)
		}
	}
	w.now = w.now.Add(file.LinkLife - time.Second)
	if err := follow(one.UID, link); err != nil {
		t.Errorf("in its last second: %v", err)
	}
	w.now = w.now.Add(time.Second)
	if err := follow(one.UID, link); !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("after its time: %v, want not_found", err)
	}
}

func TestATemplateKeepsAFileUnderANumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := principal(nil)
	tpl, f, err := w.CreateTemplate(t.Context(), p.Workspace, p.Member, " price list ", file.Upload{Body: bytes.NewReader([]byte("%PDF-1.7")), Describe: described(file.Description{Name: "prices.pdf"})})
	if err != nil {
		t.Fatal(err)
	}
	if f.MIMEType != "application/pdf" || f.Name != "prices.pdf" {
		t.Errorf("file %+v", f)
	}
	want := []tideline.AttachmentTemplate{{ID: tpl.ID, WorkspaceID: 7, Name: "price list", FileID: f.ID, CreatedAt: w.now}}
	got, err := w.Templates(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("templates (-want +got):\n%s", diff)
	}
	_, _, err = w.CreateTemplate(t.Context(), p.Workspace, p.Member, " ", file.Upload{Body: strings.NewReader("x")})
	wantCode(t, err, tideline.CodeValidation)
}

func TestAFileIsDeletedByItsUploaderOrAnAdmin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uploader := principal(func(p *tideline.Principal) { p.Member.ID, p.Member.Role = 50, tideline.RoleAgent })
	other := principal(func(p *tideline.Principal) { p.Member.ID, p.Member.Role = 51, tideline.RoleTeamSupervisor })
	admin := principal(func(p *tideline.Principal) { p.Member.ID, p.Member.Role = 52, tideline.RoleAdmin })
	stranger := principal(func(p *tideline.Principal) { p.Workspace.ID++ })
	for _, by := range []*tideline.Principal{uploader, admin} {
		f, err := w.Upload(t.Context(), uploader, file.Upload{Body: strings.NewReader("price list")})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Delete(t.Context(), other, f.UID); !tideline.IsCode(err, tideline.CodePermissionDenied) {
			t.Errorf("deleted by another member: %v", err)
		}
		if err := w.Delete(t.Context(), stranger, f.UID); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("deleted from another workspace: %v", err)
		}
		if err := w.Delete(t.Context(), by, f.UID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.blobs.Open(t.Context(), f.Blob); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("the bytes of a deleted file: %v", err)
		}
		if err := w.Delete(t.Context(), by, f.UID); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
	}
}
