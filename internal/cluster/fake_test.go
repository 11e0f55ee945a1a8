package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// database is store.Nodes in memory, with a clock of its own that can jump.
type database struct {
	mu     sync.Mutex
	skew   time.Duration
	last   int64
	nodes  map[int64]*row
	hold   map[int64]*store.Hold // every account that there is
	holder map[int64]int64
	duties map[string]int64
}

type row struct {
	store.Node
	until time.Time
}

func newDatabase(accounts int) *database {
	db := &database{nodes: make(map[int64]*row), hold: make(map[int64]*store.Hold), holder: make(map[int64]int64), duties: make(map[string]int64)}
	for i := range accounts {
		db.hold[int64(i+1)] = &store.Hold{AccountID: int64(i + 1)}
	}
	return db
}

func (db *database) now() time.Time { return time.Now().Add(db.skew) }

func (db *database) jump(by time.Duration) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.skew += by
}

// client is the database as one process reaches it.
type client struct {
	*database
	mu    sync.Mutex
	cut   bool          // statements don't arrive, and wait for their end
	slow  time.Duration // each takes so long, half of it before it is carried out
	fence int64
}

func (c *client) set(cut bool, slow time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut, c.slow = cut, slow
}

// do carries out a statement.
func (c *client) do(ctx context.Context, fn func() error) error {
	c.mu.Lock()
	cut, slow := c.cut, c.slow
	c.mu.Unlock()
	if cut {
		<-ctx.Done()
		return ctx.Err()
	}
	if wait(ctx, slow/2); ctx.Err() != nil {
		return ctx.Err()
	}
	c.database.mu.Lock()
	err := fn()
	c.database.mu.Unlock()
	if wait(ctx, slow/2); ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c *client) as(ctx context.Context, id int64, fn func(n *row) error) error {
	return c.do(ctx, func() error {
		n := c.nodes[id]
		if n == nil {
			return store.ErrExpelled
		}
		return fn(n)
	})
}

func (c *client) Join(ctx context.Context, info store.NodeInfo, ttl time.Duration) (n store.Node, err error) {
	err = c.do(ctx, func() error {
		c.last++
		n = store.Node{ID: c.last, NodeInfo: info, Left: ttl}
		c.nodes[n.ID] = &row{Node: n, until: c.now().Add(ttl)}
		return nil
	})
	return n, err
}

func (c *client) Renew(ctx context.Context, id int64, ttl time.Duration) error {
	return c.as(ctx, id, func(n *row) error { n.until = c.now().Add(ttl); return nil })
}

func (c *client) MarkLeaving(ctx context.Context, id int64) error {
	return c.as(ctx, id, func(n *row) error { n.Leaving = true; return nil })
}

func (c *client) Leave(ctx context.Context, id int64) error {
	return c.do(ctx, func() error { c.remove(id); return nil })
}

func (db *database) remove(id int64) {
	delete(db.nodes, id)
	for account, holder := range db.holder {
		if holder == id {
			delete(db.holder, account)
		}
	}
	for name, holder := range db.duties {
		if holder == id {
			delete(db.duties, name)
		}
	}
}

func (c *client) ListNodes(ctx context.Context) (nodes []store.Node, err error) {
	return nodes, c.do(ctx, func() error {
		for _, n := range c.nodes {
			n.Left, n.Accounts = n.until.Sub(c.now()), 0
			for account, holder := range c.holder {
				if holder == n.ID && !c.hold[account].Removed {
					n.Accounts++
				}
			}
			nodes = append(nodes, n.Node)
		}
		slices.SortFunc(nodes, func(a, b store.Node) int { return int(a.ID - b.ID) })
		return nil
	})
}

func (c *client) ExpelDead(ctx context.Context, id int64) (gone []int64, err error) {
	return gone, c.do(ctx, func() error {
		if me := c.nodes[id]; me == nil || !c.now().Before(me.until) {
			return nil
		}
		for _, n := range c.nodes {
			if n.ID != id && n.until.Before(c.now()) {
				gone = append(gone, n.ID)
			}
		}
		for _, dead := range gone {
			c.remove(dead)
		}
		return nil
	})
}

func (c *client) HoldsOf(ctx context.Context, id int64) (holds []store.Hold, err error) {
	return holds, c.do(ctx, func() error {
		for account, holder := range c.holder {
			if holder == id {
				holds = append(holds, *c.hold[account])
			}
		}
		slices.SortFunc(holds, func(a, b store.Hold) int { return int(a.AccountID - b.AccountID) })
		return nil
	})
}

func (c *client) Claim(ctx context.Context, id int64, limit int) (holds []store.Hold, err error) {
	err = c.as(ctx, id, func(n *row) error {
		for account := int64(1); account <= int64(len(c.hold)) && len(holds) < limit && !n.Leaving; account++ {
			if h := c.hold[account]; c.holder[account] == 0 && !h.Removed {
				h.Epoch++
				c.holder[account] = id
				holds = append(holds, *h)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return holds, nil
}

func (c *client) ClaimAccount(ctx context.Context, id, account int64) (h store.Hold, ok bool, err error) {
	err = c.as(ctx, id, func(n *row) error {
		if holder := c.holder[account]; c.hold[account] == nil || n.Leaving || holder != 0 && holder != id {
			return nil
		}
		if c.holder[account] == 0 {
			c.hold[account].Epoch++
		}
		c.holder[account] = id
		h, ok = *c.hold[account], true
		return nil
	})
	return h, ok && err == nil, err
}

func (c *client) Release(ctx context.Context, id int64, accounts []int64) error {
	return c.as(ctx, id, func(*row) error {
		for _, account := range accounts {
			if c.holder[account] == id {
				delete(c.holder, account)
			}
		}
		return nil
	})
}

func (c *client) HolderOf(ctx context.Context, account int64) (id int64, err error) {
	return id, c.do(ctx, func() error { id = c.holder[account]; return nil })
}

func (c *client) TakeDuty(ctx context.Context, id int64, name string) (ok bool, err error) {
	err = c.as(ctx, id, func(n *row) error {
		if ok = !n.Leaving && (c.duties[name] == 0 || c.duties[name] == id); ok {
			c.duties[name] = id
		}
		return nil
	})
	return ok && err == nil, err
}

func (c *client) DropDuty(ctx context.Context, id int64, name string) error {
	return c.do(ctx, func() error {
		if c.duties[name] == id {
			delete(c.duties, name)
		}
		return nil
	})
}

func (c *client) CountAccounts(ctx context.Context) (n int, err error) {
	return n, c.do(ctx, func() error {
		for _, h := range c.hold {
			if !h.Removed {
				n++
			}
		}
		return nil
	})
}

func (c *client) Fence(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fence = id
}

// watch sees who acts for which account, over all nodes.
type watch struct {
	t  *testing.T
	mu sync.Mutex
	by map[int64]*member // by account: who adopted it and did not yield it yet
}

// member is one node of a test: a Service, its client and its Keeper.
type member struct {
	*Service
	client *client
	watch  *watch
	stop   context.CancelFunc
	done   chan error

	mu       sync.Mutex
	busy     map[int64]bool // a call for the account runs
	refuse   int            // adoptions that will fail
	drain    time.Duration  // how long an orderly yield takes
	frozen   bool           // dead: what it still believes doesn't count
	orderly  int
	hurried  int
	adopted  int
	maxAtOne int
}

var errRefused = errors.New("refused")

// begin notes a call for an account and finds calls that run at the same time.
func (m *member) begin(account int64) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy[account] {
		m.watch.t.Errorf("two calls for account %d at once", account)
	}
	m.busy[account] = true
	m.maxAtOne = max(m.maxAtOne, len(m.busy))
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.busy, account)
	}
}

func (m *member) Adopt(ctx context.Context, h store.Hold) error {
	defer m.begin(h.AccountID)()
	m.mu.Lock()
	refuse := m.refuse > 0
	if refuse {
		m.refuse--
	} else {
		m.adopted++
	}
	m.mu.Unlock()
	if refuse {
		return errRefused
	}
	wait(ctx, 10*time.Millisecond)
	m.watch.mu.Lock()
	defer m.watch.mu.Unlock()
	if other := m.watch.by[h.AccountID]; other != nil && other != m {
		if other.Alive() && !other.isFrozen() {
			m.watch.t.Errorf("account %d has two holders that are alive, at %s", h.AccountID, time.Now().Format(time.TimeOnly))
		}
	}
	m.watch.by[h.AccountID] = m
	return ctx.Err()
}

func (m *member) Yield(ctx context.Context, account int64, orderly bool) error {
	defer m.begin(account)()
	m.mu.Lock()
	drain := m.drain
	if orderly {
		m.orderly++
	} else {
		m.hurried++
	}
	m.mu.Unlock()
	if orderly {
		if wait(ctx, drain); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	m.watch.mu.Lock()
	defer m.watch.mu.Unlock()
	if m.watch.by[account] == m {
		delete(m.watch.by, account)
	}
	return nil
}

func (m *member) isFrozen() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.frozen
}

// start starts a node.
func (w *watch) start(db *database, cfg Config, prepare ...func(*member)) *member {
	c := &client{database: db}
	m := &member{Service: New(Deps{Nodes: c, Info: store.NodeInfo{Name: "box"}}, cfg), client: c, watch: w,
		busy: make(map[int64]bool), done: make(chan error, 1)}
	m.Keep(m)
	for _, p := range prepare {
		p(m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() { m.done <- m.Run(ctx) }()
	return m
}

// end stops nodes and waits for them.
func (w *watch) end(members ...*member) {
	w.t.Helper()
	for _, m := range members {
		m.stop()
	}
	for _, m := range members {
		if err := <-m.done; err != nil {
			w.t.Error(err)
		}
	}
}

func newWatch(t *testing.T) *watch { return &watch{t: t, by: make(map[int64]*member)} }

// counts gives how many accounts each node acts for.
func (w *watch) counts(members ...*member) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := make([]int, len(members))
	for _, m := range w.by {
		counts[slices.Index(members, m)]++
	}
	return counts
}
