package account_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
	"github.com/tidelinehq/tideline/wasim"
)

const customer = "+14840000001"

// live is a service with a real connector on an emulated network.
type live struct {
	*account.Service
	t     *testing.T
	net   *wasim.Server
	dir   string
	store *storage
	con   whatsapp.Connector
	wakes *wakes
	inbox *heard
	stop  func()
}

// heard is an inbox that passes on what it takes.
type heard struct {
	mu   sync.Mutex
	each func(whatsapp.Inbound)
}

func (h *heard) set(each func(whatsapp.Inbound)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.each = each
}

func (h *heard) History(context.Context, int64, int64, whatsapp.HistoryChunk) error { return nil }

func (h *heard) Receive(_ context.Context, _, _ int64, m whatsapp.Inbound) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.each != nil {
		h.each(m)
	}
	return nil
}

func newLive(t *testing.T) *live {
	t.Helper()
	srv, err := wasim.Start(t.Context(), wasim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if got := srv.Unhandled(); len(got) > 0 {
			t.Errorf("stanzas that the network does not know: %+v", got)
		}
		if err := srv.Close(); err != nil {
			t.Errorf("close network: %v", err)
		}
	})
	for _, number := range []string{string(shop), customer} {
		if _, err := srv.AddPhone(t.Context(), wasim.PhoneOptions{Number: number}); err != nil {
			t.Fatal(err)
		}
	}
	l := &live{t: t, net: srv, dir: t.TempDir(), store: newStorage(), inbox: new(heard)}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

// start starts a service and a connector over what is stored.
func (l *live) start() {
	l.t.Helper()
	con, err := meow.Open(l.t.Context(), meow.Options{
		DataDir:    l.dir,
		Endpoint:   &meow.Endpoint{Addr: l.net.Addr(), RootKey: l.net.RootKey()},
		RetryFirst: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.con, l.wakes = con, &wakes{}
	l.Service = account.New(account.Deps{Store: l.store, Connector: con, Waker: l.wakes, Inbox: l.inbox}, account.Config{Refresh: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.t.Context()))
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	l.stop = func() {
		l.stop = func() {}
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("run: %v", err)
		}
		if err := con.Close(); err != nil {
			l.t.Errorf("close connector: %v", err)
		}
	}
}

// pair links the shop's phone.
func (l *live) pair() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	steps, err := l.Pair(ctx, 1, member, whatsapp.PairRequest{})
	if err != nil {
		l.t.Fatal(err)
	}
	ev := <-steps
	if ev.QR == nil {
		l.t.Fatalf("got %+v, want a QR code", ev)
	}
	if err := l.phone(string(shop)).ScanQR(ctx, ev.QR.Text); err != nil {
		l.t.Fatal(err)
	}
	if ev = last(l.t, steps); ev.Paired == nil {
		l.t.Fatalf("got %+v, want paired", ev)
	}
}

func (l *live) phone(number string) *wasim.Phone {
	l.t.Helper()
	p, ok := l.net.Phone(number)
	if !ok {
		l.t.Fatalf("no phone %s", number)
	}
	return p
}

// until waits for what storage says about the account.
func (l *live) until(what string, done func(tideline.Account) bool) {
	l.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done(l.store.get(1)) {
		select {
		case <-tick.C:
		case <-deadline:
			l.t.Fatalf("the account is not %s: %+v", what, l.store.get(1))
		}
	}
}

func (l *live) untilState(want tideline.AccountState) {
	l.t.Helper()
	l.until(string(want), func(a tideline.Account) bool { return a.State == want })
}

// send sends to the customer over the account.
func (l *live) send(text string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	m := whatsapp.Outgoing{DeviceJID: l.store.get(1).DeviceJID, MessageID: l.con.NewMessageID(), To: tideline.Phone(customer).JID(), Text: text}
	if _, err := l.con.Send(ctx, m); err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.phone(customer).Await(ctx, func(r wasim.Received) bool { return r.ID == m.MessageID && r.Text == text }); err != nil {
		l.t.Fatal(err)
	}
}

func TestPairedPhoneSendsAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	l.send("before")
	l.stop()
	if got := l.store.get(1).State; got != tideline.AccountDisconnected {
		t.Errorf("after the stop the account is %s, want disconnected", got)
	}
	l.start()
	l.untilState(tideline.AccountActive)
	l.send("after")
}

func TestComplaint07LoggedOutOnThePhoneShowsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	if _, err := l.net.SetFault(wasim.Fault{Kind: wasim.FaultLogout, Number: string(shop)}); err != nil {
		t.Fatal(err)
	}
	l.untilState(tideline.AccountLoggedOut)
	l.stop()
	l.start()
	l.untilState(tideline.AccountLoggedOut)
	l.pair()
	l.untilState(tideline.AccountActive)
	l.send("linked again")
}

func TestPairingAgainUnlinksTheOldDevice(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	first := l.store.get(1).DeviceJID
	l.pair()
	l.untilState(tideline.AccountActive)
	now := l.store.get(1).DeviceJID
	companions := l.phone(string(shop)).Companions()
	if now == first || len(companions) != 1 || companions[0].JID.String() != now {
		t.Errorf("the phone lists %+v, want only %s", companions, now)
	}
	l.send("over the new one")
}

func TestConnectionLossIsShownAndHealed(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.pair()
	l.untilState(tideline.AccountActive)
	away, err := l.net.SetFault(wasim.Fault{Kind: wasim.FaultRefuseConnection})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.net.SetFault(wasim.Fault{Kind: wasim.FaultCut, Number: string(shop)}); err != nil {
		t.Fatal(err)
	}
	l.untilState(tideline.AccountDisconnected)
	woken := l.wakes.of(1)
	l.net.ClearFaults(away.ID)
	l.untilState(tideline.AccountActive)
	if l.wakes.of(1) == woken {
		// The state is stored first, then the outbox is told.
		l.until("told to the outbox", func(tideline.Account) bool { return l.wakes.of(1) > woken })
	}
	l.send("healed")
}
