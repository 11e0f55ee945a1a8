package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	sharedNodes    = 3
	sharedAccounts = 2
	sharedGap      = time.Second
)

// move is one thing that happens in a run of the model of a shared queue.
type move struct {
	what    string
	node    int
	account int
	hears   int // the nodes that are told of an acceptance, as bits
	wait    time.Duration
}

// TestPromise4HoldsWhileAccountsChangeHands has nodes work at one queue, in one
// database, and lets accounts go from one to another at random moments, in order,
// in a hurry and by a crash, while messages are accepted of which any number of
// nodes hears. Whatever happens: each account's messages are sent in order, one at a
// time, with their gap, none is lost, and none is repeated but one that was broken
// off.
func TestPromise4HoldsWhileAccountsChangeHands(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		moves := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) move {
			return move{
				what: rapid.SampledFrom([]string{
					"put", "put", "put", "adopt", "adopt", "yield", "drop", "crash", "first", "pause", "resume",
				}).Draw(rt, "what"),
				node:    rapid.IntRange(0, sharedNodes-1).Draw(rt, "node"),
				account: rapid.IntRange(0, sharedAccounts-1).Draw(rt, "account"),
				hears:   rapid.IntRange(0, 1<<sharedNodes-1).Draw(rt, "hears"),
				wait:    time.Duration(rapid.SampledFrom([]int{0, 0, 1, 150, 200, 1000, 1200, 3000}).Draw(rt, "wait")) * time.Millisecond,
			}
		}), 1, 40).Draw(rt, "moves")
		synctest.Test(t, func(t *testing.T) { newSharedRun(t).play(moves) })
	})
}

// sharedRun is one run of the model.
type sharedRun struct {
	t        *testing.T
	store    *sqlstore.Store
	ws       tideline.Workspace
	accounts []tideline.Account
	nodes    []*node
	holder   []*node // by account; nil = nobody
	moving   []chan struct{}
	hears    int
	put      [][]int64 // ids by account
	moved    map[int64]bool
	ids      map[string]int64 // by WhatsApp id

	mu   sync.Mutex
	seen []*tryOut
}

// tryOut is one try to send.
type tryOut struct {
	node     *node
	account  string
	id       string
	from, to time.Time
	cut      bool // its node lost the account meanwhile, or did not see the end
}

// node is one server's outbox: it is storage to it, behind which it may be expelled,
// and WhatsApp.
type node struct {
	*sqlstore.Store
	run      *sharedRun
	out      *outbox.Service
	accepted func([]store.Queued)
	dead     atomic.Bool
	stop     context.CancelFunc
	ended    chan error
}

func newSharedRun(t *testing.T) *sharedRun {
	t.Helper()
	r := &sharedRun{t: t, moved: map[int64]bool{}, ids: map[string]int64{}, holder: make([]*node, sharedAccounts),
		moving: make([]chan struct{}, sharedAccounts), put: make([][]int64, sharedAccounts)}
	var err error
	r.store, err = sqlstore.Open(t.Context(), sqlstore.Options{Database: filepath.Join(t.TempDir(), "tideline.db")})
	r.must(err)
	r.store.OnAccepted(r.tell)
	credits := tideline.Credits(100_000)
	var owner tideline.Member
	r.ws, owner, err = r.store.CreateWorkspace(t.Context(), tideline.Workspace{
		Slug: "shop", DisplayName: "Shop", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Credits: &credits,
		Gap: tideline.Gap{Min: sharedGap, Max: sharedGap}, CreatedAt: time.Now(),
	}, tideline.Member{Email: "a@example.com", DisplayName: "A", CreatedAt: time.Now()})
	r.must(err)
	for i := range sharedAccounts {
		phone := tideline.Phone(fmt.Sprintf("+1484000010%d", i))
		a, err := r.store.PutAccount(t.Context(), tideline.Account{
			WorkspaceID: r.ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@s.whatsapp.net", Phone: phone,
			State: tideline.AccountActive, OwnerName: owner.DisplayName, OwnerEmail: owner.Email, CreatedAt: time.Now(),
		})
		r.must(err)
		r.accounts = append(r.accounts, a)
	}
	for range sharedNodes {
		r.nodes = append(r.nodes, r.newNode())
	}
	return r
}

func (r *sharedRun) newNode() *node {
	n := &node{Store: r.store, run: r, ended: make(chan error, 1)}
	n.out = outbox.New(outbox.Deps{
		Store: n, Sender: n, Blobs: noBlobs{}, Logger: slog.New(slog.DiscardHandler),
		Shared: &outbox.Shared{Store: n, Alive: func() bool { return !n.dead.Load() }, Accepted: func(ids []int64) {
			for i, other := range r.nodes {
				if other != n && r.hears&(1<<i) != 0 {
					other.out.Hint(ids)
				}
			}
		}},
	}, outbox.Config{})
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	n.stop = stop
	go func() { n.ended <- n.out.Run(ctx) }()
	return n
}

// OnAccepted takes the place of the store's, of which there is one for all nodes.
func (n *node) OnAccepted(fn func([]store.Queued)) { n.accepted = fn }

// Settle refuses an expelled node.
func (n *node) Settle(ctx context.Context, s store.Settlement) error {
	if n.dead.Load() {
		return store.ErrExpelled
	}
	return n.Store.Settle(ctx, s)
}

// Send is WhatsApp.
func (n *node) Send(ctx context.Context, m whatsapp.Outgoing) (whatsapp.Sent, error) {
	a := &tryOut{node: n, account: m.DeviceJID, id: m.MessageID, from: time.Now(), cut: true}
	n.run.mu.Lock()
	n.run.seen = append(n.run.seen, a)
	n.run.mu.Unlock()
	if n.dead.Load() {
		n.run.t.Errorf("message %s was begun after the end of the lease", m.MessageID)
	}
	select {
	case <-ctx.Done():
		return whatsapp.Sent{}, &whatsapp.SendError{Unknown: true, Err: ctx.Err()}
	case <-time.After(200 * time.Millisecond):
	}
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	a.to, a.cut = time.Now(), ctx.Err() != nil || n.dead.Load()
	return whatsapp.Sent{At: a.to}, nil
}

// tell has the nodes hear of an acceptance that are to: the first as the one that
// accepted it, the others from that.
func (r *sharedRun) tell(qs []store.Queued) {
	for i, n := range r.nodes {
		if r.hears&(1<<i) != 0 {
			n.accepted(qs)
			return
		}
	}
}

func (r *sharedRun) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *sharedRun) play(moves []move) {
	for _, m := range moves {
		r.do(m)
		pass(m.wait)
	}
	for i := range r.accounts {
		r.settled(i)
		if r.holder[i] == nil {
			r.do(move{what: "adopt", node: i % sharedNodes, account: i})
			r.settled(i)
		}
		r.do(move{what: "resume", account: i})
	}
	pass(3 * time.Minute)
	left := 0
	for _, n := range r.nodes {
		queued, inFlight := n.out.Queued()
		left += queued + inFlight
		r.end(n)
	}
	if left > 0 {
		r.t.Errorf("%d messages still count as queued", left)
	}
	r.check()
	r.must(r.store.Close())
}

func (r *sharedRun) end(n *node) {
	n.stop()
	r.must(<-n.ended)
}

// settled waits until an account that changes hands has done so.
func (r *sharedRun) settled(account int) {
	if c := r.moving[account]; c != nil {
		<-c
		r.moving[account] = nil
	}
}

// start has something done with an account that takes time.
func (r *sharedRun) start(account int, fn func() error) {
	done := make(chan struct{})
	r.moving[account] = done
	go func() {
		defer close(done)
		if err := fn(); err != nil {
			r.t.Error(err)
		}
	}()
}

func (r *sharedRun) do(m move) {
	ctx, id := r.t.Context(), r.accounts[m.account].ID
	n, holder := r.nodes[m.node], r.holder[m.account]
	switch m.what {
	case "put":
		r.accept(m)
	case "adopt":
		r.settled(m.account)
		if r.holder[m.account] == nil {
			r.holder[m.account] = n
			r.start(m.account, func() error { return n.out.Adopt(ctx, id) })
		}
	case "yield", "drop":
		r.settled(m.account)
		if holder != nil {
			r.holder[m.account] = nil
			r.start(m.account, func() error { return holder.out.Yield(ctx, id, m.what == "yield") })
		}
	case "crash":
		// It goes on without knowing, and its accounts are free for others at once.
		for i, h := range r.holder {
			if h == n {
				r.settled(i)
				r.holder[i] = nil
			}
		}
		n.dead.Store(true)
		r.nodes[m.node] = r.newNode()
		go func() {
			<-time.After(500 * time.Millisecond)
			for _, a := range r.accounts {
				if err := n.out.Yield(ctx, a.ID, false); err != nil {
					r.t.Error(err)
				}
			}
			r.end(n)
		}()
	case "first", "pause", "resume":
		r.control(ctx, m.what, m.account, id)
	}
}

// control has a person change a lane by way of each node in turn, as whoever does not
// know which one holds it.
func (r *sharedRun) control(ctx context.Context, what string, account int, id int64) {
	r.settled(account)
	for _, n := range r.nodes {
		var err error
		switch {
		case what == "pause":
			err = n.out.Pause(ctx, r.ws.ID, id, "Ann")
		case what == "resume":
			err = n.out.Resume(ctx, r.ws.ID, id)
		case len(r.put[account]) > 0:
			last := r.put[account][len(r.put[account])-1]
			if err = n.out.PutFirst(ctx, r.ws.ID, last); err == nil {
				r.moved[last] = true
			}
		default:
			return
		}
		holds := r.holder[account] == n
		switch {
		case err == nil && !holds:
			r.t.Errorf("%s by a node that does not hold the account", what)
		case errors.Is(err, tideline.ErrElsewhere) && holds,
			err != nil && !tideline.IsCode(err, tideline.CodeNotFound) && !tideline.IsCode(err, tideline.CodeConflict):
			r.t.Errorf("%s by a node that holds the account (%v): %v", what, holds, err)
		}
	}
}

func (r *sharedRun) accept(m move) {
	ctx := r.t.Context()
	version, err := r.store.Version(ctx)
	r.must(err)
	r.hears = m.hears
	waID := fmt.Sprintf("3EB0%03d", len(r.ids)+1)
	out := r.store.Accept(ctx, store.Acceptance{
		WorkspaceID: r.ws.ID, AccountID: r.accounts[m.account].ID, Version: version,
		Message: store.NewMessage{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: waID, Text: "hello",
			Origin: tideline.OriginPublicAPI, Credits: 1, Gap: sharedGap, At: time.Now()},
		Chat:  store.ChatRef{JID: "14840000001@s.whatsapp.net", Phone: "+14840000001"},
		Grant: r.ws.Grant(), Location: r.ws.Location(),
	})
	r.must(out.Err)
	r.put[m.account] = append(r.put[m.account], out.MessageID)
	r.ids[waID] = out.MessageID
}

// check looks at what was sent.
func (r *sharedRun) check() {
	sent := make(map[int64]int)
	for i, a := range r.accounts {
		var last *tryOut
		unmoved := int64(0)
		for _, s := range r.seen {
			if s.account != a.DeviceJID {
				continue
			}
			id := r.ids[s.id]
			if sent[id] > 0 {
				r.t.Errorf("message %d was begun again after it was sent", id)
			}
			if s.cut {
				continue
			}
			if sent[id]++; last != nil && s.from.Sub(last.to) < sharedGap {
				r.t.Errorf("account %d: %v between %s and %s, want the gap of a second", i, s.from.Sub(last.to), last.id, s.id)
			}
			last = s
			if !r.moved[id] {
				if unmoved > id {
					r.t.Errorf("message %d was sent after %d", id, unmoved)
				}
				unmoved = id
			}
		}
		for _, id := range r.put[i] {
			if sent[id] != 1 {
				r.t.Errorf("message %d was sent %d times", id, sent[id])
			}
		}
	}
	left := 0
	r.must(r.store.Backlog(r.t.Context(), func(store.Queued) error { left++; return nil }))
	if left > 0 {
		r.t.Errorf("%d messages are left", left)
	}
}
