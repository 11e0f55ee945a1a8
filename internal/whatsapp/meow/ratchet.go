package meow

import (
	"context"
	"sync"
	"time"

	"go.mau.fi/whatsmeow/store"
)

// The library turns the ratchet of a Signal session in three places: for a send
// (send.go, encryptMessageForDevices), for what comes in (message.go,
// bufferedDecrypt) and, in a goroutine of its own, for the answer to a phone that
// could not decrypt (retry.go, handleRetryReceipt). Each reads the session,
// changes it and writes it back, and no lock keeps them apart. When two overlap,
// the one that writes last undoes the other: the next message is encrypted with a
// key that was used already, the phone can't read it and asks again, and it
// appears after the one that follows. It happens when an answer crosses with a
// send.
//
// ratchets lets one of them at a time happen in an account. There is nothing of
// the library to hook into but its stores, so the turn is taken where a session
// is read and given back where it is written.
type ratchets struct {
	turn  chan struct{} // holds an element while somebody has the turn
	lease time.Duration
	over  chan struct{} // closed when nobody gets the turn any more

	mu     sync.Mutex
	lessee string      // address of the session for which somebody without a turn of its own has it
	expiry *time.Timer // takes that turn away; nil when there is no lessee
}

// turnLease is how long the turn is left to one who read a session and may never
// write it, because something went wrong in between. The library does a little
// arithmetic then, and no network. Only answers to retries need it.
const turnLease = 5 * time.Second

// wrapRatchets makes a device's sessions change one at a time.
func wrapRatchets(d *store.Device) {
	r := &ratchets{turn: make(chan struct{}, 1), lease: turnLease, over: make(chan struct{})}
	d.Sessions = &turnedSessions{SessionStore: d.Sessions, r: r}
	d.EventBuffer = &turnedBuffer{EventBuffer: d.EventBuffer, r: r}
	d.Identities = &turnedIdentities{d.Identities}
}

// turn is a claim to change sessions that a context carries. Its methods are
// called by one goroutine at a time.
type turn struct {
	r    *ratchets         // nil while it is not one's turn
	read map[string][]byte // sessions that were read to decrypt, by address; nil for a send
	// lacking are the addresses that a send had no session with and has made none.
	lacking map[string]bool
	stop    context.CancelCauseFunc // of a send: ends it before anything is sent; nil otherwise
}

type turnKey struct{}

// sendTurn prepares ctx for a send, which takes the turn when it reads the
// recipients' sessions and gives it back when they are written. Whoever asked for
// it ends it in any case.
func sendTurn(ctx context.Context) (context.Context, *turn) {
	t := &turn{lacking: make(map[string]bool)}
	ctx, t.stop = context.WithCancelCause(ctx)
	return context.WithValue(ctx, turnKey{}, t), t
}

// fail ends a send that encrypts: something could not be read or written. The library
// would leave out the device that it was about and send the message to the others
// alone (whatsmeow send.go, encryptMessageForDevices), in the end only to the owner's
// phone, and WhatsApp would acknowledge it. It gives up only when the context ends.
func (t *turn) fail(err error) {
	if t.stop != nil && t.r != nil {
		t.stop(err)
	}
}

func turnOf(ctx context.Context) *turn {
	t, _ := ctx.Value(turnKey{}).(*turn)
	return t
}

// begin waits for the turn, unless it is there already.
func (t *turn) begin(ctx context.Context, r *ratchets) error {
	if t.r != nil {
		return nil
	}
	if err := r.take(ctx); err != nil {
		return err
	}
	t.r = r
	return nil
}

// end gives the turn back, if it is there.
func (t *turn) end() {
	if t.r != nil {
		t.r.give()
		t.r = nil
	}
}

func (r *ratchets) take(ctx context.Context) error {
	if r.ended() {
		return errSessionOver
	}
	select {
	case <-r.over:
		return errSessionOver
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *ratchets) give() { <-r.turn }

// close waits until nobody has the turn, for at most patience, and lets nobody have it
// any more: from then on no session changes. False when somebody still had it.
// Closing twice is fine.
func (r *ratchets) close(patience time.Duration) bool {
	if r.ended() {
		return true
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	quiet := true
	select {
	case <-r.over:
		return true
	case r.turn <- struct{}{}: // for ever
	case <-limit.C:
		quiet = false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended() {
		close(r.over)
	}
	return quiet
}

// ended reports whether close was called.
func (r *ratchets) ended() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// rent takes the turn for one session.
func (r *ratchets) rent(ctx context.Context, address string) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var expiry *time.Timer
	expiry = time.AfterFunc(r.lease, func() { r.end(func() bool { return r.expiry == expiry }) })
	r.lessee, r.expiry = address, expiry
	return nil
}

// release ends the lease of a session, if there is one.
func (r *ratchets) release(address string) {
	r.end(func() bool { return r.expiry != nil && r.lessee == address })
}

// end ends the lease when it is the one that is meant.
func (r *ratchets) end(meant func() bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !meant() {
		return
	}
	r.expiry.Stop()
	r.lessee, r.expiry = "", nil
	r.give()
}

// turnedSessions are an account's Signal sessions.
type turnedSessions struct {
	store.SessionStore
	r *ratchets
}

// GetManySessions begins a send.
func (s *turnedSessions) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	t := turnOf(ctx)
	if t == nil {
		return s.SessionStore.GetManySessions(ctx, addresses)
	}
	if err := t.begin(ctx, s.r); err != nil {
		return nil, err
	}
	sessions, err := s.SessionStore.GetManySessions(ctx, addresses)
	if err == nil && t.lacking != nil {
		for _, a := range addresses {
			t.lacking[a] = sessions[a] == nil
		}
	}
	return sessions, err
}

// PutManySessions ends what GetManySessions began.
func (s *turnedSessions) PutManySessions(ctx context.Context, sessions map[string][]byte) error {
	if t := turnOf(ctx); t != nil {
		defer t.end()
		for a := range sessions {
			delete(t.lacking, a)
		}
	}
	if s.r.ended() {
		return errSessionOver
	}
	return s.SessionStore.PutManySessions(ctx, sessions)
}

// GetSession belongs to a decryption or a send, which has the turn, or begins an
// answer to a retry.
func (s *turnedSessions) GetSession(ctx context.Context, address string) ([]byte, error) {
	if t := turnOf(ctx); t != nil {
		if err := t.begin(ctx, s.r); err != nil {
			return nil, err
		}
		session, err := s.SessionStore.GetSession(ctx, address)
		if t.read != nil && err == nil {
			t.read[address] = session
		}
		return session, err
	}
	if err := s.r.rent(ctx, address); err != nil {
		return nil, err
	}
	session, err := s.SessionStore.GetSession(ctx, address)
	if err != nil {
		s.r.release(address)
	}
	return session, err
}

// PutSession ends what GetSession began for an answer to a retry.
func (s *turnedSessions) PutSession(ctx context.Context, address string, session []byte) error {
	if t := turnOf(ctx); t == nil {
		defer s.r.release(address)
	} else if before := t.read[address]; before != nil {
		session = mend(before, session)
	}
	if s.r.ended() {
		return errSessionOver
	}
	return s.SessionStore.PutSession(ctx, address, session)
}

// turnedBuffer is an account's buffer of events.
type turnedBuffer struct {
	store.EventBuffer
	r *ratchets
}

// DoDecryptionTxn decrypts. The turn comes before the transaction: on SQLite that
// has the only connection, which the one who has the turn may be waiting for.
func (b *turnedBuffer) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	t := &turn{read: make(map[string][]byte, 1)}
	if err := t.begin(ctx, b.r); err != nil {
		return err
	}
	defer t.end()
	return b.EventBuffer.DoDecryptionTxn(context.WithValue(ctx, turnKey{}, t), fn)
}

// turnedIdentities are the keys by which an account knows others.
type turnedIdentities struct{ store.IdentityStore }

// IsTrustedIdentity is asked for each device that a message is encrypted for.
func (s *turnedIdentities) IsTrustedIdentity(ctx context.Context, address string, key [32]byte) (bool, error) {
	trusted, err := s.IdentityStore.IsTrustedIdentity(ctx, address, key)
	if t := turnOf(ctx); t != nil && err != nil {
		t.fail(err)
	}
	return trusted, err
}

// PutIdentity notes the key of a device with which a session is made.
func (s *turnedIdentities) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	err := s.IdentityStore.PutIdentity(ctx, address, key)
	if t := turnOf(ctx); t != nil && err != nil {
		t.fail(err)
	}
	return err
}
