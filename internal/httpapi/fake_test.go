package httpapi

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	fakeToken = "tla_0123456789"
	fakeUID   = "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51"
)

// fakes stand in for everything behind the handlers. Each func may be replaced.
type fakes struct {
	principal *tideline.Principal
	auth      func(bearer string) (*tideline.Principal, error)
	cached    func(bearer string) (*tideline.Principal, error) // nil = auth
	send      func(p *tideline.Principal, r message.SendRequest) (message.Receipt, error)
	get       func(uid string) (store.MessageView, error)
	accounts  func() ([]tideline.Account, error)

	mu    sync.Mutex
	calls map[int64]int64 // API calls written down, by workspace
	meter *Meter
}

func newFakes(edit func(p *tideline.Principal)) *fakes {
	p := &tideline.Principal{
		Workspace: tideline.Workspace{
			ID: 7, Slug: "acme", DisplayName: "Acme", TimeZone: "Europe/Kyiv",
			Plan: tideline.Plan{Name: "self-hosted", Credits: tideline.Unlimited, APICalls: -1, MaxFileBytes: 1 << 20, API: true, Attachments: true},
		},
		Member: tideline.Member{ID: 3, WorkspaceID: 7, Email: "ada@example.com", DisplayName: "Ada", Role: tideline.RoleOwner},
		Token:  tideline.Token{ID: 5, WorkspaceID: 7, MemberID: 3, Scope: tideline.ScopeAll},
	}
	if edit != nil {
		edit(p)
	}
	f := &fakes{principal: p, calls: map[int64]int64{}}
	f.auth = func(bearer string) (*tideline.Principal, error) {
		if bearer != fakeToken {
			return nil, tideline.Errorf(tideline.CodeInvalidToken, "The token is not valid")
		}
		return p, nil
	}
	f.send = func(_ *tideline.Principal, r message.SendRequest) (message.Receipt, error) {
		if err := tideline.Invalid(message.Validate(&r)); err != nil {
			return message.Receipt{}, err
		}
		return message.Receipt{MessageUID: fakeUID, MessageID: 1, ChatID: 2}, nil
	}
	f.get = func(uid string) (store.MessageView, error) {
		return store.MessageView{}, tideline.Errorf(tideline.CodeNotFound, "Message uid %s not found", uid)
	}
	f.accounts = func() ([]tideline.Account, error) { return nil, nil }
	f.meter = NewMeter(f, nil, nil)
	return f
}

func (f *fakes) handler(cfg Config) http.Handler {
	return New(cfg, Deps{Auth: f, Messages: f, Files: fakeFiles{}, Team: team.New(fakeTeam{fakes: f}, nil), Webhooks: fakeWebhooks{}, Storage: f, Meter: f.meter})
}

func (f *fakes) Authenticate(_ context.Context, bearer string) (*tideline.Principal, error) {
	return f.auth(bearer)
}

func (f *fakes) AuthenticateCached(_ context.Context, bearer string) (*tideline.Principal, error) {
	if f.cached != nil {
		return f.cached(bearer)
	}
	return f.auth(bearer)
}

func (f *fakes) Send(_ context.Context, p *tideline.Principal, r message.SendRequest) (message.Receipt, error) {
	return f.send(p, r)
}

func (f *fakes) Get(_ context.Context, _ *tideline.Principal, uid string) (store.MessageView, error) {
	return f.get(uid)
}

func (f *fakes) Check(context.Context, *tideline.Principal, message.SendRequest) error { return nil }

func (f *fakes) React(_ context.Context, _ *tideline.Principal, uid, _ string) (store.MessageView, error) {
	return f.get(uid)
}

func (f *fakes) ChatView(context.Context, int64, int64) (store.ChatView, error) {
	return store.ChatView{}, tideline.Errorf(tideline.CodeNotFound, "chat not found")
}

func (f *fakes) ListChats(context.Context, int64, store.ChatFilter, store.Page) ([]store.ChatView, bool, error) {
	return nil, false, nil
}

func (f *fakes) ChatMessages(context.Context, int64, int64, store.MessageFilter, store.Page) ([]store.MessageView, bool, error) {
	return nil, false, tideline.Errorf(tideline.CodeNotFound, "chat not found")
}

func (f *fakes) AccountsOf(context.Context, int64) ([]tideline.Account, int64, error) {
	accounts, err := f.accounts()
	return accounts, 1, err
}

func (f *fakes) Balance(_ context.Context, _ int64, now time.Time) (tideline.Balance, error) {
	var b tideline.Balance
	b.OpenPeriod(now, time.UTC, f.principal.Workspace.Grant())
	return b, nil
}

func (f *fakes) AddAPICalls(_ context.Context, usage []store.APIUsage) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range usage {
		f.calls[u.WorkspaceID] += u.Calls
	}
	return nil
}

func (f *fakes) APICalls(_ context.Context, workspaceID int64, _ time.Time) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[workspaceID], nil
}

// fakeFiles has no files and takes none.
type fakeFiles struct{}

func (fakeFiles) Upload(_ context.Context, _ *tideline.Principal, u file.Upload) (tideline.File, error) {
	n, err := io.Copy(io.Discard, u.Body)
	if err != nil {
		return tideline.File{}, err
	}
	d, err := u.Describe()
	if err != nil {
		return tideline.File{}, err
	}
	return tideline.File{UID: fakeUID, Name: d.Name, Size: n, MIMEType: "text/plain", UploadedAt: time.Unix(0, 0)}, nil
}

func (k fakeFiles) KeepVoice(ctx context.Context, p *tideline.Principal, u file.Upload) (file.Recording, error) {
	f, err := k.Upload(ctx, p, u)
	return file.Recording{File: f, Duration: time.Second}, err
}

func (fakeFiles) Withdraw(context.Context, tideline.File) error { return nil }

func (fakeFiles) UploadFrom(context.Context, *tideline.Principal, string, file.Description) (tideline.File, error) {
	return tideline.File{}, tideline.Errorf(tideline.CodeValidation, "no file")
}
func (fakeFiles) ByUID(context.Context, *tideline.Principal, string) (tideline.File, error) {
	return tideline.File{}, tideline.Errorf(tideline.CodeNotFound, "File not found")
}
func (fakeFiles) Link(string) url.Values { return url.Values{"expires": {"1"}, "signature": {"x"}} }
func (fakeFiles) Follow(context.Context, string, url.Values) (tideline.File, error) {
	return tideline.File{}, tideline.Errorf(tideline.CodeNotFound, "This link is not valid")
}
func (fakeFiles) Open(context.Context, tideline.File) (io.ReadSeekCloser, error) {
	return nil, tideline.Errorf(tideline.CodeNotFound, "gone")
}

func (fakeFiles) List(context.Context, *tideline.Principal, string) ([]tideline.File, error) {
	return nil, nil
}
func (fakeFiles) Delete(context.Context, *tideline.Principal, string) error {
	return tideline.Errorf(tideline.CodeNotFound, "File not found")
}

// fakeTeam is the storage of a workspace with one member and nothing else.
type fakeTeam struct {
	*fakes
	// Never called: the API has no operations of these.
	store.Labels
	store.AuditLog
	store.TeamSettings
}

var errNothing = tideline.Errorf(tideline.CodeNotFound, "not found")

func (f fakeTeam) ListMembers(context.Context, int64) ([]tideline.Member, error) {
	return []tideline.Member{f.principal.Member}, nil
}
func (fakeTeam) UpdateSelf(context.Context, int64, int64, store.SelfUpdate) (tideline.Member, error) {
	return tideline.Member{}, errNothing
}
func (fakeTeam) UpdateChat(context.Context, int64, int64, store.ChatUpdate) error { return errNothing }
func (fakeTeam) ChatLabels(context.Context, int64, int64) ([]string, error)       { return nil, errNothing }
func (fakeTeam) PutLabels(context.Context, int64, int64, []string, bool) ([]string, error) {
	return nil, errNothing
}
func (fakeTeam) AddNote(context.Context, store.Note) error                 { return errNothing }
func (fakeTeam) ListTeams(context.Context, int64) ([]tideline.Team, error) { return nil, nil }
func (f fakeTeam) Invite(_ context.Context, m tideline.Member, _ string, _ int) (tideline.Member, bool, error) {
	return f.principal.Member, false, nil
}
func (fakeTeam) RevokeInvitation(context.Context, int64, int64, time.Time) error { return errNothing }
func (fakeTeam) CreateTextTemplate(_ context.Context, t tideline.TextTemplate) (tideline.TextTemplate, error) {
	return t, nil
}
func (fakeTeam) TextTemplate(context.Context, int64, int64) (tideline.TextTemplate, error) {
	return tideline.TextTemplate{}, errNothing
}
func (fakeTeam) ListTextTemplates(context.Context, int64) ([]tideline.TextTemplate, error) {
	return nil, nil
}
func (fakeTeam) UpdateTextTemplate(context.Context, tideline.TextTemplate) error  { return errNothing }
func (fakeTeam) DeleteTextTemplate(context.Context, int64, int64) error           { return errNothing }
func (fakeTeam) SetMemberRole(context.Context, int64, int64, tideline.Role) error { return errNothing }
func (fakeTeam) RemoveMember(context.Context, int64, int64, time.Time) error      { return errNothing }
func (fakeTeam) CountTextTemplateUse(context.Context, int64, int64) error         { return errNothing }

// post makes a request to POST /messages with a good token.
func post(t testing.TB, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, Base+"/messages", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:1234"
	r.Header.Set("Authorization", "Bearer "+fakeToken)
	r.Header.Set("Content-Type", "application/json")
	return r
}
