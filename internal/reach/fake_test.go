package reach_test

import (
	"context"
	"log/slog"
	"sync"

	"github.com/tidelinehq/tideline/internal/tideline"
)

var quiet = slog.New(slog.DiscardHandler)

// service is a handful of nodes that reach each other.
type service struct {
	mu      sync.Mutex
	holders map[int64]int64 // account → node
	nodes   map[int64]*node
}

// node implements reach.Nodes.
type node struct {
	s       *service
	id      int64
	methods map[string]func(ctx context.Context, args []byte) ([]byte, error)
	signals map[string]func(payload []byte)
	asked   int // by other nodes
}

func newService(ids ...int64) (*service, []*node) {
	s := &service{holders: map[int64]int64{}, nodes: map[int64]*node{}}
	var all []*node
	for _, id := range ids {
		n := &node{s: s, id: id, methods: map[string]func(context.Context, []byte) ([]byte, error){}, signals: map[string]func([]byte){}}
		s.nodes[id] = n
		all = append(all, n)
	}
	return s, all
}

func (s *service) hold(accountID, nodeID int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders[accountID] = nodeID
}

func (n *node) Held(accountID int64) bool {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	return n.s.holders[accountID] == n.id
}

func (n *node) Holder(_ context.Context, accountID int64) (int64, error) {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	return n.s.holders[accountID], nil
}

func (n *node) Ask(_ context.Context, nodeID int64, method string, args []byte) ([]byte, error) {
	other := n.s.nodes[nodeID]
	n.s.mu.Lock()
	other.asked++
	n.s.mu.Unlock()
	reply, err := other.methods[method](context.Background(), args) // nothing of the asker's context gets there
	if err != nil {
		return nil, tideline.Errorf(tideline.ErrorCode(err), "%s", err)
	}
	return reply, nil
}

func (n *node) Handle(method string, fn func(ctx context.Context, args []byte) ([]byte, error)) {
	n.methods[method] = fn
}

func (n *node) Signal(kind string, payload []byte) {
	for _, other := range n.s.nodes {
		if fn := other.signals[kind]; other != n && fn != nil {
			fn(payload)
		}
	}
}

func (n *node) OnSignal(kind string, fn func(payload []byte)) { n.signals[kind] = fn }
