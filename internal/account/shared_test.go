package account_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// AccountsByID makes storage one that accounts are shared in.
func (s *storage) AccountsByID(ctx context.Context, ids []int64) ([]tideline.Account, error) {
	all, err := s.AllAccounts(ctx)
	return slices.DeleteFunc(all, func(a tideline.Account) bool { return !slices.Contains(ids, a.ID) }), err
}

// wire is a connector that notes in which order it is asked to connect and to
// disconnect.
type wire struct {
	*connector
	calls []string // guarded by connector.mu
}

func (w *wire) Connect(ctx context.Context, device string) error {
	w.note("connect " + device)
	return w.connector.Connect(ctx, device)
}

func (w *wire) Disconnect(device string) {
	w.note("disconnect " + device)
	w.say(device, tideline.AccountDisconnected, "disconnected on request")
}

func (w *wire) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

func (w *wire) noted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// sharedHouse is a house of a node that holds nothing yet.
type sharedHouse struct {
	*house
	wire *wire
	took func(context.Context, int64) bool
}

func newSharedHouse(con *connector, st *storage) *sharedHouse {
	h := &sharedHouse{wire: &wire{connector: con}, took: func(context.Context, int64) bool { return true }}
	h.house = &house{con: con, store: st, wakes: &wakes{}}
	h.Service = account.New(account.Deps{Store: st, Connector: h.wire, Waker: h.wakes, Shared: &account.Shared{
		Store: st, Took: func(ctx context.Context, id int64) bool { return h.took(ctx, id) },
	}}, account.Config{})
	return h
}

func TestPromise7OnlyHeldAccountsAreConnected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSharedHouse(newConnector(device(1), device(2), device(3)), newStorage(
			numbered(1, tideline.AccountDisconnected), numbered(2, tideline.AccountActive), numbered(3, tideline.AccountLoggedOut),
			numbered(4, tideline.AccountLoggedOut),
		))
		stop := h.run(t)
		for _, id := range []int64{1, 4, 99} {
			if err := h.Adopt(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Minute)
		h.checkState(t, 1, tideline.AccountActive)
		h.checkState(t, 4, tideline.AccountLoggedOut)
		if got := h.con.connected(); slices.Contains(got, device(2)) || slices.Contains(got, device(3)) {
			t.Errorf("connected %v, want those that are held", got)
		}
		for name, ask := range map[string]func(context.Context, int64, int64) error{
			"log out": h.Logout, "reconnect": h.Reconnect, "remove": h.Remove,
		} {
			if err := ask(t.Context(), 1, 2); !errors.Is(err, tideline.ErrElsewhere) {
				t.Errorf("%s what another node holds: %v", name, err)
			}
		}
		if err := h.Message(t.Context(), device(2), whatsapp.Inbound{}); err == nil {
			t.Error("a message of an account that another node holds was taken, and so lost")
		}
		if err := h.Receipts(t.Context(), device(2), []string{"x"}, tideline.StatusRead, time.Now()); err == nil {
			t.Error("receipts of an account that another node holds were taken, and so lost")
		}
		stop()
		h.checkState(t, 1, tideline.AccountDisconnected)
		h.checkState(t, 2, tideline.AccountActive) // as its holder says
	})
}

func TestAYieldedAccountIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, orderly := range map[string]bool{"in order": true, "at once": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newSharedHouse(newConnector(device(1)), newStorage(numbered(1, tideline.AccountDisconnected)))
				h.run(t)
				if err := h.Adopt(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				writes := h.store.written()
				for range 2 {
					if err := h.Yield(t.Context(), 1, orderly); err != nil {
						t.Fatal(err)
					}
				}
				switch a := h.store.get(1); {
				case orderly && (a.State != tideline.AccountDisconnected || a.StateReason != "another server takes the number over"):
					t.Errorf("stored %s (%s)", a.State, a.StateReason)
				case !orderly && h.store.written() != writes:
					t.Error("a state was written for an account that was lost")
				}
				writes = h.store.written()
				h.con.say(device(1), tideline.AccountActive, "")
				h.store.change(func() {})
				<-time.After(time.Minute)
				if got := h.store.written(); got != writes {
					t.Errorf("%d states were written afterwards", got-writes)
				}
				if err := h.Message(t.Context(), device(1), whatsapp.Inbound{}); err == nil {
					t.Error("a message was taken afterwards")
				}
				want := []string{"connect " + device(1), "disconnect " + device(1)}
				if diff := cmp.Diff(want, h.wire.noted()); diff != "" {
					t.Errorf("asked of the connector (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// An account may be yielded while it waits for its turn to be connected, or just then.
func TestNothingIsConnectedAfterAYield(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var accounts []tideline.Account
		var devices []string
		for id := range int64(50) {
			accounts = append(accounts, numbered(id+1, tideline.AccountDisconnected))
			devices = append(devices, device(id+1))
		}
		h := newSharedHouse(newConnector(devices...), newStorage(accounts...))
		h.run(t)
		for id := range int64(50) {
			if err := h.Adopt(t.Context(), id+1); err != nil {
				t.Fatal(err)
			}
		}
		for id := int64(50); id > 0; id-- {
			<-time.After(10 * time.Millisecond) // the pace at which they are connected
			if err := h.Yield(t.Context(), id, id%2 == 0); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Minute)
		open := make(map[string]bool)
		for _, call := range h.wire.noted() {
			if on := call[:len("connect ")] == "connect "; on {
				open[call[len("connect "):]] = true
			} else {
				delete(open, call[len("disconnect "):])
			}
		}
		if len(open) > 0 {
			t.Errorf("still connected: %v", open)
		}
	})
}

func TestANumberThatAnotherNodeHoldsIsPairedForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const again = "14840000001:2@s.whatsapp.net"
		st := newStorage(numbered(1, tideline.AccountActive))
		here, holder := newSharedHouse(newConnector(), st), newSharedHouse(newConnector(device(1), again), st)
		here.took = func(context.Context, int64) bool { return false }
		here.run(t)
		holder.run(t)
		if err := holder.Adopt(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		steps, err := here.Pair(t.Context(), 1, tideline.Member{DisplayName: "Ann"}, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		here.con.linked(again, numbered(1, "").Phone)
		for ev := range steps {
			if ev.Failed != nil {
				t.Fatal(ev.Failed)
			}
		}
		if diff := cmp.Diff([]string{"disconnect " + again}, here.wire.noted()); diff != "" {
			t.Errorf("here (-want +got):\n%s", diff)
		}
		if err := here.Message(t.Context(), again, whatsapp.Inbound{}); err == nil {
			t.Error("a message was taken where the number is not held")
		}
		<-time.After(time.Minute)
		if diff := cmp.Diff([]string{"connect " + device(1), "connect " + again}, holder.wire.noted()); diff != "" {
			t.Errorf("where it is held (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{device(1)}, holder.con.outs()); diff != "" {
			t.Errorf("logged out (-want +got):\n%s", diff)
		}
		holder.checkState(t, 1, tideline.AccountActive)
	})
}

func TestANumberThatIsPairedHereIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSharedHouse(newConnector(), newStorage())
		h.took = func(ctx context.Context, id int64) bool { return h.Adopt(ctx, id) == nil }
		h.run(t)
		steps, err := h.Pair(t.Context(), 1, tideline.Member{DisplayName: "Ann"}, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		h.con.linked(device(1), numbered(1, "").Phone)
		for ev := range steps {
			if ev.Failed != nil {
				t.Fatal(ev.Failed)
			}
		}
		<-time.After(time.Minute)
		h.checkState(t, 1, tideline.AccountActive)
		if got := h.wire.noted(); len(got) > 0 {
			t.Errorf("asked of the connector: %v, want nothing: it is connected", got)
		}
		if err := h.Reconnect(t.Context(), 1, 1); err != nil {
			t.Errorf("reconnect what was paired here: %v", err)
		}
	})
}
