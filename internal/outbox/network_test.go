package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/outbox"
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
	another  = "+14840000002"
	ackWait  = 500 * time.Millisecond // how long an attempt waits for its acknowledgement
)

// live is an outbox between a database and a real connector on an emulated
// network, with a paired account and two customers who answer nothing.
type live struct {
	t     *testing.T
	net   *wasim.Server
	cfg   outbox.Config
	dir   string
	store *sqlstore.Store
	blobs *local.Store
	con   *meow.Connector
	out   *outbox.Service
	ws    tideline.Workspace
	owner tideline.Member
	acc   tideline.Account
	stop  func()
}

func newLive(t *testing.T, cfg outbox.Config) *live {
	t.Helper()
	net, err := wasim.Start(t.Context(), wasim.Options{})
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
	for _, number := range []string{shop, customer, another} {
		if _, err := net.AddPhone(t.Context(), wasim.PhoneOptions{Number: number}); err != nil {
			t.Fatal(err)
		}
	}
	cfg.MinBackoff, cfg.MaxBackoff = 20*time.Millisecond, 200*time.Millisecond
	l := &live{t: t, net: net, cfg: cfg, dir: t.TempDir()}
	if l.blobs, err = local.Open(filepath.Join(l.dir, "files")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.blobs.Close() })
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *live) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// start starts everything over what is stored, and pairs the account the first
// time.
func (l *live) start() {
	l.t.Helper()
	log := slog.New(slog.NewTextHandler(l.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	l.store, err = sqlstore.Open(l.t.Context(), sqlstore.Options{Database: filepath.Join(l.dir, "tideline.db")})
	l.must(err)
	l.con, err = meow.Open(l.t.Context(), meow.Options{
		Logger: log, DataDir: l.dir, Endpoint: &meow.Endpoint{Addr: l.net.Addr(), RootKey: l.net.RootKey()},
		SendTimeout: ackWait, RetryFirst: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond, ReplacedRetry: 50 * time.Millisecond,
	})
	l.must(err)
	l.out = outbox.New(outbox.Deps{Store: l.store, Sender: l.con, Blobs: l.blobs, Logger: log}, l.cfg)
	l.must(l.out.Load(l.t.Context()))
	accounts := account.New(account.Deps{Store: l.store, Connector: l.con, Waker: l.out, Logger: log}, account.Config{Refresh: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.t.Context()))
	done := make(chan error, 2)
	go func() { done <- accounts.Run(ctx) }()
	go func() { done <- l.out.Run(ctx) }()
	con, st := l.con, l.store
	l.stop = func() {
		l.stop = func() {}
		cancel()
		for range 2 {
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
	if l.ws.ID == 0 {
		l.pair(accounts)
	}
	l.until("an active account", func() bool {
		all, err := l.store.AllAccounts(l.ctx())
		l.must(err)
		if len(all) == 1 {
			l.acc = all[0]
		}
		return l.acc.State == tideline.AccountActive
	})
}

func (l *live) pair(accounts *account.Service) {
	l.t.Helper()
	var err error
	l.ws, l.owner, err = l.store.CreateWorkspace(l.ctx(), tideline.Workspace{
		Slug: "shop", DisplayName: "Shop", TimeZone: "UTC", Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: time.Now(),
	}, tideline.Member{Email: "a@example.com", DisplayName: "A", CreatedAt: time.Now()})
	l.must(err)
	steps, err := accounts.Pair(l.ctx(), l.ws.ID, l.owner, whatsapp.PairRequest{})
	l.must(err)
	l.must(l.phone(shop).ScanQR(l.ctx(), (<-steps).QR.Text))
	for ev := range steps {
		if ev.Failed != nil {
			l.t.Fatal(ev.Failed)
		}
	}
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

// is adds a phone or changes the options of one.
func (l *live) is(o wasim.PhoneOptions) *wasim.Phone {
	l.t.Helper()
	p, err := l.net.AddPhone(l.ctx(), o)
	l.must(err)
	return p
}

func (l *live) fault(f wasim.Fault) string {
	l.t.Helper()
	f, err := l.net.SetFault(f)
	l.must(err)
	return f.ID
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

// accept accepts a message, without a gap, and gives its uid.
func (l *live) accept(to, text string, file *tideline.File) string {
	l.t.Helper()
	a := store.Acceptance{
		WorkspaceID: l.ws.ID, AccountID: l.acc.ID, MemberID: l.owner.ID,
		Chat: store.ChatRef{JID: tideline.Phone(to).JID(), Phone: tideline.Phone(to)},
		Message: store.NewMessage{
			UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: l.con.NewMessageID(), Text: text,
			Origin: tideline.OriginPublicAPI, Credits: tideline.Cost(text, file != nil), At: time.Now(),
		},
		Grant: l.ws.Grant(), Location: l.ws.Location(),
	}
	if file != nil {
		a.Message.FileID = file.ID
	}
	for { // again, as package message does, when the account's state changed meanwhile
		var err error
		a.Version, err = l.store.Version(l.ctx())
		l.must(err)
		done := l.store.Accept(l.ctx(), a)
		if errors.Is(done.Err, store.ErrStale) {
			continue
		}
		l.must(done.Err)
		return done.UID
	}
}

// file stores a file to be sent.
func (l *live) file(name, mimeType string, data []byte) *tideline.File {
	l.t.Helper()
	uid := uuid.Must(uuid.NewV7()).String()
	written, err := l.blobs.Put(l.ctx(), uid, bytes.NewReader(data))
	l.must(err)
	f, err := l.store.CreateFile(l.ctx(), tideline.File{
		UID: uid, WorkspaceID: l.ws.ID, MemberID: l.owner.ID, Name: name, MIMEType: mimeType, Size: written.Size, Blob: uid, UploadedAt: time.Now(),
	})
	l.must(err)
	return &f
}

func (l *live) message(uid string) store.MessageView {
	l.t.Helper()
	v, err := l.store.MessageByUID(l.ctx(), l.ws.ID, uid)
	l.must(err)
	return v
}

// history waits until a message went through the statuses, and no others.
func (l *live) history(uid string, want ...tideline.Status) store.MessageView {
	l.t.Helper()
	var v store.MessageView
	l.until(fmt.Sprintf("history %v of message %s", want, uid), func() bool {
		v = l.message(uid)
		if len(v.History) != len(want) {
			return false
		}
		for i, h := range v.History {
			if h.Status != want[i] {
				return false
			}
		}
		return true
	})
	return v
}

// waits waits until the message is in the queue with a note.
func (l *live) waits(uid, note string) {
	l.t.Helper()
	l.until(fmt.Sprintf("queued message %s with the note %q", uid, note), func() bool {
		p, err := l.store.PlaceOf(l.ctx(), l.ws.ID, l.message(uid).Message.ID)
		return err == nil && p.Note == note
	})
}

// shown gives what a phone shows of a message, which must be there.
func (l *live) shown(number, uid string) wasim.Received {
	l.t.Helper()
	id := l.message(uid).Message.WhatsAppID
	var found []wasim.Received
	all, err := l.phone(number).Messages()
	l.must(err)
	for _, m := range all {
		if m.ID == id {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		l.t.Fatalf("the phone shows message %s %d times, want once", uid, len(found))
	}
	return found[0]
}

func (l *live) available() tideline.Credits {
	l.t.Helper()
	b, err := l.store.Balance(l.ctx(), l.ws.ID, time.Now())
	l.must(err)
	return b.Available()
}
