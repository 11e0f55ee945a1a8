package meow

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Reasons for people, where no event of the library brings a better one.
const (
	reasonDisconnected = "disconnected on request"
	reasonLost         = "the connection was lost; reconnecting"
	reasonStalled      = "WhatsApp stopped answering; reconnecting"
	reasonLoggedOut    = "logged out on request"
	reasonUnlinked     = "unlinked on the phone or by WhatsApp; pair the account again"
)

// steadyAfter is how long a connection must have lasted for the next drop to
// count as the first one.
const steadyAfter = 10 * time.Second

// deleteTimeout bounds the deletion of an ended session's keys.
const deleteTimeout = 10 * time.Second

// session is one account's link. There is no goroutine of ours behind an idle
// one: it moves on when the library reports something or a timer fires.
type session struct {
	c      *Connector
	device string // the session's name: its JID
	label  string // its name in the log, which must not show the number: the hidden id
	jid    types.JID
	line   *line
	cli    *whatsmeow.Client
	ctx    context.Context // of the connections; ends with the session
	cancel context.CancelFunc
	// lid and contacts are the library's, for when it deletes its keys: from then on
	// cli.Store must not be touched.
	lid      types.JID // as it was when the session began
	contacts *contactStore
	slot     chan struct{} // holds an element while a message is being sent
	ratchets *ratchets     // nil when the keys have none

	// link is held while a connection is opened or closed.
	link sync.Mutex
	// deliver serialises the calls of the handler. It is taken before mu, and
	// never while mu is held.
	deliver sync.Mutex

	mu       sync.Mutex
	state    tideline.AccountState // as last reported, or about to be; "" at first
	reason   string                // as last reported, or about to be
	until    time.Time             // as last reported, or about to be
	told     tideline.AccountState // the state that the handler was told
	changed  chan struct{}         // closed and replaced when told or closed changes
	name     string                // push name as last reported
	closed   bool                  // the session is over: report nothing, connect no more
	dialing  bool
	again    bool        // dial once more when the dial that is going on returns
	spoilt   bool        // there may be a connection that is of no use; close it
	timer    *time.Timer // the next connect, when one is planned
	failures int         // drops and failed connects since the last steady connection
	replaced int         // how often in a row another program took over
	activeAt time.Time
	resetAt  *time.Timer              // the reset that makes WhatsApp repeat what was not taken
	version  store.WAVersionContainer // announced at the last login
	refusals []time.Time              // with error 463, the latest ones; see reachOutRefused

	keyless map[string]bool  // addresses of devices that once had no keys; only the owner of slot uses it
	calls   map[string]*call // that ring or talk, by id; only the library's event goroutine uses it
}

func newSession(c *Connector, jid types.JID, keys *store.Device) *session {
	line := c.net.line()
	contacts := &contactStore{next: keys.Contacts}
	keys.Contacts = contacts
	s := &session{
		c: c, device: jid.String(), label: keys.LID.String(), jid: jid, line: line, cli: c.client(keys, line),
		slot:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		name:    keys.PushName,
		lid:     keys.LID, contacts: contacts,
		calls: make(map[string]*call),
	}
	s.ctx, s.cancel = context.WithCancel(c.ctx)
	s.cli.BackgroundEventCtx = s.ctx // nothing that the library does by itself outlives the session
	if t, ok := keys.Sessions.(*turnedSessions); ok {
		s.ratchets = t.r
	}
	keys.EventBuffer = &keyGuard{EventBuffer: keys.EventBuffer, probe: c.sessions.writable, repeat: s.keysUnavailable}
	s.cli.AddEventHandlerWithSuccessStatus(s.handle)
	s.cli.GetClientPayload = c.payload(s.cli, func(v store.WAVersionContainer) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.version = v
	})
	return s
}

// connect starts an attempt unless there is a connection or an attempt already.
func (s *session) connect() {
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.mu.Lock()
	dialing := s.dialing
	if s.closed || s.state == tideline.AccountActive || dialing && s.state == tideline.AccountConnecting {
		s.mu.Unlock()
		return
	}
	s.failures, s.replaced = 0, 0
	s.stopTimer()
	s.dialing = true
	// An attempt that was refused already may not have returned yet.
	s.again = dialing
	s.mu.Unlock()
	s.report(tideline.AccountConnecting, "")
	if !dialing {
		s.c.spawn(s.dial)
	}
}

// dial opens the connection. What becomes of it comes as events.
func (s *session) dial() {
	var err error
	for again := true; again; {
		err = s.open()
		s.mu.Lock()
		again = s.again && !s.closed
		s.again = false
		s.dialing = again
		s.mu.Unlock()
	}
	switch {
	case err == nil, s.ctx.Err() != nil:
	case errors.Is(err, store.ErrDeviceDeleted):
		s.end(tideline.AccountLoggedOut, reasonUnlinked)
	default:
		s.c.log.Debug("connect to whatsapp", "device", s.device, "err", err)
		s.down(reasonUnreachable(err))
	}
}

// open dials when it is this account's turn.
func (s *session) open() error {
	select {
	case s.c.dials <- struct{}{}:
		defer func() { <-s.c.dials }()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	s.link.Lock()
	defer s.link.Unlock()
	s.dispose()
	err := s.cli.ConnectContext(s.ctx)
	if errors.Is(err, whatsmeow.ErrAlreadyConnected) {
		return nil
	}
	return err
}

// spoil has the connection closed soon, and in any case before the next one is
// opened. It is for the events after which the library expects the server to
// close and reports nothing more. Closing waits for the event handlers, so it
// can't be done from one.
func (s *session) spoil() {
	s.mu.Lock()
	s.spoilt = true
	s.mu.Unlock()
	s.c.spawn(func() {
		s.link.Lock()
		defer s.link.Unlock()
		s.dispose()
	})
}

// dispose closes a spoilt connection. It is called with link held.
func (s *session) dispose() {
	s.mu.Lock()
	spoilt := s.spoilt
	s.spoilt = false
	s.mu.Unlock()
	if spoilt {
		hangUp(s.cli, s.line)
	}
}

// down notes that there is no connection and plans the next one.
func (s *session) down(reason string) {
	s.mu.Lock()
	if !s.activeAt.IsZero() {
		if time.Since(s.activeAt) >= steadyAfter {
			s.failures = 0
		}
		// WhatsApp lets us in, so there is no reason to stay away for long.
		s.failures = min(s.failures, 3)
		s.activeAt = time.Time{}
	}
	pause := backoff(s.failures, s.c.opts.RetryFirst, s.c.opts.RetryMax)
	s.failures++
	s.mu.Unlock()
	s.downFor(pause, reason)
}

// downFor notes that there is no connection and plans the next one in pause.
func (s *session) downFor(pause time.Duration, reason string) {
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.report(tideline.AccountDisconnected, reason)
	s.plan(pause)
}

// plan sets the time of the next connect.
func (s *session) plan(pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.stopTimer()
	s.timer = time.AfterFunc(pause, func() { s.retry(pause) })
}

// retry starts the planned attempt.
func (s *session) retry(pause time.Duration) {
	s.mu.Lock()
	due := !s.closed && s.state != tideline.AccountActive
	if due && s.dialing {
		// The connection broke before its dial returned.
		s.timer = time.AfterFunc(pause, func() { s.retry(pause) })
		due = false
	}
	if due {
		s.dialing = true
	}
	s.mu.Unlock()
	if due {
		s.c.spawn(s.dial)
	}
}

// stopTimer cancels the planned connect. It is called with mu held.
func (s *session) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// backoff is a pause that doubles from first to limit and varies by half, so that
// accounts that dropped together don't come back together.
func backoff(failures int, first, limit time.Duration) time.Duration {
	d := limit
	if failures < 20 {
		d = min(first<<failures, limit)
	}
	return d/2 + rand.N(d)
}

// report tells the handler of a new state. It is called with deliver held. What
// is reported already is not repeated; an empty reason adds nothing to a state.
func (s *session) report(state tideline.AccountState, reason string) {
	s.reportUntil(state, reason, time.Time{})
}

// reportUntil reports a state that ends by itself at until. Another end is news.
func (s *session) reportUntil(state tideline.AccountState, reason string, until time.Time) {
	now := time.Now()
	s.mu.Lock()
	if s.closed || s.state == state && (reason == "" || reason == s.reason && until.Equal(s.until)) {
		s.mu.Unlock()
		return
	}
	s.state, s.reason, s.until = state, reason, until
	if state == tideline.AccountActive {
		s.activeAt = now
	}
	s.mu.Unlock()
	s.c.handler.State(s.c.ctx, whatsapp.StateEvent{DeviceJID: s.device, State: state, Reason: reason, At: now, Until: until})
	s.mu.Lock()
	s.told = state
	s.announce()
	s.mu.Unlock()
}

// announce wakes those who await. It is called with mu held.
func (s *session) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// end reports the last state of a session that WhatsApp has ended, and drops it
// with its keys. It may be called from the library's event handler.
func (s *session) end(state tideline.AccountState, reason string) {
	s.c.forget(s)
	s.deliver.Lock()
	s.report(state, reason)
	s.shut()
	s.deliver.Unlock()
	// Not here: disconnecting waits for the handler that we may be called from.
	s.c.spawn(func() {
		s.hangUp(nil)
		// The library deletes the keys too, but with the connection's context,
		// which has just ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), deleteTimeout)
		defer cancel()
		if err := s.c.sessions.delete(ctx, s.jid); err != nil {
			s.c.log.Warn("delete a whatsapp session that has ended", "session", s.label, "err", quiet(err))
		}
	})
}

// close ends the session and waits until its connection is closed and what the
// handler was told last is done with. From then on the session is silent: the handler
// is told nothing and no Signal session is written, so that another process may go
// on with them. With a reason the account is reported as disconnected.
func (s *session) close(reason string) {
	// A handler that waits for a storage which is away doesn't keep the connection open.
	cut := time.AfterFunc(closePatience, s.line.cut)
	defer cut.Stop()
	s.deliver.Lock()
	if reason != "" {
		s.report(tideline.AccountDisconnected, reason)
	}
	s.shut()
	s.deliver.Unlock()
	s.hangUp(func() {
		if s.ratchets != nil && !s.ratchets.close(closePatience) {
			s.c.log.Warn("a message was being encrypted when its session ended", "session", s.label)
		}
	})
}

// shut makes the session silent and its timers stop.
func (s *session) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.announce()
	s.stopTimer()
	if s.resetAt != nil {
		s.resetAt.Stop()
	}
}

// hangUp closes the connection for good, and calls settle, unless it is nil, before
// it ends what goes on without one.
func (s *session) hangUp(settle func()) {
	s.mu.Lock()
	dialing := s.dialing
	s.mu.Unlock()
	if dialing {
		s.cancel() // the library holds its lock for as long as it dials
	}
	s.link.Lock()
	defer s.link.Unlock()
	hangUp(s.cli, s.line)
	if settle != nil {
		settle()
	}
	s.cancel()
}

// closePatience is how long closing a session waits for others before it goes on
// without them.
const closePatience = 2 * time.Second

// errSessionOver is what the library is told of what it brings after the session's end.
var errSessionOver = errors.New("the session is over")

// pass calls the handler by way of tell, unless the session is over. It waits for its
// turn.
func (s *session) pass(tell func() error) error {
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.mu.Lock()
	over := s.closed
	s.mu.Unlock()
	if over {
		return errSessionOver
	}
	return tell()
}

// await waits until the handler was told one of the states, or the session is
// over, or ctx ends. It gives the state that it saw last.
func (s *session) await(ctx context.Context, states ...tideline.AccountState) (tideline.AccountState, error) {
	for {
		s.mu.Lock()
		state, closed, changed := s.told, s.closed, s.changed
		s.mu.Unlock()
		for _, want := range states {
			if state == want {
				return state, nil
			}
		}
		if closed {
			return state, errClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return state, ctx.Err()
		}
	}
}

// active reports whether messages can be sent.
func (s *session) active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.state == tideline.AccountActive
}
