package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// Base is the path under which the API lives.
const Base = "/integrations/api"

// Defaults of Config.
const (
	DefaultMaxJSONBytes  = 1 << 20
	DefaultTimeout       = 30 * time.Second
	DefaultUploadTimeout = 15 * time.Minute
)

// Config adjusts the API. The zero value is good for a server on its own host.
type Config struct {
	// PublicURL is how clients reach the server, such as "https://wa.example.org",
	// for the links in answers; "" = as the request itself came.
	PublicURL string
	// MaxJSONBytes bounds a JSON body; 0 = DefaultMaxJSONBytes.
	MaxJSONBytes int64
	// Timeout bounds the work on one request; 0 = DefaultTimeout. What the client
	// takes to send its headers and body is bounded by the http.Server.
	Timeout time.Duration
	// UploadTimeout takes Timeout's place, and the http.Server's read and write
	// timeouts', for uploads and downloads; 0 = DefaultUploadTimeout.
	UploadTimeout time.Duration
	// PerIP and PerToken limit the rate of requests; zero = no limit.
	PerIP, PerToken auth.Rate
	// TrustedProxies are the networks of reverse proxies whose X-Forwarded-For,
	// X-Forwarded-Proto and X-Forwarded-Host are believed; none by default.
	TrustedProxies []netip.Prefix
	// TokensPage is where a browser that comes to Base is sent to, because the
	// clients' own documents say that tokens are found there; "" = it is told about
	// the command line.
	TokensPage string
	// Now gives the time; nil = time.Now.
	Now func() time.Time
}

// Authenticator finds the principal behind a bearer token; *auth.Authenticator
// is one.
type Authenticator interface {
	Authenticate(ctx context.Context, bearer string) (*tideline.Principal, error)
	AuthenticateCached(ctx context.Context, bearer string) (*tideline.Principal, error)
}

// Messages sends and shows messages; *message.Service is one.
type Messages interface {
	Send(ctx context.Context, p *tideline.Principal, r message.SendRequest) (message.Receipt, error)
	Get(ctx context.Context, p *tideline.Principal, uid string) (store.MessageView, error)
	Check(ctx context.Context, p *tideline.Principal, r message.SendRequest) error
	React(ctx context.Context, p *tideline.Principal, uid, emoji string) (store.MessageView, error)
}

// Files keeps uploads; *file.Service is one.
type Files interface {
	Upload(ctx context.Context, p *tideline.Principal, u file.Upload) (tideline.File, error)
	KeepVoice(ctx context.Context, p *tideline.Principal, u file.Upload) (file.Recording, error)
	Withdraw(ctx context.Context, f tideline.File) error
	UploadFrom(ctx context.Context, p *tideline.Principal, address string, d file.Description) (tideline.File, error)
	ByUID(ctx context.Context, p *tideline.Principal, uid string) (tideline.File, error)
	Link(uid string) url.Values
	Follow(ctx context.Context, uid string, query url.Values) (tideline.File, error)
	Open(ctx context.Context, f tideline.File) (io.ReadSeekCloser, error)
	List(ctx context.Context, p *tideline.Principal, part string) ([]tideline.File, error)
	Delete(ctx context.Context, p *tideline.Principal, uid string) error
}

// Team does what members do besides sending; *team.Service is one.
type Team interface {
	ChangeChat(ctx context.Context, p *tideline.Principal, chatID int64, c team.ChatChange) (store.ChatView, error)
	Labels(ctx context.Context, p *tideline.Principal, chatID int64) ([]string, error)
	PutLabels(ctx context.Context, p *tideline.Principal, chatID int64, labels []string, replace bool) ([]string, error)
	AddNote(ctx context.Context, p *tideline.Principal, chatID int64, text string, private bool) (string, error)
	Viewer(ctx context.Context, p *tideline.Principal) (*store.Viewer, error)
	Teammates(ctx context.Context, p *tideline.Principal) ([]string, []team.Teammate, error)
	Me(ctx context.Context, p *tideline.Principal) (team.Teammate, error)
	Invite(ctx context.Context, p *tideline.Principal, i team.Invitation) (team.Teammate, error)
	Revoke(ctx context.Context, p *tideline.Principal, memberID int64) error
	Templates(ctx context.Context, p *tideline.Principal) ([]team.Template, error)
	Template(ctx context.Context, p *tideline.Principal, id int64) (team.Template, error)
	CreateTemplate(ctx context.Context, p *tideline.Principal, c team.TemplateChange) (team.Template, error)
	ChangeTemplate(ctx context.Context, p *tideline.Principal, id int64, c team.TemplateChange) (team.Template, error)
	DeleteTemplate(ctx context.Context, p *tideline.Principal, id int64) error
	CountUse(ctx context.Context, p *tideline.Principal, id int64) error
}

// Storage is what is shown without a service in between; see store.Store.
type Storage interface {
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
	Balance(ctx context.Context, workspaceID int64, now time.Time) (tideline.Balance, error)
	ChatView(ctx context.Context, workspaceID, chatID int64) (store.ChatView, error)
	ListChats(ctx context.Context, workspaceID int64, f store.ChatFilter, p store.Page) ([]store.ChatView, bool, error)
	ChatMessages(ctx context.Context, workspaceID, chatID int64, f store.MessageFilter, p store.Page) ([]store.MessageView, bool, error)
}

// Deps is what the API works with. All fields but Metrics and Log are required.
type Deps struct {
	Auth     Authenticator
	Messages Messages
	Files    Files
	Team     Team
	Webhooks Webhooks
	Storage  Storage
	// Meter counts API calls. Its Run must be running, and must be stopped after
	// the http.Server.
	Meter *Meter
	// Uses notes when tokens are used; nil = nobody does. Its Run must be running,
	// and must be stopped after the http.Server.
	Uses    *auth.Uses
	Metrics prometheus.Registerer // nil = none
	Log     *slog.Logger          // nil = none
}

// server is the handler that New makes.
type server struct {
	auth     Authenticator
	messages Messages
	files    Files
	team     Team
	webhooks Webhooks
	storage  Storage
	meter    *Meter
	uses     *auth.Uses
	log      *slog.Logger
	metrics  *metrics
	now      func() time.Time

	publicURL     string
	tokensPage    string
	maxJSON       int64
	timeout       time.Duration
	uploadTimeout time.Duration
	perIP         *auth.Limiter[netip.Addr]
	perToken      *auth.Limiter[int64]
	proxies       []netip.Prefix

	values   headerValues
	pages    pages
	decoders sync.Pool // of *decoder
	mux      *http.ServeMux
	send     *operation
	none     *operation
}

// New makes the handler of everything below Base, the download links of files
// included. Mount it at Base and at Base+"/". It sets no CORS headers: browsers
// of other origins have no business with bearer tokens.
func New(cfg Config, deps Deps) http.Handler {
	s := &server{
		auth:          deps.Auth,
		messages:      deps.Messages,
		files:         deps.Files,
		team:          deps.Team,
		webhooks:      deps.Webhooks,
		storage:       deps.Storage,
		meter:         deps.Meter,
		uses:          deps.Uses,
		log:           deps.Log,
		metrics:       newMetrics(deps.Metrics),
		now:           cfg.Now,
		publicURL:     cfg.PublicURL,
		tokensPage:    cfg.TokensPage,
		maxJSON:       cfg.MaxJSONBytes,
		timeout:       cfg.Timeout,
		uploadTimeout: cfg.UploadTimeout,
		proxies:       cfg.TrustedProxies,
		values:        newHeaderValues(),
		pages:         newPages(),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.maxJSON == 0 {
		s.maxJSON = DefaultMaxJSONBytes
	}
	if s.timeout == 0 {
		s.timeout = DefaultTimeout
	}
	if s.uploadTimeout == 0 {
		s.uploadTimeout = DefaultUploadTimeout
	}
	s.perIP = auth.NewLimiter[netip.Addr](cfg.PerIP, s.now)
	s.perToken = auth.NewLimiter[int64](cfg.PerToken, s.now)
	s.route()
	return s
}
