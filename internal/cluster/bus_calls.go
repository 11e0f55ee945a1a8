package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	// callPoll is how often a node looks for calls and replies that it was not told of.
	callPoll = time.Second
	// answerTimeout bounds the work for a call, and askTimeout the wait for its reply.
	answerTimeout = 30 * time.Second
	askTimeout    = answerTimeout + 5*time.Second
	// maxAnswers is how many calls a node answers at a time.
	maxAnswers = 16
)

// errNodeGone says to whoever asked that the other node can't answer any more.
var errNodeGone = tideline.Errorf(tideline.CodeConflict, "the server that was asked for this went away meanwhile; look whether it was done, and try again")

// reply is the answer to a call.
type reply struct {
	Value  []byte                `json:"v,omitempty"`
	Code   tideline.Code         `json:"c,omitempty"` // of an error
	Text   string                `json:"t,omitempty"`
	Fields []tideline.FieldError `json:"f,omitempty"`
}

// callRef names a call on the wire.
type callRef struct {
	Node int64 `json:"n"`           // who is told
	Call int64 `json:"i,omitempty"` // of a reply
}

// Handle registers what other nodes may ask of this one. ctx ends when this node
// stops, or after answerTimeout. Call it before Run.
func (b *Bus) Handle(method string, fn func(ctx context.Context, args []byte) ([]byte, error)) {
	if b.handlers[method] != nil {
		panic("cluster: two handlers for " + method) // a mistake in the wiring
	}
	b.handlers[method] = fn
}

// Ask has another node do what it registered under method, and gives its answer. An
// error with a tideline code comes back with its code, words and fields; any other
// as internal. When the other node goes away, or ctx ends, nobody knows whether it was
// done.
func (b *Bus) Ask(ctx context.Context, nodeID int64, method string, args []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	id, err := b.store.PutCall(ctx, store.NodeCall{Caller: b.cfg.Self(), Target: nodeID, Method: method, Args: args})
	if err != nil {
		return nil, fmt.Errorf("ask another node: %w", err)
	}
	told := make(chan struct{}, 1)
	b.mu.Lock()
	b.waits[id] = told
	b.stats.Asked++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.waits, id)
		b.mu.Unlock()
	}()
	b.ring(kindCall, callRef{Node: nodeID})
	poll := time.NewTicker(callPoll)
	defer poll.Stop()
	for {
		present := b.cfg.Present(nodeID) // before looking: a reply of one that left just now counts
		answer, ok, err := b.store.TakeReply(ctx, id)
		switch {
		case ok && err == nil:
			return open(answer)
		case err != nil && ctx.Err() == nil:
			return nil, b.giveUp(ctx, id, fmt.Errorf("ask another node: %w", err))
		case !present:
			return nil, b.giveUp(ctx, id, errNodeGone)
		}
		select {
		case <-told:
		case <-poll.C:
		case <-ctx.Done():
			return nil, b.giveUp(ctx, id, fmt.Errorf("ask another node to %s: %w", method, ctx.Err()))
		}
	}
}

// giveUp removes a call that nobody waits for.
func (b *Bus) giveUp(ctx context.Context, id int64, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callPoll)
	defer cancel()
	if err := b.store.DropCall(ctx, id); err != nil {
		b.log.DebugContext(ctx, "a call stays behind", "err", err) // it is pruned
	}
	return why
}

// ring tells nodes of a call or a reply.
func (b *Bus) ring(kind string, r callRef) {
	payload, err := json.Marshal(r)
	if err == nil {
		b.put(item{kind, payload})
	}
}

// heardCall wakes whoever a call or a reply is for.
func (b *Bus) heardCall(i item) {
	var r callRef
	if json.Unmarshal(i.Payload, &r) != nil || r.Node != b.cfg.Self() {
		return
	}
	if i.Kind == kindCall {
		poke(b.look)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.waits[r.Call]; c != nil {
		poke(c)
	}
}

// serve answers calls until ctx ends.
func (b *Bus) serve(ctx context.Context) {
	var answering sync.WaitGroup
	defer answering.Wait()
	places := make(chan struct{}, maxAnswers)
	poll := time.NewTicker(callPoll)
	defer poll.Stop()
	for {
		select {
		case <-b.look:
		case <-poll.C:
		case <-ctx.Done():
			return
		}
		self := b.cfg.Self()
		if self == 0 {
			continue
		}
		calls, err := b.store.TakeCalls(ctx, self)
		if err != nil {
			if ctx.Err() == nil {
				b.log.DebugContext(ctx, "look for calls", "err", err)
			}
			continue
		}
		for _, c := range calls {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			answering.Go(func() {
				defer func() { <-places }()
				b.answer(ctx, c)
			})
		}
	}
}

// answer does what a call asks for and stores the reply.
func (b *Bus) answer(ctx context.Context, c store.NodeCall) {
	b.mu.Lock()
	b.stats.Served++
	b.mu.Unlock()
	working, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var r reply
	var err error
	if fn := b.handlers[c.Method]; fn == nil {
		err = tideline.Errorf(tideline.CodeInternal, "another server of another version does not know how to %s: bring all to the same", c.Method)
	} else {
		r.Value, err = fn(working, c.Args)
	}
	if err != nil {
		r = replyOf(err)
		if r.Code == tideline.CodeInternal {
			b.log.ErrorContext(ctx, "a call of another node failed", "method", c.Method, "err", err)
		}
	}
	text, err := json.Marshal(r)
	if err == nil {
		// What was done is told, also when this node stops just now.
		telling, stop := context.WithTimeout(context.WithoutCancel(ctx), notifyTimeout)
		defer stop()
		err = b.store.AnswerCall(telling, c.ID, text)
	}
	if err != nil {
		b.log.WarnContext(ctx, "a call of another node can't be answered", "method", c.Method, "err", err)
		return
	}
	b.ring(kindReply, callRef{Node: c.Caller, Call: c.ID})
}

// replyOf makes an error a reply.
func replyOf(err error) reply {
	if e, ok := errors.AsType[*tideline.Error](err); ok {
		return reply{Code: e.Code, Text: e.Message, Fields: e.Fields}
	}
	return reply{Code: tideline.CodeInternal, Text: err.Error()}
}

// open gives what a reply says.
func open(text []byte) ([]byte, error) {
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("the reply of another node: %w", err)
	}
	if r.Code != "" {
		return nil, &tideline.Error{Code: r.Code, Message: r.Text, Fields: r.Fields}
	}
	return r.Value, nil
}
