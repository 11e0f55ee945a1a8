package reach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// Nodes are the servers of a service: cluster.Service.
type Nodes interface {
	// Held reports whether this node holds an account.
	Held(accountID int64) bool
	// Holder gives the node that holds an account; 0 = nobody for now.
	Holder(ctx context.Context, accountID int64) (int64, error)
	// Ask has a node do what it registered under method. An error with a tideline code
	// comes back as it was.
	Ask(ctx context.Context, nodeID int64, method string, args []byte) ([]byte, error)
	// Handle registers what other nodes may ask of this one. Call it before anybody can.
	Handle(method string, fn func(ctx context.Context, args []byte) ([]byte, error))
	// Signal tells all other nodes; nothing is known of whether it arrives.
	Signal(kind string, payload []byte)
	// OnSignal registers who is told of signals of a kind. Call it before they can come.
	OnSignal(kind string, fn func(payload []byte))
}

const (
	// patience bounds how long an account may change hands before whoever asks is told.
	patience = 12 * time.Second
	again    = 250 * time.Millisecond
)

// question is what goes to another node.
type question[A any] struct {
	Actor     tideline.Actor
	AccountID int64
	Args      A
}

// answer is what comes back. Elsewhere: it does not hold the account any more.
type answer[R any] struct {
	Elsewhere bool
	Value     R
}

// route does one kind of thing for accounts, here or elsewhere.
type route[A, R any] struct {
	nodes  Nodes
	method string
	local  func(ctx context.Context, accountID int64, args A) (R, error)
}

// newRoute makes a route and registers it, so that other nodes can ask this one.
func newRoute[A, R any](nodes Nodes, method string, local func(ctx context.Context, accountID int64, args A) (R, error)) *route[A, R] {
	r := &route[A, R]{nodes: nodes, method: method, local: local}
	nodes.Handle(method, r.handle)
	return r
}

// do does it on the node that holds the account.
func (r *route[A, R]) do(ctx context.Context, accountID int64, args A) (R, error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		v, err := r.once(ctx, accountID, args)
		if !errors.Is(err, tideline.ErrElsewhere) {
			return v, err
		}
		wait := time.NewTimer(again)
		select {
		case <-wait.C:
		case <-patient.Done():
			wait.Stop()
			return v, err
		}
	}
}

func (r *route[A, R]) once(ctx context.Context, accountID int64, args A) (v R, err error) {
	if r.nodes.Held(accountID) {
		return r.local(ctx, accountID, args)
	}
	holder, err := r.nodes.Holder(ctx, accountID)
	if err != nil {
		return v, err
	}
	if holder == 0 {
		return v, tideline.ErrElsewhere
	}
	q, err := json.Marshal(question[A]{Actor: tideline.ActorOf(ctx), AccountID: accountID, Args: args})
	if err != nil {
		return v, fmt.Errorf("ask %s: %w", r.method, err)
	}
	reply, err := r.nodes.Ask(ctx, holder, r.method, q)
	if err != nil {
		return v, err
	}
	var a answer[R]
	if err := json.Unmarshal(reply, &a); err != nil {
		return v, fmt.Errorf("ask %s: another node's answer: %w", r.method, err)
	}
	if a.Elsewhere {
		return v, tideline.ErrElsewhere
	}
	return a.Value, nil
}

// handle answers another node.
func (r *route[A, R]) handle(ctx context.Context, args []byte) ([]byte, error) {
	var q question[A]
	if err := json.Unmarshal(args, &q); err != nil {
		return nil, fmt.Errorf("answer %s: %w", r.method, err)
	}
	var a answer[R]
	var err error
	if !r.nodes.Held(q.AccountID) {
		err = tideline.ErrElsewhere
	} else {
		a.Value, err = r.local(tideline.WithActor(ctx, q.Actor), q.AccountID, q.Args)
	}
	switch {
	case errors.Is(err, tideline.ErrElsewhere):
		a.Elsewhere = true
	case err != nil:
		return nil, err
	}
	return json.Marshal(a)
}

// none is an answer without a value.
type none struct{}
