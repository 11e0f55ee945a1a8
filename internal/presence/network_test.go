package presence_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/inbox"
	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/presence"
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

// network is an emulated WhatsApp with the shop's account paired, and all between
// it and a hub.
type network struct {
	t     *testing.T
	ctx   context.Context
	net   *wasim.Server
	store *sqlstore.Store
	hub   *live.Hub
	pres  *presence.Service
	ws    tideline.Workspace
}

func (n *network) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *network) phone(number string) *wasim.Phone {
	n.t.Helper()
	p, ok := n.net.Phone(number)
	if !ok {
		n.t.Fatalf("no phone %s", number)
	}
	return p
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	t.Cleanup(cancel)
	n := &network{t: t, ctx: ctx}
	var err error
	n.net, err = wasim.Start(ctx, wasim.Options{})
	n.must(err)
	t.Cleanup(func() {
		if got := n.net.Unhandled(); len(got) > 0 {
			t.Errorf("stanzas that the network does not know: %+v", got)
		}
		_ = n.net.Close()
	})
	for number, name := range map[string]string{shop: "Shop", customer: "Ana"} {
		_, err := n.net.AddPhone(ctx, wasim.PhoneOptions{Number: number, Name: name})
		n.must(err)
	}
	dir := t.TempDir()
	n.store, err = sqlstore.Open(ctx, sqlstore.Options{Database: filepath.Join(dir, "tideline.db")})
	n.must(err)
	t.Cleanup(func() { _ = n.store.Close() })
	n.hub = live.New(n.store, live.Config{})
	n.store.OnChanges(n.hub.Publish)
	var owner tideline.Member
	n.ws, owner, err = n.store.CreateWorkspace(ctx, tideline.Workspace{
		Slug: "shop", DisplayName: "Shop", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: time.Now(),
	}, tideline.Member{Email: "a@example.com", DisplayName: "A", CreatedAt: time.Now()})
	n.must(err)
	con, err := meow.Open(ctx, meow.Options{DataDir: dir, Endpoint: &meow.Endpoint{Addr: n.net.Addr(), RootKey: n.net.RootKey()}})
	n.must(err)
	t.Cleanup(func() { _ = con.Close() })
	n.pres = presence.New(presence.Deps{Store: n.store, Connector: con, Stage: n.hub})
	in := inbox.New(inbox.Deps{Store: n.store, Connector: con, Files: file.New(file.Config{LinkKey: []byte("key")}, file.Deps{})}, inbox.Config{})
	accounts := account.New(account.Deps{Store: n.store, Connector: con, Inbox: in, Presence: n.pres}, account.Config{})
	running, stop := context.WithCancel(ctx)
	parts := []func(context.Context) error{accounts.Run, in.Run, n.pres.Run, n.hub.Run}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(running) }()
	}
	t.Cleanup(func() {
		stop()
		for range parts {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	steps, err := accounts.Pair(ctx, n.ws.ID, owner, whatsapp.PairRequest{})
	n.must(err)
	n.must(n.phone(shop).ScanQR(ctx, (<-steps).QR.Text))
	for ev := range steps {
		n.must(ev.Failed)
	}
	return n
}

// next waits for a notice.
func (n *network) next(s *live.Subscription, match func(live.Notice) bool) live.Notice {
	n.t.Helper()
	for {
		notices, err := s.Next(n.ctx)
		n.must(err)
		if i := slices.IndexFunc(notices, match); i >= 0 {
			return notices[i]
		}
	}
}

func (n *network) does(kind string) {
	n.t.Helper()
	_, err := n.phone(customer).AwaitActivity(n.ctx, func(a wasim.Activity) bool { return a.From == shop && a.Kind == kind })
	n.must(err)
}

func TestCustomerAndTeamSeeEachOther(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	pages := n.hub.Subscribe(live.Subscriber{WorkspaceID: n.ws.ID})
	defer pages.Close()
	id, err := n.phone(customer).Send(n.ctx, shop, "hello")
	n.must(err)
	came := n.next(pages, func(m live.Notice) bool { return m.Kind == tideline.ChangeMessage })
	chat, err := n.store.Chat(n.ctx, n.ws.ID, came.ChatID)
	n.must(err)
	if chat.LastMessageID != came.MessageID {
		t.Fatalf("the notice of message %d came before its change: %+v", came.MessageID, chat)
	}

	n.pres.Open(chat)
	_, err = n.phone(shop).AwaitActivity(n.ctx, func(a wasim.Activity) bool { return a.Kind == "available" })
	n.must(err)
	for tick := time.NewTicker(10 * time.Millisecond); !slices.ContainsFunc(n.phone(customer).Receipts(), func(r wasim.Receipt) bool {
		return r.MessageID == id && r.Type == "read"
	}); {
		select {
		case <-tick.C:
		case <-n.ctx.Done():
			t.Fatal("the customer does not see that the message was read")
		}
	}
	n.pres.Compose(chat, 1, live.Typing)
	n.does("composing")
	n.pres.Compose(chat, 1, live.Looking)
	n.does("paused")

	n.must(n.phone(customer).Type(shop, "recording"))
	doing := n.next(pages, func(m live.Notice) bool { return m.Kind == live.KindActivity })
	if len(doing.People) != 1 || doing.ChatID != chat.ID || doing.People[0].Name != "Ana" || doing.People[0].Doing != live.Recording {
		t.Errorf("pages see %+v", doing)
	}
	_, err = n.phone(customer).Send(n.ctx, shop, "that was it")
	n.must(err)
	n.next(pages, func(m live.Notice) bool { return m.Kind == live.KindActivity && len(m.People) == 0 })
}

func TestAChatIsFoundByEveryAddress(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	_, err := n.phone(customer).Send(n.ctx, shop, "hello")
	n.must(err)
	pages := n.hub.Subscribe(live.Subscriber{WorkspaceID: n.ws.ID, After: "x.0"})
	defer pages.Close()
	var chats []store.ChatView
	for len(chats) == 0 {
		_, err := pages.Next(n.ctx)
		n.must(err)
		chats, _, err = n.store.ListChats(n.ctx, n.ws.ID, store.ChatFilter{}, store.Page{Limit: 1})
		n.must(err)
	}
	c := chats[0].Chat
	for what, p := range map[string]tideline.Peer{
		"number": {JID: c.JID}, "hidden id": {LID: c.LID}, "both": {JID: c.JID, LID: c.LID}, "another number, the same hidden id": {JID: "1@s.whatsapp.net", LID: c.LID},
	} {
		if got, err := n.store.ChatWith(n.ctx, n.ws.ID, c.AccountID, p); err != nil || got.ID != c.ID {
			t.Errorf("by %s: %+v, %v", what, got, err)
		}
	}
	for what, p := range map[string]tideline.Peer{"nobody": {}, "a stranger": {JID: "1@s.whatsapp.net"}} {
		if _, err := n.store.ChatWith(n.ctx, n.ws.ID, c.AccountID, p); !tideline.IsCode(err, tideline.CodeNotFound) {
			t.Errorf("by %s: %v", what, err)
		}
	}
	if _, err := n.store.ChatWith(n.ctx, n.ws.ID+1, c.AccountID, tideline.Peer{JID: c.JID}); !tideline.IsCode(err, tideline.CodeNotFound) {
		t.Errorf("by another workspace: %v", err)
	}
}
