package wasim_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("WASIM_SERVE_DIR"); dir != "" {
		fmt.Fprintln(os.Stderr, serveChild(dir, os.Getenv("WASIM_SERVE_LISTEN")))
		os.Exit(1)
	}
	whatsmeow.KeepAliveResponseDeadline = 500 * time.Millisecond
	// One authority serves the whole process, as it must: whatsmeow knows a single root key.
	srv, err := wasim.Start(context.Background(), wasim.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	whatsmeow.WACertPubKey = srv.RootKey()
	if err := srv.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// A client whose connection ends while a frame comes in leaves its reader behind for good
	// (whatsmeow socket/framesocket.go, frameComplete).
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.mau.fi/whatsmeow/socket.(*FrameSocket).frameComplete"))
}

const (
	business = "+14840000100"
	ana      = "+14840000001"
	bruno    = "+14840000002"
	wait     = 20 * time.Second
)

// network is a server with a business phone and two customers.
func network(t *testing.T, opts wasim.Options) *wasim.Server {
	t.Helper()
	if os.Getenv("WASIM_TEST_LOG") != "" {
		opts.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	srv, err := wasim.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if got := srv.Unhandled(); len(got) > 0 {
			t.Errorf("unhandled stanzas: %+v", got)
		}
		if err := srv.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	addPhone(t, srv, wasim.PhoneOptions{Number: business, Name: "Business"})
	addPhone(t, srv, wasim.PhoneOptions{Number: ana, Name: "Ana"})
	addPhone(t, srv, wasim.PhoneOptions{Number: bruno, Name: "Bruno"})
	return srv
}

func addPhone(t *testing.T, srv *wasim.Server, opts wasim.PhoneOptions) *wasim.Phone {
	t.Helper()
	p, err := srv.AddPhone(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func phone(t *testing.T, srv *wasim.Server, number string) *wasim.Phone {
	t.Helper()
	p, ok := srv.Phone(number)
	if !ok {
		t.Fatalf("no phone %s", number)
	}
	return p
}

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	t.Cleanup(cancel)
	return ctx
}

// testClient is an unmodified whatsmeow client and the events it has dispatched.
type testClient struct {
	*whatsmeow.Client
	t *testing.T

	mu     sync.Mutex
	change chan struct{}
	log    []any
}

// openStore opens a whatsmeow store in a file.
func openStore(t *testing.T, path string) *sqlstore.Container {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	c := sqlstore.NewWithDB(db, "sqlite", nil)
	if err := c.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func newClient(t *testing.T, srv *wasim.Server) *testClient {
	t.Helper()
	return clientOf(t, srv, openStore(t, filepath.Join(t.TempDir(), "wa.db")).NewDevice())
}

func clientOf(t *testing.T, srv *wasim.Server, device *store.Device) *testClient {
	t.Helper()
	return clientAt(t, srv.Addr(), device)
}

func clientAt(t *testing.T, addr string, device *store.Device) *testClient {
	t.Helper()
	logger := waLog.Noop
	if os.Getenv("WASIM_TEST_LOG") != "" {
		logger = waLog.Stdout("client", "DEBUG", false)
	}
	c := &testClient{Client: whatsmeow.NewClient(device, logger), t: t, change: make(chan struct{})}
	hc := wasim.HTTPClient(addr)
	c.SetWebsocketHTTPClient(hc)
	c.SetPreLoginHTTPClient(hc)
	c.SetMediaHTTPClient(hc)
	c.AddEventHandler(c.note)
	t.Cleanup(func() {
		c.Disconnect()
		hc.CloseIdleConnections()
	})
	return c
}

func (c *testClient) note(evt any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, evt)
	close(c.change)
	c.change = make(chan struct{})
}

// mark returns how many events have been seen.
func (c *testClient) mark() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.log)
}

// seen returns all events so far.
func (c *testClient) seen() []any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

// event waits for an event of type T, after the first skip ones, that matches.
func event[T any](c *testClient, skip int, match func(T) bool) T {
	c.t.Helper()
	deadline := time.After(wait)
	for i := skip; ; {
		c.mu.Lock()
		log, change := c.log, c.change
		c.mu.Unlock()
		for ; i < len(log); i++ {
			if e, ok := log[i].(T); ok && (match == nil || match(e)) {
				return e
			}
		}
		select {
		case <-change:
		case <-deadline:
			var seen []string
			for _, e := range log[skip:] {
				seen = append(seen, fmt.Sprintf("%T", e))
			}
			var want T
			c.t.Fatalf("no %T; seen: %s", want, strings.Join(seen, ", "))
		}
	}
}

func (c *testClient) receipt(skip int, id string, typ types.ReceiptType) *events.Receipt {
	c.t.Helper()
	return event(c, skip, func(r *events.Receipt) bool {
		return r.Type == typ && len(r.MessageIDs) > 0 && r.MessageIDs[0] == id
	})
}

func (c *testClient) text(skip int, text string) *events.Message {
	c.t.Helper()
	return event(c, skip, func(m *events.Message) bool { return m.Message.GetConversation() == text })
}

// paired returns a client linked to a phone by QR code, and connected.
func paired(t *testing.T, srv *wasim.Server, number string) *testClient {
	t.Helper()
	c := newClient(t, srv)
	pair(t, srv, c, number)
	return c
}

func pair(t *testing.T, srv *wasim.Server, c *testClient, number string) {
	t.Helper()
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	qr := event[*events.QR](c, 0, nil)
	if err := phone(t, srv, number).ScanQR(timeout(t), qr.Codes[0]); err != nil {
		t.Fatal(err)
	}
	event[*events.Connected](c, 0, nil)
}

func jid(number string) types.JID {
	return types.NewJID(strings.TrimPrefix(number, "+"), types.DefaultUserServer)
}

func (c *testClient) sendText(number, text string) whatsmeow.SendResponse {
	c.t.Helper()
	resp, err := c.SendMessage(timeout(c.t), jid(number), &waE2E.Message{Conversation: proto.String(text)})
	if err != nil {
		c.t.Fatalf("send: %v", err)
	}
	return resp
}

func said(text string) *waE2E.Message { return &waE2E.Message{Conversation: &text} }

func hasText(text string) func(wasim.Received) bool {
	return func(r wasim.Received) bool { return r.Text == text }
}

func await(t *testing.T, p *wasim.Phone, match func(wasim.Received) bool) wasim.Received {
	t.Helper()
	r, err := p.Await(timeout(t), match)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// recorder keeps the stanzas that clients send.
type recorder struct {
	t      *testing.T
	mu     sync.Mutex
	change chan struct{}
	nodes  []*waBinary.Node
}

func record(t *testing.T, srv *wasim.Server) *recorder {
	t.Helper()
	r := &recorder{t: t, change: make(chan struct{})}
	srv.Trace(func(e wasim.TraceEvent) {
		if e.Direction != wasim.FromClient {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.nodes = append(r.nodes, e.Node)
		close(r.change)
		r.change = make(chan struct{})
	})
	return r
}

// await waits until the server has read n stanzas that match.
func (r *recorder) await(n int, match func(*waBinary.Node) bool) {
	r.t.Helper()
	deadline := time.After(wait)
	for {
		r.mu.Lock()
		seen, change := 0, r.change
		for _, node := range r.nodes {
			if match(node) {
				seen++
			}
		}
		r.mu.Unlock()
		if seen >= n {
			return
		}
		select {
		case <-change:
		case <-deadline:
			r.t.Fatalf("%d of %d stanzas came", seen, n)
		}
	}
}

func isReceipt(typ string) func(*waBinary.Node) bool {
	return func(n *waBinary.Node) bool { return n.Tag == "receipt" && n.Attrs["type"] == typ }
}

// settle returns once the server has processed what it had read from the client before: requests are
// answered in turn.
func settle(t *testing.T, c *testClient) {
	t.Helper()
	if _, err := c.TryFetchPrivacySettings(timeout(t), true); err != nil {
		t.Fatal(err)
	}
}
