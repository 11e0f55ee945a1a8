package connectortest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// errStorage is what a recorder answers to receipts that it was told to refuse.
var errStorage = errors.New("storage is away")

// recorder is a handler that remembers what it was told.
type recorder struct {
	mu       sync.Mutex
	changed  chan struct{}
	states   []whatsapp.StateEvent
	receipts []receipt
	messages []whatsapp.Inbound
	names    map[string]string
	news     []whatsapp.News
	chunks   []whatsapp.HistoryChunk
	limits   []whatsapp.ReachOutLimit
	composed []whatsapp.ComposingEvent
	refuse   int // receipts and messages still to be refused
	refused  int

	meanwhile func() // is called for each message before it is noted; nil = not
}

type receipt struct {
	device string
	id     string
	status tideline.Status
	at     time.Time
}

func newRecorder() *recorder {
	return &recorder{changed: make(chan struct{}), names: map[string]string{}}
}

func (r *recorder) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) State(_ context.Context, ev whatsapp.StateEvent) {
	r.note(func() { r.states = append(r.states, ev) })
}

func (r *recorder) Name(_ context.Context, device, name string) {
	r.note(func() { r.names[device] = name })
}

func (r *recorder) ReachOut(_ context.Context, _ string, l whatsapp.ReachOutLimit) {
	r.note(func() { r.limits = append(r.limits, l) })
}

func (r *recorder) Composing(_ context.Context, _ string, e whatsapp.ComposingEvent) {
	r.note(func() { r.composed = append(r.composed, e) })
}

func (r *recorder) Receipts(_ context.Context, device string, ids []string, status tideline.Status, at time.Time) (err error) {
	r.note(func() {
		if r.refuse > 0 {
			r.refuse--
			r.refused++
			err = errStorage
			return
		}
		for _, id := range ids {
			r.receipts = append(r.receipts, receipt{device, id, status, at})
		}
	})
	return err
}

func (r *recorder) Message(_ context.Context, _ string, m whatsapp.Inbound) (err error) {
	r.mu.Lock()
	meanwhile := r.meanwhile
	r.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	r.note(func() {
		if r.refuse > 0 {
			r.refuse--
			r.refused++
			err = errStorage
			return
		}
		r.messages = append(r.messages, m)
	})
	return err
}

func (r *recorder) News(_ context.Context, _ string, n whatsapp.News) (err error) {
	r.note(func() {
		if r.refuse > 0 {
			r.refuse--
			r.refused++
			err = errStorage
			return
		}
		r.news = append(r.news, n)
	})
	return err
}

func (r *recorder) History(_ context.Context, _ string, c whatsapp.HistoryChunk) (err error) {
	r.note(func() {
		if r.refuse > 0 {
			r.refuse--
			r.refused++
			err = errStorage
			return
		}
		r.chunks = append(r.chunks, c)
	})
	return err
}

// message waits for a message.
func (r *recorder) message(ctx context.Context, match func(whatsapp.Inbound) bool) (found whatsapp.Inbound, err error) {
	err = r.until(ctx, func() bool {
		for _, m := range r.messages {
			if match(m) {
				found = m
				return true
			}
		}
		return false
	})
	return found, err
}

// until waits for a condition, which is called with the lock held.
func (r *recorder) until(ctx context.Context, done func() bool) error {
	for {
		r.mu.Lock()
		ok, changed := done(), r.changed
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// mark gives the number of states reported so far.
func (r *recorder) mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.states)
}

// since gives the states reported after mark.
func (r *recorder) since(mark int) []whatsapp.StateEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.states[mark:])
}

// state waits for a state of a device that was reported after mark.
func (r *recorder) state(ctx context.Context, device string, mark int, want tideline.AccountState) (found whatsapp.StateEvent, err error) {
	err = r.until(ctx, func() bool {
		for _, ev := range r.states[mark:] {
			if ev.DeviceJID == device && ev.State == want {
				found = ev
				return true
			}
		}
		return false
	})
	return found, err
}

// receipt waits for a receipt.
func (r *recorder) receipt(ctx context.Context, device, id string, status tideline.Status) (found receipt, err error) {
	err = r.until(ctx, func() bool {
		for _, rc := range r.receipts {
			if rc.device == device && rc.id == id && rc.status == status {
				found = rc
				return true
			}
		}
		return false
	})
	return found, err
}
