package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/voice"
)

// Storage is what this room needs of store.Files.
type Storage interface {
	CreateFile(ctx context.Context, f tideline.File) (tideline.File, error)
	WithdrawFile(ctx context.Context, workspaceID, fileID int64) error
	FileByUID(ctx context.Context, workspaceID int64, uid string) (tideline.File, error)
	FileForLink(ctx context.Context, uid string) (tideline.File, error)
	CreateTemplate(ctx context.Context, t tideline.AttachmentTemplate) (tideline.AttachmentTemplate, error)
	ListTemplates(ctx context.Context, workspaceID int64) ([]tideline.AttachmentTemplate, error)
	ListFiles(ctx context.Context, workspaceID int64, part string) ([]tideline.File, error)
	DeleteFile(ctx context.Context, workspaceID int64, uid string) (tideline.File, error)
	store.AttachmentTemplates
}

// LinkSecret is the name, and LinkSecretSize the length in bytes, of the secret
// for Config.LinkKey in store.Settings.
const (
	LinkSecret     = "file-links"
	LinkSecretSize = 32
)

// abandonTimeout is how long somebody whose upload failed already waits for it to
// be removed.
const abandonTimeout = 2 * time.Second

// Config adjusts a Service.
type Config struct {
	// LinkKey signs links. All processes of an installation share it:
	// store.Secret(ctx, LinkSecret, LinkSecretSize). Required.
	LinkKey []byte
	// Now gives the time; nil = time.Now.
	Now func() time.Time
}

// Deps is what a Service works with. All fields but Voice and Fetcher are required.
type Deps struct {
	Storage Storage
	Blobs   blob.Store
	Log     *slog.Logger
	Voice   *voice.Converter // nil = one of the zero voice.Config
	Fetcher Fetcher          // nil = files are not fetched
}

// Service keeps files. It is safe for concurrent use.
type Service struct {
	storage Storage
	blobs   blob.Store
	log     *slog.Logger
	voice   *voice.Converter
	now     func() time.Time
	linkKey []byte
	fetcher Fetcher
}

// New makes a Service. It panics without a LinkKey: signatures made with an
// empty key would protect nothing.
func New(cfg Config, deps Deps) *Service {
	if len(cfg.LinkKey) == 0 {
		panic("file: Config.LinkKey is empty")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if deps.Voice == nil {
		deps.Voice = voice.New(voice.Config{})
	}
	return &Service{storage: deps.Storage, blobs: deps.Blobs, log: deps.Log, voice: deps.Voice, now: cfg.Now, linkKey: cfg.LinkKey, fetcher: deps.Fetcher}
}

// Upload asks to keep a file.
type Upload struct {
	// Body is the file's bytes, read to the end.
	Body io.Reader
	// Describe is called once, after Body gave its last byte: in a multipart form
	// the fields that describe a file may follow it. nil = nothing is known.
	Describe func() (Description, error)
}

// Description is what an uploader says about a file. All of it is optional.
type Description struct {
	Name        string // overrides SentName; at most MaxName characters
	ContentType string // overrides what the bytes look like; at most MaxContentType characters
	SentName    string // the name that the uploading program sent along, of any form
	SentType    string // the type that it sent along; used when the bytes tell nothing
}

// Upload keeps a file in the principal's workspace. When it returns without an
// error, the file is on disk. Errors: permission_denied, plan_feature_unavailable,
// too_large (over the plan's MaxFileBytes), validation_error (empty, or a bad
// description), unavailable, and whatever Describe returns.
func (s *Service) Upload(ctx context.Context, p *tideline.Principal, u Upload) (tideline.File, error) {
	if err := mayUpload(p); err != nil {
		return tideline.File{}, err
	}
	return s.keep(ctx, p.Workspace, p.Member, u)
}

// MaxBytes is the size of the largest file that p may upload. Errors as of
// Upload; it lets a transport refuse before it reads anything.
func MaxBytes(p *tideline.Principal) (int64, error) {
	return p.Workspace.Plan.MaxFileBytes, mayUpload(p)
}

func mayUpload(p *tideline.Principal) error {
	if !p.Workspace.Plan.Attachments {
		return tideline.Errorf(tideline.CodePlanFeatureUnavailable, "Attachments are not part of the workspace's plan %q", p.Workspace.Plan.Name)
	}
	if !p.Member.Role.MaySend() {
		return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not upload files", p.Member.Role)
	}
	return nil
}

// keep stores the bytes, then the record; without a record the bytes go again.
func (s *Service) keep(ctx context.Context, w tideline.Workspace, m tideline.Member, u Upload) (tideline.File, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return tideline.File{}, fmt.Errorf("draw file uid: %w", err)
	}
	uid := id.String()
	body := &sampledReader{r: u.Body, limit: w.Plan.MaxFileBytes}
	key := blobKey(uid)
	written, err := s.put(ctx, key, body)
	if err != nil {
		return tideline.File{}, fmt.Errorf("keep upload: %w", err)
	}
	f := tideline.File{
		UID:         uid,
		WorkspaceID: w.ID,
		MemberID:    m.ID,
		Size:        written.Size,
		Blob:        key,
		UploadedBy:  m.Email,
		UploadedAt:  s.now(),
	}
	if err = describe(&f, u.Describe, body.sample); err == nil {
		f, err = s.storage.CreateFile(ctx, f)
	}
	if err != nil {
		s.discard(ctx, key)
		return tideline.File{}, err
	}
	return f, nil
}

// put stores bytes under a new key. When it fails, nothing is left there as far as
// that can be seen to: a service may have stored everything and its answer got
// lost.
func (s *Service) put(ctx context.Context, key string, r io.Reader) (blob.Written, error) {
	w, err := s.blobs.Put(ctx, key, r)
	if errors.Is(err, blob.ErrUnavailable) {
		s.abandon(ctx, key)
	}
	return w, away(err)
}

// abandon removes what a place that is probably away may have stored. It does not
// insist: bytes without a record cost room only, and Inspect finds them.
func (s *Service) abandon(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	if err := s.blobs.Delete(ctx, key); err != nil {
		s.log.DebugContext(ctx, "bytes of a failed upload may stay", "blob", key, "error", err)
	}
}

// away says in a requester's words that the bytes of files can't be had or kept.
func away(err error) error {
	if !errors.Is(err, blob.ErrUnavailable) {
		return err
	}
	return &tideline.Error{Code: tideline.CodeUnavailable, Message: "Files can't be read or stored right now; nothing was changed. Try again in a moment", Err: err}
}

// discard removes bytes that got no record. That it may fail is not the
// uploader's concern.
func (s *Service) discard(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.blobs.Delete(ctx, key); err != nil {
		s.log.WarnContext(ctx, "bytes that no file refers to could not be removed", "blob", key, "error", err)
	}
}

// describe fills in name and type of f.
func describe(f *tideline.File, describe func() (Description, error), sample []byte) error {
	var d Description
	if describe != nil {
		var err error
		if d, err = describe(); err != nil {
			return err
		}
	}
	var wrong []tideline.FieldError
	if f.Size == 0 {
		wrong = append(wrong, tideline.FieldError{Path: []string{"file"}, Msg: "must not be empty"})
	}
	if utf8.RuneCountInString(d.Name) > MaxName {
		wrong = append(wrong, tideline.FieldError{Path: []string{"filename"}, Msg: fmt.Sprintf("must be at most %d characters", MaxName)})
	}
	f.MIMEType = detectType(sample, d.SentType)
	if d.ContentType != "" {
		t, err := parseType(d.ContentType)
		if err != nil {
			wrong = append(wrong, tideline.FieldError{Path: []string{"content_type"}, Msg: err.Error()})
		}
		f.MIMEType = t
	}
	if err := tideline.Invalid(wrong); err != nil {
		return err
	}
	name := d.Name
	if name == "" {
		name = d.SentName
	}
	f.Name = cleanName(name, f.MIMEType)
	return nil
}

// ByUID finds a file of the principal's workspace. Errors: not_found.
func (s *Service) ByUID(ctx context.Context, p *tideline.Principal, uid string) (tideline.File, error) {
	parsed, err := uuid.Parse(uid)
	if err != nil {
		return tideline.File{}, tideline.Errorf(tideline.CodeNotFound, "File not found: this is not the uid of an upload")
	}
	f, err := s.storage.FileByUID(ctx, p.Workspace.ID, parsed.String())
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return tideline.File{}, tideline.Errorf(tideline.CodeNotFound, "File %s not found", parsed)
	}
	return f, err
}

// Open opens a file's bytes; the caller closes them. Errors: not_found when they
// are gone although the record is there, unavailable.
func (s *Service) Open(ctx context.Context, f tideline.File) (io.ReadSeekCloser, error) {
	r, err := s.blobs.Open(ctx, f.Blob)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, &tideline.Error{Code: tideline.CodeNotFound, Message: "The file's bytes are gone", Err: err}
	}
	return r, away(err)
}

// blobKey spreads the files over 256 directories. A UUIDv7 begins with the time,
// so the last digits, which are random, are taken.
func blobKey(uid string) string { return blobFolder + uid[len(uid)-2:] + "/" + uid }

// sampledReader keeps the first bytes that it passes on, to tell the type from,
// and fails when there are more than limit.
type sampledReader struct {
	r      io.Reader
	limit  int64
	read   int64
	sample []byte
}

func (s *sampledReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if rest := sampleSize - len(s.sample); rest > 0 {
		s.sample = append(s.sample, p[:min(n, rest)]...)
	}
	s.read += int64(n)
	if s.read > s.limit {
		return n, TooLarge(s.limit)
	}
	return n, err
}

// TooLarge is the error for a file over limit bytes.
func TooLarge(limit int64) error {
	return tideline.Errorf(tideline.CodeTooLarge, "The file is larger than the %d bytes that the workspace's plan allows", limit)
}
