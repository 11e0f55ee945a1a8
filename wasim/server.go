package wasim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/noise"
	"github.com/tidelinehq/tideline/wasim/internal/signallog"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// Server is an emulated WhatsApp network: the server that clients connect to and the phones behind
// it. All methods are safe for concurrent use.
type Server struct {
	log       *slog.Logger
	authority *noise.Authority
	store     durable.Store
	blobs     blobStore
	lock      *flock.Flock // of the folder; nil in memory
	latency   time.Duration
	clock     func() time.Time
	advanced  atomic.Int64 // nanoseconds by which AdvanceClock has set the clock forward
	control   bool         // serve the control API too
	faults    faultSet
	counters  counters
	unhandled unhandledLog
	trace     atomic.Pointer[func(TraceEvent)]
	changes   bell // rung at everything that people can see

	listener     net.Listener
	secure       net.Listener // nil without TLS
	tlsAuthority []byte       // PEM; nil without TLS
	http         *http.Server
	ctx          context.Context // ends when the server closes
	cancel       context.CancelFunc
	closing      sync.Once
	closeErr     error
	tasks        taskGroup

	mu     sync.RWMutex // guards the maps and every Phone's companions
	phones map[string]*Phone
	lids   map[string]*Phone
	conns  map[*conn]struct{}
	refs   map[string]*conn // QR reference → connection that shows it
	groups map[string]*group

	groupMu sync.Mutex // one change of a group at a time; locked before everything else

	minVersion atomic.Pointer[store.WAVersionContainer] // of clients; nil = any
}

type counters struct {
	logins, messages, delivered, duplicates, retries atomic.Int64
}

// processSeed is the authority that servers without a seed of their own share.
var processSeed = sync.OnceValue(noise.NewSeed)

// Start opens the network and returns once clients can connect. ctx bounds the start alone; the server
// runs until [Server.Close] is called.
func Start(ctx context.Context, opts Options) (_ *Server, err error) {
	addr, err := loopbackAddr(opts.Listen)
	if err != nil {
		return nil, err
	}
	if opts.TLSListen != "" {
		if opts.TLSListen, err = loopbackAddr(opts.TLSListen); err != nil {
			return nil, err
		}
	}
	if opts.Latency < 0 || opts.MaxMessages < 0 {
		return nil, errors.New("wasim: neither latency nor the number of messages can be negative")
	}
	signallog.Silence()
	s := &Server{
		log:     opts.Logger,
		latency: opts.Latency,
		control: opts.Control,
		clock:   opts.Now,
		phones:  map[string]*Phone{},
		lids:    map[string]*Phone{},
		conns:   map[*conn]struct{}{},
		refs:    map[string]*conn{},
		groups:  map[string]*group{},
	}
	s.faults.struck = &s.changes
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err = s.open(ctx, opts); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err = s.load(ctx); err != nil {
		return nil, fmt.Errorf("wasim: load state: %w", err)
	}
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(ctx, "tcp", addr); err != nil {
		return nil, fmt.Errorf("wasim: %w", err)
	}
	if err = s.listenTLS(ctx, opts.TLSListen); err != nil {
		return nil, errors.Join(err, s.listener.Close())
	}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	for _, l := range []net.Listener{s.listener, s.secure} {
		if l == nil {
			continue
		}
		s.tasks.spawn(func() {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				s.log.Error("http server stopped", "error", err)
			}
		})
	}
	s.log.Info("whatsapp emulator started", "addr", s.Addr())
	return s, nil
}

// open prepares storage and the authority.
func (s *Server) open(ctx context.Context, opts Options) (err error) {
	seed := opts.Seed
	if opts.Dir == "" {
		s.store, s.blobs = durable.NewMemory(opts.MaxMessages), newMemoryBlobs()
		if seed == nil {
			seed = processSeed()
		}
	} else {
		if err = os.MkdirAll(opts.Dir, 0o700); err != nil {
			return fmt.Errorf("wasim: %w", err)
		}
		s.lock = flock.New(filepath.Join(opts.Dir, "wasim.lock"))
		locked, err := s.lock.TryLock()
		if err != nil {
			return fmt.Errorf("wasim: lock %s: %w", opts.Dir, err)
		}
		if !locked {
			return fmt.Errorf("wasim: folder %s is in use by another server", opts.Dir)
		}
		if s.blobs, err = newFileBlobs(filepath.Join(opts.Dir, "media")); err != nil {
			return errors.Join(fmt.Errorf("wasim: %w", err), s.lock.Unlock())
		}
		if s.store, err = durable.OpenSQLite(ctx, filepath.Join(opts.Dir, "wasim.db")); err != nil {
			return errors.Join(fmt.Errorf("wasim: %w", err), s.lock.Unlock())
		}
		if seed, err = s.keptSeed(ctx, seed); err != nil {
			return errors.Join(fmt.Errorf("wasim: %w", err), s.release())
		}
	}
	if s.authority, err = noise.NewAuthority(seed); err != nil {
		return errors.Join(fmt.Errorf("wasim: certificate authority: %w", err), s.release())
	}
	return nil
}

// keptSeed returns the seed stored in the folder, or stores the wanted one in a new folder.
func (s *Server) keptSeed(ctx context.Context, want []byte) ([]byte, error) {
	var kept []byte
	err := s.store.Load(ctx, bucketMeta, func(key string, value []byte) error {
		if key == "seed" {
			kept = append(kept, value...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch {
	case kept != nil && want != nil && string(kept) != string(want):
		return nil, errors.New("the folder was made with another seed; leave Options.Seed empty or use a new folder")
	case kept != nil:
		return kept, nil
	case want == nil:
		want = processSeed()
	}
	var b durable.Batch
	b.Put(bucketMeta, "seed", want)
	return want, s.store.Submit(&b).Wait(ctx)
}

func (s *Server) release() error {
	err := s.store.Close()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Unlock())
	}
	return err
}

// Close cuts all connections, stops everything that the server started and releases its folder.
// Clients notice a lost connection, not a log-out.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.cancel()
		s.closeErr = s.http.Close()
		s.mu.RLock()
		for c := range s.conns {
			c.cut()
		}
		s.mu.RUnlock()
		s.tasks.stop()
		s.closeErr = errors.Join(s.closeErr, s.release())
		s.log.Info("whatsapp emulator stopped")
	})
	return s.closeErr
}

// Addr is the address that the server listens on, "127.0.0.1:PORT".
func (s *Server) Addr() string { return s.listener.Addr().String() }

// RootKey is the public key that clients must trust. Assign it to whatsmeow.WACertPubKey before
// the first client of the process connects.
func (s *Server) RootKey() [32]byte { return s.authority.RootKey() }

// HTTPClient is [HTTPClient] for this server.
func (s *Server) HTTPClient() *http.Client { return HTTPClient(s.Addr()) }

// Trace calls fn for every stanza from and to every client, in the goroutine that reads or writes
// it; nil stops it. fn must be quick and must not call the server.
func (s *Server) Trace(fn func(TraceEvent)) {
	if fn == nil {
		s.trace.Store(nil)
		return
	}
	s.trace.Store(&fn)
}

func (s *Server) traced(d Direction, dev types.JID, n *stanza.Node) {
	if fn := s.trace.Load(); fn != nil {
		(*fn)(TraceEvent{Direction: d, Device: dev, Node: n})
	}
}

// Unhandled returns the stanzas that the emulator didn't know, oldest first; at most the first
// thousand. A test that finds any here has relied on something that isn't emulated.
func (s *Server) Unhandled() []Unhandled { return s.unhandled.list() }

// Stats returns what the server has counted since it started.
func (s *Server) Stats() Stats {
	s.mu.RLock()
	open := len(s.conns)
	s.mu.RUnlock()
	return Stats{
		Connections: open,
		Logins:      s.counters.logins.Load(),
		Messages:    s.counters.messages.Load(),
		Delivered:   s.counters.delivered.Load(),
		Duplicates:  s.counters.duplicates.Load(),
		Retries:     s.counters.retries.Load(),
		Unhandled:   s.unhandled.count(),
	}
}

// now is the network's time.
func (s *Server) now() time.Time { return s.clock().Add(time.Duration(s.advanced.Load())) }

// AdvanceClock sets the network's clock forward, for as long as the server runs: a month passes at once. Waiting
// goes on by the real clock, as with [Options.Now].
func (s *Server) AdvanceClock(d time.Duration) {
	if d > 0 {
		s.advanced.Add(int64(d))
	}
}

// after runs fn once d has passed, at once in the calling goroutine when d is zero, and not at all
// once the server closes.
func (s *Server) after(d time.Duration, fn func()) {
	if d <= 0 {
		fn()
		return
	}
	s.tasks.after(d, fn)
}
