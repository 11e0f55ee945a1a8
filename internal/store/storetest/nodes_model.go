package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// testNodeModel runs random nodes against a model in memory. Each process is a Store
// of its own. Nothing waits for a lease: time passes, and the database's clock jumps, when
// the lease of a node is set to what would be left of it.
func testNodeModel(t *testing.T, create func(testing.TB) Opener) {
	w := newWorld(t, create(t))
	accounts := []tideline.Account{w.acc}
	for i := range 4 {
		accounts = append(accounts, w.account(w.ws, tideline.Phone(fmt.Sprintf("+1484000100%d", i))))
	}
	processes := make([]store.Store, 3)
	for i := range processes {
		processes[i] = w.another()
	}
	rapid.Check(t, func(rt *rapid.T) {
		m := &nodeModel{t: rt, world: w, processes: processes, accounts: accounts, ids: make([]int64, len(processes)),
			nodes: make(map[int64]*modelNode), holder: make(map[int64]int64), epoch: make(map[int64]int64), duty: make(map[string]int64)}
		defer m.clear()
		m.clear() // of an earlier sequence that failed
		for _, a := range accounts {
			m.epoch[a.ID] = -1 // whatever earlier sequences made of it
		}
		rt.Repeat(map[string]func(*rapid.T){
			"join":          m.join,
			"renew":         m.renew,
			"lease is over": m.lapse,
			"clock jumps":   m.jump,
			"expel":         m.expel,
			"expel again":   m.expel, // twice as likely
			"leaving":       m.markLeaving,
			"leave":         m.leave,
			"claim":         m.claim,
			"claim one":     m.claimOne,
			"release":       m.release,
			"duty":          m.takeDuty,
			"write":         m.write,
			"":              m.check,
		})
	})
}

type modelNode struct {
	alive   bool // its lease is not over
	leaving bool
}

// nodeModel is what the database should hold.
type nodeModel struct {
	t         *rapid.T
	world     *world
	processes []store.Store
	accounts  []tideline.Account
	ids       []int64 // by process: the node that it is, also when that was expelled; 0 = none
	nodes     map[int64]*modelNode
	holder    map[int64]int64
	epoch     map[int64]int64
	duty      map[string]int64
}

func (m *nodeModel) clear() {
	nodes, err := m.world.store.ListNodes(m.world.ctx())
	m.world.must(err)
	for _, n := range nodes {
		m.world.must(m.world.store.Leave(m.world.ctx(), n.ID))
	}
	for _, p := range m.processes {
		p.Fence(0)
	}
}

// some picks a process that is or was a node.
func (m *nodeModel) some(rt *rapid.T) (store.Store, int64, *modelNode) {
	i := rapid.IntRange(0, len(m.ids)-1).Draw(rt, "process")
	if m.ids[i] == 0 {
		rt.Skip("not a node yet")
	}
	return m.processes[i], m.ids[i], m.nodes[m.ids[i]]
}

// want compares an outcome with what is expected of a node, nil = expelled.
func (m *nodeModel) want(rt *rapid.T, what string, n *modelNode, err error) (ok bool) {
	switch {
	case n == nil && !errors.Is(err, store.ErrExpelled):
		rt.Fatalf("%s by an expelled node: %v, want ErrExpelled", what, err)
	case n != nil && err != nil:
		rt.Fatalf("%s: %v", what, err)
	}
	return n != nil
}

func (m *nodeModel) free(node int64) {
	delete(m.nodes, node)
	for id, holder := range m.holder {
		if holder == node {
			delete(m.holder, id)
		}
	}
	for name, holder := range m.duty {
		if holder == node {
			delete(m.duty, name)
		}
	}
}

func (m *nodeModel) join(rt *rapid.T) {
	i := rapid.IntRange(0, len(m.ids)-1).Draw(rt, "process")
	if m.ids[i] != 0 && m.nodes[m.ids[i]] != nil {
		rt.Skip("a node already")
	}
	n, err := m.processes[i].Join(m.world.ctx(), store.NodeInfo{Name: fmt.Sprint(i)}, lease)
	m.world.must(err)
	if m.nodes[n.ID] != nil || n.ID <= m.ids[i] {
		rt.Fatalf("node %d joins again", n.ID)
	}
	m.processes[i].Fence(n.ID)
	m.ids[i], m.nodes[n.ID] = n.ID, &modelNode{alive: true}
}

func (m *nodeModel) renew(rt *rapid.T) {
	s, id, n := m.some(rt)
	if m.want(rt, "renew", n, s.Renew(m.world.ctx(), id, lease)) {
		n.alive = true
	}
}

func (m *nodeModel) lapse(rt *rapid.T) {
	_, id, n := m.some(rt)
	if n != nil {
		m.world.must(m.world.store.Renew(m.world.ctx(), id, over))
		n.alive = false
	}
}

// jump is a jump of the database's clock: all leases get shorter or longer by it.
func (m *nodeModel) jump(rt *rapid.T) {
	by := time.Duration(rapid.SampledFrom([]int{-2, 2}).Draw(rt, "hours")) * time.Hour
	nodes, err := m.world.store.ListNodes(m.world.ctx())
	m.world.must(err)
	for _, n := range nodes {
		m.world.must(m.world.store.Renew(m.world.ctx(), n.ID, n.Left-by))
		m.nodes[n.ID].alive = n.Left-by > 0
	}
}

func (m *nodeModel) expel(rt *rapid.T) {
	s, id, n := m.some(rt)
	var want []int64
	for other, o := range m.nodes {
		if n != nil && n.alive && other != id && !o.alive {
			want = append(want, other)
		}
	}
	slices.Sort(want)
	got, err := s.ExpelDead(m.world.ctx(), id)
	m.world.must(err)
	if !slices.Equal(got, want) {
		rt.Fatalf("expelled %v, want %v", got, want)
	}
	for _, other := range want {
		m.free(other)
	}
}

func (m *nodeModel) markLeaving(rt *rapid.T) {
	s, id, n := m.some(rt)
	if m.want(rt, "mark leaving", n, s.MarkLeaving(m.world.ctx(), id)) {
		n.leaving = true
	}
}

func (m *nodeModel) leave(rt *rapid.T) {
	s, id, _ := m.some(rt)
	m.world.must(s.Leave(m.world.ctx(), id))
	m.free(id)
}

// took notes a claim and checks that it took what was free, under a greater epoch.
func (m *nodeModel) took(rt *rapid.T, id int64, h store.Hold) {
	if holder := m.holder[h.AccountID]; holder != 0 && holder != id {
		rt.Fatalf("node %d claimed account %d, which node %d holds", id, h.AccountID, holder)
	}
	if m.holder[h.AccountID] == 0 && h.Epoch <= m.epoch[h.AccountID] {
		rt.Fatalf("account %d changes hands with epoch %d after %d", h.AccountID, h.Epoch, m.epoch[h.AccountID])
	}
	m.holder[h.AccountID], m.epoch[h.AccountID] = id, h.Epoch
}

func (m *nodeModel) claim(rt *rapid.T) {
	s, id, n := m.some(rt)
	limit := rapid.IntRange(1, 4).Draw(rt, "limit")
	holds, err := s.Claim(m.world.ctx(), id, limit)
	if !m.want(rt, "claim", n, err) {
		return
	}
	want := min(limit, len(m.accounts)-len(m.holder))
	if n.leaving {
		want = 0
	}
	if len(holds) != want {
		rt.Fatalf("claimed %v, want %d accounts", holds, want)
	}
	for _, h := range holds {
		m.took(rt, id, h)
	}
}

func (m *nodeModel) claimOne(rt *rapid.T) {
	s, id, n := m.some(rt)
	account := rapid.SampledFrom(m.accounts).Draw(rt, "account").ID
	h, ok, err := s.ClaimAccount(m.world.ctx(), id, account)
	if !m.want(rt, "claim one", n, err) {
		return
	}
	holder := m.holder[account]
	if want := !n.leaving && (holder == 0 || holder == id); ok != want {
		rt.Fatalf("claimed: %t, want %t", ok, want)
	}
	if ok {
		m.took(rt, id, h)
	}
}

func (m *nodeModel) release(rt *rapid.T) {
	s, id, n := m.some(rt)
	account := rapid.SampledFrom(m.accounts).Draw(rt, "account").ID
	if m.want(rt, "release", n, s.Release(m.world.ctx(), id, []int64{account})) && m.holder[account] == id {
		delete(m.holder, account)
	}
}

func (m *nodeModel) takeDuty(rt *rapid.T) {
	s, id, n := m.some(rt)
	name := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "duty")
	ok, err := s.TakeDuty(m.world.ctx(), id, name)
	if !m.want(rt, "take duty", n, err) {
		return
	}
	if want := !n.leaving && (m.duty[name] == 0 || m.duty[name] == id); ok != want {
		rt.Fatalf("took the duty: %t, want %t", ok, want)
	}
	if ok {
		m.duty[name] = id
	}
}

// write settles something for an account: only its holder can.
func (m *nodeModel) write(rt *rapid.T) {
	s, id, _ := m.some(rt)
	account := rapid.SampledFrom(m.accounts).Draw(rt, "account")
	in, out := m.world.accept(func(a *store.Acceptance) { a.AccountID = account.ID; a.Message.Credits = 0 })
	err := s.Settle(m.world.ctx(), store.Settlement{WorkspaceID: m.world.ws.ID, AccountID: account.ID, MessageID: out.MessageID,
		Status: tideline.StatusSent, At: m.world.now})
	want := tideline.StatusPending
	if m.holder[account.ID] == id {
		m.world.must(err)
		want = tideline.StatusSent
	} else if !errors.Is(err, store.ErrExpelled) {
		rt.Fatalf("settled by one who doesn't hold the account: %v, want ErrExpelled", err)
	}
	if got := m.world.view(in.Message.UID).Message.Status; got != want {
		rt.Fatalf("the message is %s, want %s", got, want)
	}
}

func (m *nodeModel) check(rt *rapid.T) {
	nodes, err := m.world.store.ListNodes(m.world.ctx())
	m.world.must(err)
	if len(nodes) != len(m.nodes) {
		rt.Fatalf("%d nodes, want %d", len(nodes), len(m.nodes))
	}
	for _, n := range nodes {
		if want := m.nodes[n.ID]; want == nil || want.leaving != n.Leaving || want.alive != (n.Left > 0) {
			rt.Fatalf("node %+v, want %+v", n, want)
		}
		holds, err := m.world.store.HoldsOf(m.world.ctx(), n.ID)
		m.world.must(err)
		if len(holds) != n.Accounts {
			rt.Fatalf("node %d holds %d accounts and says %d", n.ID, len(holds), n.Accounts)
		}
	}
	for _, a := range m.accounts {
		holder, err := m.world.store.HolderOf(m.world.ctx(), a.ID)
		m.world.must(err)
		if holder != m.holder[a.ID] {
			rt.Fatalf("node %d holds account %d, want %d", holder, a.ID, m.holder[a.ID])
		}
	}
}
