package meow

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow/store"
)

// slowSessions is a store of sessions, each of which is a number, that gives the
// others time to interfere.
type slowSessions struct {
	store.SessionStore
	store.EventBuffer

	mu     sync.Mutex
	values map[string]uint64
	fail   error // of the next GetSession
}

func (s *slowSessions) get(address string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.values[address]
	if !ok {
		return nil
	}
	return binary.AppendUvarint(nil, n)
}

func (s *slowSessions) GetSession(_ context.Context, address string) ([]byte, error) {
	<-time.After(time.Millisecond)
	return s.get(address), s.fail
}

func (s *slowSessions) GetManySessions(_ context.Context, addresses []string) (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, a := range addresses {
		all[a] = s.get(a)
	}
	<-time.After(time.Millisecond)
	return all, nil
}

func (s *slowSessions) PutSession(_ context.Context, address string, session []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[address], _ = binary.Uvarint(session)
	return nil
}

func (s *slowSessions) PutManySessions(ctx context.Context, sessions map[string][]byte) error {
	for a, session := range sessions {
		if err := s.PutSession(ctx, a, session); err != nil {
			return err
		}
	}
	return nil
}

func (s *slowSessions) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	return fn(ctx)
}

// device gives a device whose sessions are s.
func (s *slowSessions) device() *store.Device {
	d := &store.Device{Sessions: s, EventBuffer: s}
	wrapRatchets(d)
	return d
}

// turned is a session after one more turn of its ratchet.
func turned(session []byte) []byte {
	n, _ := binary.Uvarint(session)
	return binary.AppendUvarint(nil, n+1)
}

// retry turns the ratchet as the library does in an answer to a retry, receive
// as it does when it decrypts, and send as it does for a message.
func retry(ctx context.Context, d *store.Device, address string) error {
	session, err := d.Sessions.GetSession(ctx, address)
	if err != nil {
		return err
	}
	return d.Sessions.PutSession(ctx, address, turned(session))
}

func receive(ctx context.Context, d *store.Device, address string) error {
	return d.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error { return retry(ctx, d, address) })
}

func send(ctx context.Context, d *store.Device, addresses ...string) error {
	ctx, turn := sendTurn(ctx)
	defer turn.end()
	sessions, err := d.Sessions.GetManySessions(ctx, addresses)
	if err != nil {
		return err
	}
	for a := range sessions {
		sessions[a] = turned(sessions[a])
	}
	return d.Sessions.PutManySessions(ctx, sessions)
}

func TestNoTurnOfARatchetIsUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		under := &slowSessions{values: map[string]uint64{}}
		d := under.device()
		const each = 50
		var running sync.WaitGroup
		for _, do := range []func() error{
			func() error { return send(t.Context(), d, "a", "b") },
			func() error { return receive(t.Context(), d, "a") },
			func() error { return receive(t.Context(), d, "b") },
			func() error { return retry(t.Context(), d, "a") },
			func() error { return retry(t.Context(), d, "a") }, // retries have no order among them
		} {
			running.Go(func() {
				for range each {
					if err := do(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
		if a, b := under.values["a"], under.values["b"]; a != 4*each || b != 2*each {
			t.Errorf("ratchets were turned %d and %d times, want %d and %d", a, b, 4*each, 2*each)
		}
	})
}

func TestATurnThatIsNotGivenBackEnds(t *testing.T) {
	t.Parallel()
	begun := errors.New("sessions can't be read")
	for name, begin := range map[string]func(ctx context.Context, d *store.Device, under *slowSessions){
		"answer that fails after reading": func(ctx context.Context, d *store.Device, _ *slowSessions) {
			_, _ = d.Sessions.GetSession(ctx, "a")
		},
		"answer that fails to read": func(ctx context.Context, d *store.Device, under *slowSessions) {
			under.fail = begun
			_, _ = d.Sessions.GetSession(ctx, "a")
			under.fail = nil
		},
		"send that fails after reading": func(ctx context.Context, d *store.Device, _ *slowSessions) {
			ctx, turn := sendTurn(ctx)
			defer turn.end()
			_, _ = d.Sessions.GetManySessions(ctx, []string{"a"})
		},
		"decryption that fails": func(ctx context.Context, d *store.Device, _ *slowSessions) {
			_ = d.EventBuffer.DoDecryptionTxn(ctx, func(context.Context) error { return begun })
		},
		"lease that ended before its session was written": func(ctx context.Context, d *store.Device, _ *slowSessions) {
			session, _ := d.Sessions.GetSession(ctx, "a")
			<-time.After(2 * turnLease)
			_ = d.Sessions.PutSession(ctx, "a", session)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				under := &slowSessions{values: map[string]uint64{}}
				d := under.device()
				begin(t.Context(), d, under)
				ctx, cancel := context.WithTimeout(t.Context(), turnLease+time.Second)
				defer cancel()
				for _, do := range []error{send(ctx, d, "a"), receive(ctx, d, "a"), retry(ctx, d, "a")} {
					if do != nil {
						t.Error(do)
					}
				}
				if n := under.values["a"]; n != 3 {
					t.Errorf("the ratchet was turned %d times, want 3", n)
				}
			})
		})
	}
}

func TestWaitingForATurnEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := (&slowSessions{values: map[string]uint64{}}).device()
		sending, turn := sendTurn(t.Context())
		defer turn.end()
		if _, err := d.Sessions.GetManySessions(sending, []string{"a"}); err != nil {
			t.Fatal(err)
		}
		for name, do := range map[string]func(context.Context, *store.Device, string) error{"receive": receive, "retry": retry} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := do(ctx, d, "a"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
		}
	})
}

// A session that was ended may go on in another process: whoever has the turn
// finishes, and nothing is written after that.
func TestNoSessionIsWrittenAfterItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := &slowSessions{values: map[string]uint64{"a": 1}}
		d := keys.device()
		r := d.Sessions.(*turnedSessions).r
		ctx := t.Context()
		written := make(chan error, 1)
		inTurn := make(chan struct{})
		go func() {
			written <- d.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
				session, err := d.Sessions.GetSession(ctx, "a")
				if err != nil {
					return err
				}
				close(inTurn)
				<-time.After(time.Second) // it takes its time
				return d.Sessions.PutSession(ctx, "a", turned(session))
			})
		}()
		<-inTurn
		if !r.close(time.Minute) || keys.get("a")[0] != 2 {
			t.Errorf("closed before the one whose turn it was had written: %v", keys.get("a"))
		}
		if err := <-written; err != nil {
			t.Errorf("the one whose turn it was: %v", err)
		}
		sending, _ := sendTurn(ctx)
		for name, err := range map[string]error{
			"retry":   retry(ctx, d, "a"),
			"receive": d.EventBuffer.DoDecryptionTxn(ctx, func(context.Context) error { return nil }),
			"write":   d.Sessions.PutSession(ctx, "a", turned(nil)),
			"write all": d.Sessions.PutManySessions(sending, map[string][]byte{
				"a": turned(nil),
			}),
		} {
			if !errors.Is(err, errSessionOver) {
				t.Errorf("%s after the end: %v", name, err)
			}
		}
		if got := keys.get("a")[0]; got != 2 {
			t.Errorf("the session is %d, want 2", got)
		}
		if !r.close(0) {
			t.Error("closing once more waited")
		}
	})
}

// Who never gives the turn back must not keep a session from ending, and can't write
// afterwards.
func TestTheEndOfASessionWaitsForNobodyForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := &slowSessions{values: map[string]uint64{"a": 1}}
		d := keys.device()
		ctx, turn := sendTurn(t.Context())
		if _, err := d.Sessions.GetManySessions(ctx, []string{"a"}); err != nil {
			t.Fatal(err)
		}
		if d.Sessions.(*turnedSessions).r.close(time.Second) {
			t.Error("nobody was said to have the turn")
		}
		if err := d.Sessions.PutManySessions(ctx, map[string][]byte{"a": turned(nil)}); !errors.Is(err, errSessionOver) {
			t.Errorf("written after the end: %v", err)
		}
		turn.end()
		if err := retry(t.Context(), d, "a"); !errors.Is(err, errSessionOver) {
			t.Errorf("the turn went on to another one: %v", err)
		}
	})
}

// brokenIdentities are keys that can't be read.
type brokenIdentities struct{ store.IdentityStore }

func (brokenIdentities) IsTrustedIdentity(context.Context, string, [32]byte) (bool, error) {
	return false, errors.New("the database is away")
}

func (brokenIdentities) PutIdentity(context.Context, string, [32]byte) error {
	return errors.New("the database is away")
}

// The library leaves out a device whose key it can't look up, and goes on. So the
// context of the send must end, or the message reaches nobody and counts as sent.
func TestASendEndsWhenAKeyCanNotBeLookedUp(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(context.Context, store.IdentityStore) error{
		"read": func(ctx context.Context, s store.IdentityStore) error {
			_, err := s.IsTrustedIdentity(ctx, "b:0", [32]byte{})
			return err
		},
		"write": func(ctx context.Context, s store.IdentityStore) error { return s.PutIdentity(ctx, "b:0", [32]byte{}) },
	} {
		d := (&slowSessions{values: map[string]uint64{"a": 1}}).device()
		broken := &turnedIdentities{brokenIdentities{}}
		ctx, turn := sendTurn(t.Context())
		if _, err := d.Sessions.GetManySessions(ctx, []string{"a"}); err != nil {
			t.Fatal(err)
		}
		if err := ask(ctx, broken); err == nil {
			t.Errorf("%s: no error", name)
		}
		if ctx.Err() == nil || !strings.Contains(context.Cause(ctx).Error(), "away") {
			t.Errorf("%s: the send goes on: %v", name, context.Cause(ctx))
		}
		turn.end()
		if err := ask(t.Context(), broken); err == nil {
			t.Errorf("%s beside a send: no error", name)
		}
	}
}
