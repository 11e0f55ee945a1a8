package sqlstore

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
)

// job is one thing to be committed. Exactly one of its first fields is set.
type job struct {
	accept  *store.Acceptance
	settle  *store.Settlement
	receipt *store.Receipts
	receive *store.Reception
	outcome *store.Outcome
	write   func(ctx context.Context, t *tx) error
	alone   func() error // commits by itself, while the committer does nothing else; not on SQLite

	ctx      context.Context // of the caller; a job whose caller left is skipped
	fate     atomic.Int32    // jobQueued, and then one of the others
	accepted store.Accepted  // outcome of accept
	received store.Received  // outcome of receive
	fresh    bool            // accepted in a chat that the chat cache does not have
	err      error           // outcome of the others
	done     chan struct{}   // closed when the outcome is set
}

// The fates of a job.
const (
	jobQueued int32 = iota
	jobTaken        // it is being committed
	jobLeft         // its caller left before
)

// committer is a queue with one goroutine that takes whatever is queued, up to
// max jobs, and commits it together. What queues meanwhile is the next batch.
type committer struct {
	max    int
	commit func(jobs []*job) (again time.Duration)
	wake   chan struct{} // holds one element while there may be something to do
	ended  chan struct{}

	mu     sync.Mutex
	queue  []*job
	closed bool
}

// startCommitter starts the goroutine; stop ends it. commit must set every
// job's outcome; the committer tells the callers. When commit gives a time, it
// is called again after that, without jobs unless there are some before.
func startCommitter(maxJobs int, commit func([]*job) (again time.Duration)) *committer {
	c := &committer{max: maxJobs, commit: commit, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go c.run()
	return c
}

// do queues j and waits for its outcome, or for the end of ctx: then it returns
// ctx's error although j may still be committed, and j must not be looked at. A
// write that has been taken is waited for in any case, because it fills in what
// its caller goes on to read.
func (c *committer) do(ctx context.Context, j *job) error {
	if err := c.enqueue(ctx, j); err != nil {
		return err
	}
	return j.wait()
}

// enqueue queues jobs, next to each other. Each must be waited for.
func (c *committer) enqueue(ctx context.Context, jobs ...*job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, j := range jobs {
		j.ctx = ctx
		j.done = make(chan struct{})
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return errClosed
	}
	first := len(c.queue) == 0
	c.queue = append(c.queue, jobs...)
	c.mu.Unlock()
	if first {
		c.signal()
	}
	return nil
}

// refuse ends a job that could not be queued.
func (j *job) refuse(ctx context.Context, err error) {
	j.ctx, j.done, j.err = ctx, make(chan struct{}), err
	close(j.done)
}

// wait waits for the outcome of a job that is queued, see do.
func (j *job) wait() error {
	select {
	case <-j.done:
		return nil
	case <-j.ctx.Done():
		if j.write != nil && !j.fate.CompareAndSwap(jobQueued, jobLeft) {
			<-j.done
			return nil
		}
		return j.ctx.Err()
	}
}

// stop refuses new jobs and returns when the queued ones are committed.
func (c *committer) stop() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.signal()
	<-c.ended
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) run() {
	defer close(c.ended)
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	commit := func(jobs []*job) {
		if d := c.commit(jobs); d > 0 {
			again.Reset(d)
		} else {
			again.Stop()
		}
	}
	for {
		select {
		case <-c.wake:
		case <-again.C:
			commit(nil)
		}
		for {
			c.gather()
			jobs, closed := c.take()
			if len(jobs) == 0 {
				if closed {
					return
				}
				break
			}
			commit(jobs)
			for _, j := range jobs {
				close(j.done)
			}
		}
	}
}

// gather lets goroutines that are ready to run go first for as long as that
// makes the queue longer: under load they are about to queue, and a commit costs
// the same for one of them as for all. It waits for nothing: without load it
// returns at once, and it never idles.
func (c *committer) gather() {
	for before := -1; ; {
		c.mu.Lock()
		n := len(c.queue)
		c.mu.Unlock()
		if n == before || n >= c.max {
			return
		}
		before = n
		runtime.Gosched()
	}
}

// take gives the next batch without the jobs whose callers left already.
func (c *committer) take() (jobs []*job, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(jobs) == 0 && len(c.queue) > 0 {
		n := min(c.max, len(c.queue))
		for _, j := range c.queue[:n] {
			if j.ctx.Err() == nil && j.fate.CompareAndSwap(jobQueued, jobTaken) {
				jobs = append(jobs, j)
			}
		}
		if n == len(c.queue) {
			clear(c.queue) // so that answered jobs can be collected
			c.queue = c.queue[:0]
		} else {
			c.queue = append([]*job(nil), c.queue[n:]...)
		}
	}
	return jobs, c.closed
}
