package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

const (
	// outcomeWait is how long the first outcome waits for others to be committed
	// with. Nobody waits for it: the next delivery of its chat is on its way. A
	// crash repeats what was posted within this time and a commit.
	outcomeWait = 10 * time.Millisecond
	// outcomeBatch is how many outcomes wait for no others.
	outcomeBatch = 256
)

// ended is an attempt that is over, or a delivery that is given up, whose outcome
// is to be stored.
type ended struct {
	e    *endpoint
	line *line
	item *item
	out  store.Outcome
}

// outcomes stores how attempts end, many in a commit. What is put counts among
// Dispatcher.attempts until it is stored, or given up because the server stops.
type outcomes struct {
	d     *Dispatcher
	some  chan struct{} // there is an outcome, or no more come
	many  chan struct{} // there are outcomeBatch
	hurry chan struct{} // closed: the server stops, wait for no others

	mu     sync.Mutex
	queue  []ended
	closed bool
}

func newOutcomes(d *Dispatcher) *outcomes {
	return &outcomes{d: d, some: make(chan struct{}, 1), many: make(chan struct{}, 1), hurry: make(chan struct{})}
}

// put queues an outcome. It doesn't block.
func (s *outcomes) put(x ended) {
	s.d.attempts.Add(1)
	s.enqueue(x)
}

func (s *outcomes) enqueue(xs ...ended) {
	s.mu.Lock()
	s.queue = append(s.queue, xs...)
	n := len(s.queue)
	s.mu.Unlock()
	signal(s.some)
	if n >= outcomeBatch {
		signal(s.many)
	}
}

// close ends run. Nothing may be put any more.
func (s *outcomes) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	signal(s.some)
}

// take gives all that is queued.
func (s *outcomes) take() (all []ended, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, s.queue = s.queue, nil
	return all, s.closed
}

// run stores what is put until close. Once ctx ends it stores nothing any more.
func (s *outcomes) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		<-s.some
		timer.Reset(outcomeWait)
		select {
		case <-timer.C:
		case <-s.many:
		case <-s.hurry:
		}
		all, closed := s.take()
		if len(all) > 0 {
			s.store(ctx, all)
		}
		if closed {
			return
		}
	}
}

// store stores outcomes. What can't be stored is tried again, however long
// storage is away: forgetting it would post a delivery again although it arrived.
func (s *outcomes) store(ctx context.Context, all []ended) {
	put := make([]store.Outcome, len(all))
	for i := range all {
		put[i] = all[i].out
	}
	errs := s.d.deps.Store.PutOutcomes(ctx, put)
	var refused []ended
	var refusal error
	for i, x := range all {
		if err := errs[i]; err != nil && !tideline.IsCode(err, tideline.CodeNotFound) { // not found: pruned meanwhile
			refused, refusal = append(refused, x), err
			continue
		}
		x.e.settled(x.line, x.item, &x.out)
		s.d.attempts.Done()
	}
	if len(refused) == 0 {
		return
	}
	if ctx.Err() == nil {
		s.d.deps.Log.WarnContext(ctx, "store how deliveries ended; trying again soon", "deliveries", len(refused), "err", refusal)
	}
	go s.again(ctx, refused)
}

// again queues outcomes once more after a while.
func (s *outcomes) again(ctx context.Context, refused []ended) {
	timer := time.NewTimer(storeRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
		s.enqueue(refused...)
	case <-ctx.Done():
		for range refused {
			s.d.attempts.Done()
		}
	}
}
