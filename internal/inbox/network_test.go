package inbox_test

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/profile"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
	"github.com/tidelinehq/tideline/internal/whatsapp/meow"
	"github.com/tidelinehq/tideline/wasim"
)

const (
	shop     = "+14840000100"
	customer = "+14840000001"
)

// live is an emulated network with two phones, and everything between it and a
// database.
type live struct {
	t     *testing.T
	net   *wasim.Server
	dir   string
	files *file.Service
	blobs *local.Store
	store *sqlstore.Store
	con   *meow.Connector
	accs  *account.Service
	acc   tideline.Account
	ws    tideline.Workspace
	owner tideline.Member
	stop  func()

	history time.Duration // how much of a phone's history is taken in
	// storage, when set, stands between the inbox and the store from the next start on.
	storage func(inbox.Storage) inbox.Storage
}

func newLive(t *testing.T) *live { return newLiveOn(t, wasim.Options{}) }

func newLiveOn(t *testing.T, opts wasim.Options) *live {
	t.Helper()
	return newLiveAfter(t, opts, func(*live) {})
}

// newLiveAfter prepares the network before the shop is paired.
func newLiveAfter(t *testing.T, opts wasim.Options, prepare func(l *live)) *live {
	t.Helper()
	net, err := wasim.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if got := net.Unhandled(); len(got) > 0 {
			t.Errorf("stanzas that the network does not know: %+v", got)
		}
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &live{t: t, net: net, dir: t.TempDir()}
	for number, name := range map[string]string{shop: "Shop", customer: "Ana"} {
		if _, err := net.AddPhone(t.Context(), wasim.PhoneOptions{Number: number, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if l.blobs, err = local.Open(filepath.Join(l.dir, "files")); err != nil {
		t.Fatal(err)
	}
	l.files = file.New(file.Config{LinkKey: []byte("key")}, file.Deps{Blobs: l.blobs, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = l.blobs.Close() })
	l.openStore()
	l.ws, l.owner, err = l.store.CreateWorkspace(t.Context(), tideline.Workspace{
		Slug: "shop", DisplayName: "Shop", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: time.Now(),
	}, tideline.Member{Email: "a@example.com", DisplayName: "A", CreatedAt: time.Now()})
	l.must(err)
	prepare(l)
	l.start()
	t.Cleanup(func() { l.stop() })
	l.pair()
	return l
}

func (l *live) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) openStore() {
	l.t.Helper()
	var err error
	l.store, err = sqlstore.Open(l.t.Context(), sqlstore.Options{Database: filepath.Join(l.dir, "tideline.db")})
	l.must(err)
}

// start starts everything over what is stored.
func (l *live) start() {
	l.t.Helper()
	log := slog.New(slog.NewTextHandler(l.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	con, err := meow.Open(l.t.Context(), meow.Options{
		Logger: log, DataDir: l.dir, Endpoint: &meow.Endpoint{Addr: l.net.Addr(), RootKey: l.net.RootKey()},
		RetryFirst: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond, RedeliverAfter: 50 * time.Millisecond,
		History: l.history,
	})
	l.must(err)
	l.con = con
	storage := inbox.Storage(l.store)
	if l.storage != nil {
		storage = l.storage(storage)
	}
	profiles := profile.New(profile.Deps{Store: l.store, Connector: con, Files: l.files, Logger: log}, profile.Config{
		Pause: 10 * time.Millisecond, FailurePause: 20 * time.Millisecond, ChatPause: 10 * time.Millisecond, RetryFirst: 20 * time.Millisecond, Poll: 20 * time.Millisecond,
	})
	in := inbox.New(inbox.Deps{Store: storage, Connector: con, Files: l.files, Looker: profiles, Logger: log}, inbox.Config{RetryFirst: 20 * time.Millisecond})
	accounts := account.New(account.Deps{Store: l.store, Connector: con, Inbox: in, Profiles: profiles, Logger: log}, account.Config{Refresh: 50 * time.Millisecond})
	l.accs = accounts
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.t.Context()))
	done := make(chan error, 3)
	go func() { done <- accounts.Run(ctx) }()
	go func() { done <- in.Run(ctx) }()
	go func() { done <- profiles.Run(ctx) }()
	st := l.store
	l.stop = func() {
		l.stop = func() {}
		cancel()
		for range 3 {
			if err := <-done; err != nil {
				l.t.Errorf("run: %v", err)
			}
		}
		if err := con.Close(); err != nil {
			l.t.Error(err)
		}
		if err := st.Close(); err != nil {
			l.t.Error(err)
		}
	}
	if l.acc.ID != 0 {
		return
	}
	l.link(shop)
}

// link pairs a phone with the workspace.
func (l *live) link(number string) {
	l.t.Helper()
	steps, err := l.accs.Pair(l.ctx(), l.ws.ID, l.owner, whatsapp.PairRequest{})
	l.must(err)
	l.must(l.phone(number).ScanQR(l.ctx(), (<-steps).QR.Text))
	for ev := range steps {
		if ev.Failed != nil {
			l.t.Fatal(ev.Failed)
		}
	}
}

// pair waits until the shop's account, which start began to pair, is active.
func (l *live) pair() {
	l.t.Helper()
	l.until("an active account", func() bool {
		all, err := l.store.AllAccounts(l.ctx())
		l.must(err)
		if len(all) == 1 {
			l.acc = all[0]
		}
		return l.acc.State == tideline.AccountActive
	})
}

func (l *live) ctx() context.Context {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), time.Minute)
	l.t.Cleanup(cancel)
	return ctx
}

func (l *live) phone(number string) *wasim.Phone {
	l.t.Helper()
	p, ok := l.net.Phone(number)
	if !ok {
		l.t.Fatalf("no phone %s", number)
	}
	return p
}

// until waits for a condition.
func (l *live) until(what string, done func() bool) {
	l.t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			l.t.Fatalf("there is no %s", what)
		}
	}
}

// messages lists the messages of the only chat, the oldest first.
func (l *live) messages() []store.MessageView {
	l.t.Helper()
	chats, _, err := l.store.ListChats(l.ctx(), l.ws.ID, store.ChatFilter{}, store.Page{Limit: 10})
	l.must(err)
	if len(chats) == 0 {
		return nil
	}
	if len(chats) > 1 {
		l.t.Fatalf("%d chats, want one", len(chats))
	}
	views, _, err := l.store.ChatMessages(l.ctx(), l.ws.ID, chats[0].Chat.ID, store.MessageFilter{OldestFirst: true}, store.Page{Limit: 100})
	l.must(err)
	return views
}

// stored waits until the message with a WhatsApp id is stored and fits.
func (l *live) stored(id string, fits func(store.MessageView) bool) (found store.MessageView) {
	l.t.Helper()
	l.until("message "+id+" as wanted", func() bool {
		i := slices.IndexFunc(l.messages(), func(v store.MessageView) bool { return v.Message.WhatsAppID == id && fits(v) })
		if i >= 0 {
			found = l.messages()[i]
		}
		return i >= 0
	})
	return found
}

func anything(store.MessageView) bool { return true }

// sends has a phone send a message to the other one.
func (l *live) sends(from, to string, m *waE2E.Message) string {
	l.t.Helper()
	id, err := l.phone(from).SendMessage(l.ctx(), to, m)
	l.must(err)
	return id
}

func said(s string) *waE2E.Message { return &waE2E.Message{Conversation: &s} }

func messageKey(id string, fromMe bool) *waCommon.MessageKey {
	return &waCommon.MessageKey{ID: &id, FromMe: &fromMe}
}

func TestAContactIsOneChatByNumberAndByHiddenID(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	for _, byNumber := range []bool{true, false, true} {
		if _, err := l.net.AddPhone(l.ctx(), wasim.PhoneOptions{Number: customer, Name: "Ana", AddressByNumber: byNumber}); err != nil {
			t.Fatal(err)
		}
		l.stored(l.sends(customer, shop, said("hi")), anything) // fails when there are two chats
	}
	chats, _, err := l.store.ListChats(l.ctx(), l.ws.ID, store.ChatFilter{}, store.Page{Limit: 10})
	l.must(err)
	c := chats[0].Chat
	if c.Phone != customer || c.Name != "Ana" || c.Unread != 3 || string(c.LID) != l.phone(customer).LID().String() {
		t.Errorf("chat %+v", c)
	}
}

func TestNothingIsLostOrDoubledOverRestarts(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	var ids []string
	for range 3 {
		ids = append(ids, l.sends(customer, shop, said("before")))
		l.stop() // perhaps before it was stored, perhaps after
		ids = append(ids, l.sends(customer, shop, said("while away")))
		l.openStore()
		l.start()
		l.stored(ids[len(ids)-1], anything)
	}
	for _, id := range ids {
		l.stored(id, anything)
	}
	if n := len(l.messages()); n != len(ids) {
		t.Errorf("%d messages are stored, want %d", n, len(ids))
	}
}

func TestAnUndecryptableMessageAppearsWhenItComesAgain(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.stored(l.sends(customer, shop, said("one")), anything)
	l.stop()
	forgetSessions(t, l.dir) // as after restoring an old backup
	l.openStore()
	l.start()
	id := l.sends(customer, shop, said("two"))
	if v := l.stored(id, anything); v.Message.Text != "two" {
		t.Errorf("message %+v", v.Message)
	}
	if !slices.ContainsFunc(l.phone(customer).Receipts(), func(r wasim.Receipt) bool { return r.Type == "retry" && r.MessageID == id }) {
		t.Error("it was not asked for again; the test shows nothing")
	}
}

// forgetSessions deletes the account's encryption sessions with other phones.
func forgetSessions(t *testing.T, dir string) {
	t.Helper()
	onDatabase(t, filepath.Join(dir, "whatsapp.db"), "DELETE FROM whatsmeow_sessions")
}

// onDatabase runs a statement on an SQLite file from outside.
func onDatabase(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
