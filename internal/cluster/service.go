package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// Keeper is who acts for the accounts of this node. Its methods are called for
// many accounts at the same time, but for one account one after the other.
type Keeper interface {
	// Adopt begins to act for an account. When it fails, or its ctx ends, before it is
	// done, Yield is called before the next Adopt, or Adopt is tried again. ctx is for
	// the call alone.
	Adopt(ctx context.Context, h store.Hold) error
	// Yield ends what Adopt began, also when that failed half-way. orderly: what is in
	// flight may end, within bounds; otherwise, and when ctx ends, it is broken off. It
	// returns nil only when nothing of the account is in flight and nothing will follow;
	// after an error it is called again, not orderly.
	Yield(ctx context.Context, accountID int64, orderly bool) error
}

// Deps is what a Service works with.
type Deps struct {
	Nodes  store.Nodes
	Info   store.NodeInfo // of this process
	Logger *slog.Logger   // nil is silent
}

// Config changes the times of a Service; the zero value is right for a server.
type Config struct {
	TTL     time.Duration // of the lease, default 8 s
	Renew   time.Duration // between renewals, default 2 s
	Margin  time.Duration // by which this node counts the lease shorter than the database, default 500 ms
	Expel   time.Duration // between looks for dead nodes, default 1 s
	Balance time.Duration // between looks for free accounts, default 2 s
	Timeout time.Duration // of a statement, default 2 s
	Adopts  int           // accounts that are adopted at the same time, default 16
}

func (c Config) withDefaults() Config {
	setDefault(&c.TTL, 8*time.Second)
	setDefault(&c.Renew, 2*time.Second)
	setDefault(&c.Margin, 500*time.Millisecond)
	setDefault(&c.Expel, time.Second)
	setDefault(&c.Balance, 2*time.Second)
	setDefault(&c.Timeout, 2*time.Second)
	if c.Adopts <= 0 {
		c.Adopts = 16
	}
	return c
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d <= 0 {
		*d = to
	}
}

// Service is this node. Its methods may be called at the same time.
type Service struct {
	nodes  store.Nodes
	info   store.NodeInfo
	log    *slog.Logger
	cfg    Config
	keeper Keeper
	duties []duty
	moved  func() // told that accounts are free; nil = nobody

	look     chan struct{} // wakes the balancer
	deciding chan struct{} // holds an element while somebody decides what is held
	slots    chan struct{} // one element for each account that is being adopted

	mu       sync.Mutex
	joined   store.Node // ID 0 = not, or not any more
	deadline time.Time  // of the lease, by this process's clock
	lapsed   bool       // the lease was over, and not everything is yielded yet or it is over still
	leaving  bool
	gone     bool            // expelled, or stopped: there will be no lease any more
	lease    context.Context // ends with the lease
	endLease context.CancelFunc
	timer    *time.Timer // runs lapse at the deadline
	held     map[int64]*holding
	ended    chan struct{} // closed and made anew when something ends that is waited for
	yielded  map[int64]bool
	onDuty   int // duties that run
	seen     []store.Node
	shed     time.Time // when accounts were given away last
	stats    Stats
}

// Stats is what a node did since its start, and what it has now.
type Stats struct {
	Nodes     int           // seen last
	Held      int           // accounts
	LeaseLeft time.Duration // by this node's clock; 0 when it is over
	Claimed   int64         // accounts that were claimed
	Released  int64         // accounts that were given back in order
	Expelled  int64         // other nodes that this one expelled
	Lapses    int64         // times that the lease was over
}

// New makes a Service that is no node yet. Name its Keeper and its duties before Join
// or Run.
func New(d Deps, c Config) *Service {
	c = c.withDefaults()
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	over, end := context.WithCancel(context.Background())
	end()
	return &Service{
		nodes: d.Nodes, info: d.Info, log: d.Logger, cfg: c,
		look: make(chan struct{}, 1), deciding: make(chan struct{}, 1), slots: make(chan struct{}, c.Adopts),
		lease: over, endLease: end,
		held: make(map[int64]*holding), ended: make(chan struct{}), yielded: make(map[int64]bool),
	}
}

// Keep names who acts for the accounts. Call it once, before Run.
func (s *Service) Keep(k Keeper) { s.keeper = k }

// OnMoved names the one who is told that accounts may be free, to tell the other nodes
// (see Poke). It must not block. Call it once, before Run.
func (s *Service) OnMoved(fn func()) { s.moved = fn }

// Self is the id of this node; 0 = none, which it is before Join and between being
// expelled and joining anew.
func (s *Service) Self() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.joined.ID
}

// Alive reports whether this node may act for its accounts, by its own clock. Ask
// right before each act.
func (s *Service) Alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive()
}

func (s *Service) alive() bool {
	return s.joined.ID != 0 && !s.gone && !s.lapsed && time.Now().Before(s.deadline)
}

// Lease gives a context that ends with the lease, for what acts for accounts or for
// a duty. It has ended already when the node is not alive.
func (s *Service) Lease() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease
}

// Held reports whether this node may act for an account now: it holds it, is not
// about to give it up, and its lease lasts. It is true already while Adopt runs.
func (s *Service) Held(accountID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[accountID]
	return h != nil && h.leave == stay && s.alive()
}

// Nodes gives the nodes as they were seen last, at most a few seconds ago.
func (s *Service) Nodes() []store.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// Holder gives the node that holds an account; 0 = nobody.
func (s *Service) Holder(ctx context.Context, accountID int64) (int64, error) {
	if s.Held(accountID) {
		return s.Self(), nil
	}
	return s.nodes.HolderOf(ctx, accountID)
}

// Poke lets the node look for free accounts at once.
func (s *Service) Poke() {
	select {
	case s.look <- struct{}{}:
	default: // it is about to look
	}
}

// Stats gives the figures, for metrics.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Nodes, st.Held = len(s.seen), len(s.held)
	if s.alive() {
		st.LeaseLeft = time.Until(s.deadline)
	}
	return st
}

// errNotAlive says that this node may take nothing now.
var errNotAlive = errors.New("this node has no lease now: it can't reach the database, or is stopping")

// Take claims an account at once, for one that was paired here, although the node may
// have its share already. It reports whether this node holds it now; otherwise
// another one does, or it was removed. Adopt is called, without being waited for.
func (s *Service) Take(ctx context.Context, accountID int64) (bool, error) {
	if err := s.decide(ctx); err != nil {
		return false, err
	}
	defer s.decided()
	s.mu.Lock()
	self, ok := s.joined.ID, s.alive() && !s.leaving
	s.mu.Unlock()
	if !ok {
		return false, errNotAlive
	}
	h, ok, err := s.nodes.ClaimAccount(ctx, self, accountID)
	if err != nil || !ok {
		return false, err
	}
	return s.adopt(h), nil //nolint:contextcheck // an account comes and goes longer than the call that decides it
}

// decide makes the caller the only one who decides what is held, until decided.
func (s *Service) decide(ctx context.Context) error {
	select {
	case s.deciding <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Service) decided() { <-s.deciding }
