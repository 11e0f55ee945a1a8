package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// memory is the outbox's part of storage, held in memory; storetest shows that
// the real one keeps the same contract.
type memory struct {
	mu       sync.Mutex
	messages map[int64]store.Outgoing // queued
	settled  []store.Settlement
	lanes    map[int64]time.Time
	broken   int // how many Settle calls fail from now on
	gap      time.Duration
	version  int64
	accepted func([]store.Queued)
	answered bool // see FirstContact
	pauses   map[int64]tideline.Pause
	firsts   []int64 // see PutFirst
}

func newMemory() *memory {
	return &memory{messages: map[int64]store.Outgoing{}, lanes: map[int64]time.Time{}, gap: time.Second,
		pauses: map[int64]tideline.Pause{}}
}

// put stores a queued message, and tells the outbox if it listens already.
func (m *memory) put(account, id int64) {
	m.mu.Lock()
	m.messages[id] = store.Outgoing{
		Message: tideline.Message{ID: id, AccountID: account, WhatsAppID: fmt.Sprintf("3EB0%02d", id), Text: "hello", AcceptedAt: time.Now()},
		Chat:    tideline.Chat{JID: "14840000001@s.whatsapp.net"},
		Account: tideline.Account{ID: account, DeviceJID: fmt.Sprintf("1484111%04d:1@s.whatsapp.net", account)},
		Gap:     m.gap,
	}
	told, gap := m.accepted, m.gap
	m.mu.Unlock()
	if told != nil {
		told([]store.Queued{{AccountID: account, MessageID: id, Gap: gap}})
	}
}

func (m *memory) Accept(context.Context, store.Acceptance) store.Accepted { panic("not used here") }
func (m *memory) OnAccepted(fn func([]store.Queued))                      { m.accepted = fn }

func (m *memory) Backlog(_ context.Context, fn func(store.Queued) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := make([]int64, 0, len(m.messages))
	for id := range m.messages {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := fn(store.Queued{AccountID: m.messages[id].Message.AccountID, MessageID: id, Gap: m.messages[id].Gap}); err != nil {
			return err
		}
	}
	return nil
}

// setGap is what UpdateWorkspace does with the gaps of queued messages.
func (m *memory) setGap(gap time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gap = gap
	m.version++
	for id, o := range m.messages {
		o.Gap = gap
		m.messages[id] = o
	}
}

// remove is what RemoveAccount does with queued messages.
func (m *memory) remove(account int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, o := range m.messages {
		if o.Message.AccountID == account {
			delete(m.messages, id)
		}
	}
}

func (m *memory) Version(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.version, nil
}

func (m *memory) ListWorkspaces(context.Context) ([]tideline.Workspace, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []tideline.Workspace{{ID: 1, Gap: tideline.Gap{Min: m.gap, Max: m.gap}}}, nil
}

func (m *memory) Lanes(_ context.Context, fn func(store.Lane) error) error {
	for account, at := range m.lanes {
		if err := fn(store.Lane{AccountID: account, At: at}); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Outgoing(_ context.Context, id int64) (store.Outgoing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.messages[id]
	if !ok {
		return o, tideline.Errorf(tideline.CodeNotFound, "message %d is not queued", id)
	}
	o.Account.Pause = m.pauses[o.Message.AccountID]
	return o, nil
}

func (m *memory) Settle(_ context.Context, s store.Settlement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken > 0 {
		m.broken--
		return errors.New("disk full")
	}
	if _, queued := m.messages[s.MessageID]; queued && s.Status != "" {
		delete(m.messages, s.MessageID)
		m.settled = append(m.settled, s)
	}
	if !s.LaneAt.IsZero() {
		m.lanes[s.AccountID] = s.LaneAt
	}
	return nil
}

// outcomes tells how each message ended, as "id status reason".
func (m *memory) outcomes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, s := range m.settled {
		all = append(all, fmt.Sprint(s.MessageID, " ", s.Status, " ", s.Reason))
	}
	return all
}

// phone is a connector's Send that answers by script: the next answer for each
// attempt, nil meaning acknowledged, and the last one for ever.
type phone struct {
	mu       sync.Mutex
	script   []error
	took     time.Duration
	attempts []string // WhatsApp ids in order
	files    []whatsapp.Attachment
}

// tried lists the ids of all attempts so far.
func (p *phone) tried() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.attempts)
}

func (p *phone) Send(ctx context.Context, m whatsapp.Outgoing) (whatsapp.Sent, error) {
	p.mu.Lock()
	p.attempts = append(p.attempts, m.MessageID)
	if m.File != nil {
		p.files = append(p.files, *m.File)
	}
	var err error
	if len(p.script) > 0 {
		err = p.script[0]
		if len(p.script) > 1 {
			p.script = p.script[1:]
		}
	}
	took := p.took
	p.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return whatsapp.Sent{}, &whatsapp.SendError{Unknown: true, Err: ctx.Err()}
	}
	if err != nil {
		return whatsapp.Sent{}, err
	}
	return whatsapp.Sent{At: time.Now()}, nil
}

type noBlobs struct{}

func (noBlobs) Open(context.Context, string) (io.ReadSeekCloser, error) { return nil, blob.ErrNotFound }

// serve runs a Service over m and p until stop is called.
func serve(t *testing.T, m *memory, p *phone, c outbox.Config) (s *outbox.Service, stop func()) {
	t.Helper()
	return serveSender(t, m, p, c)
}

// serveSender is serve over any Sender.
func serveSender(t *testing.T, m *memory, p outbox.Sender, c outbox.Config) (s *outbox.Service, stop func()) {
	t.Helper()
	s = outbox.New(outbox.Deps{Store: m, Sender: p, Blobs: noBlobs{}, Logger: slog.New(slog.DiscardHandler)}, c)
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestPromise2EveryAcceptedMessageEnds(t *testing.T) {
	t.Parallel()
	offline := &whatsapp.SendError{Offline: true, Err: errors.New("no connection")}
	unknown := &whatsapp.SendError{Unknown: true, Err: errors.New("timeout")}
	for name, c := range map[string]struct {
		script   []error
		want     string
		attempts int // 0 = any number
	}{
		"acknowledged":             {nil, "1 Sent ", 1},
		"refused":                  {[]error{&whatsapp.SendError{Reason: tideline.ReasonNotOnWhatsApp}}, "1 Failed not_on_whatsapp", 1},
		"offline, then back":       {[]error{offline, offline, nil}, "1 Sent ", 3},
		"no ack, then ack":         {[]error{unknown, nil}, "1 Sent ", 2},
		"offline for good":         {[]error{offline}, "1 Failed expired", 0},
		"never acknowledged":       {[]error{unknown}, "1 Failed expired", 0},
		"an error without a class": {[]error{errors.New("odd"), nil}, "1 Sent ", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, p := newMemory(), &phone{script: c.script}
				_, stop := serve(t, m, p, outbox.Config{Deadline: time.Hour})
				m.put(1, 1)
				pass(2 * time.Hour)
				stop()
				if diff := cmp.Diff([]string{c.want}, m.outcomes()); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
				if c.attempts > 0 && len(p.tried()) != c.attempts {
					t.Errorf("%d attempts, want %d", len(p.tried()), c.attempts)
				}
			})
		})
	}
}

func TestPromise3EveryAttemptUsesTheStoredID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := &phone{script: []error{&whatsapp.SendError{Unknown: true, Err: errors.New("timeout")}}, took: time.Second}
		m.put(1, 1)
		_, stop := serve(t, m, p, outbox.Config{Drain: time.Millisecond})
		pass(time.Minute)
		stop() // in the middle of whatever it does
		p.mu.Lock()
		p.script = nil
		p.mu.Unlock()
		_, stop = serve(t, m, p, outbox.Config{})
		pass(time.Minute)
		stop()
		if len(p.tried()) < 3 {
			t.Fatalf("only %d attempts", len(p.tried()))
		}
		for _, id := range p.tried() {
			if id != "3EB001" {
				t.Fatalf("attempts used the ids %v, want only 3EB001", p.tried())
			}
		}
		if diff := cmp.Diff([]string{"1 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestNothingIsSentWhileAnOutcomeIsNotOnDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		m.broken = 5
		_, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		m.put(1, 1)
		m.put(1, 2)
		pass(500 * time.Millisecond) // storage fails for 50+100+200+400+800 ms
		if len(p.tried()) != 1 {
			t.Fatalf("%d sends while storage was failing, want 1", len(p.tried()))
		}
		pass(time.Minute)
		if diff := cmp.Diff([]string{"1 Sent ", "2 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestATroubledLaneKeepsItsOrderAndDoesNotHoldOthersUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		offline := &whatsapp.SendError{Offline: true, Err: errors.New("no connection")}
		p := &phone{script: []error{offline, nil}}
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		m.put(1, 1)
		m.put(1, 2)
		synctest.Wait()
		m.put(2, 3)
		pass(10 * time.Second)
		if diff := cmp.Diff([]string{"3 Sent "}, m.outcomes()); diff != "" {
			t.Fatalf("outcomes while account 1 is away (-want +got):\n%s", diff)
		}
		s.Wake(1)
		pass(10 * time.Second)
		if diff := cmp.Diff([]string{"3 Sent ", "1 Sent ", "2 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes after the account came back (-want +got):\n%s", diff)
		}
	})
}

func TestAnAttemptIsBoundedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{took: time.Hour}
		_, stop := serve(t, m, p, outbox.Config{SendTimeout: 20 * time.Second, Deadline: time.Minute})
		defer stop()
		m.put(1, 1)
		pass(90 * time.Second)
		if diff := cmp.Diff([]string{"1 Failed expired"}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestStoppingWaitsForTheSendInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{took: 3 * time.Second}
		_, stop := serve(t, m, p, outbox.Config{Drain: 10 * time.Second})
		m.put(1, 1)
		m.put(1, 2)
		pass(time.Second)
		stop()
		if diff := cmp.Diff([]string{"1 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestAChangedGapCountsForQueuedMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		_, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		for id := range int64(5) {
			m.put(1, id+1)
		}
		pass(1500 * time.Millisecond) // 1 at 0 s, 2 at 1 s
		m.setGap(time.Minute)
		pass(59 * time.Second) // 3 would have been due at 2 s
		if got := len(p.tried()); got != 2 {
			t.Fatalf("%d sends within the longer gap, want 2", got)
		}
		pass(time.Second)
		if got := len(p.tried()); got != 3 {
			t.Fatalf("%d sends after the longer gap, want 3", got)
		}
		m.setGap(0)
		pass(2 * time.Second)
		if got := len(p.tried()); got != 5 {
			t.Errorf("%d sends after the gap was taken away, want all 5", got)
		}
	})
}

func TestALongerGapCountsAlsoForTheMessageThatIsDueNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		_, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		m.put(1, 1)
		m.put(1, 2)
		pass(999 * time.Millisecond)
		m.setGap(time.Minute) // a millisecond before it is due, sooner than anybody looks
		pass(10 * time.Second)
		if got := len(p.tried()); got != 1 {
			t.Errorf("%d sends, want 1: the gap is a minute now", got)
		}
	})
}

func TestMessagesOfARemovedAccountHoldNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := newMemory(), &phone{}
		s, stop := serve(t, m, p, outbox.Config{})
		defer stop()
		for id := range int64(100) {
			m.put(1, id+1)
		}
		synctest.Wait()
		m.remove(1)
		m.put(1, 101) // the number was paired again
		pass(2 * time.Second)
		if diff := cmp.Diff([]string{"1 Sent ", "101 Sent "}, m.outcomes()); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if n, _ := s.Queued(); n != 0 {
			t.Errorf("%d messages still count as queued", n)
		}
	})
}

func TestTheGapCountsFromAnAttemptThatMayHaveBeenSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := &phone{script: []error{&whatsapp.SendError{Unknown: true, Err: errors.New("timeout")}}}
		_, stop := serve(t, m, p, outbox.Config{Deadline: time.Minute})
		defer stop()
		m.put(1, 1)
		pass(time.Second)
		m.mu.Lock()
		clock := m.lanes[1]
		m.mu.Unlock()
		if clock.IsZero() {
			t.Error("an attempt without acknowledgement left no mark on the lane's clock")
		}
	})
}
