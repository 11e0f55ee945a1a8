package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const shop tideline.Phone = "+14840000100"

// numbered makes a stored account.
func numbered(id int64, state tideline.AccountState) tideline.Account {
	phone := tideline.Phone(fmt.Sprintf("+1484000%04d", id))
	return tideline.Account{
		ID: id, WorkspaceID: 1, JID: phone.JID(), Phone: phone, State: state,
		DeviceJID: device(id),
	}
}

func device(id int64) string { return fmt.Sprintf("1484000%04d:1@s.whatsapp.net", id) }

// house is a service with its surroundings.
type house struct {
	*account.Service
	con   *connector
	store *storage
	wakes *wakes
}

func newHouse(con *connector, st *storage, cfg account.Config) *house {
	h := &house{con: con, store: st, wakes: &wakes{}}
	h.Service = account.New(account.Deps{Store: st, Connector: con, Waker: h.wakes}, cfg)
	return h
}

// run runs the service until the test, or the returned function, ends it.
func (h *house) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func (h *house) checkState(t *testing.T, id int64, want tideline.AccountState) {
	t.Helper()
	if got := h.store.get(id).State; got != want {
		t.Errorf("account %d is stored as %s, want %s", id, got, want)
	}
}

func TestStartConnectsAccountsAndClaimsNothingBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// All states that a killed server may have left behind.
		h := newHouse(newConnector(device(1), device(2), device(3)), newStorage(
			numbered(1, tideline.AccountActive), numbered(2, tideline.AccountDisconnected),
			numbered(3, tideline.AccountBanned), numbered(4, tideline.AccountActive), // 4 lost its session
		), account.Config{})
		stop := h.run(t)
		synctest.Wait()
		for id := int64(1); id <= 3; id++ {
			h.checkState(t, id, tideline.AccountConnecting)
		}
		h.checkState(t, 4, tideline.AccountLoggedOut)
		if h.store.get(4).StateReason == "" {
			t.Error("logged out without a reason")
		}
		<-time.After(3 * time.Second)
		for id := int64(1); id <= 3; id++ {
			h.checkState(t, id, tideline.AccountActive)
			if h.wakes.of(id) != 1 {
				t.Errorf("account %d was woken %d times, want once", id, h.wakes.of(id))
			}
		}
		stop()
		for id := int64(1); id <= 3; id++ {
			h.checkState(t, id, tideline.AccountDisconnected)
		}
		h.checkState(t, 4, tideline.AccountLoggedOut)
		h.con.say(device(1), tideline.AccountActive, "")
		h.checkState(t, 1, tideline.AccountDisconnected)
	})
}

func TestStartStaggersConnectsAndEndsWithTheMostRecent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var devices []string
		var accounts []tideline.Account
		for id := int64(1); id <= 40; id++ {
			a := numbered(id, tideline.AccountDisconnected)
			a.ConnectedOn = time.Unix(1000-id, 0)
			accounts, devices = append(accounts, a), append(devices, device(id))
		}
		h := newHouse(newConnector(devices...), newStorage(accounts...), account.Config{ConnectPerSecond: 10})
		h.run(t)
		<-time.After(2 * time.Second)
		synctest.Wait()
		if n := len(h.con.connected()); n < 19 || n > 22 {
			t.Errorf("%d connects in two seconds, want about 20", n)
		}
		<-time.After(5 * time.Second)
		got := h.con.connected()
		if len(got) != 40 || got[0] != device(40) || got[39] != device(1) {
			t.Errorf("connected %v, want all, the most recent last", got)
		}
	})
}

func TestConnectThatCannotStartIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, tideline.AccountDisconnected)), account.Config{})
		h.con.setConnectErr(errAway)
		h.run(t)
		<-time.After(10 * time.Second)
		if n := len(h.con.connected()); n < 3 || n > 8 {
			t.Errorf("%d attempts in ten seconds, want a few, with growing pauses", n)
		}
		h.con.setConnectErr(nil)
		<-time.After(40 * time.Second)
		h.checkState(t, 1, tideline.AccountActive)
	})
}

func TestStateThatStorageCouldNotTakeIsWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, tideline.AccountDisconnected)), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		h.store.setAway(true)
		h.con.say(device(1), tideline.AccountDisconnected, "lost")
		h.con.say(device(1), tideline.AccountBanned, "too many messages")
		if got := h.store.get(1).State; got != tideline.AccountActive {
			t.Fatalf("stored %s although storage is away", got)
		}
		<-time.After(20 * time.Second)
		h.store.setAway(false)
		<-time.After(time.Minute)
		h.checkState(t, 1, tideline.AccountBanned)
		if got := h.store.get(1).StateReason; got != "too many messages" {
			t.Errorf("reason %q", got)
		}
	})
}

func TestSameStateIsWrittenOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, tideline.AccountDisconnected)), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		before := h.store.written()
		for range 5 {
			h.con.say(device(1), tideline.AccountActive, "")
		}
		if got := h.store.written() - before; got != 0 {
			t.Errorf("%d writes, want none", got)
		}
	})
}

func TestReceiptsGoToTheAccountOfTheDevice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1), device(2)), newStorage(numbered(1, ""), numbered(2, "")), account.Config{})
		h.run(t)
		synctest.Wait()
		at := time.Now()
		ids := []string{"A", "B"}
		if err := h.Receipts(t.Context(), device(2), ids, tideline.StatusRead, at); err != nil {
			t.Fatal(err)
		}
		if err := h.Receipts(t.Context(), "999:1@s.whatsapp.net", ids, tideline.StatusRead, at); err != nil {
			t.Errorf("receipts of nobody: %v", err)
		}
		want := []store.Receipts{{AccountID: 2, WhatsAppIDs: ids, Status: tideline.StatusRead, At: at}}
		if diff := cmp.Diff(want, h.store.applied()); diff != "" {
			t.Error(diff)
		}
		h.store.setAway(true)
		if err := h.Receipts(t.Context(), device(2), ids, tideline.StatusRead, at); err == nil {
			t.Error("receipts that were not stored are reported as handled")
		}
		h.store.setAway(false)
	})
}

func TestNameIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, "")), account.Config{})
		h.run(t)
		synctest.Wait()
		h.Name(t.Context(), device(1), "Corner Shop")
		if got := h.store.get(1).Name; got != "Corner Shop" {
			t.Errorf("name %q", got)
		}
	})
}

// followers are Profiles that remember what they were told.
type followers struct {
	err    error
	told   []string
	linked []int64
}

func (f *followers) News(_ context.Context, workspaceID, accountID int64, n whatsapp.News) error {
	f.told = append(f.told, fmt.Sprintf("%d/%d %s", workspaceID, accountID, n.Changed[0].JID))
	return f.err
}

func (f *followers) Linked(_ context.Context, _, accountID int64) error {
	f.linked = append(f.linked, accountID)
	return f.err
}

func TestNewsGoesToTheAccountOfTheDevice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, con, f := newStorage(numbered(1, ""), numbered(2, "")), newConnector(device(1), device(2)), &followers{}
		h := &house{con: con, store: st, wakes: &wakes{}}
		h.Service = account.New(account.Deps{Store: st, Connector: con, Waker: h.wakes, Profiles: f}, account.Config{})
		h.run(t)
		synctest.Wait()
		n := whatsapp.News{Changed: []tideline.Peer{{JID: "1@g.us"}}}
		for _, d := range []string{device(2), "999:1@s.whatsapp.net"} {
			if err := h.News(t.Context(), d, n); err != nil {
				t.Errorf("news of %s: %v", d, err)
			}
		}
		if want := []string{"1/2 1@g.us"}; !slices.Equal(f.told, want) {
			t.Errorf("told %v, want %v", f.told, want)
		}
		f.err = errAway
		if err := h.News(t.Context(), device(2), n); !errors.Is(err, errAway) {
			t.Errorf("news that was not stored: error %v", err)
		}
		f.err = tideline.Errorf(tideline.CodeNotFound, "removed")
		if err := h.News(t.Context(), device(2), n); err != nil {
			t.Errorf("news of an account that was removed: %v", err)
		}
		// While a phone is being paired, what comes for it has to come again.
		f.err = nil
		steps, err := h.Pair(t.Context(), 1, member, whatsapp.PairRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.News(t.Context(), "new:3", n); err == nil {
			t.Error("news of a device without an account is reported as handled")
		}
		con.linked("new:3", "+14840000003")
		if ev := last(t, steps); ev.Paired == nil {
			t.Fatalf("got %+v, want paired", ev)
		}
		if err := h.News(t.Context(), "new:3", n); err != nil || !slices.Equal(f.linked, []int64{3}) {
			t.Errorf("after pairing: error %v, linked %v", err, f.linked)
		}
	})
}

func TestAccountsOfAnotherProcessAreNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, tideline.AccountDisconnected)), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		h.con.mu.Lock()
		h.con.sessions[device(2)] = true
		h.con.mu.Unlock()
		h.store.change(func() {
			h.store.accounts = append(h.store.accounts, numbered(2, tideline.AccountDisconnected))
			h.store.removed[1] = true
		})
		<-time.After(10 * time.Second)
		h.checkState(t, 2, tideline.AccountActive)
		if got := h.con.outs(); !slices.Equal(got, []string{device(1)}) {
			t.Errorf("logged out %v, want the removed account", got)
		}
	})
}

func TestLogoutKeepsTheAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, tideline.AccountDisconnected)), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		if err := h.Logout(t.Context(), 2, 1); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("another workspace's account: got %v, want not_found", err)
		}
		for range 2 {
			if err := h.Logout(t.Context(), 1, 1); err != nil {
				t.Fatal(err)
			}
			h.checkState(t, 1, tideline.AccountLoggedOut)
			if got := h.store.get(1).StateReason; got != "logged out by tideline account logout" {
				t.Errorf("the reason %q does not say who did it", got)
			}
		}
	})
}

func TestLogoutKeepsAnEarlierReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, tideline.AccountDisconnected)), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		h.con.say(device(1), tideline.AccountLoggedOut, "unlinked on the phone")
		if err := h.Logout(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
		h.checkState(t, 1, tideline.AccountLoggedOut)
		if got := h.store.get(1).StateReason; got != "unlinked on the phone" {
			t.Errorf("the reason is %q now", got)
		}
	})
}

func TestRemoveUnlinksAndForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(newConnector(device(1)), newStorage(numbered(1, tideline.AccountDisconnected)), account.Config{})
		h.run(t)
		<-time.After(3 * time.Second)
		if err := h.Remove(t.Context(), 2, 1); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("another workspace's account: got %v, want not_found", err)
		}
		if err := h.Remove(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
		if got := h.con.outs(); !slices.Equal(got, []string{device(1)}) {
			t.Errorf("logged out %v", got)
		}
		if err := h.Remove(t.Context(), 1, 1); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("again: got %v, want not_found", err)
		}
	})
}

func TestListIsOfOneWorkspace(t *testing.T) {
	t.Parallel()
	other := numbered(3, "")
	other.WorkspaceID = 2
	h := newHouse(newConnector(), newStorage(numbered(1, ""), other), account.Config{})
	if list, err := h.List(t.Context(), 2); err != nil || len(list) != 1 || list[0].ID != 3 {
		t.Errorf("list: %v, %v", list, err)
	}
}
