package outbox

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Storage is what this room needs from store.Store.
type Storage interface {
	store.Outbox
	store.Acceptor
	store.QueueControl
	store.QueueStart
	QueueLengths(ctx context.Context, workspaceID int64) (map[int64]int64, error)
	Version(ctx context.Context) (int64, error)
	ListWorkspaces(ctx context.Context) ([]tideline.Workspace, error)
	Settle(ctx context.Context, s store.Settlement) error
}

// Sender sends one message: the Send of whatsapp.Connector.
type Sender interface {
	Send(ctx context.Context, m whatsapp.Outgoing) (whatsapp.Sent, error)
}

// Blobs opens the bytes of a file; see blob.Store.
type Blobs interface {
	Open(ctx context.Context, key string) (io.ReadSeekCloser, error)
}

// Observer is told how sends end, for metrics. Its methods must not block.
type Observer interface {
	// Settled is told of every message that ended, how late its last attempt
	// started after it was due, and how long that attempt took.
	Settled(status tideline.Status, reason tideline.Reason, late, took time.Duration)
	// Retried is told of every attempt that will be repeated.
	Retried()
}

// AccountObserver is told what each account sends, for metrics. Its methods must
// not block.
type AccountObserver interface {
	// Ended is told of every message that ended, and how long its last attempt took.
	Ended(accountID int64, status tideline.Status, took time.Duration)
}

// LatenessObserver may be implemented by an AccountObserver that wants to know too
// how late each account's sends are.
type LatenessObserver interface {
	// Late is told of every message that ended how late its last attempt started
	// after it was due.
	Late(accountID int64, late time.Duration)
}

// Config bounds the attempts. The zero value means the defaults.
type Config struct {
	SendTimeout   time.Duration // for one attempt: looking up the recipient, and the acknowledgement; default 45 s
	UploadTimeout time.Duration // in addition, when there is an attachment to upload; default 5 min
	Deadline      time.Duration // from acceptance to failure with ReasonExpired; default 24 h
	Drain         time.Duration // how long Run waits for attempts in flight when it stops; default 10 s
	MinBackoff    time.Duration // before the second attempt; doubles up to MaxBackoff; default 1 s
	MaxBackoff    time.Duration // default 1 min
}

// Deps are what a Service works with; Observer, Accounts and Shared may be nil.
type Deps struct {
	Store    Storage
	Sender   Sender
	Blobs    Blobs
	Logger   *slog.Logger
	Observer Observer
	Accounts AccountObserver
	Shared   *Shared // nil = all lanes are this Service's; see Load
}

// Service sends the messages that the Pacer hands out and settles them.
type Service struct {
	deps  Deps
	cfg   Config
	pacer *Pacer

	attempts  sync.WaitGroup
	attemptCx context.Context // of attempts; outlives Run's by Config.Drain

	mu       sync.Mutex
	troubles map[int64]trouble       // lanes whose head could not be sent yet
	recalls  map[int64]plannedRecall // lanes that have messages set aside
	// awaited are the chats, by account, of the messages that are set aside or about to be.
	awaited map[int64]map[int64]struct{}
	// cancels are the messages that are just being cancelled.
	cancels map[int64]struct{}

	held    map[int64]*held    // by account; empty when the queue is not shared
	hinted  map[int64]struct{} // accounts of held lanes that may have new messages
	fetches chan struct{}      // holds an element when there are hints

	control sync.Mutex // held by whoever changes a lane on behalf of people, so that memory follows storage
}

// New makes a Service. Load must come before the first Accept, Run after it. With a
// shared queue New itself must come before the first Accept, and Adopt takes the
// place of Load.
func New(d Deps, c Config) *Service {
	def := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.SendTimeout, 45*time.Second)
	def(&c.UploadTimeout, 5*time.Minute)
	def(&c.Deadline, 24*time.Hour)
	def(&c.Drain, 10*time.Second)
	def(&c.MinBackoff, time.Second)
	def(&c.MaxBackoff, time.Minute)
	s := &Service{deps: d, cfg: c, troubles: make(map[int64]trouble), recalls: make(map[int64]plannedRecall),
		awaited: make(map[int64]map[int64]struct{}), cancels: make(map[int64]struct{}),
		held: make(map[int64]*held), hinted: make(map[int64]struct{}), fetches: make(chan struct{}, 1)}
	s.pacer = NewPacer(s.handOut)
	if d.Shared != nil {
		d.Store.OnAccepted(s.accepted)
	}
	return s
}

// Load reads lanes and queue from storage, and from then on hears of every
// accepted message. Call it once, before the first Accept and before Run, and not
// for a shared queue.
func (s *Service) Load(ctx context.Context) error {
	if err := s.deps.Store.Lanes(ctx, func(l store.Lane) error {
		s.pacer.SetClock(l.AccountID, l.At)
		return nil
	}); err != nil {
		return fmt.Errorf("load lanes: %w", err)
	}
	batch := make([]store.Queued, 1)
	if err := s.deps.Store.Backlog(ctx, func(q store.Queued) error {
		batch[0] = q
		s.pacer.Enqueue(batch)
		return nil
	}); err != nil {
		return fmt.Errorf("load outbox: %w", err)
	}
	if err := s.loadControl(ctx); err != nil {
		return err
	}
	s.deps.Store.OnAccepted(s.pacer.Enqueue)
	return nil
}

// Run sends until ctx ends, then lets attempts in flight finish for at most
// Config.Drain. What was not sent by then is tried again after the next start.
func (s *Service) Run(ctx context.Context) error {
	attemptCx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.attemptCx = attemptCx
	var watching sync.WaitGroup
	watching.Go(func() { s.watchGaps(ctx) })
	if s.deps.Shared != nil {
		watching.Go(func() { s.follow(ctx) })
	}
	err := s.pacer.Run(ctx)
	watching.Wait()
	s.stopRecalls()

	drained := make(chan struct{})
	go func() { s.attempts.Wait(); close(drained) }()
	limit := time.NewTimer(s.cfg.Drain)
	defer limit.Stop()
	select {
	case <-drained:
	case <-limit.C:
		cancel()
		<-drained
	}
	return err
}

// Wake tells that an account is connected again: what waits for it goes as
// soon as the gap allows.
func (s *Service) Wake(accountID int64) {
	if s.holds(accountID) {
		s.pacer.Wake(accountID)
	}
}

// Limited tells that WhatsApp's limit on an account began, changed or ended: what
// waits for it is looked at anew.
func (s *Service) Limited(accountID int64) { s.recall(accountID) }

// Answered tells that a chat is a conversation now. When first messages to it wait
// for the end of a limit, they need not any more.
func (s *Service) Answered(accountID, chatID int64) {
	if s.awaits(accountID, chatID) {
		s.recall(accountID)
	}
}

// Queued counts the messages in the outbox and those in flight.
func (s *Service) Queued() (messages, inFlight int) { return s.pacer.Queued() }
