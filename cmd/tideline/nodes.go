package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/cluster"
	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/profile"
	"github.com/tidelinehq/tideline/internal/reach"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/telemetry"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

// The signals between nodes, besides those of package reach.
const (
	signalQueued  = "queued"  // accounts for which messages were accepted
	signalChanges = "changes" // what pages have to fetch anew
	signalEvents  = "events"  // the log of events is longer
	signalMoved   = "moved"   // accounts are free
	signalVersion = "version" // another WhatsApp version is announced
)

// changesPerSignal keeps a signal of changes short enough for a notification.
const changesPerSignal = 40

// peers are the servers of one database, this one among them. With SQLite it is the
// only one, and bus is nil.
type peers struct {
	cluster.Node
	bus *cluster.Bus
}

var _ reach.Nodes = peers{}

// errAlone can't come up: an only server holds every account.
var errAlone = errors.New("there is no other server")

// Ask implements reach.Nodes.
func (p peers) Ask(ctx context.Context, nodeID int64, method string, args []byte) ([]byte, error) {
	if p.bus == nil {
		return nil, errAlone
	}
	return p.bus.Ask(ctx, nodeID, method, args)
}

// Handle implements reach.Nodes.
func (p peers) Handle(method string, fn func(ctx context.Context, args []byte) ([]byte, error)) {
	if p.bus != nil {
		p.bus.Handle(method, fn)
	}
}

// Signal implements reach.Nodes.
func (p peers) Signal(kind string, payload []byte) {
	if p.bus != nil {
		p.bus.Signal(kind, payload)
	}
}

// OnSignal implements reach.Nodes.
func (p peers) OnSignal(kind string, fn func(payload []byte)) {
	if p.bus != nil {
		p.bus.OnSignal(kind, fn)
	}
}

// others reports whether there are other servers to tell.
func (p peers) others() bool { return p.bus != nil && len(p.Nodes()) > 1 }

// signalJSON tells the other nodes something that can be written as JSON. Every batch
// of accepted messages comes by here, so nothing is written for nobody.
func (p peers) signalJSON(kind string, v any) {
	if !p.others() {
		return
	}
	if payload, err := json.Marshal(v); err == nil { // plain data: it can be
		p.bus.Signal(kind, payload)
	}
}

// openNode makes the server a node among those of its database; with SQLite it is alone.
func (s *server) openNode(ctx context.Context) error {
	if !s.common.OnPostgres() {
		s.peers = peers{Node: cluster.NewSolo(s.log)}
		s.store.OnChanges(s.live.Publish)
		return nil
	}
	node := cluster.New(cluster.Deps{
		Nodes: s.store, Logger: s.log, Info: store.NodeInfo{Name: processName(), Version: buildVersion(), URL: s.publicURL(), Seat: s.folder.Seat()},
	}, cluster.Config{})
	bus := cluster.NewBus(s.store, cluster.BusConfig{
		Self:   node.Self,
		Others: func() bool { return s.peers.others() },
		Present: func(id int64) bool {
			for _, n := range node.Nodes() {
				if n.ID == id {
					return true
				}
			}
			return false
		},
		Log: s.log,
	})
	s.peers = peers{Node: node, bus: bus}
	node.Keep(keeping{s})
	node.OnMoved(func() { s.peers.Signal(signalMoved, nil) })
	bus.OnSignal(signalMoved, func([]byte) { node.Poke() })
	s.store.OnChanges(func(changes []tideline.Change) {
		s.live.Publish(changes)
		for ; len(changes) > changesPerSignal; changes = changes[changesPerSignal:] {
			s.peers.signalJSON(signalChanges, changes[:changesPerSignal])
		}
		s.peers.signalJSON(signalChanges, changes)
	})
	hear(s, signalChanges, s.live.Publish)
	bus.OnResync(s.live.Resync)
	if err := node.Join(ctx); err != nil {
		if errors.Is(err, store.ErrBusy) {
			return fmt.Errorf("%w: a command such as tideline restore or migrate-data runs; start the server when it is done", err)
		}
		return err
	}
	// Whatever comes of the start: what was joined is left.
	s.stack.push("node", func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimWait)
		defer cancel()
		return s.store.Leave(ctx, node.Self())
	})
	if s.common.Sandbox && s.serve.Network == "" {
		return s.aloneInSandbox(ctx, node.Self())
	}
	return nil
}

// aloneInSandbox refuses to share a database with a server that was first, after
// waiting a little for one that is stopping: the phones of an emulated network inside
// a process can't be reached from another one.
func (s *server) aloneInSandbox(ctx context.Context, self int64) error {
	ctx, cancel := context.WithTimeout(ctx, claimWait)
	defer cancel()
	again := time.NewTicker(claimWait / 20)
	defer again.Stop()
	for {
		other, err := s.firstBefore(ctx, self)
		if err != nil || other == nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("another server works with this database: %s. Stop that server first, name another database with --database, or let both be in one emulated network with --network", other.Name)
		}
	}
}

// warnOfFolders says that files in a folder must be the same folder for all servers.
func (s *server) warnOfFolders(ctx context.Context) {
	if s.peers.bus == nil {
		return
	}
	if first, err := s.firstBefore(ctx, s.peers.Self()); err == nil && first != nil {
		s.log.WarnContext(ctx, "several servers, and files in a folder: it must be the same one for all, or files are missing; see --files s3://", "other", first.Name)
	}
}

// firstBefore gives a node that joined before this one and is alive; nil when there
// is none.
func (s *server) firstBefore(ctx context.Context, self int64) (*store.Node, error) {
	nodes, err := s.store.ListNodes(context.WithoutCancel(ctx))
	for i := range nodes {
		if n := &nodes[i]; n.ID < self && n.Left > 0 {
			return n, err
		}
	}
	return nil, err
}

// processName tells people which process this is.
func processName() string {
	host, _ := os.Hostname() // "" is as good as a wrong name
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// hear does something with what other nodes signal as JSON.
func hear[T any](s *server, kind string, fn func(T)) {
	s.peers.OnSignal(kind, func(payload []byte) {
		var v T
		if err := json.Unmarshal(payload, &v); err != nil {
			s.log.Debug("a signal of another node can't be read", "kind", kind, "err", err)
			return
		}
		fn(v)
	})
}

// sharing is what the rooms need that hold some of the accounts only; all nil when
// this server is the only one.
type sharing struct {
	outbox   *outbox.Shared
	accounts *account.Shared
	inbox    *inbox.Shared
	profiles *profile.Shared
}

func (s *server) sharing() sharing {
	if s.peers.bus == nil {
		return sharing{}
	}
	return sharing{
		outbox: &outbox.Shared{
			Store: s.store, Alive: s.peers.Alive,
			Accepted: func(accountIDs []int64) { s.peers.signalJSON(signalQueued, accountIDs) },
		},
		accounts: &account.Shared{Store: s.store, Took: func(ctx context.Context, accountID int64) bool {
			took, err := s.peers.Take(ctx, accountID)
			if err != nil {
				s.log.WarnContext(ctx, "take an account that was paired here; another server may take it", "account", accountID, "err", err)
			}
			return took
		}},
		inbox:    &inbox.Shared{Store: s.store, Held: s.peers.Held},
		profiles: &profile.Shared{Store: s.store, Held: s.peers.Held},
	}
}

// keeping begins and ends what this server does for an account.
type keeping struct{ *server }

var _ cluster.Keeper = keeping{}

// Adopt implements cluster.Keeper: the lane first, so that a connection finds it.
func (k keeping) Adopt(ctx context.Context, h store.Hold) error {
	if err := k.outbox.Adopt(ctx, h.AccountID); err != nil {
		return err
	}
	if err := k.accounts.Adopt(ctx, h.AccountID); err != nil {
		return err
	}
	k.inbox.Adopted()
	k.profiles.Wake()
	return nil
}

// Yield implements cluster.Keeper. In order, what is being sent ends while the account
// is still connected; otherwise everything is broken off at once.
func (k keeping) Yield(ctx context.Context, accountID int64, orderly bool) error {
	if orderly {
		if err := k.outbox.Yield(ctx, accountID, true); err != nil {
			return err
		}
		return k.accounts.Yield(ctx, accountID, true)
	}
	var lane, connection error
	var both sync.WaitGroup
	both.Go(func() { lane = k.outbox.Yield(ctx, accountID, false) })
	both.Go(func() { connection = k.accounts.Yield(ctx, accountID, false) })
	both.Wait()
	return errors.Join(lane, connection)
}

// openReach makes what stands in front of the rooms that need the node which holds an
// account.
func (s *server) openReach() {
	s.queue = reach.NewQueue(s.peers, s.outbox, s.store)
	s.numbers = reach.NewNumbers(s.peers, s.accounts)
	s.reactor = reach.NewReactor(s.peers, s.meow)
	s.shown = reach.NewPresence(s.peers, s.presence, s.log)
	hear(s, signalQueued, s.outbox.Hint)
	hear(s, signalVersion, func(version string) {
		if err := s.meow.SetVersion(version); err != nil {
			s.log.Warn("announce the whatsapp version that another node was told", "err", err)
		}
	})
}

// countNode registers the metrics of a server among others.
func (s *server) countNode() {
	if s.peers.bus != nil {
		telemetry.NewNodes(s.metrics, s.peers.Stats, s.peers.bus.Stats)
	}
}

// startNode starts what is done once for all: by this server when it is the only
// one, otherwise by whichever node has the duty. Accounts come with it.
func (s *server) startNode(ctx context.Context) {
	once := map[string]func(context.Context) error{"webhooks": s.events.Run, "pruning": s.prune, "retention": s.keeper.Run}
	if s.peers.bus == nil {
		for name, run := range once {
			s.stack.start(ctx, name, run)
		}
		return
	}
	for name, run := range once {
		s.peers.Duty(name, run)
	}
	s.stack.start(ctx, "bus", s.peers.bus.Run)
}

// stage is a Hub whose reports reach the pages of every node.
type stage struct {
	*live.Hub
	*reach.Stage
}

// Report tells who types or looks at a chat.
func (s stage) Report(a live.Activity) { s.Stage.Report(a) }

// eventLog lets every node know that the log of events is longer, as one of them sends
// the webhooks.
type eventLog struct {
	*sqlstore.Store
	peers peers
}

var _ webhook.Storage = eventLog{}

// OnEvents implements store.Events.
func (l eventLog) OnEvents(fn func()) {
	l.Store.OnEvents(func() {
		fn()
		l.peers.Signal(signalEvents, nil)
	})
	l.peers.OnSignal(signalEvents, func([]byte) { fn() })
}
