package profile

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Files keeps bytes; *file.Service is one.
type Files interface {
	KeepReceived(ctx context.Context, in file.Received) (tideline.File, error)
	Discard(ctx context.Context, f tideline.File)
	RemoveBytes(ctx context.Context, blob string) error
}

// Connector is what this room needs from whatsapp.Connector.
type Connector interface {
	Group(ctx context.Context, device string, group tideline.JID) (tideline.Group, error)
	Picture(ctx context.Context, device string, of tideline.Peer, known string, limit int64, w io.Writer) (string, error)
	ContactNames(ctx context.Context, device string, contacts []tideline.Peer) ([]string, error)
}

// Deps are what a Service works with; all but Logger are required.
type Deps struct {
	Store     store.Profiles
	Connector Connector
	Files     Files
	Logger    *slog.Logger // nil = silent
	Shared    *Shared      // nil = all accounts are this service's
}

// Config tunes a Service. The zero value is good.
type Config struct {
	// Pause is kept between two chats that WhatsApp is asked about for one account,
	// and FailurePause after it did not answer; 1 s and 30 s when zero.
	Pause, FailurePause time.Duration
	// ChatPause is how long after the last time a chat is asked about again, however
	// much changes there; 10 s when zero.
	ChatPause time.Duration
	Workers   int           // accounts asked for at the same time; 4 when zero
	Timeout   time.Duration // for one chat; 1 minute when zero
	// RetryFirst is the pause after the first failed attempt at a chat; it doubles
	// up to RetryMax. 1 min and 6 h when zero.
	RetryFirst, RetryMax time.Duration
	// Poll is how often Run looks for chats to ask about when nobody wakes it; 5 s
	// when zero.
	Poll time.Duration
}

const (
	maxPicture  = 1 << 20 // bytes; WhatsApp's own have a tenth of that
	maxAttempts = 12      // at one chat, until there is news of it
	// finishTimeout bounds the wait for storage once WhatsApp has answered.
	finishTimeout = 10 * time.Second
)

func (c Config) withDefaults() Config {
	return Config{
		Pause:        cmp.Or(c.Pause, time.Second),
		FailurePause: cmp.Or(c.FailurePause, 30*time.Second),
		ChatPause:    cmp.Or(c.ChatPause, 10*time.Second),
		Workers:      cmp.Or(c.Workers, 4),
		Timeout:      cmp.Or(c.Timeout, time.Minute),
		RetryFirst:   cmp.Or(c.RetryFirst, time.Minute),
		RetryMax:     cmp.Or(c.RetryMax, 6*time.Hour),
		Poll:         cmp.Or(c.Poll, 5*time.Second),
	}
}

// Service follows WhatsApp. It is safe for concurrent use.
type Service struct {
	deps Deps
	cfg  Config
	log  *slog.Logger
	wake chan struct{} // holds an element when there may be something to do
}

// New makes a Service. WhatsApp is asked while Run runs.
func New(d Deps, cfg Config) *Service {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{deps: d, cfg: cfg.withDefaults(), log: d.Logger, wake: make(chan struct{}, 1)}
}

// Wake lets Run look for something to do at once.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Linked has all groups of an account asked about that are known already: what
// changed there before it was linked is not told to a new device.
func (s *Service) Linked(ctx context.Context, workspaceID, accountID int64) error {
	err := s.deps.Store.LookAtGroups(ctx, workspaceID, accountID, time.Now())
	s.Wake()
	return err
}

// News notes what changed for an account. After nil the names are stored, and it
// is on disk that WhatsApp has to be asked for the rest. Errors: not_found (the
// account is gone).
func (s *Service) News(ctx context.Context, workspaceID, accountID int64, n whatsapp.News) error {
	if len(n.Contacts) > 0 {
		contacts := make([]tideline.Peer, len(n.Contacts))
		for i, p := range n.Contacts {
			p.Name = tideline.CleanName(p.Name)
			contacts[i] = p
		}
		if err := s.deps.Store.NameContacts(ctx, workspaceID, accountID, contacts); err != nil {
			return err
		}
	}
	for _, p := range n.Changed {
		if err := s.deps.Store.LookAgain(ctx, workspaceID, accountID, p, time.Now(), s.cfg.ChatPause); err != nil {
			return err
		}
	}
	if len(n.Changed) > 0 {
		s.Wake()
	}
	return nil
}
