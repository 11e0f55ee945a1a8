package meow

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Connector links accounts to WhatsApp. Its zero value is not usable; see Open.
type Connector struct {
	opts     Options
	log      *slog.Logger
	lib      libraryLogger
	net      *network
	sessions *sessions
	handler  whatsapp.Handler // replaced by Handle, before anything runs

	ctx    context.Context // ends when the connector closes
	cancel context.CancelFunc
	dials  chan struct{} // one element per connection being opened
	looks  chan struct{} // one element per picture being decoded

	version atomic.Pointer[store.WAVersionContainer] // to announce; nil = the library's

	mu     sync.Mutex
	open   map[string]*session // by device JID
	closed bool
	wg     sync.WaitGroup // grows only under mu while not closed
}

var _ whatsapp.Connector = (*Connector)(nil)

// errClosed is what calls of a closed connector end with.
var errClosed = errors.New("the whatsapp connector is closed")

// Open opens the database of sessions, making or upgrading its tables, and
// settles which network this process is on. No connection is made yet.
func Open(ctx context.Context, o Options) (*Connector, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	want := settings{keepAlive: o.KeepAlive, deviceName: o.DeviceName}
	if o.Endpoint != nil {
		want.sandbox, want.rootKey = true, o.Endpoint.RootKey
	}
	if err := settle(want, o.Logger); err != nil {
		return nil, err
	}
	lib := libraryLogger{o.Logger}
	keys, err := openSessions(ctx, o, lib)
	if err != nil {
		return nil, err
	}
	c := &Connector{
		opts: o, log: o.Logger, lib: lib, handler: nobody{},
		net: newNetwork(o.Endpoint), sessions: keys,
		dials: make(chan struct{}, o.MaxDials),
		looks: make(chan struct{}, maxLooks),
		open:  make(map[string]*session),
	}
	if err := c.setVersion(o.Version); err != nil {
		return nil, errors.Join(err, keys.close())
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Handle implements whatsapp.Connector.
func (c *Connector) Handle(h whatsapp.Handler) { c.handler = h }

// Connect implements whatsapp.Connector. For an account that waits for its next
// reconnect it tries at once.
func (c *Connector) Connect(ctx context.Context, device string) error {
	s, err := c.session(ctx, device)
	if err != nil {
		return err
	}
	s.connect()
	return nil
}

// Disconnect implements whatsapp.Connector.
func (c *Connector) Disconnect(device string) {
	if s := c.take(device); s != nil {
		s.close(reasonDisconnected)
	}
}

// Logout implements whatsapp.Connector. An account that is not connected is
// connected for a moment, so that it disappears from the phone's list.
func (c *Connector) Logout(ctx context.Context, device string) error {
	s, err := c.session(ctx, device)
	if errors.Is(err, whatsapp.ErrNoSession) {
		return nil
	} else if err != nil {
		return err
	}
	return s.logout(ctx)
}

// Devices implements whatsapp.Connector.
func (c *Connector) Devices(ctx context.Context) ([]string, error) { return c.sessions.list(ctx) }

// NewMessageID implements whatsapp.Connector. The form is that of WhatsApp Web:
// "3EB0" and 18 upper-case hexadecimal digits (whatsmeow send.go,
// GenerateMessageID), random throughout.
func (c *Connector) NewMessageID() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails
	return whatsmeow.WebMessageIDPrefix + strings.ToUpper(hex.EncodeToString(b[:]))
}

// Close implements whatsapp.Connector. It is idempotent. State changes that it
// causes are not reported; to whom it closes is who decided to.
func (c *Connector) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	all := make([]*session, 0, len(c.open))
	for _, s := range c.open {
		all = append(all, s)
	}
	clear(c.open)
	c.mu.Unlock()

	// Closing a connection waits for the server's side; do many at a time.
	var closing sync.WaitGroup
	gate := make(chan struct{}, 32)
	for _, s := range all {
		gate <- struct{}{}
		closing.Go(func() {
			defer func() { <-gate }()
			s.close("")
		})
	}
	closing.Wait()
	c.cancel()
	c.wg.Wait()
	c.net.close()
	return c.sessions.close()
}

// nobody is the handler of a connector that was given none, as for a command
// that only lists or logs out.
type nobody struct{}

func (nobody) State(context.Context, whatsapp.StateEvent)               {}
func (nobody) Name(context.Context, string, string)                     {}
func (nobody) ReachOut(context.Context, string, whatsapp.ReachOutLimit) {}

func (nobody) Composing(context.Context, string, whatsapp.ComposingEvent) {}

// Receipts refuses them, so that WhatsApp keeps them for one who stores them.
func (nobody) Receipts(context.Context, string, []string, tideline.Status, time.Time) error {
	return errors.New("nobody takes receipts")
}

// Message refuses it for the same reason.
func (nobody) Message(context.Context, string, whatsapp.Inbound) error {
	return errors.New("nobody takes messages")
}

// News refuses it for the same reason.
func (nobody) News(context.Context, string, whatsapp.News) error {
	return errors.New("nobody takes news")
}

// History refuses it for the same reason.
func (nobody) History(context.Context, string, whatsapp.HistoryChunk) error {
	return errors.New("nobody takes history")
}

// spawn runs fn in a goroutine that Close waits for; false when it is too late.
func (c *Connector) spawn(fn func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Go(fn)
	return true
}

// lookup finds a session in memory.
func (c *Connector) lookup(device string) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[device]
}

// take removes a session from memory; nil when there is none.
func (c *Connector) take(device string) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.open[device]
	delete(c.open, device)
	return s
}

// forget removes s unless another session has taken its place.
func (c *Connector) forget(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[s.device] == s {
		delete(c.open, s.device)
	}
}

// session gives the session of a device, loading its keys when it is not in
// memory. ErrNoSession when there are none.
func (c *Connector) session(ctx context.Context, device string) (*session, error) {
	if s := c.lookup(device); s != nil {
		return s, nil
	}
	jid, err := types.ParseJID(device)
	if err != nil || jid.Device == 0 {
		return nil, fmt.Errorf("device %q: %w", device, whatsapp.ErrNoSession)
	}
	keys, err := c.sessions.device(ctx, jid)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, whatsapp.ErrNoSession
	}
	// Loading twice at the same time is harmless: the second one is dropped
	// before it connects.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if s := c.open[device]; s != nil {
		return s, nil
	}
	s := newSession(c, jid, keys)
	c.open[device] = s
	return s, nil
}

// reader gives the session of a device for reading what is stored with it. One that
// is not in memory does not stay there: another process may hold the account, and
// change what is stored.
func (c *Connector) reader(ctx context.Context, device string) (*session, error) {
	if s := c.lookup(device); s != nil {
		return s, nil
	}
	jid, err := types.ParseJID(device)
	if err != nil || jid.Device == 0 {
		return nil, fmt.Errorf("device %q: %w", device, whatsapp.ErrNoSession)
	}
	keys, err := c.sessions.device(ctx, jid)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, whatsapp.ErrNoSession
	}
	s := newSession(c, jid, keys)
	s.shut()
	s.cancel()
	return s, nil
}

// client makes a client of the library that can reach nothing but the
// connector's network, over line.
func (c *Connector) client(keys *store.Device, line *line) *whatsmeow.Client {
	cli := whatsmeow.NewClient(keys, c.lib)
	cli.GetClientPayload = c.payload(cli, func(store.WAVersionContainer) {})
	socket := line.client()
	cli.SetPreLoginHTTPClient(socket)
	cli.SetWebsocketHTTPClient(socket)
	cli.SetMediaHTTPClient(c.net.mediaClient(cli))
	cli.BackgroundEventCtx = c.ctx
	// Reconnecting is ours: staged, jittered and with a ceiling (see session.go).
	cli.EnableAutoReconnect = false
	cli.DisableLoginAutoReconnect = true
	// Receipts and messages are acknowledged after the handler stored them, and a
	// message that it could not store is kept decrypted.
	cli.SynchronousAck = true
	cli.EnableDecryptedEventBuffer = true
	// The answer to a phone that could not decrypt outlives a restart.
	cli.UseRetryMessageStore = true
	// History is announced to the handler and read when that asks for it, see
	// history.go; by itself the library would hold each chunk in memory, keep a
	// goroutine for a minute and lose what it has not got to when the process ends.
	cli.ManualHistorySyncDownload = true
	cli.DisableManualHistorySyncReceipt = true
	return cli
}
