package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// step is one thing that happens in a run of the model.
type step struct {
	what    string
	account int64
	pick    int // which of the account's messages, modulo their number
	wait    time.Duration
}

// TestPromise4HoldsWhateverPeopleDo lets people pause, resume, cancel and reorder at
// random moments, over restarts and lost acknowledgements, and looks at what was
// sent: nothing twice, nothing lost, nothing that was cancelled, nothing during a
// pause, never two of an account within a gap, and among the messages that nobody
// moved the order of acceptance.
func TestPromise4HoldsWhateverPeopleDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				what:    rapid.SampledFrom([]string{"put", "put", "put", "cancel", "first", "pause", "resume", "all", "restart", "trouble"}).Draw(rt, "what"),
				account: int64(rapid.IntRange(1, 2).Draw(rt, "account")),
				pick:    rapid.IntRange(0, 100).Draw(rt, "pick"),
				wait:    time.Duration(rapid.SampledFrom([]int{0, 1, 199, 200, 1000, 1200, 5000}).Draw(rt, "wait")) * time.Millisecond,
			}
		}), 1, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) { newControlRun(t).play(steps) })
	})
}

// attemptSeen is one try to send, as the network saw it.
type attemptSeen struct {
	account, message int64
	from, to         time.Time
	unknown          bool // no acknowledgement came
}

// network is a Sender that notes what it is asked to send.
type network struct {
	mu      sync.Mutex
	seen    []attemptSeen
	trouble int // how many of the next attempts get no acknowledgement
}

func (n *network) Send(ctx context.Context, m whatsapp.Outgoing) (whatsapp.Sent, error) {
	var a attemptSeen
	if _, err := fmt.Sscanf(m.MessageID, "3EB0%d", &a.message); err != nil {
		return whatsapp.Sent{}, err
	}
	if _, err := fmt.Sscanf(m.DeviceJID, "1484111%04d", &a.account); err != nil {
		return whatsapp.Sent{}, err
	}
	a.from = time.Now()
	<-time.After(200 * time.Millisecond)
	a.to = time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if a.unknown = n.trouble > 0; a.unknown {
		n.trouble--
	}
	n.seen = append(n.seen, a)
	if a.unknown {
		return whatsapp.Sent{}, &whatsapp.SendError{Unknown: true, Err: errors.New("no ack")}
	}
	return whatsapp.Sent{At: a.to}, nil
}

// span is a time during which an account was paused.
type span struct{ from, to time.Time }

// controlRun is one run of the model.
type controlRun struct {
	t         *testing.T
	memory    *memory
	network   *network
	service   *outbox.Service
	stop      func()
	put       []int64
	account   map[int64]int64
	moved     map[int64]bool
	cancelled map[int64]bool
	pauses    map[int64][]span
}

func newControlRun(t *testing.T) *controlRun {
	r := &controlRun{t: t, memory: newMemory(), network: &network{}, account: map[int64]int64{}, moved: map[int64]bool{},
		cancelled: map[int64]bool{}, pauses: map[int64][]span{}}
	r.service, r.stop = serveSender(t, r.memory, r.network, outbox.Config{})
	return r
}

func (r *controlRun) play(steps []step) {
	for _, s := range steps {
		r.do(s)
		pass(s.wait)
	}
	for account := range int64(2) {
		r.do(step{what: "resume", account: account + 1})
	}
	pass(time.Hour)
	r.stop()
	r.check()
}

// do does one step.
func (r *controlRun) do(s step) {
	ctx := r.t.Context()
	var own []int64
	for _, id := range r.put {
		if r.account[id] == s.account {
			own = append(own, id)
		}
	}
	pauses := r.pauses[s.account]
	paused := len(pauses) > 0 && pauses[len(pauses)-1].to.IsZero()
	switch s.what {
	case "put":
		id := int64(len(r.put) + 1)
		r.put, r.account[id] = append(r.put, id), s.account
		r.memory.put(s.account, id)
	case "pause":
		r.must(r.service.Pause(ctx, 1, s.account, "Ann"))
		if !paused {
			r.pauses[s.account] = append(pauses, span{from: time.Now()})
		}
	case "resume":
		if paused {
			pauses[len(pauses)-1].to = time.Now()
		}
		r.must(r.service.Resume(ctx, 1, s.account))
	case "all":
		_, _, err := r.service.CancelAll(ctx, 1, s.account, "")
		r.must(err)
	case "restart":
		r.stop()
		r.service, r.stop = serveSender(r.t, r.memory, r.network, outbox.Config{})
	case "trouble":
		r.network.mu.Lock()
		r.network.trouble++
		r.network.mu.Unlock()
	case "cancel", "first":
		if len(own) == 0 {
			return
		}
		id := own[s.pick%len(own)]
		var err error
		if s.what == "cancel" {
			err = r.service.Cancel(ctx, 1, id, "")
		} else {
			err = r.service.PutFirst(ctx, 1, id)
		}
		switch {
		case err == nil && s.what == "first":
			r.moved[id] = true
		case err != nil && !tideline.IsCode(err, tideline.CodeNotFound) && !tideline.IsCode(err, tideline.CodeConflict):
			r.t.Fatalf("%s %d: %v", s.what, id, err)
		}
	}
}

func (r *controlRun) must(err error) {
	if err != nil {
		r.t.Fatal(err)
	}
}

// check looks at what was sent.
func (r *controlRun) check() {
	ended := make(map[int64]int)
	for _, s := range r.memory.settled {
		ended[s.MessageID]++
		r.cancelled[s.MessageID] = s.Reason == tideline.ReasonCancelled
		if s.Status == tideline.StatusFailed && s.Reason != tideline.ReasonCancelled {
			r.t.Errorf("message %d failed: %s", s.MessageID, s.Reason)
		}
	}
	for _, id := range r.put {
		if ended[id] != 1 {
			r.t.Errorf("message %d ended %d times", id, ended[id])
		}
	}
	acknowledged := make(map[int64]bool)
	last := make(map[int64]attemptSeen) // by account
	unmoved := make(map[int64]int64)    // by account: the last message in its own place
	for _, a := range r.network.seen {
		before, sent := last[a.account]
		if sent && a.from.Sub(before.to) < time.Second {
			r.t.Errorf("account %d: %v between %d and %d, want the gap of a second", a.account, a.from.Sub(before.to), before.message, a.message)
		}
		last[a.account] = a
		for _, p := range r.pauses[a.account] {
			if a.from.After(p.from) && (p.to.IsZero() || a.from.Before(p.to)) {
				r.t.Errorf("message %d was sent during a pause", a.message)
			}
		}
		if a.unknown {
			continue
		}
		if acknowledged[a.message] || r.cancelled[a.message] {
			r.t.Errorf("message %d was sent (again), cancelled: %v", a.message, r.cancelled[a.message])
		}
		acknowledged[a.message] = true
		if !r.moved[a.message] {
			if unmoved[a.account] > a.message {
				r.t.Errorf("message %d, which nobody moved, was sent after %d", a.message, unmoved[a.account])
			}
			unmoved[a.account] = a.message
		}
	}
	if n, _ := r.service.Queued(); n != 0 {
		r.t.Errorf("%d messages still count as queued", n)
	}
}

// TestACancelledMessageIsNeverSent cancels messages while they come into flight, as
// fast as both can.
func TestACancelledMessageIsNeverSent(t *testing.T) {
	t.Parallel()
	const n = 2000
	m, p := newMemory(), &phone{}
	m.gap = 0
	s, stop := serve(t, m, p, outbox.Config{})
	for id := range int64(n) {
		m.put(1, id+1)
	}
	for id := range int64(n) {
		if err := s.Cancel(t.Context(), 1, id+1, ""); err != nil && !tideline.IsCode(err, tideline.CodeNotFound) && !tideline.IsCode(err, tideline.CodeConflict) {
			t.Fatal(err)
		}
	}
	for {
		if queued, _ := s.Queued(); queued == 0 {
			break
		}
		runtime.Gosched()
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	tried := p.tried()
	cancelled := 0
	for _, st := range m.settled {
		if st.Reason == tideline.ReasonCancelled {
			cancelled++
			if slices.Contains(tried, fmt.Sprintf("3EB0%02d", st.MessageID)) {
				t.Errorf("message %d was cancelled and sent", st.MessageID)
			}
		}
	}
	if cancelled+len(tried) != n || len(m.settled) != n {
		t.Errorf("%d cancelled, %d sent, %d ended, of %d", cancelled, len(tried), len(m.settled), n)
	}
}
