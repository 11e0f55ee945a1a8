package account

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Storage is what this room needs from store.Store.
type Storage interface {
	store.Accounts
	// Version grows with every change to accounts, made by any process.
	Version(ctx context.Context) (int64, error)
	// AccountsOf lists a workspace's accounts, the most recently connected first.
	AccountsOf(ctx context.Context, workspaceID int64) ([]tideline.Account, int64, error)
	// ApplyReceipts moves sent messages forward.
	ApplyReceipts(ctx context.Context, r store.Receipts) error
}

// Waker is told what changes for an account's queue. It must not block.
type Waker interface {
	// Wake: the account is connected again.
	Wake(accountID int64)
	// Limited: WhatsApp's limit on first messages to strangers began, changed or
	// ended.
	Limited(accountID int64)
}

// Event is a kind of news from WhatsApp.
type Event string

// The kinds.
const (
	EventState   Event = "state"
	EventReceipt Event = "receipt"
	EventMessage Event = "message"
)

// Observer is told what each account brings, for metrics. Its methods must not
// block.
type Observer interface {
	// Heard is told of news of an account, and how long it took to handle.
	Heard(accountID int64, kind Event, took time.Duration)
	// Forget is told of an account that was removed.
	Forget(accountID int64)
}

// Inbox takes what comes in for an account.
type Inbox interface {
	// Receive stores it; nil means that it is durable. not_found when the account is
	// gone.
	Receive(ctx context.Context, workspaceID, accountID int64, m whatsapp.Inbound) error
	// History notes a chunk of a phone's history, to be read later; nil means that the
	// note is durable. not_found as with Receive.
	History(ctx context.Context, workspaceID, accountID int64, c whatsapp.HistoryChunk) error
}

// Profiles is told what changed of contacts and groups.
type Profiles interface {
	// News notes it; nil means that it is durable. not_found when the account is gone.
	News(ctx context.Context, workspaceID, accountID int64, n whatsapp.News) error
	// Linked notes that the account was linked anew: a new device isn't told what
	// changed before.
	Linked(ctx context.Context, workspaceID, accountID int64) error
}

// Presence is told what people see of each other. Its methods must not block.
type Presence interface {
	// Composing: somebody begins or stops to write in a chat with the account.
	Composing(workspaceID, accountID int64, e whatsapp.ComposingEvent)
	// Connected: the account has a new connection.
	Connected(accountID int64)
}

// Deps are the rooms that the service works with.
type Deps struct {
	Store     Storage
	Connector whatsapp.Connector
	Waker     Waker        // nil: nobody is told
	Inbox     Inbox        // nil: what comes in is dropped
	Profiles  Profiles     // nil: nobody is told
	Presence  Presence     // nil: nobody is told
	Observer  Observer     // nil: nobody counts
	Logger    *slog.Logger // nil: silent
	Shared    *Shared      // nil: all accounts are this service's
}

// Config tunes the service. The zero value is good.
type Config struct {
	// ConnectPerSecond staggers the connects at start; 100 when zero.
	ConnectPerSecond int
	// MaxPairings bounds the pairings that run at the same time, and
	// MaxPairingsPerWorkspace those of one workspace; 16 and 4 when zero.
	MaxPairings, MaxPairingsPerWorkspace int
	// Refresh is how often Run looks for accounts that another process added or
	// removed; five seconds when zero.
	Refresh time.Duration
	// RetryFirst and RetryMax bound the pause before something that storage or
	// the connector could not do is tried again; 500 ms and 30 s when zero.
	RetryFirst, RetryMax time.Duration
	// ReachOutPause is how long an account writes to nobody new when WhatsApp limits
	// it without saying until when; an hour when zero.
	ReachOutPause time.Duration
}

func (c Config) withDefaults() Config {
	return Config{
		ConnectPerSecond:        cmp.Or(c.ConnectPerSecond, 100),
		MaxPairings:             cmp.Or(c.MaxPairings, 16),
		MaxPairingsPerWorkspace: cmp.Or(c.MaxPairingsPerWorkspace, 4),
		Refresh:                 cmp.Or(c.Refresh, 5*time.Second),
		RetryFirst:              cmp.Or(c.RetryFirst, 500*time.Millisecond),
		RetryMax:                cmp.Or(c.RetryMax, 30*time.Second),
		ReachOutPause:           cmp.Or(c.ReachOutPause, time.Hour),
	}
}

// Service pairs, supervises and removes accounts. It implements whatsapp.Handler.
type Service struct {
	deps Deps
	cfg  Config
	log  *slog.Logger

	stop     context.Context // ends when Run does
	stopNow  context.CancelFunc
	trouble  chan struct{} // has an element when a state waits to be written again
	compared chan struct{} // closed once Run has compared accounts and sessions
	pairings sync.WaitGroup

	stopped atomic.Bool

	// mu guards what follows. An entry's lock may be taken while it is held, not
	// the other way round.
	mu       sync.Mutex
	byID     map[int64]*entry
	byDevice map[string]*entry
	pairing  map[int64]int                     // running pairings by workspace
	early    map[string]whatsapp.StateEvent    // of devices that are being paired and have no account yet
	limits   map[string]whatsapp.ReachOutLimit // of the same devices

	// Only when the accounts are shared, see Shared.
	held   map[int64]bool // adopted and not yielded
	taking map[int64]bool // paired here, and just being taken
	line   []*entry       // to be connected
	lined  chan struct{}  // holds an element when line has some
}

var _ whatsapp.Handler = (*Service)(nil)

// New makes the service and registers it as the connector's handler. Pairing
// and looking up work from then on; accounts are connected by Run.
func New(d Deps, cfg Config) *Service {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		deps: d, cfg: cfg.withDefaults(), log: d.Logger,
		trouble:  make(chan struct{}, 1),
		compared: make(chan struct{}),
		byID:     make(map[int64]*entry),
		byDevice: make(map[string]*entry),
		pairing:  make(map[int64]int),
		early:    make(map[string]whatsapp.StateEvent),
		limits:   make(map[string]whatsapp.ReachOutLimit),
		held:     make(map[int64]bool),
		taking:   make(map[int64]bool),
		lined:    make(chan struct{}, 1),
	}
	s.stop, s.stopNow = context.WithCancel(context.Background())
	d.Connector.Handle(s)
	return s
}

// Compared is closed once Run knows which accounts it will connect: from then on
// no state in storage is left over from an earlier run.
func (s *Service) Compared() <-chan struct{} { return s.compared }

// List gives the workspace's accounts, the most recently connected first.
func (s *Service) List(ctx context.Context, workspaceID int64) ([]tideline.Account, error) {
	accounts, _, err := s.deps.Store.AccountsOf(ctx, workspaceID)
	return accounts, err
}

// Logout unlinks the account at WhatsApp for an operator and keeps it in the
// workspace, so that it can be paired again. Its reason then says who did it; an
// account that was logged out before keeps the reason it had. Doing it twice is
// fine. Errors: not_found; tideline.ErrElsewhere, as with Reconnect and Remove, when
// it is not held here.
func (s *Service) Logout(ctx context.Context, workspaceID, accountID int64) error {
	e, err := s.entry(ctx, workspaceID, accountID)
	if err != nil {
		return err
	}
	ctx, done, ok := s.linking(ctx, e)
	if !ok {
		return tideline.ErrElsewhere
	}
	defer done()
	before, reason := e.current()
	if before != tideline.AccountLoggedOut || reason == "" {
		reason = reasonOperator
	}
	if device := e.currentDevice(); device != "" {
		if err := s.deps.Connector.Logout(ctx, device); err != nil {
			return err
		}
	}
	// The connector has said so too, unless it had no session any more, but it
	// can't know who asked for it.
	s.apply(ctx, e, tideline.AccountLoggedOut, reason, time.Now())
	return nil
}

// Reconnect connects the account at once instead of at the time that was planned,
// also when WhatsApp banned it for a while or refused the version. For one that is
// connected or connecting it does nothing. Errors: not_found, conflict (it has no
// session).
func (s *Service) Reconnect(ctx context.Context, workspaceID, accountID int64) error {
	e, err := s.entry(ctx, workspaceID, accountID)
	if err != nil {
		return err
	}
	ctx, done, ok := s.linking(ctx, e)
	if !ok {
		return tideline.ErrElsewhere
	}
	defer done()
	device := e.currentDevice()
	if state, _ := e.current(); state == tideline.AccountLoggedOut {
		device = "" // the connector may just be forgetting the session
	}
	if device != "" {
		err = s.deps.Connector.Connect(ctx, device)
	}
	if device == "" || errors.Is(err, whatsapp.ErrNoSession) {
		return tideline.Errorf(tideline.CodeConflict, "the number is not linked any more: pair it again with tideline account pair")
	}
	return err
}

// Remove takes the account out of the workspace: its queued messages fail and
// are refunded, and the device is unlinked at WhatsApp. Errors: not_found.
func (s *Service) Remove(ctx context.Context, workspaceID, accountID int64) error {
	e, err := s.entry(ctx, workspaceID, accountID)
	if err != nil {
		return err
	}
	ctx, done, ok := s.linking(ctx, e)
	if !ok {
		return tideline.ErrElsewhere
	}
	defer done()
	if err := s.deps.Store.RemoveAccount(ctx, workspaceID, accountID, time.Now()); err != nil {
		return err
	}
	s.drop(e)
	device := e.currentDevice()
	if device == "" {
		return nil
	}
	// The account is gone; that its device could not be unlinked is no reason to
	// tell the caller otherwise.
	if err := s.deps.Connector.Logout(context.WithoutCancel(ctx), device); err != nil {
		s.log.WarnContext(ctx, "log out a removed account", "account", accountID, "err", err)
	}
	return nil
}

// entry finds what is known in memory about an account of a workspace.
func (s *Service) entry(ctx context.Context, workspaceID, accountID int64) (*entry, error) {
	a, err := s.deps.Store.Account(ctx, workspaceID, accountID)
	if err != nil {
		return nil, err
	}
	if !s.holds(accountID) {
		return nil, tideline.ErrElsewhere
	}
	return s.register(a), nil
}
